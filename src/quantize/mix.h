/* mix.h - the usual mixes: which type each tensor of a model gets, as llama.cpp chooses, so that a name means the same
 * file everywhere. */
#ifndef QUANTIZE_MIX_H
#define QUANTIZE_MIX_H

#include "src/formats/formats.h"

struct mix {
    const char *name;   /* "q4_k_m" */
    uint32_t file_type; /* what general.file_type says */
    enum dtype type;    /* of most matrices */
};

/** Mix i, or NULL behind the last one. */
const struct mix *mix_at(size_t i);
/** The mix of a name, in any case of letters, or NULL. "q3_k", "q4_k" and "q5_k" are the mixes with "_m". */
const struct mix *mix_find(const char *name);

/** What of a model the choice depends on. */
struct mix_model {
    uint32_t n_layer, n_head, n_head_kv, n_expert;
    bool is_tied; /* there is no output.weight: the embedding serves as both */
    bool is_falcon;
    bool has_importance; /* an importance matrix is given */
};
/** The model of a file, without importance. Keys that are not there count as one head, one layer and no experts; of
 *  lists the first element counts. */
struct mix_model mix_model_of(const struct weights *w);
/** Tensors that no mix changes: they are looked up or added rather than multiplied with, or small and sensitive. */
bool mix_keeps(const struct tensor *t);

/** The type that each of n tensors gets; its own where it stays as it is. False if memory is out. */
bool mix_plan(enum dtype *types, const struct mix *mix, const struct mix_model *model, const struct tensor *tensors,
              size_t n, const infer_allocator *a);
/** Whether a tensor of the plan would be worthless in this type without importance. */
bool mix_needs_importance(const struct mix *mix, const struct tensor *t, enum dtype type);

#endif
