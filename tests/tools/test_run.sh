#!/bin/sh
# infer-run as its users meet it: options, prompts from everywhere, what goes to stdout and stderr, exit codes, Ctrl-C.
set -u
run=${BUILD:-build}/infer-run
[ -x "$run" ] || exit 77
unset INFER_MODEL INFER_CPU
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
out=$dir/out err=$dir/err failures=0

# try CODE ARGUMENTS...: run with no input; text in $out, figures and complaints in $err
try() {
    expected=$1
    shift
    "$run" "$@" </dev/null >"$out" 2>"$err"
    status=$?
    [ "$status" = "$expected" ] || fail "exit code $status, expected $expected: infer-run $*"
}
fail() {
    echo "$1"
    sed 's/^/    stderr: /' "$err"
    failures=$((failures + 1))
}
says() { grep -qF -- "$2" "$1" || fail "nothing says '$2'"; }
empty() { [ ! -s "$1" ] || fail "${1##*/} is not empty: $(head -c 200 "$1")"; }
same() { [ "$1" = "$2" ] || fail "$3: '$1' is not '$2'"; }

# Help and version.
try 0 --help
for word in Usage Examples --model --prompt --temp --seed 'default 0.8' INFER_CPU 'Exit codes'; do
    says "$out" "$word"
done
empty "$err"
try 0 --version
version=$(sed -n 's/^#define INFER_VERSION_[MP][A-Z]* //p' include/infer.h | paste -sd.)
same "$(cat "$out")" "infer-run $version" version

# Guessing tokens changes nothing but the time.
try 0 -p 'Tom and Tom and' -n 40 -s 5 --ignore-eos
text=$(cat "$out")
for guess in '--lookup' '--draft tools/default-model/model.gguf --draft-max 4' \
             '--lookup --draft tools/default-model/model.gguf'; do
    try 0 -p 'Tom and Tom and' -n 40 -s 5 --ignore-eos $guess
    same "$(cat "$out")" "$text" "$guess"
    says "$err" 'guessed '
done
try 0 -p 'Tom and Tom and' -n 4 --lookup --draft-as-batch
try 2 --draft-max 17
try 1 -p a --draft tests/data/tiny/llama
says "$err" "the draft's model has no tokens to guess"
try 1 -p a --draft nowhere.gguf

# Adapters: set for the session, and what does not fit is told.
story=tests/data/adapters/story/lora.gguf
try 0 -p 'Once upon a time' -n 30 --temp 0 -q
plain=$(cat "$out")
try 0 -p 'Once upon a time' -n 30 --temp 0 -q --lora $story --lora $story:0.5
[ "$(cat "$out")" != "$plain" ] || fail '--lora changes nothing'
try 0 -p 'Once upon a time' -n 30 --temp 0 -q --lora $story:0
same "$(cat "$out")" "$plain" '--lora with a scale of 0'
try 1 -p x -n 1 --control-vector $story
says "$err" 'is a LoRA adapter, expected a control vector: give it with --lora'
try 1 -p x -n 1 --lora tests/data/adapters/none
says "$err" 'tests/data/adapters/none'
try 1 -p x -n 1 --control-vector-layers 3
says "$err" 'expected FIRST:LAST'

# Mistakes say what to do next.
try 2 --tmep 1
says "$err" 'unknown option --tmep'
says "$err" '--temp?'
says "$err" '--help'
empty "$out"
try 2 -n
says "$err" 'needs a value'
try 2 -n ten
says "$err" "'ten'"
try 2 --top-p 2
says "$err" 'from 0 to 1'
try 2 story.gguf
try 2 -p a -f b
try 1 -m "$dir/none.gguf" -p a
says "$err" "$dir/none.gguf"
says "$err" '-m takes'
empty "$out"
try 1 -f "$dir/none.txt"
says "$err" "$dir/none.txt"
try 1 -f "$dir"
says "$err" 'directory'
# Samplers: every option is taken, and what cannot be read is told.
for wrong in '--samplers top_k;top_q' '--sampler-seq edz' '-l 5' '-l x+1' '-l -3+1' '-l 5+inf' '--banned-string='; do
    try 1 $wrong -p a -n 1
    says "$err" "infer-run:"
    empty "$out"
