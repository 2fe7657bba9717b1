#!/bin/sh
# benches/batches.py: libinfer's half of it computes a batch of prompts through the shared library.
set -u
build=${BUILD:-build}
[ -z "${SAN:-}" ] || { echo "test_batches: python cannot load a library with a sanitizer" && exit 77; }
python3 -c 'import numpy' 2>/dev/null || { echo "test_batches: there is no numpy" && exit 77; }
out=$(PYTHONDONTWRITEBYTECODE=1 python3 benches/batches.py tools/default-model/model.gguf --engine libinfer --prompts 5 \
    -p 8 -n 4 -t 1 --library "$build/libinfer.so" 2>&1) || { echo "test_batches: $out" && exit 1; }
echo "$out" | python3 -c 'import json, sys
speeds = json.load(sys.stdin)
sys.exit(sorted(speeds) != ["all", "generate", "prompt"] or min(speeds.values()) <= 0)' ||
    { echo "test_batches: $out" && exit 1; }
