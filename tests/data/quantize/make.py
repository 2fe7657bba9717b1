#!/usr/bin/env python3
"""Make errors.h beside this script: what llama.cpp's own quantisers lose, on data that test_quantize.c makes as well.

    pip install llama-cpp-python numpy && python3 tests/data/quantize/make.py [--check]     (from the repository root)

The error is sqrt(sum(w (x - y)^2) / sum(w x^2)); w is 1 or, where llama.cpp is given an importance matrix, that matrix.
Types that llama.cpp does not make without one are given one of ones. --check: only see whether errors.h still holds, to
the hundredth part that other compilers may make of it.
"""
import ctypes
import json
import re
import sys
from pathlib import Path

import llama_cpp
import numpy as np

TYPES = {"Q4_0": 2, "Q4_1": 3, "Q5_0": 6, "Q5_1": 7, "Q8_0": 8, "Q2_K": 10, "Q3_K": 11, "Q4_K": 12, "Q5_K": 13,
         "Q6_K": 14, "IQ4_NL": 20, "IQ4_XS": 23, "TQ1_0": 34, "TQ2_0": 35, "MXFP4": 39, "NVFP4": 40, "Q1_0": 41,
         "Q2_0": 42, "IQ2_XXS": 16, "IQ2_XS": 17, "IQ2_S": 22, "IQ3_XXS": 18, "IQ3_S": 21, "IQ1_S": 19, "IQ1_M": 29}
ROW, ROWS = 512, 128
MODEL = Path("tests/data/default-model/model.safetensors")
TENSORS = ["model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight", "model.layers.2.mlp.down_proj.weight"]


class Traits(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("block", ctypes.c_int64), ("interleave", ctypes.c_int64),
                ("bytes", ctypes.c_size_t), ("quantized", ctypes.c_bool), ("to_float", ctypes.c_void_p)]


def uniforms(n: int) -> np.ndarray:
    """Whole numbers below 2^20: the top bits of a linear congruential sequence (Knuth's constants) that begins at 1."""
    out, state = np.empty(n, np.int64), 1
    for i in range(n):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out[i] = state >> 44
    return out


def gaussian() -> np.ndarray:
    """Sums of twelve uniform numbers, mean 0 and variance 1, exact in a float."""
    return ((uniforms(12 * ROW * ROWS).reshape(-1, 12).sum(1) - 6 * 2**20) / 2**20).astype("<f4")


def trained() -> np.ndarray:
    data = MODEL.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    parts = []
    for name in TENSORS:
        assert header[name]["dtype"] == "BF16"
        at = 8 + length + header[name]["data_offsets"][0]
        bits = np.frombuffer(data[at:at + 2 * ROW * ROWS // 2], "<u2").astype("<u4") << 16
        parts.append(bits.view("<f4"))
    return np.concatenate(parts)


def importance() -> np.ndarray:
    """Few columns count much, as in a model: fourth powers."""
    return ((uniforms(ROW) / 2**20) ** 4 + 2.0**-10).astype("<f4")


def check(stored: str, rows: list[str]) -> None:
    lines = stored.splitlines()[1:]
    assert len(lines) == len(rows), "other types"
    for line, row in zip(lines, rows):
        was, now = (re.findall(r"[0-9A-Z_]+\.?[0-9]*", text) for text in (line, row))
        assert was[:2] == now[:2], f"{line} is now {row}"
        assert all(abs(float(a) / float(b) - 1) < 0.01 for a, b in zip(was[2:], now[2:])), f"{line} is now {row}"


def main() -> None:
    base = ctypes.CDLL(str(Path(llama_cpp.__file__).parent / "lib/libggml-base.so"))
    base.ggml_get_type_traits.restype = ctypes.POINTER(Traits)
    base.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + 3 * [ctypes.c_int64] + [
        ctypes.c_void_p]
    base.ggml_quantize_requires_imatrix.restype = ctypes.c_bool
    floats = ctypes.POINTER(ctypes.c_float)
    rows = []
    for data, x in ("gaussian", gaussian()), ("trained", trained()):
        x = np.ascontiguousarray(x)
        for name, number in TYPES.items():
            traits = base.ggml_get_type_traits(number).contents
            errors = []
            for weights in None, importance():
                if weights is None and base.ggml_quantize_requires_imatrix(number):
                    given = np.ones(ROW, "<f4")
                else:
                    given = weights
                blocks = np.zeros(x.size // traits.block * traits.bytes, np.uint8)
                base.ggml_quantize_chunk(number, x.ctypes.data, blocks.ctypes.data, 0, x.size // ROW, ROW,
                                         given.ctypes.data if given is not None else None)
                y = np.zeros_like(x)
                to_float = ctypes.CFUNCTYPE(None, ctypes.c_void_p, floats, ctypes.c_int64)(traits.to_float)
                to_float(blocks.ctypes.data, y.ctypes.data_as(floats), x.size)
                w = np.ones(ROW) if weights is None else weights.astype(float)
                w = np.tile(w, x.size // ROW)
                difference = x.astype(float) - y
                errors.append(np.sqrt((w * difference ** 2).sum() / (w * x.astype(float) ** 2).sum()))
            rows.append(f"    {{ DTYPE_{name}, {data.upper()}, {{ {errors[0]:.6f}, {errors[1]:.6f} }} }},\n")
    path = Path(__file__).parent / "errors.h"
    if "--check" in sys.argv:
        check(path.read_text(), rows)
    else:
        text = "/* errors.h - made by make.py: what llama.cpp loses, without and with an importance matrix. */\n"
        path.write_text(text + "".join(rows))


main()
