/* network.h - a model as the forward pass sees it: numbers, and weights by role. */
#ifndef ENGINE_NETWORK_H
#define ENGINE_NETWORK_H

#include "src/arch/arch.h"

/** A matrix of `rows` rows of k values, in the file's own blocks, or a vector of floats (rows 1; a bias of experts is a
 *  vector for each, one behind the other). data NULL: absent. */
struct weight {
    const void *data;
    enum dtype type;
    uint32_t rows, k;
    size_t stride; /* bytes between rows */
    bool precise;  /* worth activations of more than 8 bits, as what follows does not average their rounding out */
    bool transposed; /* as it stands in the file: k rows of `rows` values */
    const void *const
        *stack; /* matrices of this form, one for each expert or head; data is the first. NULL: one matrix */
    uint32_t n_stack;
};

/** One matrix of a stack. */
static inline struct weight weight_of_stack(const struct weight *w, uint32_t i)
{
    struct weight own = *w;
    own.data = w->stack[i];
    own.stack = NULL;
    return own;
}

/** Bytes of one matrix. */
static inline uint64_t weight_bytes(const struct weight *w)
{
    return (uint64_t)(w->transposed ? w->k : w->rows) * w->stride;
}

struct layer {
    struct weight w[LAYER_ROLES];
    uint32_t window; /* 0: sees everything before it */
    int rope;        /* which rotation: as arch_layer_rope() */
};

struct network {
    struct hparams h;
    struct weight w[MODEL_ROLES]; /* OUTPUT is precise and never absent: tied models have the embedding there */
    struct layer *layers;         /* h.n_layer */
};

/** A vector's floats, or NULL if it is absent. */
static inline const float *vector_of(const struct weight *w)
{
    return w->data;
}

#endif
