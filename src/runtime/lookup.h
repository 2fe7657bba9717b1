/* lookup.h - what followed the last time: places in a text that end like it does now.
 *
 * Places are found by their last two tokens, in chains from the latest to the earliest, as LZ77's compressors have them
 * (J. Ziv, A. Lempel: A universal algorithm for sequential data compression, IEEE Trans. Inf. Theory 23, 1977). A token
 * more costs a constant time; of a long text the last LOOKUP_PLACES tokens are known. */
#ifndef RUNTIME_LOOKUP_H
#define RUNTIME_LOOKUP_H

#include "src/base/memory.h"

enum {
    LOOKUP_PLACES = 1 << 16, /* at most */
    LOOKUP_LONGEST = 32      /* tokens that are compared */
};

struct lookup {
    const infer_allocator *a;
    uint32_t *last;   /* of each hash: the latest place with it; 0: none */
    uint32_t *before; /* of each place, a ring: the one before it with its hash */
    uint32_t n_places; /* of both, a power of two */
    uint32_t n;        /* tokens of the text that are known */
};

/** Of texts of up to n_ctx tokens. False if memory is out. */
bool lookup_open(struct lookup *l, const infer_allocator *a, uint32_t n_ctx);
void lookup_close(struct lookup *l);
/** Guess n tokens that follow these n_tokens, which begin as they did the last time, or are fewer. Returns how many of
 *  the last ones stand before those guessed too: at least 2; 0: there is no such place. */
uint32_t lookup_guess(struct lookup *l, const int32_t *tokens, uint32_t n_tokens, int32_t *guesses, uint32_t n);

#endif
