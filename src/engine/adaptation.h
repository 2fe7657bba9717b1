/* adaptation.h - what adapters change for some tokens of a step: products with weights, by a product of two narrow
 * matrices that is added (LoRA, arXiv 2106.09685), and the residual stream, by vectors (control vectors). */
#ifndef ENGINE_ADAPTATION_H
#define ENGINE_ADAPTATION_H

#include "src/engine/network.h"

enum { MAX_RANK = 1 << 14 };

/** w x becomes w x + scale * b (a x). Of a stack each matrix has its own, some without data: nothing is added. Of the
 *  table of tokens a has a row of `rank` values for each token. */
struct low_rank {
    struct weight a; /* (rank, w->k) */
    struct weight b; /* (w->rows, rank) */
    float scale;
};

/** One adapter. */
struct adaptation_part {
    const struct low_rank *const *low; /* by a weight's id; NULL: it is not changed */
    float scale;                       /* beside that of each */
    uint32_t rank;                     /* the highest */
};

struct adaptation {
    const struct adaptation_part *parts;
    uint32_t n_parts;
    const float *const *directions; /* of each layer, n_embd values added behind it, or NULL; or NULL for all */
};

/** What a part adds to products with a weight, or NULL. */
static inline const struct low_rank *adaptation_of(const struct adaptation_part *part, const struct weight *w)
{
    return part->low ? part->low[w->id] : NULL;
}

/** The matrix of an expert, or the only one; data may be NULL. */
static inline struct weight weight_of_expert(const struct weight *w, uint32_t expert)
{
    return w->stack ? weight_of_stack(w, expert) : *w;
}

#endif
