/// Everything that decides a run. The same configuration, data and commands give the same bits.
public struct RunConfiguration: Codable, Sendable, Hashable {
    public struct Run: Codable, Sendable, Hashable {
        public var name = ""
        public var seed: UInt64 = 1
        /// Optimizer steps.
        public var steps = 5000
        /// Lanes that compute; 0 means one per online core. Does not change the bits.
        public var threads = 0
        /// "auto", or the instruction set to force: a `KernelTier`. Changes the bits of FP8 alone, where there is FP16.
        public var kernels = "auto"
        /// Steps between two lines of the batch log.
        public var logEvery = 50
        /// Where the trained model is saved at the end (safetensors); empty: nowhere.
        public var save = ""
        /// Commands that take effect while it runs: `STEP: COMMAND`, see `ScheduledCommand`.
        public var commands: [String] = []
    }

    public struct Data: Codable, Sendable, Hashable {
        public enum Format: String, Codable, Sendable, CaseIterable {
            /// `.bin` files are tokens, everything else is text.
            case auto
            /// Any bytes, one token a byte.
            case text
            /// Little-endian uint16 tokens, with or without llm.c's 1024-byte header.
            case tokens
        }
        /// Files or directories; empty: the built-in synthetic language.
        public var paths: [String] = []
        public var format = Format.auto
        /// Number of distinct tokens in `.bin` files; text always has 256.
        public var vocabularySize = 50_257
        /// The share at the end of the data that is kept for validation.
        public var validationFraction = 0.1
        /// Number of words of the built-in language.
        public var languageWords = 2000
    }

    public struct Training: Codable, Sendable, Hashable {
        /// Sequences in a micro-batch.
        public var batch = 16
        /// Micro-batches whose gradients are summed before an optimizer step.
        public var accumulation = 1
        /// Backward computes what lies between the inputs of the layers again, instead of keeping it.
        public var recompute = false
        /// FP8 products are summed as on a processor without FP16 and BF16.
        public var strictFP8 = false

        /// So that the name survives the way to snake case and back.
        private enum CodingKeys: String, CodingKey {
            case batch, accumulation, recompute
            case strictFP8 = "strictFp8"
        }

        public init() {}

        public init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: CodingKeys.self)
            batch = try values.decode(Int.self, forKey: .batch)
            accumulation = try values.decode(Int.self, forKey: .accumulation)
            // Runs that were recorded before there was this key have none.
            recompute = try values.decodeIfPresent(Bool.self, forKey: .recompute) ?? false
            strictFP8 = try values.decode(Bool.self, forKey: .strictFP8)
        }
    }

    public struct Optimizer: Codable, Sendable, Hashable {
        public enum Decay: String, Codable, Sendable, CaseIterable { case cosine, wsd, constant }
        public var learningRate = 1e-3
        public var minimumLearningRate = 1e-4
        public var warmup = 100
        public var decay = Decay.cosine
        /// WSD: the share of the steps, at the end, in which the learning rate falls linearly to its minimum.
        public var decayFraction = 0.2
        public var beta1 = 0.9
        public var beta2 = 0.95
        public var epsilon = 1e-8
        public var weightDecay = 0.1
        /// Largest global gradient norm; 0: no clipping.
        public var clip = 1.0
        /// What AdamW keeps its moments in.
        public var moments = UnscaledFormat.fp32

        public init() {}

        public init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: CodingKeys.self)
            learningRate = try values.decode(Double.self, forKey: .learningRate)
            minimumLearningRate = try values.decode(Double.self, forKey: .minimumLearningRate)
            warmup = try values.decode(Int.self, forKey: .warmup)
            decay = try values.decode(Decay.self, forKey: .decay)
            decayFraction = try values.decode(Double.self, forKey: .decayFraction)
            beta1 = try values.decode(Double.self, forKey: .beta1)
            beta2 = try values.decode(Double.self, forKey: .beta2)
            epsilon = try values.decode(Double.self, forKey: .epsilon)
            weightDecay = try values.decode(Double.self, forKey: .weightDecay)
            clip = try values.decode(Double.self, forKey: .clip)
            // Runs that were recorded before there was this key have none.
            moments = try values.decodeIfPresent(UnscaledFormat.self, forKey: .moments) ?? .fp32
        }
    }

    public struct Evaluation: Codable, Sendable, Hashable {
        /// Steps between two evaluations; 0: only at the end.
        public var every = 250
        /// Batches of the fixed validation sample.
        public var batches = 20
    }

    public struct Health: Codable, Sendable, Hashable {
        /// Steps between two reports on the quantization of every linear; 0: never.
        public var every = 50
        /// Steps between two probes of the gradients; 0: never.
        public var probeEvery = 250
    }

    public struct Checkpoint: Codable, Sendable, Hashable {
        /// Steps between two checkpoints of a recorded run; 0: only at its end.
        public var every = 500
        /// Minutes after which there is one in any case; 0: never.
        public var minutes = 10.0
        /// How many of the newest are kept.
        public var keepLast = 2
        /// How many of those with the least validation loss are kept beside them.
        public var keepBest = 1
    }

    public struct Sampling: Codable, Sendable, Hashable {
        /// Steps between two samples of text; 0: never.
        public var every = 250
        public var tokens = 200
        public var temperature = 0.8
        /// Only the most likely tokens are drawn; 0: all.
        public var topK = 0
        public var prompt = ""
    }

    public var run = Run()
    public var data = Data()
    public var model = ModelConfiguration()
    public var training = Training()
    public var recipe = Recipe.zhou2025
    public var optimizer = Optimizer()
    public var evaluation = Evaluation()
    public var health = Health()
    public var sampling = Sampling()
    public var checkpoint = Checkpoint()

    public init() {}
}
