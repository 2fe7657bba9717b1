#!/bin/sh
# The Python package is typed, strictly.
set -u
python=${PYTHON:-/usr/bin/python3}
for module in cffi numpy mypy; do
    "$python" -c "import $module" 2>/dev/null ||
        { echo "test_types: $python has no $module: scripts/setup python" && exit 77; }
done
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd bindings/python || exit 1
[ -e libinfer/py.typed ] || { echo "test_types: py.typed is missing" && exit 1; }
"$python" -m mypy --strict --cache-dir "$tmp" --config-file pyproject.toml libinfer backend.py declarations.py
