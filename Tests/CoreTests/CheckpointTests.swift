import Foundation
import Testing

@testable import Core

@Suite struct CheckpointTests {
    static func configuration(_ change: (inout RunConfiguration) -> Void = { _ in }) -> RunConfiguration {
        TrainingEngineTests.configuration {
            $0.evaluation.every = 0
            $0.sampling.every = 0
            change(&$0)
        }
    }

    static func gpt2(_ model: inout ModelConfiguration) {
        model.adopt(.gpt2)
    }

    static func llama(_ model: inout ModelConfiguration) {
        model.adopt(.llama)
        model.heads = 4
        model.keyValueHeads = 2
    }

    static func trained(_ configuration: RunConfiguration, steps: Int) throws -> Trainer {
        let trainer = try PrecisionChangeTests.trainer(configuration)
        trainer.initializeParameters()
        for _ in 0..<steps { _ = try trainer.trainStep() }
        return trainer
    }

    static func bits(_ values: UnsafePointer<Float>, _ count: Int) -> [UInt32] {
        UnsafeBufferPointer(start: values, count: count).map(\.bitPattern)
    }

    /// In FP32, [tokens, vocabulary].
    static func logits(_ checkpoint: Checkpoint, _ tokens: [Int32]) throws -> [Float] {
        let model = checkpoint.configuration.model
        let transformer = try Transformer(
            model, vocabularySize: checkpoint.vocabularySize, capacity: tokens.count / model.context,
            plan: PrecisionPlan(uniform: .fp32), compute: ComputeContext(tier: nil, threads: 1))
        try checkpoint.copyParameters(transformer.parameters.layout, to: transformer.parameters.values)
        var logits = [Float](repeating: .nan, count: tokens.count * checkpoint.vocabularySize)
        logits.withUnsafeMutableBufferPointer {
            transformer.logits(
                tokens, sequences: tokens.count / model.context, length: model.context, into: $0.baseAddress!)
        }
        return logits
    }

    // MARK: Names

    static let llamaNames: [String: [Int]] = [
        "model.embed_tokens.weight": [256, 32], "model.norm.weight": [32], "lm_head.weight": [256, 32],
        "model.layers.0.input_layernorm.weight": [32], "model.layers.0.post_attention_layernorm.weight": [32],
        "model.layers.0.self_attn.q_proj.weight": [32, 32], "model.layers.0.self_attn.k_proj.weight": [16, 32],
        "model.layers.0.self_attn.v_proj.weight": [16, 32], "model.layers.0.self_attn.o_proj.weight": [32, 32],
        "model.layers.0.mlp.gate_proj.weight": [88, 32], "model.layers.0.mlp.up_proj.weight": [88, 32],
        "model.layers.0.mlp.down_proj.weight": [32, 88],
    ]

    static let gpt2Names: [String: [Int]] = [
        "transformer.wte.weight": [256, 32], "transformer.wpe.weight": [16, 32], "transformer.ln_f.weight": [32],
        "transformer.ln_f.bias": [32], "transformer.h.0.ln_1.weight": [32], "transformer.h.0.ln_1.bias": [32],
        "transformer.h.0.attn.c_attn.weight": [32, 96], "transformer.h.0.attn.c_attn.bias": [96],
        "transformer.h.0.attn.c_proj.weight": [32, 32], "transformer.h.0.attn.c_proj.bias": [32],
        "transformer.h.0.ln_2.weight": [32], "transformer.h.0.ln_2.bias": [32],
        "transformer.h.0.mlp.c_fc.weight": [32, 128], "transformer.h.0.mlp.c_fc.bias": [128],
        "transformer.h.0.mlp.c_proj.weight": [128, 32], "transformer.h.0.mlp.c_proj.bias": [32],
    ]

