import Testing

@testable import Core

@Suite struct ConfigurationValidationTests {
    static let gigabyte: UInt64 = 1_000_000_000

    @Test func theDefaultsAreValid() throws {
        try RunConfiguration().validate(physicalMemory: 4 * Self.gigabyte)
    }

    /// What is set, and what the message must name.
    static let mistakes: [([(String, ConfigurationValue)], [String])] = [
        ([("model.width", .integer(100)), ("model.heads", .integer(3))], ["model.width = 100", "model.heads = 3"]),
        (
            [("model.width", .integer(12)), ("model.position", .string("rope"))],
            ["model.width = 12", "model.heads = 4", "width 3"]
        ),
        (
            [("model.heads", .integer(8)), ("model.key_value_heads", .integer(3))],
            ["model.heads = 8", "model.key_value_heads = 3"]
        ),
        (
            [("optimizer.minimum_learning_rate", .integer(1))],
            ["optimizer.minimum_learning_rate = 1.0", "optimizer.learning_rate = 0.001"]
        ),
        (
            [
                ("model.width", .integer(65_536)), ("model.layers", .integer(1024)),
                ("training.batch", .integer(1_000_000)),
            ],
            ["model.layers = 1024", "model.width = 65536", "training.batch = 1000000", "16.0 GB"]
        ),
    ]

    @Test(arguments: mistakes.indices)
    func keysThatDoNotFitTogetherAreNamed(index: Int) throws {
        let (settings, names) = Self.mistakes[index]
        var configuration = RunConfiguration()
        try configuration.apply(settings.map { .init(path: $0.0, value: $0.1, origin: "") })
        let error = try #require(throws: UserError.self) {
            try configuration.validate(physicalMemory: 16 * Self.gigabyte)
        }
        for name in names { #expect(error.description.contains(name), "\(error)") }
    }

    @Test func moreMemoryThanTheMachineHasIsRefused() throws {
        var configuration = RunConfiguration()
        try configuration.requireMemory(4_000_000_000, physicalMemory: 4 * Self.gigabyte)
        for (recompute, moments) in [(false, UnscaledFormat.fp32), (true, .fp32), (true, .bf16)] {
            configuration.training.recompute = recompute
            configuration.optimizer.moments = moments
            let error = try #require(throws: UserError.self) {
                try configuration.requireMemory(4_000_000_001, physicalMemory: 4 * Self.gigabyte)
            }
            #expect(error.description.contains("4.0 GB"))
            #expect(error.description.contains(", or training.recompute = true, or") == !recompute)
            #expect(error.description.contains(", or optimizer.moments = \"bf16\", is needed") == (moments == .fp32))
            #expect(error.description.hasSuffix("training.batch is needed") == (moments == .bf16))
        }
    }

    /// And what it is not refused for is what it takes: within a tenth, on both sides.
    @Test func computingAgainNeedsLessMemory() throws {
        var configuration = RunConfiguration()
        (configuration.model.layers, configuration.training.batch) = (24, 64)
        let limit = UInt64(0.3 * configuration.approximateMemory)
        let error = try #require(throws: UserError.self) { try configuration.validate(physicalMemory: limit) }
        #expect(error.description.contains("training.recompute = true"))
        configuration.training.recompute = true
        try configuration.validate(physicalMemory: limit)
        for activation in ModelConfiguration.Activation.allCases {
            for (recompute, moments) in [(false, UnscaledFormat.fp32), (true, .fp32), (false, .bf16)] {
                var small = PrecisionChangeTests.configuration { _ in }
                (small.model.activation, small.training.recompute) = (activation, recompute)
                small.optimizer.moments = moments
                (small.model.layers, small.model.width, small.model.context) = (6, 64, 64)
                small.run.commands = []
                let bytes = try PrecisionChangeTests.trainer(small).memoryBytes
                #expect(
                    abs(Double(bytes) / small.approximateMemory - 1) < 0.25, "\(activation) \(recompute) \(moments)")
            }
        }
    }

    @Test func valuesThatNoFileHasAreCheckedToo() {
        var configuration = RunConfiguration()
        configuration.model.heads = 0
        #expect(throws: UserError.self) { try configuration.validate() }
        configuration = RunConfiguration()
        configuration.model.width = Int.max
        #expect(throws: UserError.self) { try configuration.validate() }
        configuration = RunConfiguration()
        configuration.optimizer.epsilon = .nan
        #expect(throws: UserError.self) { try configuration.validate() }
    }

    @Test func theVocabularyFollowsTheKindOfData() {
        var configuration = RunConfiguration()
        #expect(configuration.expectedVocabularySize == 256)
        configuration.data.paths = ["a.bin"]
        #expect(configuration.expectedVocabularySize == 50_257)
        configuration.data.format = .text
        #expect(configuration.expectedVocabularySize == 256)
    }
}

