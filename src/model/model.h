/* model.h - a model: mapped weights, bound to their roles, with their tokenizer. */
#ifndef MODEL_H
#define MODEL_H

#include "src/engine/context.h"
#include "src/engine/network.h"
#include "src/formats/formats.h"
#include "src/tokenizer/tokenizer.h"

struct infer_model {
    infer_context *context;
    atomic_int n_owners;
    struct weights *weights;
    infer_tokenizer *tokenizer; /* or NULL */
    struct network net;
    bool runnable; /* net is bound; false only if opened for inspection */
    struct arena arena;
    bool *used; /* of each tensor: a role is played by it */
    const char *name, *quantization;
    uint64_t n_params, bytes;
};

/** Fill m->net with the tensors of m->weights, by the names and shapes of the architecture's row. */
infer_status model_bind(struct infer_model *m, infer_error *err);

#endif
