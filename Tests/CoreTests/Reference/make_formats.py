"""Makes the reference fixtures for the number formats: codecs.safetensors and quantizer.safetensors in ../Fixtures.

    pip install numpy==2.4.6 ml_dtypes==0.6.0
    python make_formats.py

Rounding to the element formats is ml_dtypes' own; everything around it is written here in NumPy, independently of the
program. All arithmetic is float32 where nothing else is said.

codecs.safetensors, for each format NAME of e2m1, e4m3, e5m2, e8m0, bf16:

    NAME.values      float32 inputs: every number of the format, every midpoint between two neighbours, the float32
                     neighbours of both, with both signs; subnormals, huge numbers, zeros, infinities, NaN. For bf16,
                     which has 65,536 numbers, a selection
    NAME.codes       int32: the codes of the inputs, rounded to nearest, ties to even
    NAME.decoded     float32: the numbers that all codes stand for (bf16: that NAME.codes stand for)

ml_dtypes turns what is too large for E4M3, E5M2 and E8M0 into NaN or infinity. The program saturates instead: see
`saturated`.

quantizer.safetensors, for each matrix M and each format F (its name in the program):

    M                float32 [rows, columns]; columns run along the reduction axis
    M/F/codes        uint8, one element a byte
    M/F/scales       float32: s in x̂ = q · s
    M/F/scale_codes  uint8: the stored scales, for E8M0 and E4M3
    M/F/tensor_scale float32 [1], for E4M3 scales
    M/F/dequantized  float32

The random numbers of stochastic rounding and of signs are those of QuantizationRandom with seed 5, step 7, operand 3,
operation 2.
"""

import json
import struct
from pathlib import Path

import ml_dtypes
import numpy as np

F = np.float32
DTYPES = {
    "e2m1": ml_dtypes.float4_e2m1fn,
    "e4m3": ml_dtypes.float8_e4m3fn,
    "e5m2": ml_dtypes.float8_e5m2,
    "e8m0": ml_dtypes.float8_e8m0fnu,
    "bf16": ml_dtypes.bfloat16,
}
MAXIMUM = {"e2m1": F(6), "e4m3": F(448), "e5m2": F(57344)}
MANTISSA_BITS = {"e2m1": 1, "e4m3": 3, "e5m2": 2}
MINIMUM_EXPONENT = {"e2m1": 0, "e4m3": -6, "e5m2": -14}
MAXIMUM_EXPONENT = {"e2m1": 2, "e4m3": 8, "e5m2": 15}
SEED, STEP, OPERAND, OPERATION = 5, 7, 3, 2


def save(path, tensors):
    types = {"float32": "F32", "int32": "I32", "uint8": "U8"}
    header, offset = {}, 0
    for name, value in tensors.items():
        header[name] = {
            "dtype": types[value.dtype.name],
            "shape": list(value.shape),
            "data_offsets": [offset, offset + value.nbytes],
        }
        offset += value.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for value in tensors.values():
            file.write(np.ascontiguousarray(value).tobytes())


def codes_of(name, values):
    """The codes of values that the format represents, or is to round to."""
    code = np.uint16 if name == "bf16" else np.uint8
    return values.astype(DTYPES[name]).view(code)


def decode(name, codes):
    code = np.uint16 if name == "bf16" else np.uint8
    return np.asarray(codes).astype(code).view(DTYPES[name]).astype(F)


# Codecs


def saturated(name, values):
    """The inputs as ml_dtypes must get them for the program's behaviour at the ends of the format."""
    if name in MAXIMUM:
        # Infinities too; NaN stays, but E2M1 has none: it becomes +0.
        values = np.clip(values, -MAXIMUM[name], MAXIMUM[name])
        return np.where(np.isnan(values), F(0 if name == "e2m1" else np.nan), values)
    if name == "e8m0":
        # No zero: the smallest number is next to it. Negative numbers and infinities become NaN, as in ml_dtypes.
        finite = np.isfinite(values)
        values = np.where(finite & (values >= 0), np.clip(values, F(2.0**-127), F(2.0**127)), values)
        # ml_dtypes 0.6.0 rounds all between the two smallest numbers up, even where the lower one is nearer.
        return np.where((values > F(2.0**-127)) & (values < F(1.5 * 2.0**-127)), F(2.0**-127), values)
    return values


