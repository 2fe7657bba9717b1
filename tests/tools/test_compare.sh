#!/bin/sh
# compare-bench: what it reads, what it concludes, what it writes. The cases are compare_cases.py; here it is run as a
# program, from another folder, and by a link as it is installed.
set -u
command -v python3 >/dev/null || { echo "test_compare: there is no python3" && exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "test_compare: $*" && exit 1; }

PYTHONDONTWRITEBYTECODE=1 python3 tests/tools/compare_cases.py || exit 1

data=$PWD/tests/data/compare
ln -s "$PWD/tools/compare-bench" "$tmp/compare-bench"
cd "$tmp" || exit 1
PYTHONIOENCODING=ascii ./compare-bench "$data/realizar.json" "$data/realizar-llamacpp.json" >out 2>err ||
    fail "exit code $?: $(cat err)"
grep -q '17.50 µs | 19.20 µs | 1.10x' out || fail "writes: $(cat out)"
./compare-bench "$data/infer-bench.json" "$data/infer-bench-avx2.json" >out 2>err
[ $? = 2 ] || fail "unlike configurations are no failure"
./compare-bench --against "$data/realizar.json" "$data/realizar-llamacpp.json" --errors 0 >out 2>err
[ $? = 1 ] || fail "slower is no failure"
