#!/bin/sh
# kernels/codebooks.c and codebook_parts.c are what their generator makes. Needs Python with the package gguf: PYTHON
# names an interpreter.
set -u
python=${PYTHON:-python3}
$python -c 'import gguf, numpy' 2>/dev/null || { echo "test_codebooks: $python has no package gguf" && exit 77; }
$python kernels/gen/codebooks.py parts | diff kernels/codebook_parts.c - ||
    { echo "test_codebooks: the parts differ" && exit 1; }
$python kernels/gen/codebooks.py | diff kernels/codebooks.c - || { echo "test_codebooks: the tables differ" && exit 1; }
