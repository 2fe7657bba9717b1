#!/usr/bin/env python3
"""Vectors of texts by libinfer and by llama.cpp in turn: tokens and texts a second, and the ratio.

    pip install llama-cpp-python
    python3 benches/peers_embeddings.py encoder-q8_0.gguf encoder-f16.gguf -e 16,64,128,256,512 --texts 16 -t 2 -r 2

Both get the same ids, made up, and pool as the mean. libinfer runs through build/infer-bench, llama.cpp inside this process:
as many texts in a batch as 512 tokens hold. Figures are means over the runs, after one that is not counted.
"""
import argparse
import json
import os
import subprocess
import time

import llama_cpp

STEP = 512  # tokens


def ours(args, model):
    out = subprocess.run([args.bench, "-m", model, "-e", args.lengths, "--texts", str(args.texts), "-t", str(args.threads),
                          "-r", str(args.runs), "-o", "json"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return {test["n_embed"]: test["avg_ts"] for test in json.loads(out)}


def make_batches(n_tokens, n_texts, per_batch, n_vocab):
    """Texts of n_tokens ids each, per_batch of them in a batch, a sequence each."""
    for first in range(0, n_texts, per_batch):
        n = min(per_batch, n_texts - first) * n_tokens
        batch = llama_cpp.llama_batch_init(n, 0, 1)
        batch.n_tokens = n
        for i in range(n):
            batch.token[i] = ((first * n_tokens + i) * 7919 + 1) % n_vocab
            batch.pos[i], batch.n_seq_id[i], batch.logits[i] = i % n_tokens, 1, 1
            batch.seq_id[i][0] = i // n_tokens
        yield batch


def theirs(args, model, n_tokens):
    per_batch = max(1, STEP // n_tokens)
    params = llama_cpp.llama_context_default_params()
    params.n_ctx, params.n_seq_max = n_tokens * per_batch, per_batch
    params.n_batch = params.n_ubatch = max(STEP, n_tokens)
    params.n_threads = params.n_threads_batch = args.threads
    params.embeddings, params.pooling_type = True, llama_cpp.LLAMA_POOLING_TYPE_MEAN
    context = llama_cpp.llama_init_from_model(model, params)
    n_vocab = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
    batches, seconds = list(make_batches(n_tokens, args.texts, per_batch, n_vocab)), 0
    for run in range(args.runs + 1):
        start = time.perf_counter()
        for batch in batches:
            if llama_cpp.llama_encode(context, batch):
                raise SystemExit("llama_encode fails")
            for text in range(batch.n_tokens // n_tokens):
                llama_cpp.llama_get_embeddings_seq(context, text)
        seconds += (time.perf_counter() - start) * (run > 0)
    llama_cpp.llama_free(context)
    return args.runs * args.texts * n_tokens / seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("-e", "--lengths", default="16,64,128,256,512")
    parser.add_argument("--texts", type=int, default=16)
    parser.add_argument("-t", "--threads", type=int, default=2)
    parser.add_argument("-r", "--runs", type=int, default=2)
    parser.add_argument("--bench", default="build/infer-bench")
    args = parser.parse_args()
    print("| model | tokens a text | libinfer, tokens/s | texts/s | llama.cpp, tokens/s | texts/s | ratio |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for path in args.models:
        rates = ours(args, path)
        model = llama_cpp.llama_model_load_from_file(path.encode(), llama_cpp.llama_model_default_params())
        if not model:
            raise SystemExit(f"{path}: llama.cpp cannot load it")
        for n, rate in rates.items():
            peer = theirs(args, model, n)
            print(f"| {os.path.basename(path)} | {n} | {rate:.0f} | {rate / n:.1f} | {peer:.0f} | {peer / n:.1f} | "
                  f"{rate / peer:.2f} |", flush=True)
        llama_cpp.llama_model_free(model)


if __name__ == "__main__":
    main()
