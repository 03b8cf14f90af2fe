import KernelInterface

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// How tokens are drawn from a model.
public struct SamplingOptions: Sendable, Hashable {
    public var tokens: Int
    /// Divides the logits; 0 takes the most likely token always.
    public var temperature: Double
    /// Only the most likely tokens are drawn; 0: all.
    public var topK: Int
    public var seed: UInt64

    public init(tokens: Int, temperature: Double, topK: Int, seed: UInt64) {
        self.tokens = tokens
        self.temperature = temperature
        self.topK = topK
        self.seed = seed
    }
}

/// Draws text from a model, token by token.
public final class TextGenerator {
    private let decoder: IncrementalDecoder
    private let vocabularySize: Int
    private let isText: Bool
    private let ownArena: Arena?

    /// A generator for a saved model.
    ///
    /// - Throws: `UserError` if the checkpoint is damaged or memory is short.
    public convenience init(_ checkpoint: Checkpoint, threads: Int, kernels: String) throws {
        let compute = try ComputeContext(tier: KernelTier.named(kernels), threads: threads)
        let model = checkpoint.configuration.model
        let layout = ParameterLayout(model, vocabularySize: checkpoint.vocabularySize)
        let (arena, values) = try Arena.make { $0.reserve(layout.count, of: Float.self) }
        try checkpoint.copyParameters(layout, to: values)
        try self.init(
            model, vocabularySize: checkpoint.vocabularySize, isText: checkpoint.isText,
            format: checkpoint.configuration.recipe.unscaled, compute: compute, ownArena: arena)
        decoder.load(values)
    }

    init(
        _ model: ModelConfiguration, vocabularySize: Int, isText: Bool, format: UnscaledFormat, compute: ComputeContext,
        ownArena: Arena? = nil
    ) throws {
        decoder = try IncrementalDecoder(model, vocabularySize: vocabularySize, format: format, compute: compute)
        self.vocabularySize = vocabularySize
        self.isText = isText
        self.ownArena = ownArena
    }

    /// Takes over the parameters of a model in training.
    func load(_ parameters: Parameters) {
        decoder.load(parameters.values)
    }

    /// The tokens of a prompt: its bytes, or for token data the numbers in it. An empty prompt is a line break, or token
    /// 0.
    ///
    /// - Throws: `UserError` if the prompt of token data is not a list of tokens.
    public func tokens(of prompt: String) throws -> [Int32] {
        try Self.tokens(of: prompt, isText: isText, vocabularySize: vocabularySize)
    }

    static func tokens(of prompt: String, isText: Bool, vocabularySize: Int) throws -> [Int32] {
        if isText { return prompt.isEmpty ? [10] : prompt.utf8.map { Int32($0) } }
        if prompt.isEmpty { return [0] }
        return try prompt.split(whereSeparator: { $0 == " " || $0 == "," }).map { word in
            guard let token = Int32(word), token >= 0, Int(token) < vocabularySize else {
                throw UserError(
                    "the prompt has \"\(word)\"; this model reads token numbers from 0 to \(vocabularySize - 1), "
                        + "separated by spaces")
            }
            return token
        }
    }

    /// Continues a prompt.
    ///
    /// - Parameters:
    ///   - prompt: at least one token.
    ///   - key: chooses the random numbers, together with the seed.
    ///   - emit: called with each new token; returns false to stop.
    public func generate(
        _ prompt: [Int32], _ options: SamplingOptions, key: UInt64 = 0, emit: (Int32) -> Bool
    ) {
        let random = Philox(seed: options.seed, stream: .sampling)
        decoder.reset()
        var logits = decoder.read(prompt[0])
        for token in prompt.dropFirst() { logits = decoder.read(token) }
        for index in 0..<options.tokens {
            let token = draw(logits, options, uniform: random.uniform(key, UInt32(index)))
            guard emit(token), index + 1 < options.tokens else { return }
            logits = decoder.read(token)
        }
    }

    /// Text of tokens: bytes as UTF-8, with U+FFFD for what is not; or numbers.
    public func text(_ tokens: [Int32]) -> String {
        isText
            ? String(decoding: tokens.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
            : tokens.map(String.init).joined(separator: " ")
    }

    private func draw(_ logits: UnsafePointer<Float>, _ options: SamplingOptions, uniform: Double) -> Int32 {
        var best = 0
        for index in 1..<max(1, vocabularySize) where logits[index] > logits[best] { best = index }
        guard options.temperature > 0, logits[best].isFinite else { return Int32(best) }
        var threshold = -Float.infinity
        if options.topK > 0, options.topK < vocabularySize {
            let sorted = UnsafeBufferPointer(start: logits, count: vocabularySize).sorted(by: >)
            threshold = sorted[options.topK - 1]
        }
        func weight(_ index: Int) -> Double {
            logits[index] < threshold ? 0 : exp(Double(logits[index] - logits[best]) / options.temperature)
        }
        var total = 0.0
        for index in 0..<vocabularySize { total += weight(index) }
        var rest = uniform * total
        for index in 0..<vocabularySize {
            rest -= weight(index)
            if rest < 0 { return Int32(index) }
        }
        return Int32(best)
    }
}
