/// Draws batches of random windows from a corpus.
///
/// Which windows a batch holds depends on the seed, the step and the place in the batch alone, so a resumed run sees the
/// same data, and accumulating two micro-batches of 8 trains on the same sequences as one of 16.
public final class BatchSampler {
    public let corpus: any Corpus
    /// Sequences in a batch.
    public let batch: Int
    /// Tokens in a sequence.
    public let context: Int

    private let training: Philox
    // A key of its own: every run measures the same validation sample.
    private let validation = Philox(seed: 0, stream: .validationBatch)
    private let window: UnsafeMutableBufferPointer<Int32>

    public init(corpus: any Corpus, seed: UInt64, batch: Int, context: Int) {
        self.corpus = corpus
        self.batch = batch
        self.context = context
        training = Philox(seed: seed, stream: .trainingBatch)
        window = .allocate(capacity: context + 1)
        window.initialize(repeating: 0)
    }

    deinit { window.deallocate() }

    /// Fills one micro-batch of training data.
    ///
    /// - Parameters:
    ///   - tokens: [batch, context].
    ///   - targets: [batch, context]: the token that follows each of `tokens`.
    /// - Throws: `UserError` if the corpus does.
    public func fill(
        step: Int, microBatch: Int, tokens: UnsafeMutablePointer<Int32>, targets: UnsafeMutablePointer<Int32>
    ) throws(UserError) {
        for sequence in 0..<batch {
            let place = UInt32(truncatingIfNeeded: microBatch * batch + sequence)
            let random = training.bits(UInt64(step), place)
            try fill(.training, random, tokens + sequence * context, targets + sequence * context)
        }
    }

    /// Fills batch `index` of the validation sample, which is the same for every seed; shapes as in `fill`.
    ///
    /// Batches 0..<n hold the first n × `batch` sequences of one fixed list.
    public func fillValidation(
        batch index: Int, tokens: UnsafeMutablePointer<Int32>, targets: UnsafeMutablePointer<Int32>
    ) throws(UserError) {
        for sequence in 0..<batch {
            let random = validation.bits(UInt64(index * batch + sequence))
            try fill(.validation, random, tokens + sequence * context, targets + sequence * context)
        }
    }

    private func fill(
        _ split: Split, _ random: UInt64, _ tokens: UnsafeMutablePointer<Int32>,
        _ targets: UnsafeMutablePointer<Int32>
    ) throws(UserError) {
        guard let start = window.baseAddress else { return }
        try corpus.fill(window, from: split, random: random)
        tokens.update(from: start, count: context)
        targets.update(from: start + 1, count: context)
    }
}
