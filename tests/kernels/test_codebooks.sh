#!/bin/sh
# kernels/codebooks.c is what its generator makes. Needs Python with the package gguf: PYTHON names an interpreter.
set -u
python=${PYTHON:-python3}
$python -c 'import gguf, numpy' 2>/dev/null || { echo "test_codebooks: $python has no package gguf" && exit 77; }
$python kernels/gen/codebooks.py | diff kernels/codebooks.c - || { echo "test_codebooks: the tables differ" && exit 1; }
