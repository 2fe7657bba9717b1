#!/bin/sh
# infer-inspect: shows what is in a file, as text and JSON, and refuses broken ones in one sentence.
set -u
inspect=${BUILD:-build}/infer-inspect
model=tests/data/tiny/llama
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "test_inspect: $*" && exit 1; }

for m in $model $model/model.gguf; do
    "$inspect" $m --verify >"$tmp/text" || fail "$m: exit code $?"
    for words in 'architecture    llama' 'vocabulary      96' 'work buffers' '^Metadata' '^Tensors: ' '96 .* bytes' \
        Verified; do
        grep -q "$words" "$tmp/text" || fail "$m: no \"$words\" in: $(cat "$tmp/text")"
    done
    "$inspect" $m --json --verify >"$tmp/json" || fail "$m --json: exit code $?"
    for words in '"architecture": "llama"' '"vocabulary": 96' '"work_buffers"' '"verified": true' '"used": true'; do
        grep -q "$words" "$tmp/json" || fail "$m --json: no $words in: $(cat "$tmp/json")"
    done
done

# A sound file that cannot be run: a header, no tensors, no metadata.
printf 'GGUF\003\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0' >"$tmp/empty.gguf"
"$inspect" "$tmp/empty.gguf" >"$tmp/text" || fail "empty.gguf: exit code $?"
grep -q 'cannot be run .*no tensors' "$tmp/text" || fail "empty.gguf: $(cat "$tmp/text")"
"$inspect" "$tmp/empty.gguf" --verify >/dev/null 2>&1 && fail "empty.gguf is verified"

refused() { # words of the sentence, file, options
    words=$1
    shift
    "$inspect" "$@" >"$tmp/out" 2>"$tmp/err"
    code=$?
    [ $code = 1 ] || fail "$*: exit code $code"
    [ "$(wc -l <"$tmp/err")" = 1 ] || fail "$*: says: $(cat "$tmp/err")"
    grep -q "$words" "$tmp/err" || fail "$*: says: $(cat "$tmp/err")"
}
size=$(wc -c <$model/model.gguf)
head -c $((size / 2)) $model/model.gguf >"$tmp/half.gguf"
refused half.gguf "$tmp/half.gguf"
echo text >"$tmp/text.gguf"
refused GGUF "$tmp/text.gguf" --json
refused no-such-file "$tmp/no-such-file"
# The last four bytes belong to an f32 tensor: as a NaN they are found by --verify only.
head -c $((size - 4)) $model/model.gguf >"$tmp/nan.gguf"
printf '\377\377\377\177' >>"$tmp/nan.gguf"
"$inspect" "$tmp/nan.gguf" >/dev/null || fail "nan.gguf: refused without --verify"
refused 'not finite' "$tmp/nan.gguf" --verify
"$inspect" 2>/dev/null
[ $? = 2 ] || fail "no exit code 2 for a missing argument"
# A quantised checkpoint: what its matrices become, without making them all at once.
"$inspect" tests/data/quantised/awq --verify >"$tmp/text" || fail "awq: exit code $?"
for words in 'most weights q5_0' 'made of the file' 'q_proj.weight .*q5_0 .*made of AWQ, 4 bits, groups of 32' Verified; do
    grep -q "$words" "$tmp/text" || fail "awq: no \"$words\" in: $(cat "$tmp/text")"
done
"$inspect" tests/data/quantised/awq --json | grep -q '"made_of": "AWQ, 4 bits, groups of 32"' || fail "awq --json"
