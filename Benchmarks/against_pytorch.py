#!/usr/bin/env python3
"""fp4tui's training step against PyTorch's on this machine, in turns, each measurement in a process of its own.

    python3 -m venv venv && venv/bin/pip install torch
    swift build -c release
    venv/bin/python Benchmarks/against_pytorch.py --preset baby

The same GPT-2 style model, batch and optimizer: PyTorch in FP32, under BF16 autocast, and as the paper's recipe by fake
quantization (E2M1 feed-forward, E4M3 attention and backward, blocks of 128), which is how FP4 training is studied where no
hardware multiplies FP4. Prints a Markdown table: tokens/s and peak memory, medians over the rounds, and the ratios of
fp4tui's recipes to PyTorch's best mode and to fake quantization, medians of the ratios within a round.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
import tomllib

# glibc hands large buffers back to the system after each step by default, which slows PyTorch down: keep them.
ALLOCATOR = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000", "MALLOC_TOP_PAD_": "268435456"}


def torch_step(shape, mode, threads, seconds):
    """Times steps for so many seconds; prints tokens/s and peak memory as JSON."""
    import torch
    from torch import nn
    from torch.nn import functional

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    width, heads, context = shape["width"], shape["heads"], shape["context"]

    def fake(x, fp4):
        blocks = functional.pad(x, (0, -x.shape[-1] % 128)).unflatten(-1, (-1, 128))
        scale = (blocks.abs().amax(-1, keepdim=True) / (6 if fp4 else 448)).clamp(min=1e-30)
        y = blocks / scale
        if fp4:
            step = torch.where(y.abs() < 2, 0.5, torch.where(y.abs() < 4, 1.0, 2.0))
            y = torch.round(y / step) * step
        else:
            y = y.to(torch.float8_e4m3fn).float()
        return (y * scale).flatten(-2)[..., : x.shape[-1]]

    class FakeQuantized(torch.autograd.Function):
        @staticmethod
        def forward(context, x, weight, bias, fp4):
            context.save_for_backward(x, weight)
            context.has_bias = bias is not None
            return functional.linear(fake(x, fp4), fake(weight, fp4), bias)

        @staticmethod
        def backward(context, gradient):
            x, weight = context.saved_tensors
            rows, errors = x.flatten(0, -2), gradient.flatten(0, -2)
            dx = fake(errors, False) @ fake(weight.T.contiguous(), False).T
            dw = fake(errors.T.contiguous(), False) @ fake(rows.T.contiguous(), False).T
            return dx.view_as(x), dw, errors.sum(0) if context.has_bias else None, None

    class Linear(nn.Linear):
        def __init__(self, inputs, outputs, fp4):
            super().__init__(inputs, outputs, bias=shape["bias"])
            self.fp4 = fp4

        def forward(self, x):
            if mode != "fake":
                return super().forward(x)
            return FakeQuantized.apply(x, self.weight, self.bias, self.fp4)

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.norms = nn.ModuleList(nn.LayerNorm(width, bias=shape["bias"]) for _ in range(2))
            self.qkv, self.output = Linear(width, 3 * width, False), Linear(width, width, False)
            self.up, self.down = Linear(width, 4 * width, True), Linear(4 * width, width, True)

        def forward(self, x):
            batch, length, _ = x.shape
            q, k, v = (
                part.view(batch, length, heads, width // heads).transpose(1, 2)
                for part in self.qkv(self.norms[0](x)).split(width, dim=2)
            )
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.output(y.transpose(1, 2).reshape(batch, length, width))
            return x + self.down(functional.gelu(self.up(self.norms[1](x)), approximate="tanh"))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = nn.Embedding(shape["vocabulary"], width)
            self.positions = nn.Embedding(context, width)
            self.layers = nn.ModuleList(Layer() for _ in range(shape["layers"]))
            self.norm = nn.LayerNorm(width, bias=shape["bias"])
            for parameter in self.parameters():
                if parameter.dim() > 1:
                    nn.init.normal_(parameter, std=0.02)

        def forward(self, x, targets):
            h = self.tokens(x) + self.positions(torch.arange(context))
            for layer in self.layers:
                h = layer(h)
            logits = functional.linear(self.norm(h), self.tokens.weight)
            return functional.cross_entropy(logits.flatten(0, 1), targets.flatten())

    model = Model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    times = []
    end = None
    while end is None or time.perf_counter() < end or len(times) < 3:
        x = torch.randint(shape["vocabulary"], (shape["batch"], context))
        targets = torch.randint(shape["vocabulary"], (shape["batch"], context))
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mode == "bf16"):
            loss = model(x, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        assert loss.isfinite()
        # The first two steps allocate.
        times.append(time.perf_counter() - start)
        if end is None and len(times) == 2:
            times.clear()
            end = time.perf_counter() + seconds
    print(json.dumps({
        "rate": shape["batch"] * context / statistics.median(times),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "version": torch.__version__,
    }))


def measure_torch(shape, mode, arguments):
    command = [sys.executable, __file__, "--worker", mode, "--shape", json.dumps(shape)]
    command += ["--threads", str(arguments.threads), "--seconds", str(arguments.seconds)]
    return json.loads(subprocess.run(command, env={**os.environ, **ALLOCATOR}, check=True, stdout=subprocess.PIPE).stdout)


def measure_own(recipe, settings, arguments):
    command = [arguments.fp4tui, "bench", "step", "--json", "--preset", arguments.preset, "--recipes", recipe]
    command += ["--seconds", str(arguments.seconds), *settings]
    report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    result = report["groups"][0]["results"][0]
    return {
        "rate": result["tokensPerSecond"], "memory": report["peakResidentBytes"],
        "kernels": report["groups"][0]["kernels"],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fp4tui", default=".build/release/fp4tui", help="the binary")
    parser.add_argument("--preset", default="baby", help="a GPT-2 style preset")
    parser.add_argument("--set", action="append", default=[], help="as for fp4tui; may be repeated")
    parser.add_argument("--vocabulary", type=int, default=256)
    parser.add_argument("--recipes", default="bf16,zhou2025,nvfp4")
    parser.add_argument("--modes", default="fp32,bf16,fake", help="of PyTorch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10, help="for each measurement")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--shape", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return torch_step(json.loads(arguments.shape), arguments.worker, arguments.threads, arguments.seconds)

    settings = [word for setting in arguments.set for word in ("--set", setting)]
    settings += ["--set", "training.accumulation=1"]
    config = tomllib.loads(subprocess.run(
        [arguments.fp4tui, "config", "--preset", arguments.preset, *settings], check=True, stdout=subprocess.PIPE,
        text=True).stdout)
    model = config["model"]
    if model["activation"] != "gelu" or model["norm"] != "layernorm":
        sys.exit(f"--preset is {arguments.preset}; expected one in GPT-2 style")
    shape = {key: model[key] for key in ("layers", "heads", "width", "context", "bias")}
    shape |= {"batch": config["training"]["batch"], "vocabulary": arguments.vocabulary}
    settings += ["--set", f"run.threads={arguments.threads}", "--vocabulary", str(arguments.vocabulary)]

    recipes, modes = arguments.recipes.split(","), arguments.modes.split(",")
    rounds = []
    for number in range(arguments.rounds):
        print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
        found = {("fp4tui", recipe): measure_own(recipe, settings, arguments) for recipe in recipes}
        found |= {("PyTorch", mode): measure_torch(shape, mode, arguments) for mode in modes}
        rounds.append(found)

    def typical(key, figure):
        return statistics.median(found[key][figure] for found in rounds)

    best = max((("PyTorch", mode) for mode in modes if mode != "fake"), key=lambda key: typical(key, "rate"))
    memory = typical(best, "memory")
    print(f"{arguments.preset}, {shape}, {arguments.threads} threads; PyTorch {rounds[0][best]['version']}, "
          f"fp4tui with kernels {rounds[0]['fp4tui', recipes[0]]['kernels']}; {arguments.rounds} rounds\n")
    print(f"| | tokens/s | / PyTorch {best[1]} | / PyTorch fake | peak memory | / PyTorch {best[1]} |")
    print("|---|---|---|---|---|---|")
    for key in rounds[0]:
        def ratio(other):
            if other not in rounds[0]:
                return "-"
            return f"{statistics.median(found[key]['rate'] / found[other]['rate'] for found in rounds):.2f}"

        print(f"| {key[0]} {key[1]} | {typical(key, 'rate'):,.0f} | {ratio(best)} | {ratio(('PyTorch', 'fake'))} "
              f"| {typical(key, 'memory') / 2**20:,.0f} MiB | {typical(key, 'memory') / memory:.2f} |")


main()
