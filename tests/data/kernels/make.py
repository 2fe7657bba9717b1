#!/usr/bin/env python3
"""Make the files beside this script: random blocks of each weight type, and what the `gguf` package reads in them.

    pip install gguf numpy && python3 tests/data/kernels/make.py

A file <type>.bin holds, little-endian: the number n of weights as u32, their blocks, n floats. Of some types the
package knows the name at most: plain numbers, Q8_1, Q8_K, Q1_0 and Q2_0. What they mean is written out below.
"""
from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as Type
from gguf.quants import dequantize

WEIGHTS = 768
# Where the f16 scales lie in a block; the rest of it is random bytes.
SCALES = {
    Type.F16: [], Type.BF16: [],
    Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q8_0: [0],
    Type.Q2_K: [80, 82], Type.Q3_K: [108], Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208],
    Type.TQ1_0: [52], Type.TQ2_0: [64], Type.IQ4_NL: [0], Type.IQ4_XS: [0], Type.MXFP4: [], Type.NVFP4: [],
    Type.IQ2_XXS: [0], Type.IQ2_XS: [0], Type.IQ2_S: [0], Type.IQ3_XXS: [0], Type.IQ3_S: [0], Type.IQ1_S: [0],
    Type.IQ1_M: [],
}


def random_halves(rng: np.random.Generator, n: int) -> np.ndarray:
    return (rng.normal(size=n) * 2.0 ** rng.integers(-20, 4, n)).astype("<f2")


def random_blocks(rng: np.random.Generator, kind: Type) -> np.ndarray:
    values, size = GGML_QUANT_SIZES[kind]
    if kind == Type.F16:  # from subnormal to large
        floats = rng.normal(size=WEIGHTS) * 2.0 ** rng.integers(-24, 12, WEIGHTS)
        return floats.astype("<f2").view(np.uint8)
    if kind == Type.BF16:
        floats = (rng.normal(size=WEIGHTS) * 2.0 ** rng.integers(-60, 60, WEIGHTS)).astype("<f4")
        return (floats.view("<u4") >> 16).astype("<u2").view(np.uint8)
    blocks = rng.integers(0, 256, (WEIGHTS // values, size), dtype=np.uint8)
    for at in SCALES[kind]:
        blocks[:, at:at + 2] = random_halves(rng, len(blocks)).view(np.uint8).reshape(-1, 2)
    if kind == Type.MXFP4:  # exponents: both subnormal ones, then those that leave a float finite
        blocks[:, 0] = [0, 1, *rng.integers(2, 252, len(blocks) - 2)]
    if kind == Type.NVFP4:  # among the scales: zero, the smallest, the largest, and the one that means NaN elsewhere
        blocks[0, :4] = 0x00, 0x01, 0x7e, 0x7f
    if kind == Type.IQ1_M:  # an f16 in the top nibbles of four words
        for block, half in zip(blocks, random_halves(rng, len(blocks)).view("<u2")):
            for i in range(4):
                block[49 + 2 * i] = (block[49 + 2 * i] & 15) | (int(half) >> 4 * i & 15) << 4
    return blocks.reshape(-1)


def scaled(rng: np.random.Generator, scale: str, values: int, rest: int, quants) -> tuple[np.ndarray, np.ndarray]:
    """Blocks of one scale d and `rest` random bytes after it; the weights are d times what quants() makes of these."""
    d = random_halves(rng, WEIGHTS // values).astype(scale).reshape(-1, 1)
    bytes_ = rng.integers(0, 256, (len(d), rest), dtype=np.uint8)
    return np.hstack([d.view(np.uint8), bytes_]), d.astype("<f4") * quants(bytes_).astype("<f4")


def numbers(rng: np.random.Generator, kind: str) -> tuple[np.ndarray, np.ndarray]:
    if kind == "<f8":
        values = rng.normal(size=WEIGHTS) * 2.0 ** rng.integers(-60, 60, WEIGHTS)
    else:
        limits = np.iinfo(kind)
        values = rng.integers(limits.min, limits.max, WEIGHTS, dtype=kind, endpoint=True)
    return values, values.astype("<f4")


def bits(bytes_: np.ndarray, width: int) -> np.ndarray:
    """Fields of `width` bits, the lowest of a byte first."""
    shifts = np.arange(0, 8, width, dtype=np.uint8)
    return (bytes_[..., None] >> shifts & (2**width - 1)).reshape(len(bytes_), -1).astype(np.int8)


OTHERS = {
    "f64": lambda rng: numbers(rng, "<f8"),
    "i8": lambda rng: numbers(rng, "<i1"),
    "i16": lambda rng: numbers(rng, "<i2"),
    "i32": lambda rng: numbers(rng, "<i4"),
    "i64": lambda rng: numbers(rng, "<i8"),
    "q8_1": lambda rng: scaled(rng, "<f2", 32, 34, lambda b: b[:, 2:].view(np.int8)),
    "q8_k": lambda rng: scaled(rng, "<f4", 256, 288, lambda b: b[:, :256].view(np.int8)),
    "q1_0": lambda rng: scaled(rng, "<f2", 128, 16, lambda b: 2 * bits(b, 1) - 1),
    "q2_0": lambda rng: scaled(rng, "<f2", 64, 16, lambda b: bits(b, 2) - 1),
}


def write(name: str, blocks: np.ndarray, floats: np.ndarray) -> None:
    assert floats.size == WEIGHTS and np.isfinite(floats).all()
    data = np.uint32(WEIGHTS).tobytes() + blocks.tobytes() + floats.astype("<f4").tobytes()
    Path(__file__).with_name(f"{name}.bin").write_bytes(data)


def main() -> None:
    rng = np.random.default_rng(1)
    for kind in SCALES:
        blocks = random_blocks(rng, kind)
        write(kind.name.lower(), blocks, dequantize(blocks, kind))
    for name, make in OTHERS.items():
        write(name, *make(rng))


if __name__ == "__main__":
    main()
