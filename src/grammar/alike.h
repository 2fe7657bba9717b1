/* alike.h - how many bytes it takes to tell two places of a grammar apart. Where a grammar counts (maxLength, {m,n}),
 * every character leads to a new place, but most differ only in what comes long after a token's end, so that they have
 * the same mask, or nearly. */
#ifndef GRAMMAR_ALIKE_H
#define GRAMMAR_ALIKE_H

#include "src/grammar/stacks.h"

struct alike {
    struct intern pairs; /* (set, set) that some text leads to, in order of its length */
};

void alike_init(struct alike *x, const infer_allocator *a);
void alike_free(struct alike *x);
/** The most bytes, up to `most`, for which it holds: a text of no more can be read from both sets or from neither. It
 *  may be said to be less than it is. False if memory is out. */
bool alike_bytes(struct alike *x, struct stacks *s, uint32_t a, uint32_t b, size_t most, size_t *bytes);

#endif
