#!/bin/sh
# The wheel of the Python package is made, and its tests hold (bindings/python/tests, and the examples of
# docs/python.md).
set -u
build=${BUILD:-build}
python=${PYTHON:-/usr/bin/python3}
skip() { echo "test_python: $*" && exit 77; }
fail() { echo "test_python: $*" && exit 1; }

[ -z "${SAN-}" ] || skip "Python itself has no sanitizers"
for module in cffi numpy pytest; do
    "$python" -c "import $module" 2>/dev/null || skip "$python has no $module: scripts/setup python"
done
"$python" -c 'import os, sysconfig as s; os.stat(s.get_path("include") + "/Python.h")' 2>/dev/null ||
    skip "$python has no Python.h: scripts/setup python"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
BUILD=$build "$python" bindings/python/backend.py "$tmp" || fail "no wheel"
"$python" -m zipfile -e "$tmp"/libinfer-*.whl "$tmp/site" || fail "the wheel cannot be unpacked"
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$tmp/site "$python" -m pytest -q -p no:cacheprovider bindings/python/tests ||
    fail "exit code $?"
"$python" benches/python_calls.py "$tmp"/libinfer-*.whl -n 2 -r 1 | grep -q 'tokenizer.encode(text) .* µs' ||
    fail "benches/python_calls.py"
