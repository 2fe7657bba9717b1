/* vectors.h - vectors of texts, or of their tokens: made, and printed. */
#ifndef TOOLS_COMMON_VECTORS_H
#define TOOLS_COMMON_VECTORS_H

#include "infer.h"

struct vectors {
    float *v;      /* (first[n], dims) */
    size_t *first; /* of n + 1 texts, rows of v */
    size_t dims;
};

/** Vectors of n texts, or of their tokens. vectors_free() is due in any case. */
infer_status vectors_compute(struct vectors *v, infer_embedder *embedder, const infer_input *texts, size_t n,
                             bool tokens, infer_error *err);
void vectors_free(struct vectors *v);
/** Those of text i, as a line of JSON that calls the text `index`:
 *      {"index":0,"embedding":[...]}     of tokens {"index":0,"embeddings":[[...],...]}
 *  or plain: a line of numbers for each vector, an empty one behind those of tokens. */
void vectors_print(const struct vectors *v, size_t i, size_t index, bool tokens, bool plain);

#endif