done
try 0 --samplers 'min_p;temperature' --sampler-seq e -l 5+1 -l 6-inf --banned-string the --repeat-penalty 1.1 \
    --dry-multiplier 0.8 --dry-base 2 --dry-allowed-length 3 --dry-penalty-last-n 64 --dry-sequence-breaker . \
    --top-nsigma 1 --typical 0.9 --xtc-probability 0.5 --xtc-threshold 0.2 --dynatemp-range 0.3 --dynatemp-exp 2 \
    --mirostat 2 --mirostat-lr 0.2 --mirostat-ent 4 -p a -n 4
try 0 -q -s 1 -p 'Once upon a time' -n 200 --banned-string the --banned-string 'a ' --no-prompt-echo
grep -q 'the\|a ' "$out" && fail 'a banned string was written'
try 0 -q -s 1 -p 'Once upon a time' -n 20 --temp 0
first=$(cat "$out")
try 0 -q -s 1 -p 'Once upon a time' -n 20 --samplers top_k --top-k 1
same "$(cat "$out")" "$first" 'top-k 1 and temperature 0'
try 1 -c 2 -p 'Many more words than two can hold'
says "$err" '-c N'
INFER_MODEL=$dir/none.gguf
export INFER_MODEL
try 1 -p a
says "$err" "$dir/none.gguf"
unset INFER_MODEL
INFER_CPU=abacus
export INFER_CPU
try 1 -p a
says "$err" abacus
INFER_CPU=scalar
try 0 -p a -n 2 -v
says "$err" scalar
unset INFER_CPU

# By itself it writes: text to stdout, figures to stderr.
try 0 --temp 0 -n 24
whole=$(cat "$out")
case $whole in
'Once upon a time'?*) ;;
*) fail "no story: $whole" ;;
esac
for word in load prompt text memory tokens/s; do says "$err" "$word"; done
try 0 --temp 0 -n 24 --verbose
same "$(cat "$out")" "$whole" '--verbose changes the text'
for word in model context machine seed; do says "$err" "$word"; done
try 0 --temp 0 -n 24 --quiet
same "$(cat "$out")" "$whole" '--quiet changes the text'
empty "$err"
try 0 --temp 0 -n 24 -q --no-display-prompt
text=$(cat "$out")
same "Once upon a time$text" "$whole" '--no-display-prompt'
try 0 --temp 0 -n 24 -q -t 1 -b 2 --no-display-prompt
same "$(cat "$out")" "$text" 'threads and batches'
try 0 -s 5 -n 24 -q
first=$(cat "$out")
try 0 --seed=5 --predict 24 -q
same "$(cat "$out")" "$first" 'a seed'

# Where threads run and where the model lies changes nothing but the figures.
model=tools/default-model/model.gguf
for options in --no-mmap '--no-mmap --huge-pages' --mlock '--affinity compact' '--affinity none' '--numa isolate' \
    '--no-mmap --numa distribute -t 2' "--affinity $(taskset -cp $$ | sed 's/.*: //') -t 1"; do
    try 0 -m $model -no-cnv -p 'Once upon a time' --temp 0 -n 24 -v $options
    same "$(cat "$out")" "$whole" "$options"
    case $options in --no-mmap*) says "$err" "$model: 3.5 MB read into memory" && says "$err" 'weights read in' ;; esac
    case $options in *--huge-pages) says "$err" 'in huge pages' ;; esac
done
try 0 -m $model -p x -n 1 -v --mlock
grep -q "$model: 3.5 MB \(locked in memory\|cannot be locked in memory.*ulimit\)" "$err" || fail 'nothing about locking'
try 1 --affinity somewhere
says "$err" 'expected none, compact or a list'
try 2 --numa everywhere
says "$err" 'none|distribute|isolate'

