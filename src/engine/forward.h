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

/** What comes out for a token: n_vocab logits, or the n_embd numbers of its last hidden state, under the last norm if
 *  there is one. */
enum forward_output { FORWARD_LOGITS, FORWARD_HIDDEN };

/** Run the span's tokens through the layers; their keys and values go to the cache.
 *  What comes out of the last n_out tokens of the span is written to out, row by row; n_out may be 0. Encoders have no
 *  logits.
 *  @return INFER_OK; INFER_E_CANCELLED; INFER_E_NOMEM if there is no memory for what adapters take. */
infer_status forward_step(const struct forward *f, const struct span *span, const int32_t *ids,
                          enum forward_output kind, uint32_t n_out, float *out);
/** The head of a model that has one: scores (n, n_classes) of texts, from the last hidden states x (n, n_embd) of their
 *  first tokens. n is at most n_batch. */
void forward_classes(const struct forward *f, const float *x, uint32_t n, float *scores);
/** Layer i, 0 or 1, of those over vectors of texts: y (n, n_dense_out[i]) from x (n, the width before it). */
void forward_dense(const struct forward *f, int i, const float *x, uint32_t n, float *y);
/** y (n, n_projected): vectors of tokens from their last hidden states x (n, n_embd), by a model that projects them. */
void forward_project(const struct forward *f, const float *x, uint32_t n, float *y);

#endif
