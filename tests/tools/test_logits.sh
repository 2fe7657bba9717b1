#!/bin/sh
# infer-logits: greedy ids as the reference has them, NPY that does not depend on threads, mistakes told with the right
# exit code.
set -u
logits=${BUILD:-build}/infer-logits
model=tests/data/tiny/llama
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "test_logits: $*" && exit 1; }
plain() { tr -d ' \n' <"$1"; }

for m in $model $model/model.gguf; do
    "$logits" -m $m --ids $model/ids.json --greedy 8 --greedy-out "$tmp/ids.json" || fail "$m: exit code $?"
    [ "$(plain "$tmp/ids.json")" = "$(plain $model/greedy.json)" ] || fail "$m: $(cat "$tmp/ids.json")"
done

list=$(tr -d '[]\n ' <$model/ids.json)
"$logits" -m $model --ids $model/ids.json -t 1 --out "$tmp/1.npy" || fail "ids from a file: exit code $?"
"$logits" -m $model --ids "$list" -t 3 --out "$tmp/3.npy" || fail "ids from a list: exit code $?"
"$logits" -m $model --ids - --out "$tmp/stdin.npy" <$model/ids.json || fail "ids from stdin: exit code $?"
cmp "$tmp/1.npy" "$tmp/3.npy" || fail "3 threads compute something else"
cmp "$tmp/1.npy" "$tmp/stdin.npy" || fail "the list on stdin gives something else"
# The header says what the reference's says (blanks aside), and the size is that of the values and a header.
shape() { head -c 128 "$1" | tr -d '\0' | sed -n "s/.*'descr': '<f4'.*'shape': \(([^)]*)\).*/\1/p"; }
[ -n "$(shape "$tmp/1.npy")" ] || fail "no NPY header"
[ "$(shape "$tmp/1.npy")" = "$(shape $model/logits.npy)" ] || fail "the shape is $(shape "$tmp/1.npy")"
[ "$(wc -c <"$tmp/1.npy")" = "$(wc -c <$model/logits.npy)" ] || fail "the size is $(wc -c <"$tmp/1.npy")"

# More tokens than are held at once. Ids of the test model are below 96.
long=$(seq 1 1300 | awk '{ printf "%s%d", (NR > 1 ? "," : ""), $1 * 7 % 96 }')
"$logits" -m $model --ids "$long" --out "$tmp/long.npy" || fail "1300 tokens: exit code $?"
[ "$(wc -c <"$tmp/long.npy")" = $((128 + 1300 * 96 * 4)) ] || fail "1300 tokens: $(wc -c <"$tmp/long.npy") bytes"

expect() { # exit code, words of the sentence, arguments
    code=$1 words=$2
    shift 2
    "$logits" "$@" >"$tmp/out" 2>"$tmp/err"
    got=$?
    [ $got = "$code" ] || fail "$*: exit code $got, expected $code"
    grep -q -- "$words" "$tmp/err" || fail "$*: says: $(cat "$tmp/err")"
    [ "$(wc -l <"$tmp/err")" = 1 ] || fail "$*: says more than one line"
}
expect 2 'ids is missing' -m $model --greedy 1
expect 2 'nothing to do' -m $model --ids 1
expect 2 '-t is' -m $model --ids 1 --greedy 1 -t x
expect 1 'expected a list' -m $model --ids '1,,2' --greedy 1
expect 1 'expected 0 to 95' -m $model --ids 1,96 --out "$tmp/bad.npy"
[ ! -e "$tmp/bad.npy" ] || fail "a file is left behind by a failure"
expect 1 'no-such-folder' -m $model --ids 1 --out "$tmp/no-such-folder/x.npy"
expect 1 'no-such-model' -m no-such-model --ids 1 --greedy 1
"$logits" --help | grep -q -- --greedy-out || fail "--help does not name --greedy-out"
