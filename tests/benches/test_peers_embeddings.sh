#!/bin/sh
# benches/peers_embeddings.py: measures libinfer and llama.cpp on the same texts and prints both with the ratio. The peer
# here is a made-up module that computes 20,000 tokens a second and wants each text in a sequence of its own.
set -u
build=${BUILD:-build}
command -v python3 >/dev/null || { echo "test_peers_embeddings: there is no python3" && exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "test_peers_embeddings: $*" && exit 1; }

cat >"$tmp/llama_cpp.py" <<'END'
import time
LLAMA_POOLING_TYPE_MEAN = 1
class Any: pass
def llama_context_default_params(): return Any()
def llama_model_default_params(): return Any()
def llama_model_load_from_file(path, params): return "model"
def llama_model_free(model): pass
def llama_model_get_vocab(model): return "vocab"
def llama_vocab_n_tokens(vocab): return 96
def llama_init_from_model(model, params):
    assert params.embeddings and params.pooling_type == LLAMA_POOLING_TYPE_MEAN and params.n_threads == 1
    return params
def llama_free(context): pass
def llama_batch_init(n, embd, n_seq_max):
    batch = Any()
    batch.token, batch.pos, batch.n_seq_id, batch.logits = ([None] * n for _ in range(4))
    batch.seq_id = [[None] for _ in range(n)]
    return batch
def llama_encode(context, batch):
    assert batch.n_tokens <= context.n_batch
    last = None
    for token, pos, seq in zip(batch.token, batch.pos, batch.seq_id):
        assert 0 <= token < 96 and (pos == 0 if seq != last else pos > 0) and seq[0] < context.n_seq_max
        last = seq
    time.sleep(batch.n_tokens / 20000)
    return 0
def llama_get_embeddings_seq(context, seq): assert seq < context.n_seq_max
END
PYTHONPATH=$tmp PYTHONDONTWRITEBYTECODE=1 python3 benches/peers_embeddings.py tests/data/tiny/bert/model.gguf \
    -e 8,64 --texts 12 -t 1 -r 2 --bench "$build/infer-bench" >"$tmp/out" 2>&1 || fail "$(cat "$tmp/out")"
[ "$(wc -l <"$tmp/out")" = 4 ] || fail "$(cat "$tmp/out")"
for n in 8 64; do # sleeping takes longer than asked for
    grep "| model.gguf | $n |" "$tmp/out" | awk -F'|' -v n=$n '
        { good = $4 > 0 && $6 > 1000 && $6 <= 20000 && $8 > $4 / 20100 && $7 * n > $6 * 0.9 && $5 * n > $4 * 0.9 }
        END { exit !good }' || fail "$n: $(cat "$tmp/out")"
done
