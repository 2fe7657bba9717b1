#!/bin/sh
# benches/peers.py: measures libinfer and the peers in turn and prints all, the share of the limit, and the ratios. The
# peers here are a made-up module that evaluates 1000 tokens a second, and infer-bench in place of a llama-bench.
set -u
build=${BUILD:-build}
command -v python3 >/dev/null || { echo "test_peers: there is no python3" && exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "test_peers: $*" && exit 1; }

cat >"$tmp/llama_cpp.py" <<'END'
import time
__version__ = "made up"
class Llama:
    def __init__(self, path, n_ctx, n_threads, n_threads_batch, verbose):
        assert n_ctx >= 24 and n_threads == n_threads_batch == 1
    def reset(self): pass
    def close(self): pass
    def eval(self, ids): time.sleep(len(ids) / 1000)
END
PYTHONPATH=$tmp PYTHONDONTWRITEBYTECODE=1 python3 benches/peers.py tests/data/tiny/llama/model.gguf \
    -p 16 -n 8 -t 1 -r 3 --bench "$build/infer-bench" --llama-bench "$build/infer-bench" >"$tmp/out" 2>&1 ||
    fail "$(cat "$tmp/out")"
[ "$(wc -l <"$tmp/out")" = 5 ] || fail "$(cat "$tmp/out")"
for test in pp16 tg8; do # ratio = ours / 1000, roughly, as sleeping takes longer than asked for
    grep "| model.gguf | $test |" "$tmp/out" | awk -F'|' -v ours=4 -v share=5 -v peer=6 -v ratio=7 -v other=8 '
        { good = $ours > 0 && $share ~ /%/ && $peer > 100 && $peer <= 1000 && $ratio > $ours / 1010 && $other > 0 }
        END { exit !good }' || fail "$test: $(cat "$tmp/out")"
done
