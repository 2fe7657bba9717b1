#!/bin/sh
# infer-perplexity: perplexity and logarithms as the model's logits give them; a model does not differ from itself; saved
# probabilities are read back; the most likely answer is chosen; mistakes are told with the right exit code.
set -u
build=${BUILD:-build} model=tests/data/default-model
perplexity=$build/infer-perplexity
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "test_perplexity: $*" && exit 1; }
run() { "$perplexity" -m $model --precision exact "$@" || fail "$*: exit code $?"; }
near() { awk -v a="$1" -v b="$2" -v by="$3" 'BEGIN { d = a - b; exit !(d < by && d > -by) }' || fail "$4: $1, expected $2"; }
number() { sed -n "s/.*\"$2\": \([-+.e0-9]*\).*/\1/p" "$1"; }

# -ln p of ids[from..], one a line, from the logits that infer-logits writes.
losses() { # list of ids, first that counts
    "$build/infer-logits" -m $model --ids "$1" --out "$tmp/logits.npy" || fail "infer-logits: exit code $?"
    od -A n -v -t f4 -w4 -j 128 "$tmp/logits.npy" | awk -v list="$1" -v from="$2" '
        { x[NR - 1] = $1 }
        END {
            n = split(list, ids, ",")
            width = NR / n
            for (i = from; i < n; i++) {
                sum = 0
                for (j = 0; j < width; j++)
                    sum += exp(x[(i - 1) * width + j])
                print log(sum) - x[(i - 1) * width + ids[i + 1]]
            }
        }'
}

text='Once upon a time there was a little dog. The dog liked to run in the park with a red ball. One day the ball was gone.'
printf '%s %s' "$text" "$text" >"$tmp/text"
printf '{"op":"tokenize","vocab":"%s","text":"%s %s","add_special":true}\n' $model "$text" "$text" |
    "$build/infer-text" | tr -d ' ' | sed 's/.*"ids":\[\([0-9,]*\)\].*/\1/' >"$tmp/ids"
ids=$(cat "$tmp/ids") n=$(tr ',' '\n' <"$tmp/ids" | wc -l)
[ "$n" -ge 32 ] || fail "the text has $n tokens: $ids"

run -f "$tmp/text" --logprobs -c 256 >"$tmp/lines"
[ "$(wc -l <"$tmp/lines")" = "$n" ] || fail "--logprobs: $(wc -l <"$tmp/lines") lines, expected $n"
[ "$(sed 's/.*"id": \([0-9]*\).*/\1/' "$tmp/lines" | paste -sd, -)" = "$ids" ] || fail "--logprobs: other ids"
head -n 1 "$tmp/lines" | grep -q '"logprob": null' || fail "--logprobs: something foretells the first token"
losses "$ids" 1 | awk '{ s += $1 } END { print -s }' >"$tmp/sum"
near "$(sed -n 's/.*"logprob": \(-[0-9.e-]*\).*/\1/p' "$tmp/lines" | awk '{ s += $1 } END { print s }')" \
    "$(cat "$tmp/sum")" 0.01 "sum of --logprobs"

# Chunks of 16 tokens; each begins with the token that the model begins texts with, if it does so at all.
first=$(printf '{"op":"tokenize","vocab":"%s","text":"","add_special":true}\n' $model | "$build/infer-text" |
    sed 's/.*"ids": *\[ *\([0-9]*\).*/\1/')
chunk() { # from
    list=$(tr ',' '\n' <"$tmp/ids" | tail -n +$(($1 + 1)) | head -n 16 | paste -sd, -)
    [ -z "$first" ] || list=$first,${list#*,}
    losses "$list" 9
}
{ chunk 0 && chunk 16; } | awk '{ s += $1 } END { print exp(s / NR) }' >"$tmp/expected"
run -f "$tmp/text" -c 16 --chunks 2 -o json --kl-divergence-base "$tmp/base" >"$tmp/out"
near "$(number "$tmp/out" ppl)" "$(cat "$tmp/expected")" 0.01 perplexity
[ "$(number "$tmp/out" tokens)" = 14 ] || fail "$(cat "$tmp/out"): expected 14 tokens"

run --kl-divergence --kl-divergence-base "$tmp/base" -c 16 -o json >"$tmp/out"
near "$(number "$tmp/out" ppl)" "$(cat "$tmp/expected")" 0.01 "perplexity of the saved text"
near "$(number "$tmp/out" kl_mean)" 0 1e-4 "divergence of a model from itself"
near "$(number "$tmp/out" same_top)" 1 1e-9 "most likely tokens of a model and itself"
run --kl-divergence --kl-divergence-base "$tmp/base" -c 16 | grep -q 'KL divergence, mean' || fail "no line about the mean"

printf '%s\n' 'Once upon a time there was a little' 2 'of is and' 'was were' 'dog. The dog' 'time upon once' \
    'The dog liked to' 0 'run in the park' 'Once Once' 'little there a' 'ball ball ball' >"$tmp/tasks"
run -f "$tmp/tasks" --hellaswag -o json >"$tmp/out"
[ "$(number "$tmp/out" right)" = 2 ] || fail "--hellaswag: $(cat "$tmp/out")"
echo '{"question": "The dog liked to", "choices": ["ball ball ball", "run in the park"], "answer": 1}' >"$tmp/json"
run -f - --multiple-choice <"$tmp/json" | grep -q '^1 tasks, 1 right' || fail "--multiple-choice chooses another answer"

expect() { # exit code, words of the sentence, arguments
    code=$1 words=$2
    shift 2
    "$perplexity" -m $model "$@" >"$tmp/out" 2>"$tmp/err"
    got=$?
    [ $got = "$code" ] || fail "$*: exit code $got, expected $code"
    grep -q -- "$words" "$tmp/err" || fail "$*: says: $(cat "$tmp/err")"
    [ "$(wc -l <"$tmp/err")" = 1 ] || fail "$*: says more than one line"
}
head -c 100 "$tmp/base" >"$tmp/short"
expect 2 'f is missing'
expect 2 'exclude each other' -f x --hellaswag --logprobs
expect 2 'needs --kl-divergence-base' --kl-divergence
expect 1 'an encoder (bert) foretells no tokens' -m tests/data/tiny/bert -f "$tmp/text"
expect 1 'two chunks' -f "$tmp/json" -c 256
expect 1 'at most 8' -f "$tmp/tasks" --hellaswag -c 8
expect 1 'line 1: expected tasks of six lines' -f "$tmp/text" --hellaswag
expect 1 'line 2: expected the number' -f "$tmp/lines" --hellaswag
expect 1 'line 1: expected' -f "$tmp/tasks" --multiple-choice
expect 1 'expected 32 (-c)' --kl-divergence --kl-divergence-base "$tmp/base" -c 32
expect 1 'ends before' --kl-divergence --kl-divergence-base "$tmp/short" -c 16
expect 1 'is no file of saved' --kl-divergence --kl-divergence-base "$tmp/text" -c 16
expect 1 'no-such-folder' -f "$tmp/text" -c 16 --kl-divergence-base "$tmp/no-such-folder/x"
