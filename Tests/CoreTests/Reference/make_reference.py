"""Makes the reference fixtures for the model tests: gpt2.safetensors and llama.safetensors in ../Fixtures.

    python make_reference.py

needs PyTorch. Everything is computed in float64 and stored in float32, so a fixture is the exact answer as far as
float32 arithmetic is concerned. A fixture holds, for one small random model:

    param.NAME              initial parameters; weights are [out, in], y = x Wᵀ + b
    tokens, targets         [batch, context]
    logits, loss            [batch, context, vocabulary] and [1]: mean cross-entropy in nats
    grad.NAME               gradient of the loss for every parameter
    train.tokens, .targets  [steps, batch, context]: one batch for each step of training
    train.losses            [steps]: the loss of each step's batch before that step's update
    train.gradient_norms    [steps]: global gradient norm before clipping
    final.NAME              [2]: sum and sum of squares of the parameter after the last step

The header's __metadata__ holds the shape of the model and the optimizer's settings. In a model with biases the gradient
of every attn.k.bias is zero in exact arithmetic (softmax ignores what is added to all scores of a query), so its final
value is rounding noise magnified by Adam: do not compare it.
"""

import json
import math
import struct
from pathlib import Path

import torch
import torch.nn.functional as F

BATCH, CONTEXT, VOCABULARY, LAYERS, STEPS = 2, 10, 37, 2, 10
LEARNING_RATE, BETAS, EPSILON, WEIGHT_DECAY, CLIP = 1e-2, (0.9, 0.95), 1e-8, 0.1, 1.0
NORM_EPSILON, ROPE_THETA = 1e-5, 10_000.0

GPT2 = dict(family="gpt2", width=24, heads=3, kv_heads=3, hidden=96, seed=1)
LLAMA = dict(family="llama", width=32, heads=4, kv_heads=2, hidden=80, seed=2)


def parameter_shapes(model):
    """Name to shape, in the order of the forward pass."""
    gpt2 = model["family"] == "gpt2"
    width, hidden = model["width"], model["hidden"]
    kv_width = width // model["heads"] * model["kv_heads"]
    shapes = {"embed.weight": (VOCABULARY, width)}
    if gpt2:
        shapes["position.weight"] = (CONTEXT, width)

    def add(name, *shape):
        shapes[name + ".weight"] = shape
        if gpt2:
            shapes[name + ".bias"] = shape[:1]

    for n in range(LAYERS):
        layer = f"layers.{n}."
        add(layer + "attn_norm", width)
        add(layer + "attn.q", width, width)
        add(layer + "attn.k", kv_width, width)
        add(layer + "attn.v", kv_width, width)
        add(layer + "attn.o", width, width)
        add(layer + "mlp_norm", width)
        if not gpt2:
            add(layer + "mlp.gate", hidden, width)
        add(layer + "mlp.up", hidden, width)
        add(layer + "mlp.down", width, hidden)
    add("final_norm", width)
    if not gpt2:
        shapes["lm_head.weight"] = (VOCABULARY, width)
    return shapes


def initial_parameters(model):
    """Random values far from any symmetric point, each one exact in float32."""
    parameters = {}
    for name, shape in parameter_shapes(model).items():
        value = 0.2 * torch.randn(shape, dtype=torch.float64)
        if name.endswith("norm.weight"):
            value += 1
        parameters[name] = value.float().double().requires_grad_()
    return parameters


def rotate(x):
    """Rotary embedding of [batch, heads, time, channels]: channel i is paired with channel i + channels/2."""
    time, channels = x.shape[-2:]
    frequency = ROPE_THETA ** (-torch.arange(0, channels, 2, dtype=torch.float64) / channels)
    angle = torch.outer(torch.arange(time, dtype=torch.float64), frequency)
    cos, sin = torch.cat([angle.cos()] * 2, dim=-1), torch.cat([angle.sin()] * 2, dim=-1)
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


