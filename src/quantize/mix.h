/* mix.h - the usual mixes: which type each tensor of a model gets, as llama.cpp chooses for models of llama's kind, so
 * that a name means the same file everywhere. */
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
/** The mix of a name, in any case of letters, or NULL. */
const struct mix *mix_find(const char *name);

/** What of a model the choice depends on. */
struct mix_model {
    uint32_t n_layer, n_head, n_head_kv, n_expert;
    bool is_tied; /* there is no output.weight: the embedding serves as both */
};
/** The model of a file. Keys that are not there, or are lists, count as one head, one layer and no experts. */
struct mix_model mix_model_of(const struct weights *w);

/** The type that a tensor gets; its own where it stays as it is. */
enum dtype mix_choose(const struct mix *mix, const struct mix_model *model, const struct tensor *t);

#endif
