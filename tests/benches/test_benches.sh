#!/bin/sh
# The suites of make bench: every one runs, its JSON can be read, filters choose, --table puts instruction sets side by
# side. Skipped where Google Benchmark is not installed, so that they were not built.
set -u
build=${BUILD:-build}
[ -x "$build/bench_tensor_ops" ] || { echo "test_benches: the suites are not built" && exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "test_benches: $*" && exit 1; }

# run SUITE FILTER OPTIONS...: text in $tmp/out, results in $tmp/json
run() {
    suite=$1 filter=$2
    shift 2
    "$build/bench_$suite" --benchmark_min_time=0.001 --benchmark_filter="$filter" --benchmark_out="$tmp/json" "$@" \
        >"$tmp/out" 2>"$tmp/err" || fail "$suite $filter $*: exit code $?: $(cat "$tmp/out" "$tmp/err")"
    if command -v python3 >/dev/null; then
        python3 -m json.tool "$tmp/json" >/dev/null || fail "$suite: $(cat "$tmp/json")"
    fi
    grep -q '"error_occurred": true\|"skipped": true' "$tmp/json" && fail "$suite $filter: $(cat "$tmp/json")"
    true
}
# count PATTERN: results whose name holds it
count() { grep -c "\"name\": \".*$1" "$tmp/json"; }
has() { grep -q -- "$1" "$tmp/json" || fail "$suite $filter: no $1 in: $(cat "$tmp/json")"; }

# Cases of all kinds, each once.
cases='matmul/q4_0/64x4096x4 matmul_exact/q4_0/64x4096x1 dequantize/q6_k/4096 prepare/q8/4096 quantize/q4_0/4096
    dot/f32/256 add/f32/256 relu/f32/256 gelu/f32/256 silu/f32/256 softmax/f32/256 rms_norm/f32/256 rope_pairs/f32/256
    attention-exact/f32/4x4096x64'
run tensor_ops "^($(echo $cases | tr ' ' '|'))/scalar"
for case in $cases; do
    [ "$(count "$case/scalar\"")" = 1 ] || fail "$case is not there once: $(grep '"name"' "$tmp/json")"
done
[ "$(count "")" = "$(echo $cases | wc -w)" ] || fail "the filter chose: $(grep '"name"' "$tmp/json")"
has '"GB/s": [0-9.e+-]*[1-9]'
has '"GFLOP/s": [0-9.e+-]*[1-9]'
has '"%peak": [0-9.e+-]*[1-9]'
run inference '^(tiny|default)/(forward|generate/greedy|text/greedy)/10/|^sample/top_k/100$'
[ "$(count "")" = 9 ] || fail "inference chose: $(grep '"name"' "$tmp/json")"
has '"items/s": [0-9.e+-]*[1-9]'
run cache 'open|first_token|session/256|kept:255'
[ "$(count "")" = 6 ] || fail "cache chose: $(grep '"name"' "$tmp/json")"
run pool 'tasks/threads:2'
[ "$(count "")" = 2 ] || fail "pool chose: $(grep '"name"' "$tmp/json")"
run tokenizer '^(en|de)code/default/(english|emoji)$'
[ "$(count "")" = 4 ] || fail "tokenizer chose: $(grep '"name"' "$tmp/json")"
has '"GB/s": [0-9.e+-]*[1-9]'
run grammar 'compile/any/json|(first|masks|sample/top_k:40)/default/(free|string)'
[ "$(count "")" = 5 ] || fail "grammar chose: $(grep '"name"' "$tmp/json")"
has '"items/s": [0-9.e+-]*[1-9]'

run embeddings '^(embed/16|maxsim/10)$'
[ "$(count "")" = 2 ] || fail "embeddings chose: $(grep '"name"' "$tmp/json")"
has '"items/s": [0-9.e+-]*[1-9]'

# Columns; every level of the machine has one, and repetitions give one row.
run tensor_ops '^add/f32/256/' --table --benchmark_repetitions=3
[ "$(wc -l <"$tmp/out")" = 2 ] || fail "the table is: $(cat "$tmp/out")"
head -n 1 "$tmp/out" | grep -q scalar || fail "the table has no column scalar: $(cat "$tmp/out")"
grep -q '^add/f32/256  *[0-9.]* GB/s' "$tmp/out" || fail "the table is: $(cat "$tmp/out")"

# Requests have clocks and options of their own.
"$build/bench_requests" -n 40 -r 4 -p 300 >"$tmp/out" 2>"$tmp/err" || fail "requests: $(cat "$tmp/err")"
for line in '^40 requests of ' ' KB for each 1000 requests$' '^and one, max_itl_ms 10 .* ms$'; do
    grep -q "$line" "$tmp/out" || fail "requests: no $line in: $(cat "$tmp/out")"
done
"$build/bench_requests" -n 3 >/dev/null 2>&1 && fail "too few requests for a slope are no failure"
"$build/bench_serving" -n 5 -k 4 >"$tmp/out" 2>"$tmp/err" || fail "serving: $(cat "$tmp/err")"
grep -q '^service .* /tokenize' "$tmp/out" || fail "serving prints no figures: $(cat "$tmp/out")"

"$build/bench_pool" --benchmark_filter=no_such_case >/dev/null 2>&1 && fail "a filter without cases is no failure"
"$build/bench_pool" --no-such-option >/dev/null 2>&1 && fail "an unknown option is no failure"
exit 0