    @Test func weightsAreNamedAsHuggingFaceNamesThem() throws {
        let folder = try TemporaryDirectory()
        let cases: [(name: String, expected: [String: [Int]]?, (inout ModelConfiguration) -> Void)] = [
            ("llama", Self.llamaNames, Self.llama), ("gpt2", Self.gpt2Names, Self.gpt2),
            (
                "llama", Self.llamaNames.filter { $0.key != "lm_head.weight" },
                {
                    Self.llama(&$0)
                    $0.tiedEmbeddings = true
                }
            ),
            (
                "fp4tui", nil,
                {
                    Self.gpt2(&$0)
                    $0.bias = false
                }
            ),
            (
                "fp4tui", nil,
                {
                    Self.llama(&$0)
                    $0.norm = .layerNorm
                }
            ),
        ]
        for (name, expected, change) in cases {
            let trainer = try PrecisionChangeTests.trainer(
                Self.configuration {
                    $0.model.layers = 1
                    change(&$0.model)
                })
            trainer.initializeParameters()
            let layout = trainer.parameters.layout
            // Norms and biases are not all alike then.
            for index in 0..<layout.count { trainer.parameters.values[index] += Float(index % 97) / 97 }
            let path = folder.path + "/model.safetensors"
            try trainer.save(to: path)
            let file = try SafeTensors.File(path)
            #expect(file.metadata["weight_names"] == name)
            let found = Dictionary(uniqueKeysWithValues: file.names.map { ($0, file.shape($0)!) })
            let own = Dictionary(uniqueKeysWithValues: layout.tensors.map { ($0.name, $0.shape) })
            #expect(found == expected ?? own)
            let (arena, values) = try Arena.make { $0.reserve(layout.count, of: Float.self) }
            try Checkpoint(path: path).copyParameters(layout, to: values)
            let isSame = Self.bits(values, layout.count) == Self.bits(trainer.parameters.values, layout.count)
            #expect(isSame, "\(name)")
            withExtendedLifetime(arena) {}
        }
    }

    @Test(arguments: ["hf-llama", "hf-gpt2"])
    func modelsOfHuggingFaceAreRead(_ name: String) throws {
        let url = Bundle.module.url(forResource: name, withExtension: "safetensors", subdirectory: "Fixtures")!
        let checkpoint = try Checkpoint.verify(url.path)
        let file = try SafeTensors.File(url.path)
        var tokens = [Int32](repeating: 0, count: 24)
        try tokens.withUnsafeMutableBytes {
            try file.copy("answer.tokens", type: .i32, shape: [2, 12], to: $0.baseAddress!)
        }
        let expected = try file.floats("answer.logits")
        let logits = try Self.logits(checkpoint, tokens)
        #expect(logits.count == expected.count)
        let differences = zip(logits, expected).map { abs($0 - $1) }
        #expect(differences.allSatisfy { $0 < 1e-4 }, "\(differences.max()!)")
        #expect(expected.map(abs).max()! > 1)
    }

    /// Files for `Reference/huggingface.py check`.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["FP4TUI_HUGGINGFACE"] != nil))
    func modelsForHuggingFaceAreWritten() throws {
        let folder = ProcessInfo.processInfo.environment["FP4TUI_HUGGINGFACE"]!
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for (name, change) in [("llama", Self.llama), ("gpt2", Self.gpt2)] {
            let recipe = try Recipe.named("tetrajet")
            let trainer = try Self.trained(
                Self.configuration {
                    $0.recipe = recipe
                    $0.model.width = 64
                    $0.model.layers = 3
                    $0.run.steps = 60
                    $0.optimizer.learningRate = 1e-2
                    change(&$0.model)
                }, steps: 60)
            let path = "\(folder)/\(name)"
            try trainer.save(to: path + "-model.safetensors")
            try trainer.saveState(to: path + "-state.safetensors")
            let tokens = (0..<64).map { Int32($0 * 37 % 256) }
            let logits = try Self.logits(Checkpoint(path: path + "-state.safetensors"), tokens)
            try SafeTensors.write(
                [
                    .init(name: "tokens", shape: [4, 16], bytes: tokens.map(UInt8.init)),
                    .init(name: "logits", shape: [4, 16, 256], floats: logits),
                ], metadata: [:], to: path + "-answer.safetensors")
        }
    }

    // MARK: Description

    @Test func aStateIsACheckpoint() throws {
        let folder = try TemporaryDirectory()
        let (model, state) = (folder.path + "/model.safetensors", folder.path + "/state.safetensors")
        let configuration = Self.configuration { Self.llama(&$0.model) }
        let trainer = try Self.trained(configuration, steps: 3)
        try trainer.save(to: model)
        try trainer.saveState(metadata: ["of the caller": "ü\n\"\\"], validationLoss: 1.25, to: state)
        var texts: [[Int32]] = []
        for (path, isState, loss) in [(model, false, nil), (state, true, 1.25)] as [(String, Bool, Float?)] {
            let checkpoint = try Checkpoint(path: path)
            #expect(checkpoint.step == 3 && checkpoint.isState == isState && checkpoint.validationLoss == loss)
            #expect(checkpoint.configuration == configuration)
            #expect(try Checkpoint.verify(path).step == 3)
            let generator = try TextGenerator(checkpoint, threads: 1, kernels: "auto")
            var tokens: [Int32] = []
            generator.generate([1], SamplingOptions(tokens: 20, temperature: 0.8, topK: 0, seed: 1)) {
                tokens.append($0)
                return true
            }
            texts.append(tokens)
            let probe = try SensitivityProbe(
                configuration, corpus: CorpusLoader.load(configuration.data, seed: configuration.run.seed))
            try probe.load(checkpoint)
        }
        #expect(texts[0] == texts[1] && texts[0].count == 20)
        #expect(try SafeTensors.metadata(of: state)["of the caller"] == "ü\n\"\\")
        let restored = try PrecisionChangeTests.trainer(configuration).restoreState(from: state)
        #expect(restored.metadata["of the caller"] == "ü\n\"\\" && restored.fork == nil)
        expectUserError([model, "is a model, and no saved state"]) { try trainer.restoreState(from: model) }
    }

