#!/usr/bin/env python3
"""Run the same models through libinfer and llama.cpp in turn and print the ratio.

    pip install llama-cpp-python
    python3 benches/peers.py /tmp/a.gguf /tmp/b.gguf -p 512 -n 64 -t 2 -r 5

Each round measures both, one after the other, so that a machine whose speed drifts treats both alike. The table shows
the median of each, the median of the ratios, round by round, and of the shares that libinfer reached of what the
machine allowed (infer-bench --limits). llama.cpp runs inside this process (a batch of -p tokens, then -n single
tokens), libinfer through build/infer-bench.
"""
import argparse
import json
import statistics
import subprocess
import time

import llama_cpp


def ours(bench, model, n_prompt, n_gen, threads):
    """Tokens a second of prompt and generation, one run each, and per cent of the limit."""
    out = subprocess.run([bench, "-m", model, "-p", str(n_prompt), "-n", str(n_gen), "-t", str(threads), "-r", "1",
                          "--limits", "-o", "json"], check=True, capture_output=True, text=True).stdout
    return [(test["avg_ts"], test["limit_pct"]) for test in json.loads(out)]


def theirs(model, n_prompt, n_gen):
    ids = [300 + i * 7919 % 20000 for i in range(n_prompt)]
    rates = []
    for pieces in ([ids], [[i] for i in ids[:n_gen]]):
        model.reset()
        start = time.perf_counter()
        for piece in pieces:
            model.eval(piece)
        rates.append(sum(map(len, pieces)) / (time.perf_counter() - start))
    return rates


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("-p", "--n-prompt", type=int, default=512)
    parser.add_argument("-n", "--n-gen", type=int, default=64)
    parser.add_argument("-t", "--threads", type=int, default=2)
    parser.add_argument("-r", "--rounds", type=int, default=5)
    parser.add_argument("--bench", default="build/infer-bench")
    args = parser.parse_args()
    print(f"llama-cpp-python {llama_cpp.__version__}, {args.threads} threads, {args.rounds} rounds; tokens a second, "
          "medians")
    print("| model | test | libinfer | of limit | llama.cpp | ratio |\n|---|---|---:|---:|---:|---:|")
    for model in args.models:
        rounds = []
        peer = llama_cpp.Llama(model, n_ctx=args.n_prompt + args.n_gen + 8, n_threads=args.threads,
                               n_threads_batch=args.threads, verbose=False)
        theirs(peer, args.n_prompt, args.n_gen)  # warm-up
        for _ in range(args.rounds):
            rounds.append((ours(args.bench, model, args.n_prompt, args.n_gen, args.threads),
                           theirs(peer, args.n_prompt, args.n_gen)))
        peer.close()
        for i, test in enumerate((f"pp{args.n_prompt}", f"tg{args.n_gen}")):
            a, share, b = [r[0][i][0] for r in rounds], [r[0][i][1] for r in rounds], [r[1][i] for r in rounds]
            ratio = statistics.median(x / y for x, y in zip(a, b))
            print(f"| {model.rsplit('/', 1)[-1]} | {test} | {statistics.median(a):.1f} | "
                  f"{statistics.median(share):.0f} % | {statistics.median(b):.1f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
