#!/bin/sh
# infer-embed: the same vectors from arguments and lines, NPY, scores best first, mistakes told with the right exit
# code.
set -u
embed=${BUILD:-build}/infer-embed
model=tests/data/tiny/bert ranker=tests/data/tiny/bert-rank
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "test_embed: $*" && exit 1; }

# Arguments, a file and stdin give the same; lines may end as on Windows.
"$embed" -m $model "the cat" "" "a dog ran." >"$tmp/arguments" || fail "arguments: exit code $?"
printf 'the cat\n\na dog ran.' >"$tmp/lines"
"$embed" -m $model -f "$tmp/lines" -t 3 >"$tmp/file" || fail "a file: exit code $?"
printf 'the cat\r\n\r\na dog ran.\r\n' | "$embed" -m $model -t 1 >"$tmp/stdin" || fail "stdin: exit code $?"
cmp "$tmp/arguments" "$tmp/file" || fail "lines of a file give other vectors than arguments"
cmp "$tmp/arguments" "$tmp/stdin" || fail "lines of stdin give other vectors than arguments"
[ "$(wc -l <"$tmp/arguments")" = 3 ] || fail "3 texts give $(wc -l <"$tmp/arguments") lines"
[ "$(sed -n 3p "$tmp/arguments" | tr ',' '\n' | wc -l)" = 33 ] || fail "a line is $(sed -n 3p "$tmp/arguments")"
grep -q '^{"index":2,"embedding":\[-\{0,1\}0\.[0-9]*,' "$tmp/arguments" ||
    fail "a line is $(sed -n 3p "$tmp/arguments")"

# Plain vectors: the length is 1, and not without normalising; the first numbers alone.
plain() { "$embed" -m $model --format plain "$@" "the cat" || fail "$*: exit code $?"; }
length() { awk '{ for (i = 1; i <= NF; i++) s += $i * $i; printf "%.5f %d\n", s, NF }'; }
[ "$(plain | length)" = "1.00000 32" ] || fail "square and numbers: $(plain | length)"
[ "$(plain -d 5 | length)" = "1.00000 5" ] || fail "with -d 5: $(plain -d 5 | length)"
[ "$(plain --no-normalize | length)" != "1.00000 32" ] || fail "--no-normalize normalises"
[ "$(plain --pooling cls)" != "$(plain --pooling last)" ] || fail "the first token's vector is that of the last"
[ "$(plain --pooling mean)" = "$(plain)" ] || fail "the model's pooling is not the mean"

# Tokens: [CLS] the cat [SEP], then an empty line.
[ "$(plain --pooling none | wc -l)" = 5 ] || fail "tokens: $(plain --pooling none)"
tokens=$("$embed" -m $model --pooling none -d 2 "the cat") || fail "tokens as JSON: exit code $?"
echo "$tokens" | grep -q '^{"index":0,"embeddings":\[\[[-0-9.e]*,[-0-9.e]*\],\[.*\]\]}$' || fail "tokens: $tokens"

"$embed" -m $model -f "$tmp/lines" --out "$tmp/v.npy" || fail "--out: exit code $?"
[ "$(wc -c <"$tmp/v.npy")" = $((128 + 3 * 32 * 4)) ] || fail "--out: $(wc -c <"$tmp/v.npy") bytes"
"$embed" -m $model -f "$tmp/lines" --pooling none --out "$tmp/v.npy" || fail "--out of tokens: exit code $?"
[ "$(wc -c <"$tmp/v.npy")" = $((128 + 12 * 32 * 4)) ] || fail "--out of tokens: $(wc -c <"$tmp/v.npy") bytes"

# Scores, best first; a text's own tokens are the nearest to it.
"$embed" -m $ranker --rerank "the cat" "the dog" "a cat" "z" >"$tmp/scores" || fail "--rerank: exit code $?"
sed 's/.*"score"://; s/}//' "$tmp/scores" >"$tmp/numbers"
sort -gr "$tmp/numbers" | cmp - "$tmp/numbers" || fail "scores are not in order: $(cat "$tmp/scores")"
order=$(sed 's/{"index":\([0-9]\).*/\1/' "$tmp/scores" | sort | tr -d '\n')
[ "$order" = 012 ] || fail "scores: $(cat "$tmp/scores")"
best=$("$embed" -m $model --colbert "the cat" "a dog ran." "the cat" "z" --format plain | head -n 1)
[ "${best#* }" = "1 the cat" ] || fail "--colbert: the best is $best"
[ "$(echo "$best" | awk '{ printf "%.4f", $1 }')" = 4.0000 ] || fail "--colbert: four tokens score $best"

expect() { # exit code, words of the sentence, arguments
    code=$1 words=$2
    shift 2
    "$embed" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
    got=$?
    [ $got = "$code" ] || fail "$*: exit code $got, expected $code"
    grep -q -- "$words" "$tmp/err" || fail "$*: says: $(cat "$tmp/err")"
    [ "$(wc -l <"$tmp/err")" = 1 ] || fail "$*: says more than one line"
}
long=$(seq 1 80 | tr '\n' ' ')
expect 1 'there are no texts' -m $model
expect 1 'expected at most 64' -m $model "$long"
"$embed" -m $model --truncate "$long" >/dev/null || fail "--truncate: exit code $?"
expect 1 'no head that scores pairs' -m $model --rerank a b
expect 1 'dimensions is 33' -m $model -d 33 a
expect 1 'no-such-model' -m no-such-model a
expect 1 'no-such-file' -m $model -f no-such-file
expect 1 'no-such-folder' -m $model --out "$tmp/no-such-folder/x.npy" a
expect 2 'exclude each other' -m $model --rerank a --colbert b c
expect 2 '--out is for vectors' -m $model --rerank a --out x.npy c
expect 2 '--pooling is' -m $model --pooling max a
"$embed" --help | grep -q -- --colbert || fail "--help does not name --colbert"
