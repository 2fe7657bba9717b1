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
    uint32_t id; /* of its role, by which adapters know it: below network_ids(); 0: they do not */
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

/** Numbers of the roles: those of the model, then those of each layer. */
static inline uint32_t network_model_id(enum model_role role)
{
    return 1 + (uint32_t)role;
}
static inline uint32_t network_layer_id(uint32_t layer, enum layer_role role)
{
    return 1 + MODEL_ROLES + layer * LAYER_ROLES + (uint32_t)role;
}
static inline uint32_t network_ids(const struct network *net)
{
    return network_layer_id(net->h.n_layer, (enum layer_role)0);
}

/** A vector's floats, or NULL if it is absent. */
static inline const float *vector_of(const struct weight *w)
{
    return w->data;
}

#endif
