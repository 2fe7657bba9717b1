#!/bin/sh
# infer-quantize: what it writes is sound, holds the metadata of the original and computes nearly the same; mistakes
# leave no file behind.
set -u
build=${BUILD:-build}
quantize=$build/infer-quantize model=tests/data/tiny/llama
original=$model/model.gguf
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "test_quantize: $*" && exit 1; }
logits() { "$build/infer-logits" -m "$1" --ids $model/ids.json --out "$2" || fail "$1: exit code $?"; }

# Distance between two files of logits over the size of the first, in thousandths. The header is 128 bytes.
distance() {
    od -An -v -t f4 -w4 -j 128 "$1" >"$tmp/a"
    od -An -v -t f4 -w4 -j 128 "$2" >"$tmp/b"
    paste "$tmp/a" "$tmp/b" | awk '{ d += ($1 - $2) ^ 2; s += $1 ^ 2 } END { printf "%d", 1000 * sqrt(d / s) + 0.5 }'
}
metadata() {
    "$build/infer-inspect" "$1" --full | sed -n '/^Metadata/,/^Tensors/p' |
        grep -vE 'general\.(file_type|quantization_version|alignment)|^Metadata|^Tensors'
}

logits $original "$tmp/original.npy"
metadata $original >"$tmp/metadata"
grep -q head_count "$tmp/metadata" || fail "no metadata found"
# Type, its number, thousandths that the logits may be away: a model so small and untrained triples what weights lose.
while read -r type number bound; do
    out=$tmp/$type.gguf
    "$quantize" $original "$out" $type -t 2 >"$tmp/said" || fail "$type: exit code $?"
    grep -q 'bits a weight' "$tmp/said" || fail "$type: says $(cat "$tmp/said")"
    "$build/infer-inspect" "$out" --verify --full >"$tmp/inspected" || fail "$type: not sound"
    grep -qE "general.file_type +.*$number\$" "$tmp/inspected" || fail "$type: $(grep file_type "$tmp/inspected")"
    metadata "$out" | diff "$tmp/metadata" - || fail "$type: other metadata"
    logits "$out" "$tmp/$type.npy"
    away=$(distance "$tmp/original.npy" "$tmp/$type.npy")
    [ "$away" -le "$bound" ] || fail "$type: logits are $away thousandths away, expected $bound at most"
done <<END
f32 0 0
f16 1 2
bf16 32 2
q8_0 7 25
q6_k 18 25
q5_k_m 17 220
Q4_K_M 15 240
q4_0 2 400
q2_k 10 400
END
cmp "$tmp/original.npy" "$tmp/f32.npy" || fail "f32 is not the same"

"$quantize" $original "$tmp/one.gguf" q4_k_m -t 1 >/dev/null && cmp "$tmp/one.gguf" "$tmp/Q4_K_M.gguf" ||
    fail "one thread writes another file"
# A model with a vocabulary: lists of texts and numbers.
trained=tools/default-model/model.gguf
"$quantize" $trained "$tmp/trained.gguf" f32 --requantize >/dev/null || fail "$trained: exit code $?"
metadata $trained >"$tmp/metadata"
grep -q 'tokenizer.ggml.tokens' "$tmp/metadata" || fail "$trained: no vocabulary found"
metadata "$tmp/trained.gguf" | diff "$tmp/metadata" - || fail "$trained: other metadata"
logits $trained "$tmp/trained.npy"
logits "$tmp/trained.gguf" "$tmp/f32.npy"
[ "$(distance "$tmp/trained.npy" "$tmp/f32.npy")" = 0 ] || fail "$trained: f32 computes something else"
# A Hugging Face directory computes the same as the file made of it, and reads text the same.
for directory in $model tests/data/tiny/llama3 tests/data/tiny/mistral tests/data/default-model; do
    "$quantize" $directory "$tmp/hf.gguf" f32 >"$tmp/said" 2>&1 || fail "$directory: $(cat "$tmp/said")"
    "$build/infer-inspect" "$tmp/hf.gguf" --verify >/dev/null || fail "$directory: not sound"
    logits $directory "$tmp/directory.npy"
    logits "$tmp/hf.gguf" "$tmp/hf.npy"
    [ "$(distance "$tmp/directory.npy" "$tmp/hf.npy")" = 0 ] || fail "$directory: computes something else"
done
ids() {
    printf '{"op":"tokenize","vocab":"%s","text":"Once upon a time, 123 %s\\n\\n  (x)","add_special":true}\n' "$1" "$2" |
        "$build/infer-text"
}
ids tests/data/default-model 'caf\u00e9' >"$tmp/ids"
grep -q '"ids": *\[[0-9]' "$tmp/ids" || fail "no ids: $(cat "$tmp/ids")"
ids "$tmp/hf.gguf" 'caf\u00e9' | cmp - "$tmp/ids" || fail "tests/data/default-model: other ids"

