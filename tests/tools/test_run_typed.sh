#!/bin/sh
# infer-run with somebody at the keys of a terminal: the editor, its history, the commands and Ctrl-C.
set -u
run=${BUILD:-build}/infer-run
[ -x "$run" ] && python3 -c 'import pty' 2>/dev/null || exit 77
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export PYTHONDONTWRITEBYTECODE=1
python3 tests/tools/typed_run.py "$run" "$dir"
