/// Files one after the other as one sequence of tokens, mapped into memory.
///
/// The sequence is cut once: the last `validationFraction` of its tokens is the validation split. A window may cross
/// from one file into the next.
public final class FileCorpus: Corpus {
    /// What a token is in the files.
    public enum Encoding: Sendable {
        /// One byte; the vocabulary is 256.
        case bytes
        /// Two bytes, little-endian, as nanoGPT and llm.c write them.
        case uint16(vocabularySize: Int)
    }

    /// So many bytes of token files are read at the start to find a token outside the vocabulary before training
    /// begins; what lies beyond is checked window by window. 64 MiB take some 10 ms once they are in memory.
    static let bytesCheckedAtStart = 64 << 20

    public let summary: String
    public let vocabularySize: Int
    public let isText: Bool
    public var entropyRate: Double? { nil }

    private let pieces: [Piece]
    private let trainingCount: Int
    private let count: Int

    /// - Parameters:
    ///   - paths: regular files, none of them empty, in the order in which they are read.
    ///   - validationFraction: the share of the tokens, at the end, that is kept for validation; inside (0, 1).
    ///   - progress: told how many files are open, and how many there are.
    /// - Throws: `UserError` if a file cannot be used or the split makes no sense.
    public convenience init(
        paths: [String], encoding: Encoding, validationFraction: Double,
        progress: (_ opened: Int, _ of: Int) -> Void = { _, _ in }
    ) throws(UserError) {
        try self.init(
            paths: paths, encoding: encoding, validationFraction: validationFraction,
            bytesCheckedAtStart: FileCorpus.bytesCheckedAtStart, progress: progress)
    }

    init(
        paths: [String], encoding: Encoding, validationFraction: Double, bytesCheckedAtStart: Int,
        progress: (_ opened: Int, _ of: Int) -> Void = { _, _ in }
    ) throws(UserError) {
        guard validationFraction > 0, validationFraction < 1 else {
            throw UserError(
                "data.validation_fraction = \(validationFraction): expected a number above 0 and below 1")
        }
        switch encoding {
        case .bytes: (isText, vocabularySize) = (true, 256)
        case .uint16(let size): (isText, vocabularySize) = (false, size)
        }
        guard vocabularySize > 0 else {
            throw UserError("data.vocabulary_size = \(vocabularySize): expected at least 1")
        }
        var pieces: [Piece] = []
        var start = 0
        for path in paths {
            let file = try MappedFile(path: path)
            guard file.byteCount > 0 else { throw UserError("data \"\(path)\" is empty") }
            let piece = try isText ? Piece(text: file, start: start) : Piece(tokens: file, start: start)
            pieces.append(piece)
            start += piece.count
            progress(pieces.count, paths.count)
        }
        guard let first = pieces.first else { throw UserError("data: no file is named") }
        self.pieces = pieces
        count = start
        // As nanoGPT cuts its text, so that losses compare.
        trainingCount = Int(Double(count) * (1 - validationFraction))
        guard trainingCount > 0, trainingCount < count else {
            throw UserError(
                """
                data "\(first.file.path)": data.validation_fraction = \(validationFraction) leaves one split of the \
                \(count) tokens empty; name more data or another fraction
                """)
        }
        let unit = isText ? "bytes of text" : "tokens of a vocabulary of \(vocabularySize)"
        let name = pieces.count == 1 ? first.file.path : "\(pieces.count) files from \(first.file.path) on"
        summary = "\(name), \(count) \(unit)"
        try checkAtStart(bytes: bytesCheckedAtStart)
    }

    public func tokenCount(_ split: Split) -> Int {
        split == .training ? trainingCount : count - trainingCount
    }

    public func fill(
        _ window: UnsafeMutableBufferPointer<Int32>, from split: Split, random: UInt64
    ) throws(UserError) {
        let available = tokenCount(split)
        guard window.count <= available else {
            throw UserError(
                "\(summary): the \(split.rawValue) split has \(available) tokens, a window needs \(window.count)")
        }
        let offset = Int(random.multipliedFullWidth(by: UInt64(available - window.count + 1)).high)
        let position = offset + (split == .training ? 0 : trainingCount)
        var index = pieceIndex(at: position)
        var done = 0
        while done < window.count {
            let piece = pieces[index]
            let from = position + done - piece.start
            let length = min(piece.count - from, window.count - done)
            let target = UnsafeMutableBufferPointer(rebasing: window[done..<done + length])
            if isText {
                piece.copyBytes(from: from, to: target)
                try piece.file.requireRead()
            } else {
                let largest = piece.copyTokens(from: from, to: target)
                try piece.file.requireRead()
                if Int(largest) >= vocabularySize { try refuse(piece, from: from, count: length) }
            }
            done += length
            index += 1
        }
    }

