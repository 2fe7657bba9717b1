#!/usr/bin/env python3
"""Make mixes.h beside this script: the types that llama.cpp gives the matrices of models that test_mix.c has as well.

    pip install llama-cpp-python gguf numpy && python3 tests/data/quantize/make_mixes.py

A row: number of the model, mix, whether there is an importance matrix, one letter for each matrix: 'A' plus the number
of its type. First the embedding, then the output if there is one, then the matrices of each layer. Left out are mixes
that llama.cpp refuses to make so, what is the same with an importance matrix as without, and q2_0,
which the gguf package does not know.
"""
import ctypes
import tempfile
from pathlib import Path

import gguf
import llama_cpp
import numpy as np

MIXES = {"f16": 1, "bf16": 32, "q8_0": 7, "q4_0": 2, "q4_1": 3, "q5_0": 8, "q5_1": 9, "q2_k": 10, "q2_k_s": 21,
         "q3_k_s": 11, "q3_k_m": 12, "q3_k_l": 13, "q4_k_s": 14, "q4_k_m": 15, "q5_k_s": 16, "q5_k_m": 17, "q6_k": 18,
         "iq1_s": 24, "iq1_m": 31, "iq2_xxs": 19, "iq2_xs": 20, "iq2_s": 28, "iq2_m": 29, "iq3_xxs": 23, "iq3_xs": 22,
         "iq3_s": 26, "iq3_m": 27, "iq4_nl": 25, "iq4_xs": 30, "mxfp4_moe": 38, "tq1_0": 36, "tq2_0": 37, "q1_0": 40}
# architecture, layers, heads, KV heads, width, inner width, experts, tied
MODELS = [("llama", 16, 8, 2, 256, 256, 0, False), ("llama", 17, 2, 2, 256, 256, 0, True),
          ("llama", 3, 4, 2, 64, 96, 0, False), ("llama", 80, 4, 1, 256, 256, 0, False),
          ("llama", 9, 8, 4, 256, 256, 8, False), ("llama", 9, 4, 4, 256, 256, 4, False),
          ("falcon", 18, 4, 4, 256, 256, 0, False)]


def names(arch: str, layers: int, experts: int, tied: bool) -> list[str]:
    attention = ["attn_qkv"] if arch == "falcon" else ["attn_q", "attn_k", "attn_v"]
    feed = ["ffn_up", "ffn_down"] if arch == "falcon" else ["ffn_gate", "ffn_up", "ffn_down"]
    parts = attention + ["attn_output"] + [part + "_exps" if experts else part for part in feed]
    return ["token_embd.weight"] + ([] if tied else ["output.weight"]) + [
        f"blk.{i}.{part}.weight" for i in range(layers) for part in parts]


def shape(name: str, width: int, inner: int, experts: int) -> tuple[int, ...]:
    """Rows do not count for the choice, so there are few."""
    two = (8, inner if "ffn_down" in name else width)
    return (experts, *two) if name.endswith("_exps.weight") else two


def write_model(path: str, arch: str, layers: int, heads: int, heads_kv: int, width: int, inner: int, experts: int,
                tied: bool) -> list[tuple[str, int]]:
    """Returns names, and how many values of importance each has."""
    w = gguf.GGUFWriter(path, arch)
    w.add_block_count(layers)
    w.add_context_length(64)
    w.add_embedding_length(width)
    w.add_feed_forward_length(inner)
    w.add_head_count(heads)
    w.add_head_count_kv(heads_kv)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_layer_norm_eps(1e-5)
    w.add_rope_dimension_count(width // heads)
    w.add_vocab_size(32)
    w.add_tokenizer_model("no_vocab")
    if experts:
        w.add_expert_count(experts)
        w.add_expert_used_count(2)
    sizes = []
    for name in names(arch, layers, experts, tied):
        dims = shape(name, width, inner, experts)
        w.add_tensor(name, np.random.default_rng(1).normal(size=dims).astype("<f4"))
        sizes.append((name, dims[-1] * (dims[0] if len(dims) == 3 else 1)))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    return sizes


def importance(sizes: list[tuple[str, int]]) -> ctypes.Array:
    ones = (ctypes.c_float * max(n for _, n in sizes))(*[1.0] * max(n for _, n in sizes))
    entry = llama_cpp.llama_model_imatrix_data
    pointer = ctypes.cast(ones, dict(entry._fields_)["data"])
    entries = (entry * (len(sizes) + 1))()
    for i, (name, n) in enumerate(sizes):
        entries[i].name, entries[i].data, entries[i].size = name.encode(), pointer, n
    return entries


def quantize(folder: str, file_type: int, matrix: ctypes.Array | None, wanted: list[str]) -> str:
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = file_type
    params.nthread = 1
    if matrix is not None:
        params.imatrix = ctypes.cast(matrix, type(params.imatrix))
    if llama_cpp.llama_model_quantize(f"{folder}/in.gguf".encode(), f"{folder}/out.gguf".encode(),
                                      ctypes.byref(params)):
        return ""
    types = {t.name: int(t.tensor_type) for t in gguf.GGUFReader(f"{folder}/out.gguf").tensors}
    return "".join(chr(ord("A") + types[name]) for name in wanted)


def main() -> None:
    llama_cpp.llama_backend_init()
    rows = ["/* mixes.h - made by make_mixes.py: what llama.cpp makes of each matrix. */\n"]
    with tempfile.TemporaryDirectory() as folder:
        for number, model in enumerate(MODELS):
            sizes = write_model(f"{folder}/in.gguf", *model)
            matrix, wanted = importance(sizes), [name for name, _ in sizes]
            for mix, file_type in MIXES.items():
                if model[1] == 80 and mix not in ("q3_k_m", "q4_k_m", "iq2_m", "iq3_m"):
                    continue  # one rule is for that many layers; a few mixes show it
                plain = quantize(folder, file_type, None, wanted)
                weighted = quantize(folder, file_type, matrix, wanted)
                for flag, letters in ("false", plain), ("true", weighted if weighted != plain else ""):
                    parts = [letters[i:i + 96] for i in range(0, len(letters), 96)]
                    if letters:
                        rows.append(f'    {{ {number}, "{mix}", {flag},\n' +
                                    "\n".join(f'      "{p}"' for p in parts) + " },\n")
    (Path(__file__).parent / "mixes.h").write_text("".join(rows))


main()