def boundaries(name):
    codes = np.arange(16 if name == "e2m1" else 256)
    if name == "bf16":
        exponents = np.array([0, 1, 2, 63, 126, 127, 128, 200, 253, 254])
        codes = np.concatenate([exponents * 128 + m for m in (0, 1, 2, 63, 64, 126, 127)])
    numbers = decode(name, codes)
    numbers = np.unique(np.abs(numbers[np.isfinite(numbers)])).astype(np.float64)
    if name == "bf16":
        next_numbers = decode(name, codes_of(name, numbers.astype(F)).astype(int) + 1).astype(np.float64)
        middles = (numbers + np.where(np.isfinite(next_numbers), next_numbers, 2.0**128)) / 2
    else:
        middles = (numbers[1:] + numbers[:-1]) / 2
        # Beyond the largest number, where unsaturated formats would round to the next power of two.
        middles = np.append(middles, numbers[-1] + (numbers[-1] - middles[-1]))
    points = np.concatenate([numbers, middles])
    points = points[points <= np.finfo(F).max].astype(F)
    around = np.concatenate([points, np.nextafter(points, F(np.inf)), np.nextafter(points, F(-np.inf))])
    special = np.array([1e-45, 1e-40, 2.0**-126, 2.0**-127, 1e-30, 1e30, 2.0**127, 3.4028235e38, np.inf], F)
    around = np.concatenate([around, special])
    return np.concatenate([around, -around, np.array([np.nan], F)])


def codecs():
    tensors = {}
    for name in DTYPES:
        values = boundaries(name)
        codes = codes_of(name, saturated(name, values))
        if name == "e4m3":
            # One NaN for all, without a sign, and so for E5M2 (0x7E) and bf16 (0x7FC0): the input NaN is positive.
            assert codes[-1] == 0x7F
        tensors[f"{name}.values"] = values
        tensors[f"{name}.codes"] = codes.astype(np.int32)
        every = codes if name == "bf16" else np.arange(16 if name == "e2m1" else 256)
        tensors[f"{name}.decoded"] = decode(name, every)
    return tensors


# Random numbers: Philox 4×32-10 (Salmon et al., SC 2011)


def philox(counter, key):
    c = [np.asarray(word, np.uint64) for word in np.broadcast_arrays(*counter)]
    k = [np.uint64(key[0]), np.uint64(key[1])]
    mask, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    for _ in range(10):
        p0, p1 = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(p1 >> shift) ^ c[1] ^ k[0], p1 & mask, (p0 >> shift) ^ c[3] ^ k[1], p0 & mask]
        k = [(k[0] + np.uint64(0x9E3779B9)) & mask, (k[1] + np.uint64(0xBB67AE85)) & mask]
    return c


