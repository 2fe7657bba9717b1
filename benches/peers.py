#!/usr/bin/env python3
"""Run the same models through libinfer and its peers in turn and print the ratio.

    pip install llama-cpp-python
    python3 benches/peers.py /tmp/a.gguf /tmp/b.gguf -p 512 -n 64 -t 2 -r 5
    python3 benches/peers.py /tmp/a.gguf --llama-bench ik_llama.cpp/build/bin/llama-bench

Each round measures all, one after the other, so that a machine whose speed drifts treats them alike. The table shows
the median of each, the median of the ratios, round by round, and of the shares that libinfer reached of what the
machine allowed (infer-bench --limits). llama.cpp runs inside this process (a batch of -p tokens, then -n single
tokens), libinfer through build/infer-bench; --llama-bench names a further peer's own program, which has its options.
"""
import argparse
import json
import statistics
import subprocess
import time

import llama_cpp


def program(bench, model, args, *more):
    """Of a run of prompt and of generation each, what infer-bench and llama-bench print alike."""
    out = subprocess.run([bench, "-m", model, "-p", str(args.n_prompt), "-n", str(args.n_gen), "-t", str(args.threads),
                          "-r", "1", "-o", "json", *more], check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(out)


def in_process(model, args):
    ids = [300 + i * 7919 % 20000 for i in range(args.n_prompt)]
    tests = []
    for pieces in ([ids], [[i] for i in ids[:args.n_gen]]):
        model.reset()
        start = time.perf_counter()
        for piece in pieces:
            model.eval(piece)
        tests.append({"avg_ts": sum(map(len, pieces)) / (time.perf_counter() - start)})
    return tests


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("-p", "--n-prompt", type=int, default=512)
    parser.add_argument("-n", "--n-gen", type=int, default=64)
    parser.add_argument("-t", "--threads", type=int, default=2)
    parser.add_argument("-r", "--rounds", type=int, default=5)
    parser.add_argument("--bench", default="build/infer-bench")
    parser.add_argument("--llama-bench", metavar="PROGRAM", help="another peer's llama-bench")
    args = parser.parse_args()
    print(f"llama-cpp-python {llama_cpp.__version__}, {args.threads} threads, {args.rounds} rounds; tokens a second, "
          "medians")
    names = ["llama.cpp"] + (["llama-bench"] if args.llama_bench else [])
    print("| model | test | libinfer | of limit |" + "".join(f" {name} | ratio |" for name in names))
    print("|---|---|---:|---:|" + "---:|---:|" * len(names))
    for model in args.models:
        rounds = []
        peer = llama_cpp.Llama(model, n_ctx=args.n_prompt + args.n_gen + 8, n_threads=args.threads,
                               n_threads_batch=args.threads, verbose=False)
        in_process(peer, args)  # warm-up
        for _ in range(args.rounds):
            rounds.append([program(args.bench, model, args, "--limits"), in_process(peer, args)] +
                          ([program(args.llama_bench, model, args)] if args.llama_bench else []))
        peer.close()
        for i, test in enumerate((f"pp{args.n_prompt}", f"tg{args.n_gen}")):
            ours, *theirs = ([engine[i]["avg_ts"] for engine in engines] for engines in zip(*rounds))
            share = statistics.median(engines[0][i]["limit_pct"] for engines in rounds)
            row = f"| {model.rsplit('/', 1)[-1]} | {test} | {statistics.median(ours):.1f} | {share:.0f} % |"
            for rates in theirs:
                ratio = statistics.median(a / b for a, b in zip(ours, rates))
                row += f" {statistics.median(rates):.1f} | {ratio:.2f} |"
            print(row, flush=True)


if __name__ == "__main__":
    main()
