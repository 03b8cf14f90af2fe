import CNcurses

/// Collects what is written to stderr while the screen is in use, line by line.
struct StandardErrorReader {
    private var unfinished: [UInt8] = []
    private static let longestLine = 2000

    /// The lines that were completed since the last call.
    mutating func lines() -> [String] {
        var lines: [String] = []
        var buffer = [CChar](repeating: 0, count: 4096)
        // A flood must not hold up the screen: the rest comes with the next call.
        for _ in 0..<16 {
            let count = cn_read_stderr(&buffer, buffer.count)
            guard count > 0 else { break }
            for byte in buffer[..<count].lazy.map(UInt8.init(bitPattern:)) {
                if byte == 10 || unfinished.count >= StandardErrorReader.longestLine {
                    lines.append(String(decoding: unfinished, as: UTF8.self))
                    unfinished = []
                }
                if byte != 10 { unfinished.append(byte) }
            }
        }
        return lines.filter { !$0.isEmpty }
    }
}
