/* history.h - the tokens of a session and the pages of their keys and values, shared by forks until one writes. */
#ifndef RUNTIME_HISTORY_H
#define RUNTIME_HISTORY_H

#include "src/engine/kv.h"

struct history {
    atomic_uint refs;
    struct kv kv;
    int32_t *tokens; /* kv.n_ctx */
};

/** An empty one for n_ctx tokens. */
struct history *history_open(struct kv_pool *pool, uint32_t n_ctx, infer_error *err);
struct history *history_retain(struct history *h);
void history_release(struct history *h);
/** One that is held once: h itself, or a copy of its first n_tokens, of which n_done have pages. The caller releases h
 *  if that is another one. NULL: memory is out. */
struct history *history_own(struct history *h, uint32_t n_tokens, uint32_t n_done, infer_error *err);

#endif
