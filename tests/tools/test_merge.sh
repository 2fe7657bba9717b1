#!/bin/sh
# infer-quantize --lora: a model with adapters in it computes what the model does with them beside it; what does not fit is
# refused, and nothing is left of the file.
set -u
build=${BUILD:-build}
quantize=$build/infer-quantize
tiny=tests/data/tiny adapters=tests/data/adapters
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "test_merge: $*" && exit 1; }
logits() { # MODEL OUT OPTIONS...
    of=$1 to=$2 && shift 2
    "$build/infer-logits" -m "$of" --ids $ids --out "$to" "$@" || fail "$of: exit code $?"
}
# Distance between two files of logits over the size of the first, in millionths. The header is 128 bytes.
distance() {
    od -An -v -t f4 -w4 -j 128 "$1" >"$tmp/a"
    od -An -v -t f4 -w4 -j 128 "$2" >"$tmp/b"
    paste "$tmp/a" "$tmp/b" | awk '{ d += ($1 - $2) ^ 2; s += $1 ^ 2 } END { printf "%d", 1e6 * sqrt(d / s) + 0.5 }'
}

for case in llama qwen2 qwen3 mixtral qwen2moe phi3; do
    model=$tiny/$case/model.gguf ids=$tiny/$case/ids.json
    for adapter in $adapters/$case $adapters/$case/lora.gguf:0.5; do
        "$quantize" $model "$tmp/merged.gguf" f32 --lora $adapter -t 2 >"$tmp/said" || fail "$adapter: exit code $?"
        "$build/infer-inspect" "$tmp/merged.gguf" --verify >/dev/null || fail "$adapter: not sound"
        logits $model "$tmp/plain.npy"
        logits $model "$tmp/attached.npy" --lora $adapter
        logits "$tmp/merged.gguf" "$tmp/merged.npy"
        away=$(distance "$tmp/attached.npy" "$tmp/merged.npy")
        [ "$away" -le 20 ] || fail "$adapter: merged is $away millionths away from attached"
        [ "$(distance "$tmp/attached.npy" "$tmp/plain.npy")" -ge 10000 ] || fail "$adapter: changes nothing"
    done
done

# Several at once; "keep" has the types that the model has, and requantises what is quantised.
model=$tiny/llama/model.gguf ids=$tiny/llama/ids.json
"$quantize" $model "$tmp/two.gguf" keep --lora $adapters/llama:0.5 --lora $adapters/llama-second:-1.5 >/dev/null ||
    fail "two adapters: exit code $?"
logits "$tmp/two.gguf" "$tmp/two.npy"
away=$(distance $adapters/llama/both.npy "$tmp/two.npy")
[ "$away" -le 200 ] || fail "two adapters: $away millionths away from the reference"
"$quantize" $model "$tmp/small.gguf" q8_0 >/dev/null && "$quantize" "$tmp/small.gguf" "$tmp/kept.gguf" keep \
    --lora $adapters/llama-second >/dev/null || fail "keep: exit code $?"
"$build/infer-inspect" "$tmp/kept.gguf" --full | grep -q 'blk.0.attn_q.weight.*q8_0' || fail "keep: other types"
logits $model "$tmp/attached.npy" --lora $adapters/llama-second
logits "$tmp/kept.gguf" "$tmp/kept.npy"
away=$(distance "$tmp/attached.npy" "$tmp/kept.npy")
[ "$away" -le 40000 ] || fail "keep: $away millionths away from attached"
"$quantize" $model "$tmp/one.gguf" q8_0 -t 1 --lora $adapters/llama >/dev/null &&
    "$quantize" $model "$tmp/three.gguf" q8_0 -t 3 --lora $adapters/llama >/dev/null &&
    cmp "$tmp/one.gguf" "$tmp/three.gguf" || fail "the file depends on the threads"
"$quantize" $model "$tmp/same.gguf" keep >/dev/null && logits "$tmp/same.gguf" "$tmp/same.npy" &&
    logits $model "$tmp/plain.npy" && cmp "$tmp/same.npy" "$tmp/plain.npy" || fail "keep alone changes something"

refused() { # SENTENCE ARGUMENTS
    says=$1 && shift
    "$quantize" "$@" >"$tmp/said" 2>&1
    [ $? = 1 ] || fail "$*: exit code $?, expected 1"
    grep -q "$says" "$tmp/said" || fail "$*: says $(cat "$tmp/said")"
    [ ! -e "$tmp/none.gguf" ] || fail "$*: the file is left"
}
refused 'output matrix too' $tiny/gemma/model.gguf "$tmp/none.gguf" f32 --lora $adapters/gemma
refused 'convert the directory first' $tiny/llama "$tmp/none.gguf" f32 --lora $adapters/llama
refused 'is a control vector' $model "$tmp/none.gguf" f32 --lora $adapters/llama/control.gguf
refused 'no matrix of' $model "$tmp/none.gguf" f32 --lora $adapters/mixtral
refused 'expected "llama"' $model "$tmp/none.gguf" f32 --lora $adapters/qwen2/lora.gguf
refused 'none' $model "$tmp/none.gguf" f32 --lora none