    @Test func filesOfOthersAreRefused() throws {
        let folder = try TemporaryDirectory()
        let path = folder.path + "/model.safetensors"
        for (metadata, message) in [
            (["format": "fp4tui model 1"], "is \"fp4tui model 1\", of another version"),
            (["checkpoint": "fp4tui checkpoint 3"], "is \"fp4tui checkpoint 3\", of another version"),
            (["format": "pt"], "was not written by fp4tui"), ([:], "was not written by fp4tui"),
            (["checkpoint": Checkpoint.format], "its metadata have no \"configuration\""),
        ] {
            try SafeTensors.write([.init(name: "x", shape: [1], floats: [1])], metadata: metadata, to: path)
            expectUserError([path, message]) { _ = try Checkpoint(path: path) }
            expectUserError([path, message]) { try Checkpoint.verify(path) }
        }
        expectUserError([folder.path, "it is a folder"]) { try Checkpoint.verify(folder.path) }
        expectUserError(["/dev/zero", "it cannot be read"]) { try Checkpoint.verify("/dev/zero") }
    }

    @Test func keysThatAConfigurationLacksHaveTheirDefaults() throws {
        let read = try #require(RunConfiguration(json: Data(#"{"model":{"layers":7},"run":{"seed":5}}"#.utf8)))
        var expected = RunConfiguration()
        expected.model.layers = 7
        expected.run.seed = 5
        #expect(read == expected)
        let own = Self.configuration { $0.optimizer.learningRate = 0.1 + 0.2 }
        #expect(try RunConfiguration(json: JSONEncoder().encode(own)) == own)
        #expect(RunConfiguration(json: Data("[]".utf8)) == nil)
        #expect(RunConfiguration(json: Data(#"{"model":{"layers":"7"}}"#.utf8)) == nil)
    }

    // MARK: Damage

    @Test func everyFlippedBitIsSeen() throws {
        let folder = try TemporaryDirectory()
        let path = folder.path + "/state.safetensors"
        try Self.trained(CheckpointFuzzTests.configuration, steps: 1).saveState(to: path)
        try Checkpoint.verify(path)
        let whole = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        let header = 8 + Int(whole[0]) + Int(whole[1]) << 8
        let zeros = try SafeTensors.File(path).dataBytes
        #expect(header + zeros == whole.count)
        var unseen: [Int] = []
        for bit in stride(from: 0, to: 8 * whole.count, by: whole.count / 80) {
            var bytes = whole
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            let damaged = try folder.write("damaged.safetensors", bytes)
            do {
                try Checkpoint.verify(damaged)
                unseen.append(bit)
            } catch let error as UserError {
                let isTold = error.description.hasPrefix(damaged)
                let isChecksum = error.description.contains("is damaged: its checksum is ")
                if !isTold || bit / 8 >= header && !isChecksum { unseen.append(bit) }
            }
        }
        #expect(unseen.isEmpty)
        // The case of a digit is a bit too.
        for place in SafeTensors.checksumPlace where whole[place] > UInt8(ascii: "9") {
            var bytes = whole
            bytes[place] ^= 0x20
            let damaged = try folder.write("damaged.safetensors", bytes)
            expectUserError([damaged, "its checksum is"]) { try Checkpoint.verify(damaged) }
        }
        var bytes = whole
        bytes[header + 40] ^= 16
        let damaged = try folder.write("damaged.safetensors", bytes)
        expectUserError([damaged, "its checksum is"]) {
            _ = try TextGenerator(Checkpoint(path: damaged), threads: 1, kernels: "auto")
        }
        let trainer = try PrecisionChangeTests.trainer(CheckpointFuzzTests.configuration)
        expectUserError([damaged, "its checksum is"]) { try trainer.restoreState(from: damaged) }
        #expect(trainer.step == 0)
    }