# Prompts from everywhere.
try 0 -p 'Two\nlines' -n 0 -q
same "$(cat "$out")" "$(printf 'Two\nlines')" 'escapes'
try 0 -p 'Two\nlines' -n 0 -q --no-escape
same "$(cat "$out")" 'Two\nlines' '--no-escape'
printf 'From a file.\n' >"$dir/prompt"
try 0 -f "$dir/prompt" -n 0 -q
same "$(cat "$out")" 'From a file.' '-f'
same "$(printf 'Through a pipe.\n' | "$run" -n 0 -q)" 'Through a pipe.' 'a pipe'
same "$(printf 'Through a pipe.\n' | "$run" -n 0 -q -f -)" 'Through a pipe.' '-f -'

# Lines typed, all in one text.
printf 'One day\n and then\n' | "$run" -i -n 4 -s 1 >"$out" 2>"$err"
same $? 0 '-i at the end of input'
same "$(wc -l <"$out" | tr -d ' ')" 2 'answers of -i'
says "$err" 'text      8 tokens'

# Conversations. A template that adds nothing gives the text of the prompt alone, and the second turn goes on from the
# first: of its prompt only what is new is computed.
printf '{{ bos_token }}{%% for m in messages %%}{{ m.content }}{%% if m.role == "user" and s %%}{{ s }}{%% endif %%}{%% endfor %%}' \
    >"$dir/plain.jinja"
try 0 --chat --chat-template "$dir/plain.jinja" -p 'Once upon a time' --temp 0 -n 24 -q
same "Once upon a time$(cat "$out")" "$whole" '--chat'
try 0 --chat --chat-template "$dir/plain.jinja" -p 'Once upon' --chat-template-kwargs '{"s": " a time"}' --temp 0 -n 24 -q
same "Once upon a time$(cat "$out")" "$whole" '--chat-template-kwargs'
try 0 --chat --chat-template "$dir/plain.jinja" -p 'Once upon a time' --temp 0 -n 8
first=$(sed -n 's/^prompt *\([0-9]*\) tokens.*/\1/p' "$err")
printf 'Once upon a time\n\n and\n' | "$run" --chat --chat-template "$dir/plain.jinja" --temp 0 -n 8 >"$out" 2>"$err"
same $? 0 '--chat at the end of input'
same "$(wc -l <"$out" | tr -d ' ')" 2 'answers of --chat'
both=$(sed -n 's/^prompt *\([0-9]*\) tokens.*/\1/p' "$err")
[ "$both" -le $((first + 4)) ] || fail "two turns compute $both tokens of prompts, the first alone $first"
try 0 --chat -sys 'Be brief.' --chat-template chatml -p Hello -n 4 -q
[ -s "$out" ] || fail 'chatml: no answer'
try 1 --chat --chat-template "$dir/none" -p a
says "$err" 'no chat template has this name'
try 1 --chat --chat-template-kwargs '[' -p a
says "$err" 'variables: no JSON'
printf '\n{{ raise_exception("users only") }}' >"$dir/refuse.jinja"
try 1 --chat --chat-template "$dir/refuse.jinja" -p a
says "$err" 'line 2: users only'
try 2 -sys a -no-cnv
says "$err" 'do not go with -no-cnv'

# A model that brings a template is talked with, whatever the prompt comes from; the one inside the program is for stories.
try 0 --chat -p 'Once upon a time' --temp 0 -n 24 -q
told=$(cat "$out")
[ "$told" != "$whole" ] || fail 'the template of the model changes nothing'
try 0 -m $model -p 'Once upon a time' --temp 0 -n 24 -q
same "$(cat "$out")" "$told" '-p to a model with a template'
same "$(echo 'Once upon a time' | "$run" -m $model --temp 0 -n 24 -q)" "$told" 'a pipe to a model with a template'
try 0 -m $model -p 'Once upon a time' --temp 0 -n 24 -q -no-cnv
same "$(cat "$out")" "$whole" '-no-cnv'
try 0 -m $model -p 'Once upon a time' --beams 1 -n 24 -q
same "$(cat "$out")" "$whole" '--beams is for text'
try 1 -m $model -q
says "$err" 'give a prompt with -p'

