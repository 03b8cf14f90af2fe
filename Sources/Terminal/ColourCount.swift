import Core
import Dashboard

/// How many colours to draw with.
public enum ColourCount: String, Sendable, CaseIterable {
    case sixteen = "16"
    case palette = "256"
    /// 24 bits.
    case truecolor

    var depth: ColourDepth {
        switch self {
        case .sixteen: .ansi16
        case .palette: .palette256
        case .truecolor: .direct
        }
    }

    /// Colours of a terminal type that can show them.
    private var wanted: ClosedRange<Int> {
        switch self {
        case .sixteen: 16...256
        case .palette: 256...256
        case .truecolor: 257...Int.max
        }
    }

    /// What terminal types with so many colours are called, behind the name of their family.
    private var suffixes: [String] {
        switch self {
        case .sixteen: ["-16color", "-256color"]
        case .palette: ["-256color"]
        case .truecolor: ["-direct"]
        }
    }

    /// The terminal type with so many colours: `term` itself, or one of its family, as `xterm-256color` is of `xterm`.
    ///
    /// - Parameter count: the colours of a terminal type.
    /// - Throws: `UserError` if this system knows of none.
    func terminal(_ term: String, _ count: (String) -> Int) throws(UserError) -> String {
        let family = ["-256color", "-16color", "-direct"].first(where: term.hasSuffix).map {
            String(term.dropLast($0.count))
        }
        let names = [term] + suffixes.map { (family ?? term) + $0 }.filter { $0 != term }
        for name in names where wanted.contains(count(name)) { return name }
        throw UserError(
            "--colors \(rawValue): this system knows no terminal type with so many colours among "
                + "\(names.joined(separator: ", ")): set TERM, or leave --colors out")
    }
}
