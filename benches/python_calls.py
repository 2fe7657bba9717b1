#!/usr/bin/python3
"""What a call of the Python package costs beside the same call in C: microseconds, the best of some runs.

    make python && python3 benches/python_calls.py build/python/libinfer-*.whl [-n 20000] [-r 7]

In C:    make bench SUITE=tokenizer ARGS='--benchmark_filter=default/short'"""

import argparse
import sys
import tempfile
import timeit
import zipfile
from typing import Any

TEXT = "Once upon a time"


def cases() -> dict[str, Any]:
    from libinfer import Model, Sampler, Session
    from libinfer._infer import ffi, lib

    model = Model.default()
    tokenizer, data = model.tokenizer, TEXT.encode()
    pointer, room = tokenizer._pointer, ffi.new("int32_t[]", 64)
    n, error = ffi.new("size_t *"), ffi.new("infer_error *")
    ids = tokenizer.encode(TEXT)
    session, sampler = Session(model), Sampler(temperature=0)
    session.eval(ids)
    return {
        "infer_tokenizer_encode, its arguments made before": lambda: lib.infer_tokenizer_encode(
            pointer, data, len(data), 1, room, 64, n, error),
        "tokenizer.encode(text)": lambda: tokenizer.encode(TEXT),
        "tokenizer.decode(ids)": lambda: tokenizer.decode(ids),
        "len(session)": lambda: len(session),
        "session.logits": lambda: session.logits,
        "sampler.sample(session)": lambda: sampler.sample(session),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel")
    parser.add_argument("-n", type=int, default=20000, help="calls in a run")
    parser.add_argument("-r", type=int, default=7, help="runs")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(args.wheel).extractall(folder)
        sys.path.insert(0, folder)
        for name, call in cases().items():
            best = min(timeit.repeat(call, number=args.n, repeat=args.r)) / args.n
            print(f"{name:52} {best * 1e6:8.2f} µs")


if __name__ == "__main__":
    main()
