#!/bin/sh
# infer-synth: files of every shape and of every family's config.json are sound and whole; the same seed writes the same
# file; a mix has the choices of infer-quantize; mistakes are told in one sentence.
set -u
build=${BUILD:-build}
synth=$build/infer-synth
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "test_synth: $*" && exit 1; }
tensors() { # name, type, whether it is used, of each
    "$build/infer-inspect" "$1" --json | tr -d '", ' |
        awk -F: '$1 == "name" { n = $2 } $1 == "type" { t = $2 } $1 == "used" { print n, t, $2 }'
}

"$synth" --help >"$tmp/help" || fail "--help: exit code $?"
shapes=$(sed -n '/^Shapes:/,/config.json/p' "$tmp/help" | sed '1d;$d' | tr -d ' ' | tr ',\n' '  ')
[ "$(echo $shapes | wc -w)" -ge 20 ] || fail "--help lists the shapes $shapes"
for shape in $shapes; do
    "$synth" "$shape" iq1_s /dev/null --layers 1 2>"$tmp/err" || [ "$shape" = tiny ] ||
        grep -q 'no whole blocks' "$tmp/err" || fail "$shape: $(cat "$tmp/err")"
done

# Of each family, from the config.json of its test model: all tensors are there, and all are used. Programs with
# sanitizers start slowly: there it is every fifth family, and those that are looked at below.
n=0
for config in $(ls tests/data/tiny/*/config.json |
    awk -v n=${SAN:+5} 'NR % (n ? n : 1) == 0 || /\/(bert|distilbert|mixtral|xlm-roberta)\//'); do
    family=$(basename "$(dirname "$config")")
    "$synth" "$config" f16 "$tmp/$family.gguf" || fail "$config: exit code $?"
    tensors "$tmp/$family.gguf" >"$tmp/tensors"
    [ "$(wc -l <"$tmp/tensors")" -ge 15 ] || fail "$config: $(wc -l <"$tmp/tensors") tensors"
    grep false "$tmp/tensors" && fail "$config: these are not used"
    original=$(dirname "$config")/model.gguf
    if [ -f "$original" ]; then
        tensors "$original" | cut -d' ' -f1 | grep -v '^dense_[23]' | sort >"$tmp/theirs" # modules.json tells of these
        cut -d' ' -f1 "$tmp/tensors" | sort | diff "$tmp/theirs" - || fail "$config: other tensors than in $original"
    fi
    "$build/infer-logits" -m "$tmp/$family.gguf" --ids "$(dirname "$config")/ids.json" --out "$tmp/logits.npy" ||
        fail "$config: the model does not run"
    n=$((n + 1))
done
[ $n -ge 20 ] || fail "only $n families"

# An encoder's file says how many texts of a pair it tells apart.
"$build/infer-inspect" "$tmp/xlm-roberta.gguf" | grep -q 'token_type_count *1$' || fail "xlm-roberta: not one kind of texts"
"$build/infer-inspect" "$tmp/bert.gguf" | grep -q 'token_type_count *2$' || fail "bert: not two kinds of texts"
"$build/infer-inspect" "$tmp/distilbert.gguf" | grep -q 'token_type_count *1$' || fail "distilbert: not one kind of texts"

# Same seed, same file; another seed, another file; fewer layers, a smaller one.
config=tests/data/tiny/mixtral/config.json
"$synth" $config f16 "$tmp/again.gguf" && cmp "$tmp/again.gguf" "$tmp/mixtral.gguf" || fail "the same seed writes another file"
"$synth" $config f16 "$tmp/other.gguf" --seed 2 && cmp -s "$tmp/other.gguf" "$tmp/mixtral.gguf" && fail "the seed does not matter"
"$synth" $config f16 "$tmp/one.gguf" --layers 1 || fail "--layers 1: exit code $?"
tensors "$tmp/one.gguf" | grep -q 'blk.0.' || fail "--layers 1: no layer"
tensors "$tmp/one.gguf" | grep 'blk.1.' && fail "--layers 1: there are two"

# Types of a mix.
sed 's/"hidden_size": 32/"hidden_size": 512/; s/"intermediate_size": [0-9]*/"intermediate_size": 256/
     s/"num_hidden_layers": 2/"num_hidden_layers": 8/' $config >"$tmp/wide.json"
"$synth" "$tmp/wide.json" f32 "$tmp/wide.gguf" && "$synth" "$tmp/wide.json" q4_k_m "$tmp/mixed.gguf" || fail "wide.json: exit code $?"
"$build/infer-quantize" "$tmp/wide.gguf" "$tmp/quantized.gguf" q4_k_m >/dev/null || fail "infer-quantize: exit code $?"
tensors "$tmp/quantized.gguf" >"$tmp/quantized"
tensors "$tmp/mixed.gguf" | diff "$tmp/quantized" - || fail "q4_k_m: other types than infer-quantize chooses"
grep -q 'ffn_down_exps.weight q6_k' "$tmp/quantized" && grep -q 'ffn_down_exps.weight q4_k' "$tmp/quantized" ||
    fail "q4_k_m: one type for all"

refused() { # exit code, words, arguments
    code=$1 words=$2
    shift 2
    "$synth" "$@" 2>"$tmp/err"
    [ $? = "$code" ] && grep -q "$words" "$tmp/err" || fail "$*: says $(cat "$tmp/err")"
}
refused 2 'no shape "llama"' llama q4_0 "$tmp/bad.gguf"
refused 2 'no type "q9"' tiny q9 "$tmp/bad.gguf"
refused 1 'no whole blocks of q4_k' tiny q4_k "$tmp/bad.gguf"
refused 1 'none.json' "$tmp/none.json" q4_0 "$tmp/bad.gguf"
echo '{"model_type": "mistralx"}' >"$tmp/unknown.json"
refused 1 '"mistralx" is not known; the nearest known ones are mistral' "$tmp/unknown.json" q4_0 "$tmp/bad.gguf"
sed 's/"vocab_size": 96/"vocab_size": 0/' $config >"$tmp/empty.json"
refused 1 'vocab_size is 0' "$tmp/empty.json" f16 "$tmp/bad.gguf"
[ ! -e "$tmp/bad.gguf" ] || fail "a refused model left a file"