def random_bits(rows, columns):
    """The 16 bits of each element."""
    key = [int(word) for word in philox([STEP, 0, OPERAND, 6], [SEED, 0])[:2]]
    i, k = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    words = np.stack(philox([k // 128 * 16 + k % 16, i, 0, 0], key))
    half = k // 16 % 8
    word = np.take_along_axis(words, (half // 2)[None], 0)[0]
    return (word >> np.where(half % 2 == 1, 16, 0).astype(np.uint64)) & np.uint64(0xFFFF)


def random_signs(size):
    words = [int(word) for word in philox([STEP, 0, OPERATION, 7], [SEED, 0])]
    return np.array([-1 if words[k // 32] >> (k % 32) & 1 else 1 for k in range(size)], F)


# The quantizer


def nearest(element, y):
    # ml_dtypes rounds to nearest, ties to even; y is within ±maximum.
    return y.astype(DTYPES[element]).astype(F)


def stochastic(element, y, bits):
    exponent = np.frexp(np.abs(y))[1] - 1
    exponent = np.maximum(np.where(y == 0, -1000, exponent), MINIMUM_EXPONENT[element])
    spacing = np.ldexp(F(1), exponent - MANTISSA_BITS[element]).astype(F)
    u = (bits.astype(F) + F(0.5)) * F(2.0**-16)
    q = np.minimum(np.trunc(np.abs(y) / spacing + u) * spacing, MAXIMUM[element])
    return np.copysign(q, y).astype(F)


def hadamard(x, size, signs):
    groups = np.pad(x, ((0, 0), (0, -x.shape[1] % size)))
    shape = groups.shape
    groups = groups.reshape(-1, size) * signs
    half = 1
    while half < size:
        pairs = groups.reshape(-1, size // (2 * half), 2, half)
        groups = np.stack([pairs[:, :, 0] + pairs[:, :, 1], pairs[:, :, 0] - pairs[:, :, 1]], 2).reshape(-1, size)
        half *= 2
    return (groups * F(1 / np.sqrt(size))).reshape(shape)


FIXED_SIGNS = np.array([1, 1, 1, -1, 1, -1, -1, -1, -1, -1, -1, 1, -1, 1, -1, -1], F)


def lane_sum(errors):
    """Σe² of a row's piece: 16 lanes of fused multiply-adds, added pairwise."""
    lanes = np.zeros(16, F)
    for k, e in enumerate(errors):
        # The product is exact in float64, and the sum rounded twice: good enough to choose between two scales.
        lanes[k % 16] = F(np.float64(e) * np.float64(e) + np.float64(lanes[k % 16]))
    while len(lanes) > 1:
        lanes = lanes[: len(lanes) // 2] + lanes[len(lanes) // 2 :]
    return lanes[0]


class Scales:
    """Scale, encode factor and code of a block from its amax."""

    def __init__(self, format, tensor_amax):
        self.kind = format["scale"]
        self.element = format["element"]
        self.p = F(1) / (F(17 / 16) * F(0.93)) if format.get("eden") else F(format.get("prescale", 1))
        self.target = MAXIMUM[self.element] * self.p
        if self.kind == "e4m3":
            largest = F(256 if format.get("four_over_six") or format.get("eden") else 448)
            self.encode = np.minimum(self.target * largest / tensor_amax, F(2.0**126)) if tensor_amax else F(2.0**126)
            self.decode = F(1) / self.encode
            if not np.isfinite(tensor_amax):
                self.decode = F(np.nan)

    def __call__(self, amax, enlargement=1):
        if not np.isfinite(amax) or (self.kind == "e4m3" and np.isnan(self.decode)):
            return F(np.nan), F(np.nan), {"fp32": 0, "e4m3": 0x7F}.get(self.kind, 255)
        if amax == 0:
            return F(0), F(0), 0
        if self.kind == "fp32":
            s = np.maximum(amax / self.target, F(2.0**-126))
            return s, F(1) / s, 0
        if self.kind == "e4m3":
            s8 = np.minimum(amax / self.target * self.encode * F(enlargement), F(448)).astype(DTYPES["e4m3"])
            s = s8.astype(F) * self.decode
            return (s, F(1) / s, int(s8.view(np.uint8))) if s >= F(2.0**-126) else (F(0), F(0), 0)
        if self.kind == "e8m0-floor":
            exponent = max(np.frexp(amax)[1] - 1 - MAXIMUM_EXPONENT[self.element], -127)
        else:
            # amax / maximum may be rounded to zero.
            mantissa, exponent = np.frexp(np.maximum(amax / MAXIMUM[self.element], F(2.0**-126)))
            if self.kind == "e8m0-ceil":
                exponent -= mantissa == 0.5
            else:
                exponent -= mantissa < 0.75
        s = np.ldexp(F(1), exponent) * (F(1) / self.p)
        return s, np.ldexp(F(1), -exponent) * self.p, int(exponent + 127)


def fused(products, start=F(0)):
    """A chain of fused multiply-adds: exact products in float64, and sums rounded twice."""
    total = start
    for product in products:
        total = F(np.float64(product) + np.float64(total))
    return total


def deviation_magnitude(x):
    """2.92247856 times the standard deviation of a block of one row, scaled so that no square overflows or vanishes."""
    amax = np.abs(x).max()
    if not np.isfinite(amax) or amax == 0:
        return amax
    exponent = int(np.clip(np.frexp(amax)[1] - 1, -126, 126))
    scaled = np.ldexp(x, -exponent).astype(F)
    count = F(1) / F(len(x))
    mean = F(0)
    for value in scaled:
        mean += value
    mean *= count
    wide = (scaled - mean).astype(np.float64)
    deviation = np.sqrt(fused(wide * wide) * count) * F(2.92247856)
    return np.ldexp(deviation, exponent) if deviation > 0 else amax


def correction(group, rule, width):
    """Sum of y squared over sum of y times q in a group of a row, for MS-EDEN."""
    squares = products = F(0)
    for block in group.reshape(-1, width):
        y = block * rule(np.abs(block).max())[1]
        q = nearest("e2m1", np.clip(y, F(-6), F(6)))
        squares = fused(y.astype(np.float64) ** 2, squares)
        products = fused(y.astype(np.float64) * q, products)
    return squares / products if products > 0 else F(1)


def blocks(format, rows, columns):
    kind, size = format["block"]
    height = {"tensor": rows, "row": 1, "vector": 1, "square": size}[kind]
    width = columns if kind in ("tensor", "row") else size
    for top in range(0, rows, height):
        for left in range(0, columns, width):
            yield slice(top, min(top + height, rows)), slice(left, min(left + width, columns))


def quantize(x, format):
    element = format["element"]
    maximum = MAXIMUM[element]
    if "hadamard" in format:
        size, kind = format["hadamard"]
        signs = {"none": np.ones(size, F), "fixed": np.resize(FIXED_SIGNS, size), "random": random_signs(size)}
        x = hadamard(x, size, signs[kind])
    magnitude = np.abs(x)
    rule = Scales(format, magnitude.max())
    bits = random_bits(*x.shape)
    codes, dequantized = np.zeros(x.shape, np.uint8), np.zeros(x.shape, F)
    scales, scale_codes = [], []
    for rows, columns in blocks(format, *x.shape):
        block = x[rows, columns]

        def scaled(r):
            return np.clip(block * r, -maximum, maximum)

        def error(scale):
            e = block - nearest(element, scaled(scale[1])) * scale[0]
            total = F(0)
            for row in e:
                total += lane_sum(row)
            return total

        deviates = format.get("deviation")
        scale = rule(deviation_magnitude(block[0]) if deviates else magnitude[rows, columns].max())
        if format.get("eden") and scale[0] > 0:
            left = columns.start // size * size
            c = correction(x[rows.start, left : left + size], rule, columns.stop - columns.start)
            ideal = np.minimum(decode("e4m3", scale[2]) * c, F(448))
            s8 = stochastic("e4m3", ideal, bits[rows.start, columns.start])
            s = s8 * rule.decode
            scale = (s, scale[1], int(codes_of("e4m3", s8))) if s >= F(2.0**-126) else (F(0), F(0), 0)
        if format.get("four_over_six") and np.isfinite(scale[0]):
            four = rule(magnitude[rows, columns].max(), 1.5)
            if error(four) < error(scale):
                scale = four
        s, r, code = scale
        scales.append(s)
        scale_codes.append(code)
        if np.isnan(s):
            dequantized[rows, columns] = np.nan
            continue
        y = scaled(r)
        q = stochastic(element, y, bits[rows, columns]) if format.get("stochastic") else nearest(element, y)
        codes[rows, columns] = codes_of(element, q)
        dequantized[rows, columns] = np.where(q == 0, F(0), q * s)
    result = {"codes": codes, "scales": np.array(scales, F), "dequantized": dequantized}
    if format["scale"] != "fp32":
        result["scale_codes"] = np.array(scale_codes, np.uint8)
    if format["scale"] == "e4m3":
        result["tensor_scale"] = np.array([rule.decode], F)
    return result


def format(element, block, scale, **options):
    kind = {"tensor": ("tensor", 0), "row": ("row", 0)}.get(block)
    if kind is None:
        height, width = block.split("x")
        kind = ("vector" if height == "1" else "square", int(width))
    return dict(element=element, block=kind, scale=scale, **options)


FORMATS = {
    "nvfp4": format("e2m1", "1x16", "e4m3"),
    "nvfp4+4/6": format("e2m1", "1x16", "e4m3", four_over_six=True),
    "nvfp4-2d": format("e2m1", "16x16", "e4m3"),
    "nvfp4-2d+4/6": format("e2m1", "16x16", "e4m3", four_over_six=True),
    "nvfp4+sr+prescale=16/17": format("e2m1", "1x16", "e4m3", stochastic=True, prescale=F(16) / F(17)),
    "nvfp4+hadamard=16:fixed": format("e2m1", "1x16", "e4m3", hadamard=(16, "fixed")),
    "mxfp4": format("e2m1", "1x32", "e8m0-floor"),
    "mxfp4-ceil": format("e2m1", "1x32", "e8m0-ceil"),
    "e2m1:1x32:e8m0-nearest": format("e2m1", "1x32", "e8m0-nearest"),
    "mxfp4+sr+prescale=0.75+hadamard=64:random": format(
        "e2m1", "1x32", "e8m0-floor", stochastic=True, prescale=0.75, hadamard=(64, "random")
    ),
    "e2m1:1x32:e8m0-nearest+std+hadamard=32": format(
        "e2m1", "1x32", "e8m0-nearest", deviation=True, hadamard=(32, "none")
    ),
    "nvfp4+eden+hadamard=32:random": format("e2m1", "1x16", "e4m3", eden=True, hadamard=(32, "random")),
    "mxfp8": format("e4m3", "1x32", "e8m0-ceil"),
    "fp4": format("e2m1", "1x128", "fp32"),
    "fp4-row+hadamard=32": format("e2m1", "row", "fp32", hadamard=(32, "none")),
    "fp4-tensor": format("e2m1", "tensor", "fp32"),
    "fp8": format("e4m3", "1x128", "fp32"),
    "fp8-2d": format("e4m3", "128x128", "fp32"),
    "fp8-e5m2+sr": format("e5m2", "1x128", "fp32", stochastic=True),
}


def matrices():
    rng = np.random.default_rng(11)
    # Heavy tails, a different scale in each row, and shapes that no block divides.
    tails = rng.standard_t(3, (17, 130)).astype(F) * np.exp2(rng.integers(-6, 6, (17, 1))).astype(F)
    edges = rng.standard_normal((18, 48)).astype(F)
    edges[0] = 0
    edges[1] *= F(1e-40)
    edges[2] *= F(1e-44)
    edges[3, 5] = 3e38
    edges[4, ::2] = -0.0
    edges[5, :16] = 0
    edges[6, :32] = np.ldexp(F(1), np.arange(32) - 16)
    edges[7] = np.tile([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5, 6], 6) * F(0.125)
    edges[8] = F(2.0**-126)
    edges[9] = edges[9] * F(1e37)
    # As tensors of their own: with E4M3 scales one such value would decide all of the other matrix.
    broken = rng.standard_normal((6, 48)).astype(F)
    broken[1, 3], broken[3, 17], broken[5, 47] = np.nan, np.inf, -np.inf
    tiny = (rng.standard_normal((4, 40)) * 1e-41).astype(F)
    return {"tails": tails, "edges": edges, "broken": broken, "tiny": tiny, "zeros": np.zeros((3, 20), F)}


def quantizer():
    tensors = {}
    for matrix, x in matrices().items():
        tensors[matrix] = x
        for name, parts in FORMATS.items():
            for part, value in quantize(x, parts).items():
                tensors[f"{matrix}/{name}/{part}"] = value
    return tensors


if __name__ == "__main__":
    np.seterr(over="ignore", invalid="ignore", divide="ignore", under="ignore")
    folder = Path(__file__).parent.parent / "Fixtures"
    save(folder / "codecs.safetensors", codecs())
    save(folder / "quantizer.safetensors", quantizer())
