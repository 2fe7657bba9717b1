#!/usr/bin/env python3
"""Writes llama.json: what llama.cpp's samplers leave of made-up logits, and with which probabilities.

    pip install llama-cpp-python==0.3.36
    tests/data/sampler/make.py tools/default-model/model.gguf > tests/data/sampler/llama.json

The model is only there for its vocabulary, without which there is no DRY. test_stages.c makes the same logits."""
import ctypes
import json
import math
import sys

import llama_cpp as L

N = 400


def logits(seed):
    """As test_stages.c has it; the products are exact, the result is rounded to a float."""
    out = []
    for i in range(N):
        x = ((i * 7919 + seed * 104729) % 1009) / 1009 * 2 - 1
        out.append(ctypes.c_float(9 * x * x * x).value)
    return out


def stage(name, o, vocab):
    f = lambda key, default=0.0: o.get(key, default)
    return {
        "penalties": lambda: L.llama_sampler_init_penalties(N, f("repeat_last_n", 64), f("repeat_penalty", 1.0),
                                                            f("frequency_penalty"), f("presence_penalty")),
        "dry": lambda: L.llama_sampler_init_dry(vocab, f("dry_multiplier"), f("dry_base", 1.75),
                                                f("dry_allowed_length", 2), f("dry_last_n", 4096), None, 0),
        "top_n_sigma": lambda: L.llama_sampler_init_top_n_sigma(f("top_n_sigma")),
        "top_k": lambda: L.llama_sampler_init_top_k(f("top_k", 0)),
        "typ_p": lambda: L.llama_sampler_init_typical(f("typical_p", 1.0), 1),
        "top_p": lambda: L.llama_sampler_init_top_p(f("top_p", 1.0), 1),
        "min_p": lambda: L.llama_sampler_init_min_p(f("min_p"), 1),
        "xtc": lambda: L.llama_sampler_init_xtc(f("xtc_probability"), f("xtc_threshold", 0.1), 1, 1),
        "temperature": lambda: L.llama_sampler_init_temp_ext(f("temperature", 1.0), f("dynatemp_range"),
                                                             f("dynatemp_exponent", 1.0)),
    }[name]()


DEFAULT = ["penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature"]
HISTORY = [5, 9, 17, 23, 5, 9, 17, 40, 5, 9]
CASES = [
    dict(options=dict(temperature=0.7)),
    dict(options=dict(top_k=7)),
    dict(options=dict(top_p=0.6)),
    dict(options=dict(top_p=0.97)),
    dict(options=dict(min_p=0.08)),
    dict(options=dict(typical_p=0.5)),
    dict(options=dict(typical_p=0.9)),
    dict(options=dict(top_n_sigma=1.2)),
    dict(options=dict(xtc_probability=1.0, xtc_threshold=0.02)),
    dict(options=dict(temperature=1.0, dynatemp_range=0.6)),
    dict(options=dict(temperature=0.9, dynatemp_range=0.5, dynatemp_exponent=2.5, top_k=30)),
    dict(options=dict(repeat_penalty=1.4), history=HISTORY),
    dict(options=dict(frequency_penalty=0.7, presence_penalty=0.3, repeat_last_n=5), history=HISTORY),
    dict(options=dict(dry_multiplier=0.8, dry_allowed_length=1), history=HISTORY),
    dict(options=dict(dry_multiplier=1.5, dry_base=2.0), history=HISTORY),
    dict(options=dict(dry_multiplier=1.5, dry_base=2.0, dry_last_n=6), history=HISTORY),
    dict(options=dict(top_k=40, top_p=0.9, min_p=0.05, temperature=0.8, repeat_penalty=1.1), history=HISTORY),
    dict(options=dict(top_k=60, typical_p=0.95, top_p=0.95, xtc_probability=1.0, xtc_threshold=0.05, temperature=1.3,
                      dry_multiplier=0.8, top_n_sigma=2.0), history=HISTORY),
    dict(options=dict(temperature=2.0, top_k=20, top_p=0.8), stages=["temperature", "top_p", "top_k"]),
    dict(options=dict(temperature=0.5, min_p=0.05, repeat_penalty=1.5), stages=["min_p", "temperature", "penalties"],
         history=HISTORY),
    dict(options=dict(xtc_probability=1.0, xtc_threshold=0.03, top_k=9, temperature=1.5),
         stages=["temperature", "xtc", "top_k"]),
    dict(options=dict(mirostat=2, mirostat_tau=2.0)),
    dict(options=dict(mirostat=2, mirostat_tau=1.1, temperature=0.8)),
    dict(options=dict(mirostat=1, mirostat_tau=2.0)),
    dict(options=dict(mirostat=1, mirostat_tau=1.0, temperature=1.2)),
]


def run(case, values, vocab):
    o = case["options"]
    names = case.get("stages") or (["temperature"] if o.get("mirostat") else DEFAULT)
    chain = L.llama_sampler_chain_init(L.llama_sampler_chain_default_params())
    for name in names:
        L.llama_sampler_chain_add(chain, stage(name, o, vocab))
    if o.get("mirostat") == 1:
        L.llama_sampler_chain_add(chain, L.llama_sampler_init_mirostat(N, 1, o["mirostat_tau"], 0.1, 100))
    elif o.get("mirostat") == 2:
        L.llama_sampler_chain_add(chain, L.llama_sampler_init_mirostat_v2(1, o["mirostat_tau"], 0.1))
    else:
        L.llama_sampler_chain_add(chain, L.llama_sampler_init_dist(1))
    for t in case.get("history", []):
        L.llama_sampler_accept(chain, t)
    data = (L.llama_token_data * N)(*[L.llama_token_data(i, values[i], 0.0) for i in range(N)])
    array = L.llama_token_data_array(data, N, -1, False)
    L.llama_sampler_apply(chain, ctypes.byref(array))
    left = [(array.data[i].id, array.data[i].logit) for i in range(array.size)]
    L.llama_sampler_free(chain)
    left = [(i, l) for i, l in left if l > -1e30]
    most = max(l for _, l in left)
    total = sum(math.exp(l - most) for _, l in left)
    return sorted((i, round(math.exp(l - most) / total, 8)) for i, l in left)


def main():
    L.llama_backend_init()
    params = L.llama_model_default_params()
    params.vocab_only = True
    model = L.llama_model_load_from_file(sys.argv[1].encode(), params)
    vocab = L.llama_model_get_vocab(model)
    out = []
    for i, case in enumerate(CASES):
        left = run(case, logits(i), vocab)
        row = dict(seed=i, options=case["options"], history=case.get("history", []), stages=case.get("stages", []),
                   ids=[a for a, _ in left], p=[b for _, b in left])
        out.append(json.dumps(row))
    print("[\n" + ",\n".join(out) + "\n]")


main()
