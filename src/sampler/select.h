/* select.h - finding the best of many logits.
 *
 * A logit and its id are packed into one key so that comparing two of them is comparing two numbers: the larger logit
 * wins, of equal logits the lower id. */
#ifndef SAMPLER_SELECT_H
#define SAMPLER_SELECT_H

#include "src/base/numbers.h"

#include <stdbool.h>
#include <stddef.h>

/** Below every key of a finite logit. */
#define KEY_NONE ((uint64_t)0)

static inline bool is_finite(float x)
{
    return (f32_bits(x) & 0x7f800000) != 0x7f800000;
}

/** A finite logit. Its bits are turned so that they order as unsigned numbers: all of them if negative, else the sign;
 *  adding 0 makes -0 equal to 0. */
static inline uint64_t key_of(float logit, int32_t id)
{
    const uint32_t u = f32_bits(logit + 0.0f);
    const uint32_t ordered = u ^ (u >> 31 ? 0xffffffff : 0x80000000);
    return (uint64_t)ordered << 32 | ~(uint32_t)id;
}

static inline int32_t key_id(uint64_t key)
{
    return (int32_t)~(uint32_t)key;
}

static inline float key_logit(uint64_t key)
{
    const uint32_t ordered = (uint32_t)(key >> 32);
    return f32_from_bits(ordered ^ (ordered >> 31 ? 0x80000000 : 0xffffffff));
}

/** The k largest keys offered so far, in memory of the caller. */
struct best {
    uint64_t *key; /* k; once full a heap with the least of them first */
    size_t n, k;
};
void best_offer(struct best *b, uint64_t key);
/** What a logit must exceed to get in where all ids that follow are higher than those offered. */
static inline float best_floor(const struct best *b)
{
    return b->n < b->k ? -__builtin_inff() : key_logit(b->key[0]);
}
/** Put the keys in order, the largest first. Nothing may be offered after it. */
void best_sort(struct best *b);

#endif
