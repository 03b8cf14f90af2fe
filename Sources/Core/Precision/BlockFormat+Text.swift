/// Formats as text, the form in which files, flags and events have them: a short name such as `nvfp4`, or
/// `ELEMENT:BLOCK:SCALE` such as `e2m1:1x128:fp32`, and then options, as in `nvfp4+sr+prescale=16/17`.
extension BlockFormat: TextCodable {
    /// The formats with a short name.
    public static let named: [(name: String, format: BlockFormat)] = [
        ("fp32", .fp32),
        ("bf16", .bf16),
        ("fp8", .fp8),
        ("fp8-2d", BlockFormat(.e4m3, block: .square(128))),
        ("fp8-row", BlockFormat(.e4m3, block: .row)),
        ("fp8-tensor", BlockFormat(.e4m3, block: .tensor)),
        ("fp8-e5m2", BlockFormat(.e5m2, block: .vector(128))),
        ("mxfp8", .mxfp8),
        ("fp4", .fp4),
        ("fp4-2d", BlockFormat(.e2m1, block: .square(128))),
        ("fp4-row", BlockFormat(.e2m1, block: .row)),
        ("fp4-tensor", BlockFormat(.e2m1, block: .tensor)),
        ("mxfp4", .mxfp4),
        ("mxfp4-ceil", BlockFormat(.e2m1, block: .vector(32), scale: .e8m0Ceiling)),
        ("nvfp4", .nvfp4),
        ("nvfp4-2d", BlockFormat(.e2m1, block: .square(16), scale: .e4m3)),
    ]

    /// The whole syntax, for help.
    public static let syntax = """
        A format is a name or ELEMENT:BLOCK:SCALE, and options behind it.
          names     \(named[..<8].map(\.name).joined(separator: " "))
                    \(named[8...].map(\.name).joined(separator: " "))
          ELEMENT   e2m1, e4m3, e5m2
          BLOCK     tensor, row, 1xN, NxN with N = 16, 32, 64 or 128; 1xN runs along
                    the reduction axis
          SCALE     fp32, e8m0-floor, e8m0-ceil, e8m0-nearest;
                    e4m3 for e2m1 in 1xN or NxN, with an fp32 scale for the tensor
          options   +sr           stochastic rounding
                    +4/6          four over six: the better of two e4m3 scales
                    +std          e2m1 in 1xN: the scale follows from the standard
                                  deviation, and the largest values saturate
                    +eden         MS-EDEN, e2m1 in 1xN with e4m3 scales: rounds these
                                  stochastically; needs +hadamard=N:random
                    +prescale=P   map the largest value to P times the maximum, as
                                  with 0.75 or 16/17
                    +hadamard=N   Hadamard transform of N neighbours; N:fixed and
                                  N:random put signs in front
        Examples: nvfp4-2d+4/6, e2m1:1x32:e8m0-nearest, mxfp4+sr+prescale=0.75,
                  nvfp4+eden+hadamard=128:random
        """

    /// - Throws: `UserError` that says what is wrong with the text, and what would be right.
    public init(parsing text: String) throws(UserError) {
        let parts = text.lowercased().split(separator: "+", omittingEmptySubsequences: false).map(String.init)
        self = try Self.base(parts[0])
        guard parts.count == 1 || unscaled == nil else {
            throw UserError("format \"\(text)\": \(parts[0]) has no scales, and takes no options")
        }
        var given: Set<String> = []
        for option in parts.dropFirst() {
            let name = try apply(option, in: text)
            guard given.insert(name).inserted else { throw UserError("format \"\(text)\": +\(name) is given twice") }
        }
        try validate()
    }

    /// - Throws: `UserError` if the parts do not go together.
    public func validate() throws(UserError) {
        guard unscaled == nil else { return }
        if case .vector(let size) = block { try Self.checkSize(size, "the block") }
        if case .square(let size) = block { try Self.checkSize(size, "the block") }
        if let hadamard { try Self.checkSize(hadamard.size, "the Hadamard transform") }
        guard prescale > 0, prescale <= 1 else {
            throw UserError("format \"\(self)\": the prescale is \(prescale); expected more than 0 and at most 1")
        }
        if usesDeviation { try checkDeviation() }
        if eden { try checkEDEN() }
        guard scale == .e4m3 else {
            guard !fourOverSix else {
                throw UserError("format \"\(self)\": +4/6 needs e2m1 with e4m3 scales, as nvfp4 has them")
            }
            return
        }
        guard element == .e2m1 else {
            throw UserError("format \"\(self)\": the element is \(element.rawValue); e4m3 scales are for e2m1")
        }
        if fourOverSix, case .square(let size) = block, size != 16 {
            throw UserError("format \"\(self)\": the block is \(block); expected 1xN or 16x16 for +4/6")
        }
        guard block != .tensor, block != .row else {
            throw UserError("format \"\(self)\": the block is \(block); expected 1xN or NxN for e4m3 scales")
        }
    }

    /// The shortest text that stands for the format.
    public var description: String {
        let base = BlockFormat(element, block: block, scale: scale)
        var text =
            unscaled?.rawValue ?? Self.named.first { $0.format == base }?.name
            ?? "\(element.rawValue):\(block):\(scale.text)"
        if rounding == .stochastic { text += "+sr" }
        if fourOverSix { text += "+4/6" }
        if usesDeviation { text += "+std" }
        if eden { text += "+eden" }
        if prescale != 1 { text += "+prescale=\(prescale)" }
        if let hadamard {
            text += "+hadamard=\(hadamard.size)" + (hadamard.signs == .none ? "" : ":\(hadamard.signs.rawValue)")
        }
        return text
    }

