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
    bool lazy;             /* text is free up to a trigger */
    struct text *triggers; /* n_triggers */
    size_t n_triggers;
    struct arena arena;            /* of their bytes */
    _Atomic(struct masks *) masks; /* of the tokenizers it has been used with */
};

/** The grammar of what a reader of some notation has made, and of its options, which may be NULL. Frees the exprs. */
infer_grammar *grammar_of(infer_context *context, struct exprs *x, uint32_t whole, const infer_grammar_options *options,
                          infer_error *err);
/** The tokens that can come next, bit id % 32 of word id / 32; good until the next call on the matcher. NULL if memory
 *  or bounds are out. *n_ids: ids it has bits for. */
const uint32_t *matcher_mask(infer_matcher *m, int32_t *n_ids);
/** As matcher_mask, but NULL too where it would take long to make and the place was not visited often. */
const uint32_t *matcher_mask_known(infer_matcher *m, int32_t *n_ids);

#endif