# Tools: calls are lines of JSON, of one of them or of the one that was chosen.
cat >"$dir/tools.json" <<'END'
[{"type": "function", "function": {"name": "weather", "parameters":
    {"type": "object", "properties": {"city": {"enum": ["Rome", "Oslo"]}}, "required": ["city"]}}},
 {"type": "function", "function": {"name": "stop", "parameters":
    {"type": "object", "properties": {"now": {"type": "boolean"}}, "required": ["now"]}}}]
END
try 0 -p 'Is it cold?' --tools "$dir/tools.json" --tool-choice required -n 100 -s 1 -q
grep -qE '^\{"name": "(weather", "arguments": \{"city": "(Rome|Oslo)"\}|stop", "arguments": \{"now": (true|false)\})\}$' "$out" ||
    fail "no call: $(cat "$out")"
try 0 -p 'Is it cold?' --tools "$(cat "$dir/tools.json")" --tool-choice weather -n 100 -s 2 -q
grep -qE '^\{"name": "weather", "arguments": \{"city": "(Rome|Oslo)"\}\}$' "$out" || fail "no such call: $(cat "$out")"
try 0 -p 'Is it cold?' --tools "$dir/tools.json" --tool-choice none -n 20 -s 2 -q
grep -q weather "$out" && fail "a call though there are none: $(cat "$out")"
try 1 -p a --tools "$dir/tools.json" --tool-choice nowhere
says "$err" 'nowhere'
try 1 -p a --tools "$dir/none.json"
says "$err" "$dir/none.json"
try 1 -p a --tools '['
says "$err" 'tools: no JSON'
try 2 -p a --tool-choice auto
says "$err" 'goes with --tools'

# Modelfiles: what they say holds where no option says otherwise.
ln -s "$PWD/$model" "$dir/m.gguf"
cat >"$dir/Modelfile" <<'END'
FROM m.gguf
PARAMETER temperature 0
PARAMETER num_predict 8
PARAMETER num_gpu 1
SYSTEM "Be brief."
MESSAGE user Hello
MESSAGE assistant Hi.
TEMPLATE "{{ .System }} {{ .Prompt }}"
END
try 0 -m "$dir/Modelfile" -p 'Who are you?'
says "$err" "Modelfile:4: PARAMETER num_gpu changes nothing"
says "$err" "the model's own template is used"
says "$err" 'text      8 tokens'
short=$(cat "$out")
try 0 --modelfile "$dir/Modelfile" -p 'Who are you?' -n 12 -q
case $(cat "$out") in "$short"?*) ;; *) fail "-n counts no more than num_predict: $(cat "$out"), not $short" ;; esac
empty "$err"
try 0 -m "$dir/Modelfile" -no-cnv -p 'Once upon a time' -n 24 -q
same "$(cat "$out")" "$whole" 'a Modelfile without conversation'
printf 'FROM m.gguf\nTEMPLATE {{ .Prompt }}\nPARAMETER temperature 0' >"$dir/Modelfile"
try 0 -m "$dir/Modelfile" -p 'Once upon a time' -n 24 -q
same "$(cat "$out")" "$whole" 'a Modelfile for text'
printf 'FROM m.gguf\nADAPTER %s\nTEMPLATE {{ .Prompt }}\nPARAMETER temperature 0' "$PWD/$story" >"$dir/Modelfile"
try 0 -m "$dir/Modelfile" -p 'Once upon a time' -n 24 -q
[ "$(cat "$out")" != "$whole" ] || fail 'ADAPTER changes nothing'
printf 'FROM m.gguf\nPARAMETER temperature hot' >"$dir/Modelfile"
try 1 -m "$dir/Modelfile" -p a
says "$err" "Modelfile:2: PARAMETER temperature: --temp is 'hot', expected a number from 0"
printf 'FROM m.gguf\nPARAMETER warmth 1' >"$dir/Modelfile"
try 1 -m "$dir/Modelfile" -p a
says "$err" 'Modelfile:2: there is no PARAMETER warmth'
printf 'FROM llama3' >"$dir/Modelfile"
try 1 -m "$dir/Modelfile" -p a
says "$err" "no name of Ollama's library"
printf 'FROM %s\nTEMPLATE {{ .System }}' "$PWD/tests/data/tiny/llama" >"$dir/Modelfile"
try 1 -m "$dir/Modelfile" -p a
says "$err" "the model brings none in Jinja"
try 1 --modelfile "$dir/none" -p a
says "$err" "$dir/none: cannot be read"

