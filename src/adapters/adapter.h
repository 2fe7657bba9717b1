/* adapter.h - adapters as the engine sees them: low-rank matrices by the number of the weight that they change, or
 * directions by layer. Readers of files make lists of pairs, which are bound to the model's weights once and for
 * all. */
#ifndef ADAPTERS_ADAPTER_H
#define ADAPTERS_ADAPTER_H

#include "src/engine/adaptation.h"
#include "src/model/model.h"

struct infer_adapter {
    infer_model *model;
    atomic_int n_owners;
    struct weights *files; /* as they were opened */
    struct arena arena;
    const char *format;
    const struct low_rank **low;   /* by a weight's id; NULL: a control vector */
    const float **directions;      /* of each layer, or NULL; NULL: LoRA */
    uint32_t rank;                 /* the highest */
    uint32_t n_weights;
    uint64_t bytes;
    uint64_t identity; /* of what it does, never 0: adapters share it only if they change a model alike */
};

/** The matrices of a file under the names of the weights that they change, as the format has these. */
struct lora_pairs {
    struct weights *a, *b; /* b has those of a, under the same names */
    float *scales;         /* of each tensor of a */
    bool *used;            /* each tensor of a is bound */
};

/** What x->files are: LoRA or a control vector, bound to x->model. */
infer_status adapter_read(struct infer_adapter *x, const infer_adapter_options *given, infer_error *err);

/** From a GGUF file, or from PEFT's, to pairs; what is not known is refused. */
infer_status lora_read_gguf(struct infer_adapter *x, struct lora_pairs *pairs, infer_error *err);
infer_status lora_read_peft(struct infer_adapter *x, struct lora_pairs *pairs, infer_error *err);
/** Empty lists for at most n pairs. */
infer_status lora_pairs_open(struct infer_adapter *x, struct lora_pairs *pairs, size_t n, infer_error *err);
void lora_pairs_close(struct lora_pairs *pairs);
/** Add one of a pair under a name, which is copied. */
infer_status lora_add(struct lora_pairs *pairs, bool b, const struct tensor *t, struct text name, infer_error *err);
/** Fill x->low: every pair must have its place in the model. */
infer_status lora_bind(struct infer_adapter *x, struct lora_pairs *pairs, infer_error *err);

/** Fill x->directions with those of the layers first to last. */
infer_status control_read(struct infer_adapter *x, uint32_t first, uint32_t last, infer_error *err);

#endif
