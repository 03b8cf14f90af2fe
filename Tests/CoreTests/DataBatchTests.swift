import Testing

@testable import Core

@Suite struct DataBatchTests {
    struct Batch: Equatable {
        var tokens: [Int32]
        var targets: [Int32]
    }

    private func batch(
        _ sampler: BatchSampler,
        _ fill: (UnsafeMutablePointer<Int32>, UnsafeMutablePointer<Int32>) throws -> Void
    ) rethrows -> Batch {
        let count = sampler.batch * sampler.context
        let (tokens, targets) = (
            UnsafeMutablePointer<Int32>.allocate(capacity: count), UnsafeMutablePointer<Int32>.allocate(capacity: count)
        )
        defer {
            tokens.deallocate()
            targets.deallocate()
        }
        tokens.initialize(repeating: -1, count: count)
        targets.initialize(repeating: -1, count: count)
        try fill(tokens, targets)
        return Batch(
            tokens: Array(UnsafeBufferPointer(start: tokens, count: count)),
            targets: Array(UnsafeBufferPointer(start: targets, count: count)))
    }

    private func training(_ sampler: BatchSampler, _ step: Int, _ microBatch: Int = 0) throws -> Batch {
        try batch(sampler) { try sampler.fill(step: step, microBatch: microBatch, tokens: $0, targets: $1) }
    }

    private func validation(_ sampler: BatchSampler, _ index: Int) throws -> Batch {
        try batch(sampler) { try sampler.fillValidation(batch: index, tokens: $0, targets: $1) }
    }

    /// 1000 bytes that count: each token's successor is known, and the validation split is told by its values.
    private func counting() throws -> (corpus: FileCorpus, directory: TemporaryDirectory) {
        let directory = try TemporaryDirectory()
        let file = try directory.write("a.bin", tokens: Array(0..<1000))
        let corpus = try FileCorpus(
            paths: [file], encoding: .uint16(vocabularySize: 1000), validationFraction: 0.25)
        return (corpus, directory)
    }

    @Test func targetsAreTheNextTokens() throws {
        let (corpus, directory) = try counting()
        defer { withExtendedLifetime(directory) {} }
        let sampler = BatchSampler(corpus: corpus, seed: 1, batch: 3, context: 8)
        for (batch, allowed) in try [
            (training(sampler, 4, 1), 0..<750), (validation(sampler, 2), 750..<1000),
        ] {
            #expect(batch.targets == batch.tokens.map { $0 + 1 })
            #expect((batch.tokens + batch.targets).allSatisfy { allowed.contains(Int($0)) })
            for sequence in 0..<3 {
                let first = batch.tokens[sequence * 8]
                #expect(Array(batch.tokens[sequence * 8..<sequence * 8 + 8]) == Array(first..<first + 8))
            }
            #expect(Set([0, 8, 16].map { batch.tokens[$0] }).count == 3)
        }
    }

    @Test func batchesDependOnSeedStepAndPlaceAlone() throws {
        let language = try SyntheticLanguage(words: 100, seed: 1)
        let sampler = BatchSampler(corpus: language, seed: 1, batch: 2, context: 32)
        let first = try training(sampler, 7, 0)
        #expect(try training(sampler, 8, 0) != first)
        #expect(try training(sampler, 7, 1) != first)
        #expect(try training(BatchSampler(corpus: language, seed: 2, batch: 2, context: 32), 7, 0) != first)
        #expect(try training(BatchSampler(corpus: language, seed: 1, batch: 2, context: 32), 7, 0) == first)
        // Two micro-batches of two are one batch of four.
        let four = try training(BatchSampler(corpus: language, seed: 1, batch: 4, context: 32), 7)
        #expect(try four.tokens == first.tokens + training(sampler, 7, 1).tokens)
    }

    @Test func validationSampleIsFixed() throws {
        let language = try SyntheticLanguage(words: 100, seed: 1)
        let one = BatchSampler(corpus: language, seed: 1, batch: 2, context: 32)
        let other = BatchSampler(corpus: language, seed: 2, batch: 4, context: 32)
        let batches = try (0..<2).map { try validation(one, $0) }
        #expect(batches[0] != batches[1])
        #expect(try validation(other, 0).targets == batches[0].targets + batches[1].targets)
    }

    /// Every position of a split is drawn, the first and the last too.
    @Test func allPositionsAreDrawn() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("a.txt", Array(0..<20))
        let corpus = try FileCorpus(paths: [file], encoding: .bytes, validationFraction: 0.5)
        let sampler = BatchSampler(corpus: corpus, seed: 1, batch: 16, context: 4)
        var firsts = [Int32: Int]()
        for step in 0..<60 {
            let tokens = try training(sampler, step).tokens
            for sequence in 0..<16 { firsts[tokens[4 * sequence], default: 0] += 1 }
        }
        // 960 draws of 6 positions: 160 each, with a standard deviation of 11.5.
        #expect(firsts.keys.sorted() == Array(0..<6))
        #expect(firsts.values.allSatisfy { abs($0 - 160) < 60 })
    }

    @Test func errorsPassThrough() throws {
        let (corpus, directory) = try counting()
        defer { withExtendedLifetime(directory) {} }
        let sampler = BatchSampler(corpus: corpus, seed: 1, batch: 1, context: 250)
        expectUserError(["validation", "250 tokens", "251"]) { _ = try validation(sampler, 0) }
    }
}
