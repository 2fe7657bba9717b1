#!/usr/bin/env python3
"""infer-quantize beside the quantiser of llama.cpp (llama-cpp-python), in turn: the same model into the same mixes.

    build/infer-synth tinyllama-1.1b f16 cut.gguf --layers 2
    TMPDIR=/dev/shm python3 benches/peers_quantize.py cut.gguf q8_0 q4_0 q4_k_m q6_k

The results are written to TMPDIR, best in memory. Prints for each mix the least seconds of some rounds, of clock and
of processors, and the ratio of the clocks."""
import argparse
import ctypes
import os
import subprocess
import sys
import tempfile
import time

import llama_cpp

# llama_ftype of llama.h
FILE_TYPES = {"q4_0": 2, "q4_1": 3, "q8_0": 7, "q5_0": 8, "q5_1": 9, "q2_k": 10, "q3_k_m": 12, "q4_k_m": 15,
              "q5_k_m": 17, "q6_k": 18, "iq4_nl": 25, "iq4_xs": 30}


def timed(work):
    """Seconds of clock and of processors, children's included."""
    def used():
        t = os.times()
        return t.user + t.system + t.children_user + t.children_system
    clock, processors = time.monotonic(), used()
    work()
    return time.monotonic() - clock, used() - processors


def ours(program, model, out, mix, threads):
    subprocess.run([program, "-t", str(threads), model, out, mix], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def theirs(model, out, mix, threads):
    params = llama_cpp.llama_model_quantize_default_params()
    params.nthread, params.ftype = threads, FILE_TYPES[mix]
    if llama_cpp.llama_model_quantize(model.encode(), out.encode(), ctypes.byref(params)) != 0:
        sys.exit(f"llama.cpp cannot make {mix} of {model}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", help="GGUF file in f16 or f32")
    p.add_argument("mix", nargs="+", choices=FILE_TYPES)
    p.add_argument("-t", "--threads", type=int, default=2)
    p.add_argument("-r", "--rounds", type=int, default=2)
    p.add_argument("--program", default="build/infer-quantize")
    o = p.parse_args()
    log = llama_cpp.llama_log_callback(lambda *unused: None)
    llama_cpp.llama_log_set(log, ctypes.c_void_p(0))
    print("| mix | libinfer s | llama.cpp s | ratio | libinfer CPU s | llama.cpp CPU s |\n"
          "|---|---:|---:|---:|---:|---:|")
    with open(o.model, "rb") as f:  # so that neither waits for the disk
        while f.read(1 << 24):
            pass
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out.gguf")
        for mix in o.mix:
            times = [(timed(lambda: ours(o.program, o.model, out, mix, o.threads)),
                      timed(lambda: theirs(o.model, out, mix, o.threads))) for _ in range(o.rounds)]
            (a, a_cpu), (b, b_cpu) = (min(t[side] for t in times) for side in range(2))
            print(f"| {mix} | {a:.2f} | {b:.2f} | {b / a:.1f} | {a_cpu:.2f} | {b_cpu:.2f} |", flush=True)


if __name__ == "__main__":
    main()