# The vector of a prompt is the one that infer-embed makes.
try 0 --embedding -p 'A cat sat.'
same "$(cat "$out")" "$("${run%run}embed" 'A cat sat.')" '--embedding'
same "$(printf 'A cat sat.\n' | "$run" --embedding)" "$(cat "$out")" '--embedding through a pipe'
try 2 --embedding --chat -p a
says "$err" 'goes with none of'

# A stop string is not shown, nor what comes after it.
stop=$(printf %s "$text" | cut -c 6-9)
try 0 --temp 0 -n 24 -q --no-display-prompt --stop never --stop "$stop"
same "$(cat "$out")" "${text%%"$stop"*}" "--stop '$stop'"

# Where the text cannot go.
if [ -w /dev/full ]; then
    "$run" -n 4 -q </dev/null >/dev/full 2>"$err"
    same $? 1 'a full disk'
    says "$err" 'cannot be written'
fi

# Grammars: the text is one of them and ends with it.
try 0 --no-prompt-echo -s 1 --regex '(cat|dog){3}'
grep -qE '^(cat|dog){3}$' "$out" || fail "no cats and dogs: $(cat "$out")"
says "$err" 'the grammar ended it'
try 0 --no-prompt-echo -s 1 --grammar 'root ::= "x" [0-9]{4}'
grep -qE '^x[0-9]{4}$' "$out" || fail "no x and digits: $(cat "$out")"
echo '{"type":"array","items":{"type":"boolean"},"minItems":2,"maxItems":2}' >"$dir/schema.json"
try 0 --no-prompt-echo -s 1 -j "$dir/schema.json"
tr -d ' \t\n' <"$out" | grep -qE '^\[(true|false),(true|false)\]$' || fail "no two booleans: $(cat "$out")"
try 1 --grammar 'root ::= root "a" | "b"'
says "$err" 'left-recursive'
try 1 -j "$dir/none.json"
says "$err" "$dir/none.json"
try 1 --regex a -j '{}'
says "$err" 'exclude each other'

# Log-probabilities: of the prompt those that infer-perplexity tells, of the text the best that there were.
printf 'Once upon a time there was a dog. The dog had a red ball.' >"$dir/prompt"
try 0 -m tests/data/default-model -no-cnv -f "$dir/prompt" -n 5 --temp 0 --ignore-eos --precision exact --logprobs "$dir/lines" --top-logprobs 2
"${run%run}perplexity" -m tests/data/default-model -f "$dir/prompt" --precision exact --logprobs -c 256 >"$dir/told"
n=$(wc -l <"$dir/told")
[ "$n" -gt 10 ] && [ "$(wc -l <"$dir/lines")" = $((n + 5)) ] || fail "$(wc -l <"$dir/lines") lines, expected $n and 5"
logprobs() { sed -n 's/.*"id": \([0-9]*\).*"logprob": \([-+.e0-9a-z]*\).*/\1 \2/p' "$@"; }
logprobs "$dir/lines" | head -n "$n" >"$dir/a"
logprobs "$dir/told" | paste -d ' ' "$dir/a" - >"$dir/both"
awk -v n="$n" '$1 != $3 || ($2 == "null") != ($4 == "null") || ($2 - $4) ^ 2 > 1e-6 { bad = 1 }
    END { exit bad || NR != n }' "$dir/both" || fail "other log-probabilities: $(head -n 3 "$dir/both")"
