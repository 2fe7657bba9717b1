/* forward.h - the forward pass, written once over the op table. */
#ifndef ENGINE_FORWARD_H
#define ENGINE_FORWARD_H

#include "src/engine/device.h"

#include <stdatomic.h>

/** Work buffers of a step of at most n_batch tokens. */
struct step_buffers {
    const infer_allocator *a;
    uint8_t *memory; /* of all of them */
    size_t bytes;
    float *x;              /* (n_batch, n_embd) the residual stream */
    float *q, *k, *v, *out; /* (n_batch, heads * width) */
    float *query_latent;   /* (n_batch, n_query_latent) */
    float *heads;          /* (n_batch, heads * width) with a latent vector: their own queries, then values */
    float *h;              /* (n_batch, n_embd) normalised, where several read it */
    float *scores;         /* (n_batch, n_expert) */
    float *branch;         /* (n_batch, n_embd) what a block gives, where it is changed before it joins x */
};

infer_status step_buffers_init(struct step_buffers *b, const infer_allocator *a, const struct hparams *h,
                               uint32_t n_batch, infer_error *err);
void step_buffers_free(struct step_buffers *b);

struct forward {
    const struct network *net;
    const struct device_ops *ops;
    struct device *device;
    struct step_buffers *buffers;
    atomic_bool *cancel; /* looked at between layers */
};

/** Run the span's tokens through the layers; their keys and values go to the cache.
 *  Logits of the last n_out tokens of the span are written to logits (n_out, n_vocab); n_out may be 0.
 *  @return INFER_OK or INFER_E_CANCELLED. */
infer_status forward_step(const struct forward *f, const struct span *span, const int32_t *ids, uint32_t n_out,
                          float *logits);

#endif
