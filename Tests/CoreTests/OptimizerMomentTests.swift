import Foundation
import KernelInterface
import Testing

@testable import Core

/// `optimizer.moments = "bf16"`.
@Suite struct OptimizerMomentTests {
    private static func configuration(_ moments: UnscaledFormat) -> RunConfiguration {
        CheckpointTests.configuration { $0.optimizer.moments = moments }
    }

    /// The parameters move as with the widened moments in FP32, and the new moments are those, rounded.
    @Test(arguments: [1, 5, 15, 16, 17, 31, 32, 50, 257])
    func everyTierRoundsTheNewMoments(count: Int) throws {
        let step = AdamWStep(
            learningRate: 0.01, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, biasCorrection1: 0.271,
            biasCorrection2: 0.142625, gradientScale: 0.5)
        var state = UInt32(count)
        func row() -> [Float] {
            (0..<count).map { _ in
                state = state &* 1_664_525 &+ 1_013_904_223
                return Float(Int32(bitPattern: state)) / 0x1p30
            }
        }
        let (values, gradients) = (row(), row())
        let m = row().map(Self.bf16)
        let v = row().map { Self.bf16($0 * $0) }
        for tier in KernelTier.available {
            let kernels = tier.kernels
            var (expected, wide) = (values, (m: m.map(Self.float), v: v.map(Self.float)))
            kernels.adamW(&expected, gradients: gradients, m: &wide.m, v: &wide.v, count: count, step)
            // One more of each, which must stay.
            var (found, narrow) = (values + [7], (m: m + [99], v: v + [99]))
            kernels.adamW(&found, gradients: gradients, m: &narrow.m, v: &narrow.v, count: count, step)
            #expect(found.map(\.bitPattern) == (expected + [7]).map(\.bitPattern), "\(tier)")
            #expect(narrow.m == wide.m.map(Self.bf16) + [99], "\(tier)")
            #expect(narrow.v == wide.v.map(Self.bf16) + [99], "\(tier)")
        }
    }

    /// To nearest, ties to even, of a finite number.
    private static func bf16(_ x: Float) -> UInt16 {
        let (cut, rest) = (x.bitPattern >> 16, x.bitPattern & 0xFFFF)
        return UInt16(rest > 0x8000 || (rest == 0x8000 && cut & 1 == 1) ? cut + 1 : cut)
    }

    private static func float(_ x: UInt16) -> Float { Float(bitPattern: UInt32(x) << 16) }

    @Test func aRunLearnsAndDiffersFromFP32() throws {
        func losses(_ moments: UnscaledFormat) throws -> [Float] {
            let trainer = try CheckpointTests.trained(Self.configuration(moments), steps: 0)
            return try (0..<30).map { _ in try #require(try trainer.trainStep()).loss }
        }
        let (wide, narrow) = (try losses(.fp32), try losses(.bf16))
        #expect(wide[0] == narrow[0] && wide[1] == narrow[1] && wide != narrow)
        let mean = { (losses: [Float]) in losses.suffix(5).reduce(0, +) / 5 }
        #expect(mean(narrow) < narrow[0] - 0.2 && abs(mean(narrow) - mean(wide)) < 0.05)
    }

    @Test func fourBytesAParameterAreSaved() throws {
        let (wide, narrow) = (
            try CheckpointTests.trained(Self.configuration(.fp32), steps: 0),
            try CheckpointTests.trained(Self.configuration(.bf16), steps: 0)
        )
        let saved = wide.optimizer.memoryBytes - narrow.optimizer.memoryBytes
        // But for alignment.
        #expect(abs(saved - 4 * wide.parameters.layout.count) <= 256)
        #expect(
            Self.configuration(.fp32).approximateMemory - Self.configuration(.bf16).approximateMemory
                == 4 * Self.configuration(.fp32).model.approximateParameterCount(vocabularySize: 256))
    }

    /// A mean that decays by less than half of a step of BF16 would never fall.
    @Test func decayRatesNearOneAreRefused() throws {
        var configuration = Self.configuration(.bf16)
        configuration.optimizer.beta2 = 0.996
        try configuration.validate()
        configuration.optimizer.beta2 = 0.999
        expectUserError(["optimizer.beta2 = 0.999", "optimizer.moments = \"bf16\"", "at most 0.99609375"]) {
            try configuration.validate()
        }
        configuration.optimizer.moments = .fp32
        try configuration.validate()
    }

    @Test func aSavedStateGoesOn() throws {
        let folder = try TemporaryDirectory()
        let path = folder.path + "/state.safetensors"
        let run = try CheckpointTests.trained(Self.configuration(.bf16), steps: 3)
        try run.saveState(to: path)
        let file = try SafeTensors.File(path)
        let moments = file.names.filter { $0.hasPrefix("optimizer.") }
        #expect(moments.count == 2 * run.parameters.layout.tensors.count)
        #expect(moments.allSatisfy { file.type($0) == "BF16" })

        let resumed = try PrecisionChangeTests.trainer(Self.configuration(.bf16))
        try resumed.restoreState(from: path)
        let fork = try resumed.fork()
        for _ in 0..<4 {
            let expected = try #require(try run.trainStep()).loss.bitPattern
            #expect(try #require(try resumed.trainStep()).loss.bitPattern == expected)
            #expect(try #require(try fork.trainStep()).loss.bitPattern == expected)
        }
        try run.saveState(fork: (fork, "prec layers.1.* bf16"), to: path)
        let both = try PrecisionChangeTests.trainer(Self.configuration(.bf16))
        let restored = try #require(try both.restoreState(from: path).fork).trainer
        let count = run.parameters.layout.count
        for (old, new) in [(run, both), (fork, restored)] {
            #expect(old.optimizer.moments.first.bytes(count).elementsEqual(new.optimizer.moments.first.bytes(count)))
            #expect(old.optimizer.moments.second.bytes(count).elementsEqual(new.optimizer.moments.second.bytes(count)))
        }
        let other = try PrecisionChangeTests.trainer(Self.configuration(.fp32))
        expectUserError([path, "optimizer.moments = \"bf16\"", "\"fp32\""]) { try other.restoreState(from: path) }
    }
}
