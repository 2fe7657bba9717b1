/* embedder.h - what the files that make vectors of texts share. */
#ifndef RUNTIME_EMBEDDER_H
#define RUNTIME_EMBEDDER_H

#include "src/model/model.h"
#include "src/runtime/session.h"

/** How a model makes vectors of texts: what its files say. */
struct embedding_ways {
    infer_pooling pooling; /* never INFER_POOLING_DEFAULT */
    uint32_t n_ctx;        /* most tokens of a text */
};
infer_status embedding_ways_read(struct embedding_ways *ways, const infer_model *m, infer_error *err);

#endif
