/* grammar.h - a compiled grammar, and what a sampler asks of a matcher. The other functions are those of infer.h. */
#ifndef GRAMMAR_H
#define GRAMMAR_H

#include "src/grammar/automaton.h"

#include <stdatomic.h>

struct masks;

struct infer_grammar {
    const infer_allocator *a;
    infer_context *context; /* kept alive */
    struct automaton m;
    atomic_uint owners;
    _Atomic(struct masks *) masks; /* of the tokenizers it has been used with */
};

/** The tokens that can come next, bit id % 32 of word id / 32; good until the next call on the matcher. NULL if memory
 *  or bounds are out. *n_ids: ids it has bits for. */
const uint32_t *matcher_mask(infer_matcher *m, int32_t *n_ids);
/** As matcher_mask, but NULL too where it would have to be computed and few questions may do: a place's first visit. */
const uint32_t *matcher_mask_known(infer_matcher *m, int32_t *n_ids);

#endif
