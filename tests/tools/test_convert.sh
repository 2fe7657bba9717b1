#!/bin/sh
# infer-convert: a directory and the file made of it compute the same, types stay or are those asked for, text is read the
# same; mistakes leave no file behind.
set -u
build=${BUILD:-build}
convert=$build/infer-convert
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "test_convert: $*" && exit 1; }
vectors() {
    m=$1
    shift
    "$build/infer-embed" -m "$m" "$@"
}
logits() { "$build/infer-logits" -m "$1" --ids "$2" --out "$3" || fail "$1: exit code $?"; }

# Of all directories, or of every fifth: programs with sanitizers start slowly.
for directory in $(ls -d tests/data/tiny/*/ tests/data/quantised/*/ | awk -v n=${SAN:+5} 'NR % (n ? n : 1) == 0'); do
    [ -e "$directory/model.safetensors" ] && [ -e "$directory/ids.json" ] || continue
    "$convert" "$directory" "$tmp/model.gguf" >"$tmp/said" 2>&1 || {
        grep -q 'linear.[a-z]* has no place' "$tmp/said" || fail "$directory: $(cat "$tmp/said")"
        [ ! -e "$tmp/model.gguf" ] || fail "$directory: a refused model leaves a file"
        continue
    }
    "$build/infer-inspect" "$tmp/model.gguf" --verify >/dev/null || fail "$directory: not sound"
    logits "$directory" "$directory/ids.json" "$tmp/directory.npy"
    logits "$tmp/model.gguf" "$directory/ids.json" "$tmp/file.npy"
    cmp -s "$tmp/directory.npy" "$tmp/file.npy" || {
        # rows in another order rotate otherwise: the same numbers but for rounding
        od -An -v -t f4 -w4 -j 128 "$tmp/directory.npy" >"$tmp/a"
        od -An -v -t f4 -w4 -j 128 "$tmp/file.npy" >"$tmp/b"
        away=$(paste "$tmp/a" "$tmp/b" | awk '{ d += ($1 - $2) ^ 2; s += $1 ^ 2 } END { printf "%d", 1e6 * sqrt(d / s) }')
        [ "$away" -le 10 ] || fail "$directory: the file computes something else, $away millionths away"
    }
    if [ -e "$directory/tokenizer.json" ] && [ -e "$directory/hidden.npy" ]; then # an encoder: its vectors of texts
        for m in "$directory" "$tmp/model.gguf"; do
            vectors "$m" "the cat sat." "A DOG ran,  the cafÃ©!" "" || fail "$m: exit code $?"
        done | sort -u >"$tmp/vectors"
        [ "$(wc -l <"$tmp/vectors")" = 3 ] || fail "$directory: the file makes other vectors of texts"
    fi
    rm "$tmp/model.gguf"
done

if [ -n "${INFER_MINILM:-}" ]; then # a real encoder, with a vocabulary of 30,522 words
    "$convert" "$INFER_MINILM" "$tmp/minilm.gguf" >/dev/null || fail "$INFER_MINILM: exit code $?"
    for m in "$INFER_MINILM" "$tmp/minilm.gguf"; do
        vectors "$m" --truncate "A man is eating." "Stra\xc3\x9fe, na\xc3\xafve: \xe6\x9d\xb1\xe4\xba\xac!" "$(seq 1 300)"
    done | sort -u >"$tmp/vectors"
    [ "$(wc -l <"$tmp/vectors")" = 3 ] || fail "$INFER_MINILM: the file makes other vectors of texts"
    rm "$tmp/minilm.gguf"
fi

trained=tests/data/default-model
"$convert" $trained "$tmp/trained.gguf" >/dev/null || fail "$trained: exit code $?"
"$build/infer-inspect" "$tmp/trained.gguf" | grep -q 'most weights bf16' || fail "auto: another type than the directory's"
for m in $trained "$tmp/trained.gguf"; do
    "$build/infer-run" -m $m -no-cnv -p 'Once upon a time' -n 24 --temp 0 --quiet 2>/dev/null || fail "$m: exit code $?"
    echo
done | sort -u >"$tmp/texts"
[ "$(grep -c . "$tmp/texts")" = 1 ] || fail "the texts differ: $(cat "$tmp/texts")"
"$convert" $trained "$tmp/f32.gguf" --type f32 >/dev/null || fail "f32: exit code $?"
"$build/infer-inspect" "$tmp/f32.gguf" | grep -q 'most weights f32' || fail "--type f32 gives another type"
"$convert" "$tmp/f32.gguf" "$tmp/again.gguf" >/dev/null && cmp "$tmp/f32.gguf" "$tmp/again.gguf" ||
    fail "a GGUF file does not stay the same"

expect() { # exit code, words of the sentence, arguments
    code=$1 words=$2
    shift 2
    "$convert" "$@" >"$tmp/out" 2>"$tmp/err"
    got=$?
    [ $got = "$code" ] || fail "$*: exit code $got, expected $code"
    grep -q -- "$words" "$tmp/err" || fail "$*: says: $(cat "$tmp/err")"
}
expect 2 'expected auto' $trained "$tmp/x" --type q3_k_m
expect 2 'OUT.gguf' $trained
expect 1 'no-such-model' no-such-model "$tmp/x"
expect 1 'part of the input' "$tmp/f32.gguf" "$tmp/f32.gguf"
[ ! -e "$tmp/x" ] || fail "a failure leaves a file"
