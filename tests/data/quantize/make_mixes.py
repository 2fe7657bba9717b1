#!/usr/bin/env python3
"""Make mixes.h beside this script: the types that llama.cpp gives the matrices of models that test_mix.c describes alike.

    pip install llama-cpp-python gguf numpy && python3 tests/data/quantize/make_mixes.py

A row: number of the model, mix, one letter for each matrix: 'A' plus the number of its type. First the embedding, then
the output if there is one, then k, v, output and down of each layer. Left out are mixes that llama.cpp refuses to make
without an importance matrix, and types that the gguf package does not know.
"""
import ctypes
import tempfile
from pathlib import Path

import gguf
import llama_cpp
import numpy as np

MIXES = {"f16": 1, "bf16": 32, "q8_0": 7, "q4_0": 2, "q4_1": 3, "q5_0": 8, "q5_1": 9, "q2_k": 10, "q2_k_s": 21,
         "q3_k_s": 11, "q3_k_m": 12, "q3_k_l": 13, "q4_k_s": 14, "q4_k_m": 15, "q5_k_s": 16, "q5_k_m": 17, "q6_k": 18,
         "iq4_nl": 25, "iq4_xs": 30, "mxfp4_moe": 38, "tq1_0": 36, "tq2_0": 37}
# layers, heads, KV heads, width, inner width, experts, tied
MODELS = [(16, 8, 2, 256, 256, 0, False), (17, 2, 2, 256, 256, 0, True), (3, 4, 2, 64, 96, 0, False),
          (80, 4, 1, 256, 256, 0, False), (9, 8, 4, 256, 256, 8, False)]


def names(layers: int, experts: int, tied: bool) -> list[str]:
    down = "ffn_down_exps" if experts else "ffn_down"
    return ["token_embd.weight"] + ([] if tied else ["output.weight"]) + [
        f"blk.{i}.{part}.weight" for i in range(layers) for part in ("attn_k", "attn_v", "attn_output", down)]


def write_model(path: str, layers: int, heads: int, heads_kv: int, width: int, inner: int, experts: int,
                tied: bool) -> None:
    w = gguf.GGUFWriter(path, "llama")
    w.add_block_count(layers)
    w.add_context_length(64)
    w.add_embedding_length(width)
    w.add_feed_forward_length(inner)
    w.add_head_count(heads)
    w.add_head_count_kv(heads_kv)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_dimension_count(width // heads)
    w.add_vocab_size(32)
    w.add_tokenizer_model("no_vocab")
    if experts:
        w.add_expert_count(experts)
        w.add_expert_used_count(2)
    kv = width // heads * heads_kv
    for name in names(layers, experts, tied):
        shape = {"attn_k": (kv, width), "attn_v": (kv, width), "attn_output": (width, width), "ffn_down": (width, inner),
                 "ffn_down_exps": (experts, width, inner)}.get(name.split(".")[-2], (32, width))
        w.add_tensor(name, np.random.default_rng(1).normal(size=shape).astype("<f4"))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main() -> None:
    llama_cpp.llama_backend_init()
    rows = ["/* mixes.h - made by make_mixes.py: what llama.cpp makes of each matrix. */\n"]
    with tempfile.TemporaryDirectory() as folder:
        for number, model in enumerate(MODELS):
            write_model(f"{folder}/in.gguf", *model)
            for mix, file_type in MIXES.items():
                if model[0] == 80 and not mix.endswith("_m"):
                    continue  # one rule is for that many layers; three mixes show it
                params = llama_cpp.llama_model_quantize_default_params()
                params.ftype = file_type
                if llama_cpp.llama_model_quantize(f"{folder}/in.gguf".encode(), f"{folder}/out.gguf".encode(),
                                                  ctypes.byref(params)):
                    continue
                types = {t.name: int(t.tensor_type) for t in gguf.GGUFReader(f"{folder}/out.gguf").tensors}
                letters = "".join(chr(ord("A") + types[name]) for name in names(model[0], model[5], model[6]))
                parts = [letters[i:i + 96] for i in range(0, len(letters), 96)]
                rows.append(f'    {{ {number}, "{mix}",\n' + "\n".join(f'      "{p}"' for p in parts) + " },\n")
    (Path(__file__).parent / "mixes.h").write_text("".join(rows))


main()
