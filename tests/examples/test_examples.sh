#!/bin/sh
# The examples run, say something, and fail politely.
set -u
examples=${BUILD:-build}/examples
names='generate logits two_sessions chat json_answer fork batch embeddings cache save prefix_store lora scheduler service'
for name in $names; do [ -x "$examples/$name" ] || exit 77; done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failures=0

# try NAME PATTERN ARGUMENTS...: exits with 0, and a line of what it prints is as the pattern says
try() {
    name=$1 pattern=$2
    shift 2
    if ! "$examples/$name" "$@" >"$dir/out" 2>"$dir/err" || ! grep -qE "$pattern" "$dir/out" || [ -s "$dir/err" ]; then
        echo "$name $*: expected $pattern"
        cat "$dir/out" "$dir/err"
        failures=$((failures + 1))
    fi
}
try generate '^Once upon a time.{20}'
try generate '^\([0-9]+ tokens in [0-9.]+ seconds\)$'
try logits '^[1-9][0-9]* tokens:( [0-9]+)+$'
try logits '^ *[0-9]+\.[0-9]{2} % +[0-9]+  ".+"$'
try chat '.{20}'
try chat '^\([0-9]+ tokens in .* seconds; [0-9]+ of the prompt computed, [1-9][0-9]* there already\)$'
try json_answer '^\{ ?"hero" ?: ?".{2,}", ?"age" ?: ?[1-9][0-9]?, ?"ending" ?: ?"(happy|sad)" ?\}$'
try fork '^3: Once upon a time.{20}'
try fork '^\(0 tokens of prompt computed\)$'
try batch '^Once upon a time.{20}'
try batch '^Mom said to Tim.{20}'
printf 'Once upon a time\nThe dog\n' >"$dir/prompts"
try scheduler '^Once upon a time\|.{20}' <"$dir/prompts"
try scheduler '^    [1-9][0-9]* tokens; waited [0-9.]+ ms' <"$dir/prompts"
try service '^data: \{"id":"chatcmpl-'
try service '^status 200$'
try embeddings '^[ -][01]\.[0-9]{3}  [A-Z]'
try cache '^2 opened, 2 there already$' tools/default-model/model.gguf tests/data/default-model
try save '^Once upon a time.{20}' '' "$dir/session"
first=$(sed -n 's/^(\([0-9]*\) tokens to .*/\1/p' "$dir/out")
try save "^\\($first tokens from " '' "$dir/session"
if [ "$(sed -n 's/^(\([0-9]*\) tokens to .*/\1/p' "$dir/out")" -le "$first" ]; then
    echo "save: does not go on from its $first tokens"
    failures=$((failures + 1))
fi
try prefix_store '^400 tokens, 16 of them computed' '' "$dir/prefixes"
try prefix_store '^0 tokens found on disk; 6 files written, 6 there$' '' "$dir/prefixes2"
try prefix_store '^384 tokens found on disk; 0 files written, 6 there$' '' "$dir/prefixes2"
story='tools/default-model/model.gguf tests/data/adapters/story/lora.gguf'
try lora '^without: .*Once upon a time.{20}' $story
sed -n 's/^with: //p; s/^without: //p' "$dir/out" | uniq -d | grep -q . && echo 'lora: the adapter does nothing' &&
    failures=$((failures + 1))
try two_sessions '^1: One day, a cat.{20}'
try two_sessions '^2: One day, a dog.{20}'
same=$("$examples/two_sessions")
if [ "$same" != "$(cat "$dir/out")" ]; then
    echo 'two_sessions: its threads disturb each other'
    failures=$((failures + 1))
fi
if [ "$("$examples/logits" | grep -c %)" != 5 ]; then
    echo 'logits: not five tokens'
    failures=$((failures + 1))
fi

for name in $names; do
    "$examples/$name" "$dir/none.gguf" >"$dir/out" 2>"$dir/err"
    code=$?
    if [ $code != 1 ] || ! grep -qF "INFER_E_IO: $dir/none.gguf" "$dir/err"; then
        echo "$name: a file that is not there: exit code $code"
        cat "$dir/err"
        failures=$((failures + 1))
    fi
done
# A model without a vocabulary has no text, which a sentence says.
for name in logits lora; do
    "$examples/$name" tests/data/tiny/llama/model.gguf tests/data/adapters/llama/lora.gguf >"$dir/out" 2>"$dir/err"
    code=$?
    if [ $code != 1 ] || ! grep -q 'without a vocabulary' "$dir/err"; then
        echo "$name: a model without a vocabulary: exit code $code"
        failures=$((failures + 1))
    fi
done
[ "$failures" = 0 ]
