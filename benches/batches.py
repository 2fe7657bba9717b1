#!/usr/bin/env python3
"""Many prompts at once, through libinfer and through llama.cpp, and the ratio.

    pip install llama-cpp-python numpy
    python3 benches/batches.py model.gguf --prompts 100 -p 64 -n 64 -t 2

Either engine gets the same prompts and computes them in steps of up to 512 tokens; then each step appends the
likeliest token to every text. Printed are tokens a second: of the prompts, generated, and generated in all the time.
libinfer runs through the shared library (infer_batch_eval over forks of one session), llama.cpp through
llama-cpp-python (llama_decode of batches with n_seq_max sequences). Each runs in a process of its own, one after the
other.
"""
import argparse
import ctypes
import json
import os
import subprocess
import sys
import time

import numpy

STEP = 512


def prompts_of(args, n_vocab):
    return [[1 + (i * 7919 + j * 104729) % (n_vocab - 1) for j in range(args.n_prompt)] for i in range(args.prompts)]


def measure(args, n_vocab, feed):
    """feed(tokens of each text) computes them and returns the rows of logits that follow."""
    start = time.perf_counter()
    rows = feed(prompts_of(args, n_vocab))
    between = time.perf_counter()
    for _ in range(args.n_gen):
        rows = feed([[int(numpy.argmax(row))] for row in rows])
    end = time.perf_counter()
    generated = args.prompts * args.n_gen
    return {"prompt": args.prompts * args.n_prompt / (between - start), "generate": generated / (end - between),
            "all": generated / (end - start)}


class Options(ctypes.Structure):
    """The beginning of infer_context_options; a shorter struct leaves the rest at its defaults."""
    _fields_ = [("size", ctypes.c_size_t), ("n_threads", ctypes.c_int)]


class SessionOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("n_ctx", ctypes.c_int32), ("n_batch", ctypes.c_int32),
                ("precision", ctypes.c_int), ("kv_type_k", ctypes.c_int), ("kv_type_v", ctypes.c_int),
                ("deterministic", ctypes.c_bool)]


class Item(ctypes.Structure):
    _fields_ = [("session", ctypes.c_void_p), ("tokens", ctypes.POINTER(ctypes.c_int32)),
                ("n_tokens", ctypes.c_size_t), ("status", ctypes.c_int)]


class Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("message", ctypes.c_char * 508)]


def run_libinfer(args):
    lib = ctypes.CDLL(os.path.abspath(args.library))
    for name in ("context_open", "model_open", "session_open", "session_fork", "model_tokenizer"):
        getattr(lib, "infer_" + name).restype = ctypes.c_void_p
    lib.infer_session_logits.restype = ctypes.POINTER(ctypes.c_float)
    err = Error()

    def must(handle):
        if not handle:
            sys.exit(err.message.decode())
        return ctypes.c_void_p(handle)

    context = must(lib.infer_context_open(ctypes.byref(Options(ctypes.sizeof(Options), args.threads)),
                                          ctypes.byref(err)))
    model = must(lib.infer_model_open(context, args.model.encode(), None, ctypes.byref(err)))
    n_vocab = lib.infer_tokenizer_size(must(lib.infer_model_tokenizer(model)))
    options = SessionOptions(ctypes.sizeof(SessionOptions), args.n_prompt + args.n_gen, STEP,
                             deterministic=args.deterministic)
    root = must(lib.infer_session_open(model, ctypes.byref(options), ctypes.byref(err)))
    sessions = [must(lib.infer_session_fork(root, ctypes.byref(err))) for _ in range(args.prompts)]

    def feed(texts):
        arrays = [(ctypes.c_int32 * len(text))(*text) for text in texts]
        items = (Item * len(texts))(*[Item(s, array, len(array)) for s, array in zip(sessions, arrays)])
        if lib.infer_batch_eval(items, ctypes.c_size_t(len(texts)), ctypes.byref(err)):
            sys.exit(err.message.decode())
        return [numpy.ctypeslib.as_array(lib.infer_session_logits(s), (n_vocab,)) for s in sessions]

    return measure(args, n_vocab, feed)


def run_llama(args):
    import llama_cpp
    llama_cpp.llama_backend_init()
    callback = llama_cpp.llama_log_callback(lambda level, text, user: None)
    llama_cpp.llama_log_set(callback, None)
    model = llama_cpp.llama_model_load_from_file(args.model.encode(), llama_cpp.llama_model_default_params())
    n_vocab = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
    params = llama_cpp.llama_context_default_params()
    each = (args.n_prompt + args.n_gen + 255) // 256 * 256
    params.n_ctx, params.n_seq_max = args.prompts * each, args.prompts
    params.n_batch = params.n_ubatch = STEP
    params.n_threads = params.n_threads_batch = args.threads
    context = llama_cpp.llama_init_from_model(model, params)
    if not context:
        sys.exit("llama.cpp made no context")
    batch = llama_cpp.llama_batch_init(STEP, 0, 1)
    lengths = [0] * args.prompts

    def decode(rows, part):
        """Logits of the sequences that are through come out in the order of the batch."""
        if llama_cpp.llama_decode(context, batch):
            sys.exit("llama_decode failed")
        for at, i in part:
            rows[i] = numpy.array(numpy.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(context, at), (n_vocab,)))
        batch.n_tokens = 0

    def feed(texts):
        rows, part = [None] * len(texts), []
        batch.n_tokens = 0
        for i, text in enumerate(texts):
            for j, token in enumerate(text):
                at, last = batch.n_tokens, j + 1 == len(text)
                batch.token[at], batch.pos[at], batch.n_seq_id[at] = token, lengths[i], 1
                batch.seq_id[at][0], batch.logits[at] = i, last
                batch.n_tokens, lengths[i] = at + 1, lengths[i] + 1
                part += [(at, i)] if last else []
                if batch.n_tokens == STEP:
                    decode(rows, part)
                    part = []
        if batch.n_tokens:
            decode(rows, part)
        return rows

    return measure(args, n_vocab, feed)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("-p", "--n-prompt", type=int, default=64)
    parser.add_argument("-n", "--n-gen", type=int, default=64)
    parser.add_argument("-t", "--threads", type=int, default=2)
    parser.add_argument("--deterministic", action="store_true", help="of libinfer")
    parser.add_argument("--library", default="build/libinfer.so")
    parser.add_argument("--engine", choices=["libinfer", "llama"], help="run one, print JSON")
    args = parser.parse_args()
    if args.engine:
        print(json.dumps((run_libinfer if args.engine == "libinfer" else run_llama)(args)))
        return
    results = [json.loads(subprocess.run([sys.executable, __file__, *sys.argv[1:], "--engine", engine], check=True,
                                         stdout=subprocess.PIPE, text=True).stdout)
               for engine in ("libinfer", "llama")]
    print(f"{os.path.basename(args.model)}: {args.prompts} prompts, {args.n_prompt} tokens each and {args.n_gen} "
          f"generated, {args.threads} threads; tokens a second")
    print("| | libinfer | llama.cpp | ratio |\n|---|---:|---:|---:|")
    for key, name in (("prompt", "prompts"), ("generate", "generating"), ("all", "generated in all the time")):
        print(f"| {name} | {results[0][key]:.1f} | {results[1][key]:.1f} | {results[0][key] / results[1][key]:.2f} |")


if __name__ == "__main__":
    main()
