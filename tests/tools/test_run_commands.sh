#!/bin/sh
# infer-run list, show and doctor: what they tell to people and to programs.
set -u
run=${BUILD:-build}/infer-run
[ -x "$run" ] && command -v python3 >/dev/null || exit 77
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
unset INFER_MODEL INFER_CPU INFER_MODELS HF_HUB_CACHE HF_HOME XDG_CACHE_HOME
export HOME="$dir"
out=$dir/out err=$dir/err failures=0 model=$PWD/tools/default-model/model.gguf

fail() {
    echo "$1"
    sed 's/^/    stderr: /' "$err"
    failures=$((failures + 1))
}
try() { # exit code, arguments
    expected=$1
    shift
    "$run" "$@" </dev/null >"$out" 2>"$err"
    status=$?
    [ "$status" = "$expected" ] || fail "exit code $status, expected $expected: infer-run $*"
}
says() { grep -qE -- "$2" "$1" || fail "nothing says '$2': $(cat "$1")"; }
holds() { # what is true of the JSON `j` in $out
    python3 -c "import json, sys; j = json.load(open(sys.argv[1])); sys.exit(not ($1))" "$out" || fail "not true: $1"
}
narrow() { awk 'length($0) > 80 { print; bad = 1 } END { exit bad }' "$out" || fail "wider than 80 columns: infer-run $1"; }

# The commands are in the help, and have one each.
try 0 --help
for name in list show doctor; do
    says "$out" "^  infer-run $name "
    try 0 $name --help
    says "$out" "^Usage: infer-run $name "
    try 2 $name --colour
    says "$err" "infer-run $name --help lists the options"
    try 0 --help
done

# list: of the directories that are named, of INFER_MODELS and of the cache of Hugging Face's programs.
try 0 list
says "$out" 'There are no models yet'
try 0 list --json
holds 'j == []'
mkdir -p "$dir/models/below" "$dir/.cache/huggingface/hub/models--org--name/snapshots/0123abc" \
    "$dir/.cache/huggingface/hub/models--org--name/blobs"
cp "$model" "$dir/models/below/story.gguf"
cp "$model" "$dir/.cache/huggingface/hub/models--org--name/blobs/ffff"
ln -s ../../blobs/ffff "$dir/.cache/huggingface/hub/models--org--name/snapshots/0123abc/story-q8_0.gguf"
head -c 100 "$model" >"$dir/models/half.gguf"
INFER_MODELS=$dir/models "$run" list >"$out" 2>"$err" || fail 'list with INFER_MODELS'
says "$out" "^$dir/models$"
says "$out" '^  below/story.gguf +q8_0 +3.[0-9] MB +3.21 M +512$'
says "$out" '^  org/name/story-q8_0.gguf +q8_0 '
[ "$(grep -c q8_0 "$out")" = 2 ] || fail "a model is listed twice: $(cat "$out")"
try 0 list "$dir/models" --json
holds 'sorted(m["name"] for m in j) == ["below/story.gguf", "half.gguf"]'
holds '[m for m in j if m["name"] == "below/story.gguf"][0]["context"] == 512'
holds '"reason" in [m for m in j if m["name"] == "half.gguf"][0]'
holds 'all(m["path"].startswith("'"$dir/models/"'") for m in j)'
try 0 list "$dir/models/below"
narrow list
try 1 list "$dir/none"
says "$err" "$dir/none"

# show.
try 0 show
narrow show
for words in 'inside the program' 'q8_0' '3.214 million' '512 tokens, of a vocabulary of 1024' 'answers in the form json' \
    'licence +mit' 'work buffers' '1.3 MB for 512'; do
    says "$out" "$words"
done
try 0 show "$model" --json
holds 'j["context"] == 512 and j["license"] == "mit" and j["type"] == "q8_0"'
holds 'j["path"].endswith("model.gguf") and "messages" in j["chat_template"]'
holds 'j["cache_per_token"] * j["default_context"] == 2560 * 512'
try 0 show "$model" --template
says "$out" 'for message in messages'
try 0 show tests/data/quantised/awq
says "$out" "made of the file's other form"
try 1 show tests/data/tiny/llama --template
says "$err" 'brings no chat template'
try 1 show "$dir/models/half.gguf"
says "$err" 'half.gguf'
INFER_MODEL=$dir/models/below/story.gguf "$run" show >"$out" 2>"$err" || fail 'show with INFER_MODEL'
says "$out" 'below/story.gguf'

# doctor: sizes are those that infer-synth writes.
try 0 doctor
narrow doctor
for words in '^Processor' '^Memory' 'threads compute' 'can be had' '^What would fit in' 'tinyllama-1.1b'; do
    says "$out" "$words"
done
INFER_CPU=scalar "$run" doctor --json -t 1 >"$out" 2>"$err" || fail 'doctor --json'
holds 'j["processor"]["kernels"] == "scalar" and j["processor"]["threads"] == 1'
holds '0 < j["room"] <= j["memory"]["available"] <= j["memory"]["installed"]'
holds 'len(j["fits"]) > 15 and all(f["weights"] >= f["read_per_token"] > 0 for f in j["fits"])'
holds 'all(f["weights"] + f["context"] * f["cache_per_token"] < j["room"] for f in j["fits"] if f["context"])'
holds '[f for f in j["fits"] if f["shape"] == "tinyllama-1.1b"][0]["cache_per_token"] == 22 * 2 * 256 * 2'
holds 'next(f["weights"] == 2 * (2 * 32000 * 2048 + 22 * (2 * 2048 * 2048 + 2 * 256 * 2048 + 3 * 5632 * 2048)) + 4 * 45 * 2048
    for f in j["fits"] if f["shape"] == "tinyllama-1.1b" if f["type"] == "f16" or sys.exit(0))'
[ "$failures" = 0 ]