    /// The piece that holds the token at a position of the whole sequence.
    private func pieceIndex(at position: Int) -> Int {
        var low = 0
        var high = pieces.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if pieces[middle].start <= position { low = middle } else { high = middle }
        }
        return low
    }

    private func checkAtStart(bytes: Int) throws(UserError) {
        guard !isText, vocabularySize <= Int(UInt16.max) else { return }
        var left = bytes / 2
        for piece in pieces where left > 0 {
            let checked = min(left, piece.count)
            let largest = piece.largestToken(count: checked)
            try piece.file.requireRead()
            if Int(largest) >= vocabularySize { try refuse(piece, from: 0, count: checked) }
            left -= checked
        }
    }

    /// Throws the error for the first token outside the vocabulary in a range that is known to hold one.
    private func refuse(_ piece: Piece, from: Int, count: Int) throws(UserError) {
        for index in from..<from + count where Int(piece.token(index)) >= vocabularySize {
            throw UserError(
                """
                data "\(piece.file.path)": token \(index) is \(piece.token(index)); \
                data.vocabulary_size = \(vocabularySize) allows 0 to \(vocabularySize - 1)
                """)
        }
    }
}

/// One file's tokens, and where they lie in the whole sequence.
private struct Piece: Sendable {
    let file: MappedFile
    /// Position of the first token in the whole sequence.
    let start: Int
    let count: Int
    /// Bytes before the first token.
    let headerBytes: Int

    init(text file: MappedFile, start: Int) {
        (self.file, self.start, count, headerBytes) = (file, start, file.byteCount, 0)
    }

    /// nanoGPT's files are nothing but tokens. llm.c's start with 256 int32: a magic number, the version and the number
    /// of tokens (llm.c, dev/data/data_common.py).
    init(tokens file: MappedFile, start: Int) throws(UserError) {
        let (magic, magicOfUInt32Tokens, header) = (20_240_520, 20_240_801, 1024)
        func word(_ index: Int) -> Int {
            guard file.byteCount >= 4 * (index + 1) else { return 0 }
            return Int(Int32(littleEndian: file.bytes.load(fromByteOffset: 4 * index, as: Int32.self)))
        }
        guard word(0) != magicOfUInt32Tokens else {
            throw UserError("data \"\(file.path)\" holds 32-bit tokens (llm.c for Llama 3); expected 16-bit tokens")
        }
        if word(0) == magic {
            guard word(1) == 1 else {
                throw UserError("data \"\(file.path)\": llm.c header of version \(word(1)); expected version 1")
            }
            guard word(2) > 0, file.byteCount == header + 2 * word(2) else {
                throw UserError(
                    """
                    data "\(file.path)": its llm.c header announces \(word(2)) tokens, \
                    \(header + 2 * word(2)) bytes in all, but it has \(file.byteCount) bytes
                    """)
            }
            (self.file, self.start, count, headerBytes) = (file, start, word(2), header)
        } else {
            guard file.byteCount.isMultiple(of: 2) else {
                throw UserError(
                    "data \"\(file.path)\" has \(file.byteCount) bytes; a file of 16-bit tokens has an even number")
            }
            (self.file, self.start, count, headerBytes) = (file, start, file.byteCount / 2, 0)
        }
    }

    private var tokens: UnsafeBufferPointer<UInt16> {
        UnsafeRawBufferPointer(rebasing: file.bytes[headerBytes...]).bindMemory(to: UInt16.self)
    }

    func token(_ index: Int) -> UInt16 { UInt16(littleEndian: tokens[index]) }

    func copyBytes(from: Int, to target: UnsafeMutableBufferPointer<Int32>) {
        let bytes = file.bytes
        for i in target.indices { target[i] = Int32(bytes[from &+ i]) }
    }

    /// Returns the largest token copied.
    func copyTokens(from: Int, to target: UnsafeMutableBufferPointer<Int32>) -> UInt16 {
        let tokens = tokens
        var largest: UInt16 = 0
        for i in target.indices {
            let token = UInt16(littleEndian: tokens[from &+ i])
            largest = max(largest, token)
            target[i] = Int32(token)
        }
        return largest
    }

    /// The largest of the first `count` tokens.
    func largestToken(count: Int) -> UInt16 {
        let tokens = tokens
        var largest: UInt16 = 0
        for i in 0..<count { largest = max(largest, UInt16(littleEndian: tokens[i])) }
        return largest
    }
}