@Suite struct PresetTests {
    @Test(arguments: Preset.all.map(\.name))
    func aPresetIsComplete(name: String) throws {
        let preset = try Preset.named(name)
        #expect(preset.configuration.run.name == name)
        try preset.configuration.validate(physicalMemory: 16_000_000_000)
    }

    @Test func namesDiffer() {
        #expect(Set(Preset.all.map(\.name)).count == Preset.all.count)
        #expect(throws: UserError("there is no preset \"babi\"; the nearest is \"baby\" (fp4tui presets lists them)")) {
            try Preset.named("babi")
        }
        #expect(Preset.standard.name == "default")
    }

    /// Counts that others published: GPT-2 small; nanoGPT's two recipes for 65 characters, which it counts without
    /// positions; LLaMA-7B; TinyLlama-1.1B.
    @Test func parameterCountsAgreeWithThePublishedOnes() throws {
        #expect(try Preset.named("gpt2-124m").configuration.model.parameterCount(vocabularySize: 50_257) == 124_439_808)
        let baby = try Preset.named("baby").configuration.model
        #expect(baby.parameterCount(vocabularySize: 65) - 256 * 384 == 10_646_784)
        let cpu = try Preset.named("nanogpt-cpu").configuration.model
        #expect(cpu.parameterCount(vocabularySize: 65) - 64 * 128 == 795_904)

        var llama = ModelConfiguration()
        llama.adopt(.llama)
        (llama.layers, llama.heads, llama.keyValueHeads, llama.width) = (32, 32, 32, 4096)
        llama.feedForwardMultiple = 11_008.0 / 4096
        #expect(llama.parameterCount(vocabularySize: 32_000) == 6_738_415_616)
        (llama.layers, llama.keyValueHeads, llama.width) = (22, 4, 2048)
        llama.feedForwardMultiple = 5632.0 / 2048
        #expect(llama.parameterCount(vocabularySize: 32_000) == 1_100_048_384)
    }

    @Test func nanoGPTsRecipeIsExact() throws {
        let recipe = try Preset.named("nanogpt-cpu").configuration
        let (model, optimizer) = (recipe.model, recipe.optimizer)
        #expect((model.layers, model.heads, model.keyValueHeads, model.width, model.context) == (4, 4, 4, 128, 64))
        #expect((model.norm, model.position, model.activation) == (.layerNorm, .learned, .gelu))
        #expect((model.bias, model.tiedEmbeddings, model.feedForwardMultiple) == (false, true, 4))
        #expect((recipe.training.batch, recipe.training.accumulation, recipe.run.steps) == (12, 1, 2000))
        #expect((optimizer.learningRate, optimizer.minimumLearningRate, optimizer.warmup) == (1e-3, 1e-4, 100))
        #expect((optimizer.beta1, optimizer.beta2, optimizer.weightDecay, optimizer.clip) == (0.9, 0.99, 0.1, 1))
        #expect((recipe.evaluation.every, recipe.evaluation.batches) == (250, 200))
        #expect((optimizer.decay, recipe.data.validationFraction) == (.cosine, 0.1))
    }
}
