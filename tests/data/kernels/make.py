#!/usr/bin/env python3
"""Make the files beside this script: random blocks of each weight type, and what the `gguf` package reads in them.

    pip install gguf numpy && python3 tests/data/kernels/make.py

A file <type>.bin holds, little-endian: the number n of weights as u32, their blocks, n floats.
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
}


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
        scales = rng.normal(size=len(blocks)) * 2.0 ** rng.integers(-20, 4, len(blocks))
        blocks[:, at:at + 2] = scales.astype("<f2").view(np.uint8).reshape(-1, 2)
    return blocks.reshape(-1)


def main() -> None:
    rng = np.random.default_rng(1)
    for kind in SCALES:
        blocks = random_blocks(rng, kind)
        floats = dequantize(blocks, kind).astype("<f4").reshape(-1)
        assert floats.size == WEIGHTS and np.isfinite(floats).all()
        data = np.uint32(WEIGHTS).tobytes() + blocks.tobytes() + floats.tobytes()
        Path(__file__).with_name(f"{kind.name.lower()}.bin").write_bytes(data)


if __name__ == "__main__":
    main()
