#!/bin/sh
# What the tests take for llama.cpp's errors is what its quantisers lose. Needs Python with the package llama_cpp:
# PYTHON names an interpreter.
set -u
python=${PYTHON:-python3}
$python -c 'import llama_cpp, numpy' 2>/dev/null || { echo "test_llama_cpp: $python has no llama_cpp" && exit 77; }
$python tests/data/quantize/make.py --check || { echo "test_llama_cpp: errors.h does not hold" && exit 1; }
