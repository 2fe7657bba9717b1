#!/bin/sh
# llama.cpp computes the references with what infer-convert writes of the tiny models, or known_limits.py says why it
# does not. Needs Python with the package llama_cpp: PYTHON names an interpreter.
set -u
python=${PYTHON:-python3}
$python -c 'import llama_cpp, numpy' 2>/dev/null || { echo "test_llama_cpp: $python has no llama_cpp" && exit 77; }
PYTHONDONTWRITEBYTECODE=1 $python tests/convert/compare.py "${BUILD:-build}"
