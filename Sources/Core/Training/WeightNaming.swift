/// How the weights of a checkpoint are named and laid out: as Hugging Face's Transformers does it for the model's family,
/// so that its code loads them.
enum WeightNaming: String {
    /// `LlamaForCausalLM`: RMSNorm, RoPE on the two halves of a head, SwiGLU, no biases.
    case llama
    /// `GPT2LMHeadModel`: LayerNorm, learned positions, GELU in the tanh approximation (`gelu_new`), biases, tied
    /// embeddings. Linears are stored [inputs, outputs], with q, k and v as one.
    case gpt2
    /// Our own names, for all other models.
    case own = "fp4tui"

    init(_ model: ModelConfiguration) {
        switch (model.norm, model.position, model.activation, model.bias) {
        case (.rmsNorm, .rope, .swiglu, false): self = .llama
        case (.layerNorm, .learned, .gelu, true)
        where model.tiedEmbeddings && model.keyValueHeads == model.heads: self = .gpt2
        default: self = .own
        }
    }

    /// A tensor as it lies in the file: one range of the parameters.
    struct Stored {
        var name: String
        /// In the file.
        var shape: [Int]
        /// Of the range, in the parameter buffer.
        var offset: Int
        /// In the parameter buffer the matrix has rows and columns exchanged.
        var isTransposed: Bool
    }

    /// The tensors of a model whose naming this is.
    func tensors(_ layout: ParameterLayout) -> [Stored] {
        layout.tensors.compactMap { tensor in
            var parts = tensor.name.split(separator: ".").map(String.init)
            let parameter = parts.removeLast()
            var prefix = ""
            if self != .own, parts[0] == "layers" {
                prefix = (self == .llama ? "model.layers." : "transformer.h.") + parts[1] + "."
                parts.removeFirst(2)
            }
            let module = parts.joined(separator: ".")
            let stored = Stored(name: tensor.name, shape: tensor.shape, offset: tensor.offset, isTransposed: false)
            switch self {
            case .own: return stored
            case .llama: return stored.named("\(prefix)\(Self.llamaNames[module]!).\(parameter)")
            case .gpt2:
                guard let name = Self.gpt2Names[module] else { return nil }
                return stored.named("\(prefix)\(name).\(parameter)")
                    .merged(module == "attn.q" ? 3 : 1)
                    .transposed(!prefix.isEmpty && tensor.shape.count == 2)
            }
        }
    }

    private static let llamaNames = [
        "embed": "model.embed_tokens", "final_norm": "model.norm", "lm_head": "lm_head",
        "attn_norm": "input_layernorm", "mlp_norm": "post_attention_layernorm",
        "attn.q": "self_attn.q_proj", "attn.k": "self_attn.k_proj", "attn.v": "self_attn.v_proj",
        "attn.o": "self_attn.o_proj", "mlp.gate": "mlp.gate_proj", "mlp.up": "mlp.up_proj", "mlp.down": "mlp.down_proj",
    ]

    /// k and v follow q in the parameters, and are stored with it.
    private static let gpt2Names = [
        "embed": "transformer.wte", "position": "transformer.wpe", "final_norm": "transformer.ln_f",
        "attn_norm": "ln_1", "mlp_norm": "ln_2", "attn.q": "attn.c_attn", "attn.o": "attn.c_proj",
        "mlp.up": "mlp.c_fc", "mlp.down": "mlp.c_proj",
    ]
}

extension WeightNaming.Stored {
    fileprivate func named(_ name: String) -> Self {
        var copy = self
        copy.name = name
        return copy
    }

    /// So many tensors of the same shape that lie side by side, as one.
    fileprivate func merged(_ count: Int) -> Self {
        var copy = self
        copy.shape[0] *= count
        return copy
    }

    fileprivate func transposed(_ isTransposed: Bool) -> Self {
        guard isTransposed else { return self }
        var copy = self
        copy.shape.reverse()
        copy.isTransposed = true
        return copy
    }

    /// - Parameter values: the parameter buffer.
    func output(prefix: String, _ values: UnsafePointer<Float>) -> SafeTensors.Output {
        isTransposed
            ? .init(name: prefix + name, shape: shape, transposing: values + offset)
            : .init(name: prefix + name, shape: shape, values: values + offset)
    }

    /// - Parameter values: the parameter buffer.
    /// - Throws: `UserError` if the file has no such tensor.
    func read(_ file: SafeTensors.File, prefix: String, into values: UnsafeMutablePointer<Float>) throws {
        isTransposed
            ? try file.copyTransposed(prefix + name, shape: shape, to: values + offset)
            : try file.copy(prefix + name, shape: shape, to: values + offset)
    }
}
