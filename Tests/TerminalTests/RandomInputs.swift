import Dashboard

/// What a person, a mouse or a noisy line may send to the dashboard, the same for the same seed. Nothing in it can end
/// the run, suspend the program or write a file: the keys for that are left out, the command line gets whole commands
/// only, and the help is closed again before Enter could run a row of it.
struct RandomInputs: RandomNumberGenerator {
    enum Input {
        case bytes([UInt8])
        case resize(rows: Int, columns: Int)
        /// Time to draw, milliseconds.
        case pause(Int)
    }

    private var state: UInt64

    init(seed: UInt64) { state = seed }

    /// SplitMix64.
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var bits = state
        bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
        return bits ^ (bits >> 31)
    }

    /// ESC and a byte that no sequence goes on with and that is no key: the terminal's library need not wait.
    static let escape: [UInt8] = [0x1B, 0x1F]

    /// q, C-c, C-z, the command line, the help, and P, which makes F1 of ESC O.
    private static let excluded: Set<UInt8> = Set([3, 26] + Array("q:?P".utf8))

    private static let keys: [[UInt8]] = Set(KeyTable.bindings.flatMap(\.keys)).map(bytes)
        .filter { excluded.isDisjoint(with: $0) }.sorted { $0.lexicographicallyPrecedes($1) }

    private static let commands = [
        "prec mlp.* fp8", "prec layers.0.* nvfp4", "prec attn.* backward bf16", "prec nonsense", "undo",
        "fork recipe nvfp4", "fork drop", "lr 1e-3", "clip 0.5", "theme light", "theme dark", "theme terminal",
        "theme nowhere", "eval", "pause", "resume",
    ]

    private static let reports = [
        "\u{1B}[<0;12;5M", "\u{1B}[<0;12;5m", "\u{1B}[<64;30;9M", "\u{1B}[<35;300;100M", "\u{1B}[M !!", "\u{1B}[I",
        "\u{1B}[O", "\u{1B}[200~word\u{1B}[201~", "\u{1B}[1;5A", "\u{1B}[12;40R", "\u{1B}]10;word\u{7}",
        "\u{1B}[99~", "\u{1B}[", "\u{1B}OO",
    ]

    /// As xterm sends the key.
    static func bytes(_ key: Key) -> [UInt8] {
        switch key {
        case .character(let scalar): Array(String(scalar).utf8)
        case .control(let scalar): [UInt8(truncatingIfNeeded: scalar.value) & 0x1F]
        case .function(let number): Array("\u{1B}O\(Character(Unicode.Scalar(UInt8(79 + number))))".utf8)
        case .up: Array("\u{1B}OA".utf8)
        case .down: Array("\u{1B}OB".utf8)
        case .right: Array("\u{1B}OC".utf8)
        case .left: Array("\u{1B}OD".utf8)
        case .home: Array("\u{1B}OH".utf8)
        case .end: Array("\u{1B}OF".utf8)
        case .pageUp: Array("\u{1B}[5~".utf8)
        case .pageDown: Array("\u{1B}[6~".utf8)
        case .delete: Array("\u{1B}[3~".utf8)
        case .backTab: Array("\u{1B}[Z".utf8)
        case .enter: [13]
        case .escape: [27]
        case .tab: [9]
        case .backspace: [127]
        }
    }

    mutating func input() -> Input {
        switch Int.random(in: 0..<100, using: &self) {
        case 0..<50: return .bytes(RandomInputs.keys.randomElement(using: &self) ?? [])
        case 50..<58: return .bytes([letter()])
        case 58..<63: return .bytes(garbage())
        case 63..<70: return .bytes(Array((RandomInputs.reports.randomElement(using: &self) ?? "").utf8))
        case 70..<74: return .bytes(Array(":\(RandomInputs.commands.randomElement(using: &self) ?? "undo")\r".utf8))
        case 74..<77: return .bytes(help())
        case 77..<79: return .bytes(RandomInputs.escape)
        case 79..<87: return size()
        default: return .pause(.random(in: 1...40, using: &self))
        }
    }

    private mutating func letter() -> UInt8 {
        while true {
            let byte = UInt8.random(in: 0x20..<0x7F, using: &self)
            if !RandomInputs.excluded.contains(byte) { return byte }
        }
    }

    private mutating func garbage() -> [UInt8] {
        (0..<Int.random(in: 1...12, using: &self)).map { _ in UInt8.random(in: 0...255, using: &self) }
            .filter { !RandomInputs.excluded.contains($0) }
    }

    /// Opens the help, searches and looks around in it, and closes it.
    private mutating func help() -> [UInt8] {
        var bytes = Array("?".utf8)
        for _ in 0..<Int.random(in: 0...6, using: &self) {
            let moves: [Key] = [.up, .down, .pageDown, .end, .backspace]
            bytes +=
                Bool.random(using: &self)
                ? [UInt8(ascii: "a") + UInt8.random(in: 0..<16, using: &self)]
                : RandomInputs.bytes(moves.randomElement(using: &self) ?? .down)
        }
        return bytes + RandomInputs.escape + RandomInputs.escape + RandomInputs.escape
    }

    private mutating func size() -> Input {
        switch Int.random(in: 0..<10, using: &self) {
        case 0: .resize(rows: .random(in: 1...12, using: &self), columns: .random(in: 1...45, using: &self))
        case 1: .resize(rows: 1, columns: 1)
        case 2: .resize(rows: 120, columns: 400)
        case 3: .resize(rows: .random(in: 10...120, using: &self), columns: .random(in: 40...400, using: &self))
        default: .resize(rows: .random(in: 10...45, using: &self), columns: .random(in: 40...140, using: &self))
        }
    }
}
