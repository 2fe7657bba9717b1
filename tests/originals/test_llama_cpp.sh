#!/bin/sh
# Quantised checkpoints as GGUF files: llama.cpp loads what infer-convert writes, and computes the reference's logits
# from the same values as floats (its products of blocks round activations). Needs Python with the package llama_cpp:
# PYTHON names an interpreter.
set -u
build=${BUILD:-build} python=${PYTHON:-python3}
$python -c 'import llama_cpp, numpy' 2>/dev/null || { echo "test_llama_cpp: $python has no llama_cpp" && exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for name in fp8-block fp8-row gptq gptq-asym gptq-act awq awq-sym; do
    folder=tests/data/quantised/$name
    "$build/infer-convert" $folder "$tmp/own.gguf" >/dev/null 2>&1 || exit 1
    "$build/infer-quantize" "$tmp/own.gguf" "$tmp/f32.gguf" f32 --requantize >/dev/null || exit 1
    PYTHONDONTWRITEBYTECODE=1 $python tests/convert/peer.py $folder "$tmp/f32.gguf" || exit 1
    $python -c 'import llama_cpp, sys; sys.exit(not llama_cpp.llama_model_load_from_file(sys.argv[1].encode(),
        llama_cpp.llama_model_default_params()))' "$tmp/own.gguf" 2>/dev/null || {
        echo "test_llama_cpp: $name: llama.cpp does not load what infer-convert writes"
        exit 1
    }
done