    private func checkDeviation() throws(UserError) {
        if element == .e2m1, case .vector = block, scale != .e4m3 { return }
        throw UserError("format \"\(self)\": +std needs e2m1 in 1xN with fp32 or e8m0 scales")
    }

    private func checkEDEN() throws(UserError) {
        guard element == .e2m1, scale == .e4m3, case .vector(let size) = block else {
            throw UserError("format \"\(self)\": +eden needs e2m1 in 1xN with e4m3 scales, as nvfp4 has them")
        }
        guard let hadamard, hadamard.signs == .random, hadamard.size >= size else {
            throw UserError(
                "format \"\(self)\": +eden needs a Hadamard transform of at least \(size) with random signs, "
                    + "as in +hadamard=128:random")
        }
        guard rounding == .nearest, !fourOverSix, prescale == 1 else {
            throw UserError("format \"\(self)\": +eden goes with none of +sr, +4/6 and +prescale")
        }
    }

    // MARK: Parts of the text

    private static let sizes = [16, 32, 64, 128]

    private static func checkSize(_ size: Int, _ what: String) throws(UserError) {
        guard !sizes.contains(size) else { return }
        throw UserError("\(what) has size \(size); expected 16, 32, 64 or 128")
    }

    /// A name or ELEMENT:BLOCK:SCALE.
    private static func base(_ text: String) throws(UserError) -> BlockFormat {
        if let entry = named.first(where: { $0.name == text }) { return entry.format }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count > 1 else {
            let nearest = EditDistance.nearest(to: text, among: named.map(\.name)) ?? "bf16"
            throw UserError(
                "there is no format \"\(text)\"; the nearest is \"\(nearest)\", "
                    + "and formats without a name are written as in e2m1:1x128:fp32")
        }
        guard parts.count == 3 else {
            throw UserError("format \"\(text)\": expected three parts, ELEMENT:BLOCK:SCALE, as in e2m1:1x128:fp32")
        }
        guard let element = ElementFormat(rawValue: parts[0]), BlockFormat(element, block: .row).unscaled == nil else {
            throw UserError("format \"\(text)\": the element is \"\(parts[0])\"; expected e2m1, e4m3 or e5m2")
        }
        guard let block = Block(parsing: parts[1]) else {
            throw UserError(
                "format \"\(text)\": the block is \"\(parts[1])\"; "
                    + "expected tensor, row, 1xN or NxN with N = 16, 32, 64 or 128")
        }
        guard let scale = Scale.allCases.first(where: { $0.text == parts[2] }) else {
            let names = Scale.allCases.map(\.text).joined(separator: ", ")
            throw UserError("format \"\(text)\": the scale is \"\(parts[2])\"; expected one of \(names)")
        }
        return BlockFormat(element, block: block, scale: scale)
    }

    /// Sets one option, and returns its name.
    private mutating func apply(_ option: String, in text: String) throws(UserError) -> String {
        let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        switch (parts[0], parts.count) {
        case ("sr", 1): rounding = .stochastic
        case ("4/6", 1): fourOverSix = true
        case ("std", 1): usesDeviation = true
        case ("eden", 1): eden = true
        case ("prescale", 2):
            guard let value = Self.number(parts[1]), value > 0, value <= 1 else {
                throw UserError(
                    "format \"\(text)\": the prescale is \"\(parts[1])\"; "
                        + "expected a number above 0 and at most 1, such as 0.75 or 16/17")
            }
            prescale = value
        case ("hadamard", 2):
            guard let value = Hadamard(parsing: parts[1]) else {
                throw UserError(
                    "format \"\(text)\": the Hadamard transform is \"\(parts[1])\"; "
                        + "expected 16, 32, 64 or 128, alone or with :fixed or :random")
            }
            hadamard = value
        default:
            throw UserError(
                "format \"\(text)\": \"+\(option)\" is no option; expected +sr, +4/6, +std, +eden, "
                    + "+prescale=0.75 or +hadamard=32")
        }
        return parts[0]
    }

    /// A decimal number or a fraction.
    private static func number(_ text: String) -> Float? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { Float($0) }
        return switch (parts.first, parts.count) {
        case (let number??, 1): number
        case (let numerator??, 2): parts[1].map { numerator / $0 }
        default: nil
        }
    }

    fileprivate static func size(_ text: some StringProtocol) -> Int? {
        sizes.first { String($0) == text }
    }
}

extension BlockFormat.Block: CustomStringConvertible {
    public var description: String {
        switch self {
        case .tensor: "tensor"
        case .row: "row"
        case .vector(let n): "1x\(n)"
        case .square(let n): "\(n)x\(n)"
        }
    }

    fileprivate init?(parsing text: String) {
        let sides = text.split(separator: "x", omittingEmptySubsequences: false)
        switch (text, sides.count) {
        case ("tensor", _): self = .tensor
        case ("row", _): self = .row
        case (_, 2):
            guard let size = BlockFormat.size(sides[1]) else { return nil }
            if sides[0] == "1" {
                self = .vector(size)
            } else if sides[0] == sides[1] {
                self = .square(size)
            } else {
                return nil
            }
        default: return nil
        }
    }
}

extension BlockFormat.Scale {
    /// As it is written in a format.
    public var text: String {
        switch self {
        case .fp32: "fp32"
        case .e8m0Floor: "e8m0-floor"
        case .e8m0Ceiling: "e8m0-ceil"
        case .e8m0Nearest: "e8m0-nearest"
        case .e4m3: "e4m3"
        }
    }
}

extension BlockFormat.Hadamard {
    fileprivate init?(parsing text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 2, let size = BlockFormat.size(parts[0]) else { return nil }
        guard parts.count == 2 else {
            self.init(size: size, signs: .none)
            return
        }
        guard let signs = Signs(rawValue: String(parts[1])), signs != .none else { return nil }
        self.init(size: size, signs: signs)
    }
}
