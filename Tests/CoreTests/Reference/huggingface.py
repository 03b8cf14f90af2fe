"""Checks saved models with Hugging Face's own code, and makes the fixtures of CheckpointTests with it.

    pip install torch==2.15.0 transformers==5.24.0 safetensors==0.8.0
    python huggingface.py check MODEL ANSWER    # a model that fp4tui saved, and the logits that it computed
    python huggingface.py make                  # writes ../Fixtures/hf-llama.safetensors and hf-gpt2.safetensors

`check` derives the model's configuration from MODEL's metadata, loads the weights with `from_pretrained` into
LlamaForCausalLM or GPT2LMHeadModel, which must take every one of them and miss none, and compares logits and mean loss.
ANSWER holds "tokens" [sequences, length] and "logits" [sequences, length, vocabulary]; CheckpointTests writes both files
where the environment variable FP4TUI_HUGGINGFACE says.

`make` writes random models of Transformers as checkpoints of fp4tui, with tokens and the logits that Transformers
computes beside the weights, under "answer.tokens" and "answer.logits".
"""

import json
import shutil
import struct
import sys
import tempfile
from pathlib import Path

import torch
from safetensors import safe_open
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

CHECKPOINT = "fp4tui checkpoint 2"
# What a state holds beside the model.
STATE_PREFIXES = ("optimizer.", "weight_averages.", "fork.")


def configuration(metadata):
    """Class and configuration of Transformers for the model that the metadata describe."""
    model = json.loads(metadata["configuration"])["model"]
    width = model["width"]
    hidden = max(8, round(width * model["feedForwardMultiple"] / 8) * 8)
    vocabulary = int(metadata["vocabulary_size"])
    names = metadata["weight_names"]
    if names == "llama":
        return LlamaForCausalLM, LlamaConfig(
            vocab_size=vocabulary, hidden_size=width, intermediate_size=hidden, num_hidden_layers=model["layers"],
            num_attention_heads=model["heads"], num_key_value_heads=model["keyValueHeads"],
            max_position_embeddings=model["context"], rms_norm_eps=model["normEpsilon"],
            rope_theta=model["ropeTheta"], tie_word_embeddings=model["tiedEmbeddings"], attention_bias=False,
            mlp_bias=False, hidden_act="silu", bos_token_id=None, eos_token_id=None)
    if names == "gpt2":
        return GPT2LMHeadModel, GPT2Config(
            vocab_size=vocabulary, n_embd=width, n_inner=hidden, n_layer=model["layers"], n_head=model["heads"],
            n_positions=model["context"], layer_norm_epsilon=model["normEpsilon"], activation_function="gelu_new",
            embd_pdrop=0, attn_pdrop=0, resid_pdrop=0, bos_token_id=None, eos_token_id=None)
    raise SystemExit(f"weights named as {names}: Transformers has no such model")


def load(path):
    """The model in a checkpoint, as anyone would load it: a folder with config.json and model.safetensors."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    assert metadata["checkpoint"] == CHECKPOINT, metadata["checkpoint"]
    kind, config = configuration(metadata)
    with tempfile.TemporaryDirectory() as folder:
        config.save_pretrained(folder)
        shutil.copy(path, Path(folder) / "model.safetensors")
        model, report = kind.from_pretrained(
            folder, output_loading_info=True, dtype=torch.float32, attn_implementation="eager")
    unexpected = [key for key in report["unexpected_keys"] if not key.startswith(STATE_PREFIXES)]
    assert not report["missing_keys"] and not unexpected and not report["mismatched_keys"], report
    return model.eval()


def mean_loss(logits, tokens):
    """Each token but the first, from those before it."""
    flat = logits[:, :-1].reshape(-1, logits.shape[-1])
    return torch.nn.functional.cross_entropy(flat.double(), tokens[:, 1:].reshape(-1)).item()


def check(path, answer):
    model = load(path)
    with safe_open(answer, "pt") as file:
        tokens, ours = file.get_tensor("tokens").long(), file.get_tensor("logits")
    with torch.no_grad():
        theirs = model(tokens).logits
    largest = (theirs - ours).abs().max().item()
    losses = mean_loss(theirs, tokens), mean_loss(ours, tokens)
    print(
        f"{Path(path).name}: {type(model).__name__}, {sum(p.numel() for p in model.parameters())} parameters, logits up "
        f"to {theirs.abs().max():.3f}, largest difference {largest:.2e}; mean loss {losses[0]:.6f} there, "
        f"{losses[1]:.6f} here")
    assert largest < 1e-4 and abs(losses[0] - losses[1]) < 1e-5


def crc32c(data):
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def write(path, tensors, metadata):
    """As fp4tui writes files: the checksum of all, with zeros in its place, comes first in the metadata."""
    zeros = "0" * 8
    header, data = {"__metadata__": {"crc32c": zeros} | metadata}, b""
    for name, tensor in tensors.items():
        array = tensor.detach().contiguous().numpy()
        raw = array.tobytes()
        header[name] = {
            "dtype": {"float32": "F32", "int32": "I32"}[array.dtype.name], "shape": list(array.shape),
            "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    whole = struct.pack("<Q", len(text)) + text + data
    place = whole.index(zeros.encode())
    whole = whole[:place] + f"{crc32c(whole):08x}".encode() + whole[place + len(zeros):]
    path.write_bytes(whole)


def make(name, kind, model, seed):
    torch.manual_seed(seed)
    metadata = {
        "checkpoint": CHECKPOINT, "configuration": json.dumps({"model": model}), "vocabulary_size": "40",
        "is_text": "false", "step": "0", "weight_names": kind, "format": "pt"}
    make_model, config = configuration(metadata)
    net = make_model(config).eval()
    for parameter in net.parameters():
        # Norms and biases too, and large enough that every part of the model matters.
        torch.nn.init.normal_(parameter, 1 if parameter.dim() == 1 else 0, 0.2)
    tokens = torch.randint(40, (2, model["context"]))
    with torch.no_grad():
        logits = net(tokens).logits
    weights = net.state_dict()
    if config.tie_word_embeddings:
        del weights["lm_head.weight"]
    path = Path(__file__).parent.parent / "Fixtures" / (name + ".safetensors")
    write(path, weights | {"answer.tokens": tokens.int(), "answer.logits": logits}, metadata)
    print(path.name, path.stat().st_size, "bytes; logits up to", logits.abs().max().item())


def shape(**changes):
    return {"layers": 2, "heads": 4, "width": 16, "context": 12, "normEpsilon": 1e-5} | changes


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1:] == ["make"]:
        make("hf-llama", "llama", shape(
            keyValueHeads=2, norm="rmsnorm", position="rope", activation="swiglu", bias=False, tiedEmbeddings=False,
            feedForwardMultiple=2.5, ropeTheta=5000.0), 1)
        make("hf-gpt2", "gpt2", shape(
            keyValueHeads=4, norm="layernorm", position="learned", activation="gelu", bias=True, tiedEmbeddings=True,
            feedForwardMultiple=4.0, ropeTheta=10000.0), 2)
    elif len(sys.argv) == 4 and sys.argv[1] == "check":
        check(*sys.argv[2:])
    else:
        raise SystemExit(__doc__)