# An importance matrix in the older form: all columns count the same, of five layers.
number() { printf "\\$(printf %03o $(($1 & 255)))\\$(printf %03o $(($1 >> 8 & 255)))\\0\\0"; }
ones() { i=0 && while [ $i -lt "$1" ]; do printf '\000\000\200\077' && i=$((i + 1)); done; }
ones 256 >"$tmp/256" && ones 512 >"$tmp/512"
{
    number 35
    for layer in 0 1 2 3 4; do
        for part in attn_q attn_k attn_v attn_output ffn_gate ffn_up ffn_down; do
            name=blk.$layer.$part.weight n=256
            [ $part != ffn_down ] || n=512
            number ${#name} && printf %s "$name" && number 1 && number $n && cat "$tmp/$n"
        done
    done
} >"$tmp/imatrix.dat"
trained=tests/data/default-model
logits $trained "$tmp/trained.npy"
for type in iq2_xs iq3_m; do
    for threads in 1 2; do
        "$quantize" $trained "$tmp/$threads.gguf" $type -t $threads --imatrix "$tmp/imatrix.dat" >"$tmp/said" 2>&1 ||
            fail "$type with importance: $(cat "$tmp/said")"
    done
    cmp "$tmp/1.gguf" "$tmp/2.gguf" || fail "$type: two threads write another file"
    "$build/infer-inspect" "$tmp/1.gguf" --verify --full >"$tmp/inspected" || fail "$type: not sound"
    grep -q 'quantize.imatrix.entries_count *35' "$tmp/inspected" || fail "$type: says nothing of its importance"
    logits "$tmp/1.gguf" "$tmp/1.npy"
    away=$(distance "$tmp/trained.npy" "$tmp/1.npy")
    [ "$away" -gt 0 ] && [ "$away" -le 500 ] || fail "$type: logits are $away thousandths away, expected 500 at most"
done
head -c 1000 "$tmp/imatrix.dat" >"$tmp/cut.dat"
{ number 1 && number 19 && printf 'blk.0.attn_q.weight' && number 1 && number 512 && cat "$tmp/512"; } >"$tmp/other.dat"
{ number 1 && number 19 && printf 'blk.0.attn_q.weight' && number 1 && number 256 && cat "$tmp/256"; } >"$tmp/one.dat"

"$quantize" "$tmp/q8_0.gguf" "$tmp/again.gguf" q4_0 --requantize >/dev/null || fail "--requantize: exit code $?"
"$quantize" $original "$tmp/dry.gguf" q4_0 --dry-run >"$tmp/said" || fail "--dry-run: exit code $?"
grep -q 'attn_q.weight .*f32 *becomes q4_0' "$tmp/said" || fail "--dry-run: $(cat "$tmp/said")"
[ ! -e "$tmp/dry.gguf" ] || fail "--dry-run writes"

refused() { # exit code, words of the sentence, arguments; the second of these must not come to be
    code=$1 words=$2
    shift 2
    "$quantize" "$@" >/dev/null 2>"$tmp/err"
    got=$?
    [ $got = "$code" ] || fail "$*: exit code $got, expected $code"
    grep -q -- "$words" "$tmp/err" || fail "$*: says: $(cat "$tmp/err")"
    [ "$(wc -l <"$tmp/err")" = 1 ] || fail "$*: says more than one line"
    [ "${2-}" != "$tmp/bad.gguf" ] || [ ! -e "$2" ] || fail "$*: leaves a file behind"
}
refused 2 'no type "q9"' $original "$tmp/bad.gguf" q9
refused 2 'TYPE\|argument\|expected' $original "$tmp/bad.gguf"
refused 1 'already' "$tmp/q8_0.gguf" "$tmp/bad.gguf" q4_0
refused 1 'without importance: an importance matrix is needed' $trained "$tmp/bad.gguf" iq2_xs
refused 1 'without importance: the matrix given' $trained "$tmp/bad.gguf" iq2_xs --imatrix "$tmp/one.dat"
refused 1 'ends within entry 1' $trained "$tmp/bad.gguf" q4_0 --imatrix "$tmp/cut.dat"
refused 1 'has 512 values, expected 256' $trained "$tmp/bad.gguf" q4_0 --imatrix "$tmp/other.dat"
refused 1 'no-such-file' "$tmp/no-such-file" "$tmp/bad.gguf" q4_0
refused 1 'no-such-folder' $original "$tmp/no-such-folder/x.gguf" q4_0
[ ! -c /dev/full ] || refused 1 'No space' $original /dev/full q4_0
size=$(wc -c <$original) # NaN in the last tensors, one of which is a matrix
{ head -c $((size - 20000)) $original && head -c 20000 /dev/zero | tr '\0' '\377'; } >"$tmp/nan.gguf"
refused 1 'not finite' "$tmp/nan.gguf" "$tmp/bad.gguf" q4_0
# Neither the input itself nor another name of it is overwritten.
cp $original "$tmp/in.gguf"
ln -s in.gguf "$tmp/link.gguf"
refused 1 'part of the input' "$tmp/in.gguf" "$tmp/in.gguf" q4_0
refused 1 'part of the input' "$tmp/in.gguf" "$tmp/link.gguf" q4_0
cmp $original "$tmp/in.gguf" || fail "the input was written to"
mkdir "$tmp/hf" && cp $model/config.json $model/model.safetensors "$tmp/hf"
refused 1 'part of the input' "$tmp/hf" "$tmp/hf/model.safetensors" q4_0
refused 1 'part of the input' "$tmp/hf/model.safetensors" "$tmp/hf/config.json" q4_0
cmp $model/config.json "$tmp/hf/config.json" || fail "the input was written to"
sed 's/"llama"/"other"/' $model/config.json >"$tmp/hf/config.json"
refused 1 '"other" is not known' "$tmp/hf" "$tmp/bad.gguf" q4_0
exit 0