tail -n 5 "$dir/lines" | sed 's/.*"id": \([0-9]*\).*"top": \[\[\([0-9]*\), .*/\1 \2/' |
    awk '$1 != $2 || NF != 2 { bad = 1 } END { exit bad || NR != 5 }' || fail "not the best: $(tail -n 5 "$dir/lines")"
try 2 --top-logprobs 2 -n 1
says "$err" 'goes with --logprobs'
try 1 -n 1 --logprobs "$dir/none/lines"
says "$err" "$dir/none/lines"

# Beam search: one beam is the greedy text, more find a likelier one; what does not go together is told.
try 0 -p 'Once upon a time' -n 20 --temp 0 --no-prompt-echo
greedy=$(cat "$out")
try 0 -p 'Once upon a time' -n 20 --beams 1 --no-prompt-echo
same "$(cat "$out")" "$greedy" 'one beam'
try 0 -p 'Once upon a time' -n 20 --beams 4 --length-penalty 0 -v
says "$out" 'Once upon a time'
[ "$(grep -c '^ *-[0-9]*\.[0-9]* ' "$err")" -ge 4 ] || fail 'not four texts and scores'
try 0 -p 'Once upon a time' --beams 3 --no-prompt-echo --regex ' (cat|dog)'
grep -qE '^ (cat|dog)$' "$out" || fail "neither cat nor dog: $(cat "$out")"
try 2 --beams 2 --chat
says "$err" 'neither --chat nor --logprobs'
try 2 --beams 65

# A text that is saved goes on as if it had not been interrupted; a file that is none is refused and left as it is.
try 0 -p 'Once upon a time' -n 24 --temp 0 --ignore-eos
whole=$(cat "$out")
try 0 -p 'Once upon a time' -n 10 --temp 0 --ignore-eos --session "$dir/text.session"
begun=$(cat "$out")
try 0 -n 14 --temp 0 --ignore-eos --session "$dir/text.session"
same "$begun$(cat "$out")" "$whole" 'the text in two parts'
cp "$dir/text.session" "$dir/kept"
try 1 -n 2 -ctk f32 --session "$dir/text.session"
says "$err" "$dir/text.session: kv_type_k is f16, expected f32"
cmp -s "$dir/kept" "$dir/text.session" || fail 'a refused session was overwritten'
try 1 -n 2 --session tools/default-model/model.gguf
says "$err" 'as a saved session does'
try 1 -n 2 --session "$dir/none/session"
says "$err" "$dir/none/session"

# What was computed of the same beginning is found on disk, and the answer is the same.
long=$(seq -s ' ' 60)
try 0 --chat -p "$long" -n 8 --temp 0 --prefix-store "$dir/store"
says "$err" '0 tokens found'
whole=$(cat "$out")
[ -n "$(ls "$dir/store")" ] || fail 'nothing is stored'
try 0 --chat -p "$long" -n 8 --temp 0 --prefix-store "$dir/store"
grep -qE 'store +[1-9][0-9]+ tokens found, 0 files written' "$err" || fail 'nothing of it is found'
same "$(cat "$out")" "$whole" 'the answer from a store'
try 0 --chat -p "$long" -n 2 --temp 0 --prefix-store "$dir/store" --prefix-store-size 1 -v
[ -z "$(ls "$dir/store")" ] || fail 'there is more than the budget'
try 1 -n 2 --prefix-store "$dir/text.session"
says "$err" "$dir/text.session: cannot be opened as a directory"

# Ctrl-C: what was written stays, the figures come, the code is 130. What the last run wrote is no sign of life.
: >"$out"
"$run" --ignore-eos -c 100000 </dev/null >"$out" 2>"$err" &
pid=$!
for _ in $(seq 200); do
    [ "$(wc -c <"$out")" -le 20 ] || break
    sleep 0.05
done
kill -INT "$pid"
wait "$pid"
same $? 130 'Ctrl-C'
says "$out" 'Once upon a time'
says "$err" '(interrupted)'

[ "$failures" = 0 ]
