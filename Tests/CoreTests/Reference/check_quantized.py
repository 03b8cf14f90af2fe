"""Checks files of `fp4tui quantize --output` with ml_dtypes: dequantized == decode(codes) * scales, bit for bit.

    pip install numpy==2.4.6 ml_dtypes==0.6.0 safetensors==0.8.0
    python check_quantized.py FILE...
"""

import sys

import ml_dtypes
import numpy as np
from safetensors import safe_open

ELEMENTS = {"e2m1": ml_dtypes.float4_e2m1fn, "e4m3": ml_dtypes.float8_e4m3fn, "e5m2": ml_dtypes.float8_e5m2}


def expected(file, name, shape, metadata):
    """The dequantized tensor as a matrix, from everything else that the file says."""
    columns = shape[-1]
    rows = int(np.prod(shape[:-1]))
    codes = file.get_tensor(name + ".codes")
    if metadata["element"] == "e2m1":
        codes = np.stack([codes & 15, codes >> 4], -1).reshape(rows, -1)[:, :columns]
    values = codes.reshape(rows, columns).view(ELEMENTS[metadata["element"]]).astype(np.float32)

    scales = file.get_tensor(name + ".scales")
    if metadata["scale"] == "e4m3":
        scales = scales.view(ml_dtypes.float8_e4m3fn).astype(np.float32) * file.get_tensor(name + ".tensor_scale")
    elif metadata["scale"].startswith("e8m0"):
        prescale = np.float32(metadata["prescale"])
        scales = scales.view(ml_dtypes.float8_e8m0fnu).astype(np.float32) * (np.float32(1) / prescale)
    block = metadata["block"]
    if block in ("tensor", "row"):
        height, width = (rows if block == "tensor" else 1), columns
    else:
        height, width = map(int, block.split("x"))
    scales = scales.repeat(height, 0)[:rows].repeat(width, 1)[:, :columns]
    # + 0: a zero is +0, whatever its code's sign.
    return (values * scales + np.float32(0)).reshape(shape)


def check(path):
    with safe_open(path, "numpy") as file:
        metadata = file.metadata()
        names = [key.removesuffix(".dequantized") for key in file.keys() if key.endswith(".dequantized")]
        for name in names:
            actual = file.get_tensor(name + ".dequantized")
            np.testing.assert_array_equal(actual, expected(file, name, actual.shape, metadata), f"{path}: {name}")
            signs = np.signbit(actual) & (actual == 0)
            assert not signs.any(), f"{path}: {name} has negative zeros"
    print(f"{path}: {metadata['format']}, {len(names)} tensors are what their codes and scales say")


for path in sys.argv[1:]:
    check(path)