def forward(model, parameters, tokens):
    """Logits [batch, time, vocabulary]."""
    gpt2 = model["family"] == "gpt2"
    width, heads, kv_heads = model["width"], model["heads"], model["kv_heads"]
    batch, time = tokens.shape

    def linear(name, x):
        return F.linear(x, parameters[name + ".weight"], parameters.get(name + ".bias"))

    def norm(name, x):
        weight = parameters[name + ".weight"]
        if gpt2:
            return F.layer_norm(x, (width,), weight, parameters[name + ".bias"], NORM_EPSILON)
        return x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + NORM_EPSILON) * weight

    def attention(layer, x):
        def split(name, count):
            return linear(layer + name, x).view(batch, time, count, width // heads).transpose(1, 2)

        q, k, v = split("attn.q", heads), split("attn.k", kv_heads), split("attn.v", kv_heads)
        if not gpt2:
            q, k = rotate(q), rotate(k)
        group = heads // kv_heads  # query head h uses key and value head h // group
        k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        scores = q @ k.transpose(-1, -2) / math.sqrt(width // heads)
        future = torch.ones(time, time, dtype=torch.bool).triu(1)
        mixed = scores.masked_fill(future, -math.inf).softmax(-1) @ v
        return linear(layer + "attn.o", mixed.transpose(1, 2).reshape(batch, time, width))

    def feed_forward(layer, x):
        up = linear(layer + "mlp.up", x)
        hidden = F.gelu(up, approximate="tanh") if gpt2 else F.silu(linear(layer + "mlp.gate", x)) * up
        return linear(layer + "mlp.down", hidden)

    x = F.embedding(tokens, parameters["embed.weight"])
    if gpt2:
        x = x + parameters["position.weight"][:time]
    for n in range(LAYERS):
        layer = f"layers.{n}."
        x = x + attention(layer, norm(layer + "attn_norm", x))
        x = x + feed_forward(layer, norm(layer + "mlp_norm", x))
    head = parameters["embed.weight"] if gpt2 else parameters["lm_head.weight"]
    return F.linear(norm("final_norm", x), head)


def backward(model, parameters, tokens, targets):
    """Logits and loss; leaves the gradients in the parameters."""
    for parameter in parameters.values():
        parameter.grad = None
    logits = forward(model, parameters, tokens)
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    loss.backward()
    return logits.detach(), loss.detach()


def random_batch(*leading):
    """Tokens, and as targets the tokens that follow them."""
    windows = torch.randint(VOCABULARY, (*leading, BATCH, CONTEXT + 1))
    return windows[..., :-1], windows[..., 1:]


def train(model, parameters, tokens, targets):
    """Losses and unclipped global gradient norms of one step of AdamW per batch."""
    matrices = [p for p in parameters.values() if p.dim() == 2]
    vectors = [p for p in parameters.values() if p.dim() == 1]
    optimizer = torch.optim.AdamW(
        [dict(params=matrices, weight_decay=WEIGHT_DECAY), dict(params=vectors, weight_decay=0.0)],
        lr=LEARNING_RATE, betas=BETAS, eps=EPSILON)
    losses, norms = [], []
    for step in range(STEPS):
        _, loss = backward(model, parameters, tokens[step], targets[step])
        norm = torch.sqrt(sum(p.grad.pow(2).sum() for p in parameters.values()))
        for parameter in parameters.values():
            parameter.grad *= min(1.0, CLIP / norm.item())
        optimizer.step()
        losses.append(loss)
        norms.append(norm)
    return torch.stack(losses), torch.stack(norms)


def write_safetensors(path, tensors, metadata):
    """8-byte little-endian length of the header, the header in JSON, the data."""
    header, data = {"__metadata__": metadata}, b""
    for name, tensor in tensors.items():
        integer = not tensor.is_floating_point()
        array = tensor.to(torch.int32 if integer else torch.float32).contiguous().numpy()
        raw = array.astype("<i4" if integer else "<f4").tobytes()
        header[name] = {
            "dtype": "I32" if integer else "F32", "shape": list(array.shape),
            "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def make_fixture(model):
    torch.manual_seed(model["seed"])
    parameters = initial_parameters(model)
    tensors = {"param." + name: p.detach().clone() for name, p in parameters.items()}
    tokens, targets = random_batch()
    logits, loss = backward(model, parameters, tokens, targets)
    tensors |= {"tokens": tokens, "targets": targets, "logits": logits, "loss": loss.reshape(1)}
    tensors |= {"grad." + name: p.grad.clone() for name, p in parameters.items()}
    tokens, targets = random_batch(STEPS)
    losses, norms = train(model, parameters, tokens, targets)
    tensors |= {
        "train.tokens": tokens, "train.targets": targets, "train.losses": losses, "train.gradient_norms": norms}
    for name, parameter in parameters.items():
        value = parameter.detach()
        tensors["final." + name] = torch.stack([value.sum(), value.pow(2).sum()])
    metadata = {name: str(value) for name, value in model.items()} | {
        "batch": str(BATCH), "context": str(CONTEXT), "vocabulary": str(VOCABULARY), "layers": str(LAYERS),
        "norm_epsilon": str(NORM_EPSILON), "rope_theta": str(ROPE_THETA), "learning_rate": str(LEARNING_RATE),
        "beta1": str(BETAS[0]), "beta2": str(BETAS[1]), "epsilon": str(EPSILON),
        "weight_decay": str(WEIGHT_DECAY), "clip": str(CLIP)}
    path = Path(__file__).parent.parent / "Fixtures" / (model["family"] + ".safetensors")
    write_safetensors(path, tensors, metadata)
    print(path.name, path.stat().st_size, "bytes; loss", losses.tolist(), "norm", norms.tolist())


if __name__ == "__main__":
    torch.set_num_threads(1)
    make_fixture(GPT2)
    make_fixture(LLAMA)
