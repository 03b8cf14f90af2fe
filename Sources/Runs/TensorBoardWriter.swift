import Core
import Foundation

/// An event file that TensorBoard can follow while it grows.
public final class TensorBoardWriter {
    public let path: String
    private var events: TensorBoardEvents
    private var descriptor: Int32

    /// The name of a file that TensorBoard finds in its folder; of several, it reads those with larger times later.
    ///
    /// - Parameter time: seconds since 1970.
    public static func fileName(time: Double, run: String) -> String {
        let plain = run.unicodeScalars.map { scalar -> Character in
            let isPlain = CharacterSet.alphanumerics.contains(scalar) || "-_+".unicodeScalars.contains(scalar)
            return isPlain && scalar.isASCII ? Character(scalar) : "_"
        }
        let seconds = time.isFinite && time >= 0 && time < 1e15 ? Int(time) : 0
        let digits = String(seconds)
        return filePrefix + String(repeating: "0", count: max(0, 10 - digits.count)) + digits + "."
            + (plain.isEmpty ? "fp4tui" : String(plain))
    }

    /// What the names of all event files begin with.
    public static let filePrefix = "events.out.tfevents."

    /// Begins a file.
    ///
    /// - Parameters:
    ///   - folder: made if it isn't there.
    ///   - run: its name.
    ///   - time: now, seconds since 1970.
    ///   - resumedAfter: the steps that a resumed run has completed: TensorBoard then drops what earlier files of the folder
    ///     tell of later ones.
    /// - Throws: `UserError` if the file is there already or cannot be written.
    public init(folder: String, run: String, time: Double, resumedAfter: Int? = nil) throws(UserError) {
        path = folder + "/" + Self.fileName(time: time, run: run)
        events = TensorBoardEvents(began: time)
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw UserError("the folder \(folder) cannot be made: \(error.localizedDescription)")
        }
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw Self.failure(path) }
        try write(TensorBoardEvents.header(time: time, resumedAfter: resumedAfter))
    }

    deinit { close() }

    /// Writes an event down, at once.
    ///
    /// - Throws: `UserError` if the file cannot be written, on a full disk for instance.
    public func append(_ line: EventLine) throws(UserError) { try write(events.records(for: line)) }

    /// Nothing is written any more.
    public func close() {
        if descriptor >= 0 { _ = Foundation.close(descriptor) }
        descriptor = -1
    }

    private func write(_ data: Data) throws(UserError) {
        guard descriptor >= 0 else { return }
        var rest = data[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                throw Self.failure(path)
            }
        }
    }

    private static func failure(_ path: String) -> UserError {
        UserError("\(path) cannot be written: \(String(cString: strerror(errno)))")
    }
}