    /// A state with the right checksum, which says what cannot be.
    @Test func aStateThatContradictsItselfIsRefused() throws {
        let folder = try TemporaryDirectory()
        let configuration = CheckpointFuzzTests.configuration
        let path = folder.path + "/state.safetensors"
        try Self.trained(configuration, steps: 1).saveState(to: path)
        let whole = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        let trainer = try PrecisionChangeTests.trainer(configuration)
        for (found, replacement) in [
            ("\\\"phasesBegun\\\":0", "\\\"phasesBegun\\\":7"), ("\\\"phasesBegun\\\":0", "\\\"phasesBegun\\\":-1"),
            ("\\\"commandsDone\\\":0", "\\\"commandsDone\\\":-1"), ("\\\"step\\\":1", "\\\"step\\\":-1"),
            ("\\\"step\\\":1", "\\\"step\\\":1000000"), ("\\\"meanErrors\\\":[", "\\\"meanErrors\\\":[1,"),
            ("\\\"lastLayers\\\":0", "\\\"lastLayers\\\":9223372036854775807"),
            ("\\\"peak\\\":", "\\\"peaks\\\":"), ("\"step\":\"1\"", "\"step\":\"-1\""),
        ] {
            let changed = try #require(CheckpointFuzzTests.replacing(found, replacement, in: whole))
            let damaged = try folder.write("damaged.safetensors", CheckpointFuzzTests.sealed(changed))
            expectUserError([damaged]) { try trainer.restoreState(from: damaged) }
        }
        try trainer.restoreState(from: folder.write("again.safetensors", CheckpointFuzzTests.sealed(whole)))
        #expect(trainer.step == 1)
    }

    /// The same progress is the same text: keys had come in the order of hashes.
    @Test func progressIsWrittenInOrder() throws {
        var progress = RunProgress()
        progress.lastLoss = 2
        (progress.trainingSeconds, progress.timedSteps, progress.activeSeconds) = (0.5, 3, 1.5)
        #expect(
            try progress.metadata()
                == ["progress": #"{"activeSeconds":1.5,"lastLoss":2,"timedSteps":3,"trainingSeconds":0.5}"#])
    }

    @Test func aFileThatCannotBeWrittenLeavesNothingBehind() throws {
        let folder = try TemporaryDirectory()
        try folder.write("taken/file", [1, 2, 3])
        let trainer = try Self.trained(CheckpointFuzzTests.configuration, steps: 0)
        for path in [folder.path + "/taken", folder.path + "/missing/model.safetensors"] {
            expectUserError(["cannot write \(path): "]) { try trainer.save(to: path) }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["taken"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path + "/taken") == ["file"])
    }

    // MARK: Forks

    /// The fork goes on from its own state, with other precision, other averages and other statistics.
    @Test func aForkIsSavedWithItsRun() throws {
        let folder = try TemporaryDirectory()
        let path = folder.path + "/state.safetensors"
        let configuration = try ForkTests.configuration([])
        let run = try Self.trained(configuration, steps: 3)
        let fork = try run.fork()
        try fork.set(PrecisionAssignment(parsing: "layers.1.* bf16"))
        for _ in 0..<2 {
            _ = try run.trainStep()
            _ = try fork.trainStep()
        }
        // One step behind, as after a stop.
        _ = try run.trainStep()
        try run.saveState(fork: (fork, "prec layers.1.* bf16"), to: path)
        let checkpoint = try Checkpoint.verify(path)
        #expect(checkpoint.isState && checkpoint.step == 6)

        let resumed = try PrecisionChangeTests.trainer(configuration)
        let restored = try #require(try resumed.restoreState(from: path).fork)
        #expect(restored.text == "prec layers.1.* bf16")
        #expect(restored.trainer.step == 5 && resumed.step == 6)
        #expect(restored.trainer.control.state == fork.control.state)
        for (old, new) in [(run, resumed), (fork, restored.trainer)] {
            while old.step < 9 {
                let (expected, found) = (try #require(try old.trainStep()), try #require(try new.trainStep()))
                #expect(expected.loss.bitPattern == found.loss.bitPattern)
                #expect(expected.gradientNorm.bitPattern == found.gradientNorm.bitPattern)
            }
            let count = old.parameters.layout.count
            let isSame =
                Self.bits(old.parameters.values, count) == Self.bits(new.parameters.values, count)
                && old.optimizer.moments.second.bytes(count).elementsEqual(new.optimizer.moments.second.bytes(count))
            #expect(isSame)
        }
        let count = run.parameters.layout.count
        let differ = Self.bits(run.parameters.values, count) != Self.bits(fork.parameters.values, count)
        #expect(differ)
    }
}
