/* select.h - finding the best of many logits.
 *
 * A logit and its id are packed into one key so that comparing two of them is comparing two numbers: the larger logit
 * wins, of equal logits the lower id. */
#ifndef RUNTIME_SELECT_H
#define RUNTIME_SELECT_H

#include "src/base/numbers.h"

#include <stdbool.h>
#include <stddef.h>

/* Fused multiply-add would give other bits where the machine has it. With -std=c11 gcc makes none. */
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

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

/** Put n keys that come in ascending order of their ids in order, the largest first; spare has room for as many. Linear
 *  in n. */
void sort_keys(uint64_t *key, uint64_t *spare, size_t n);

/** e^x for x <= 0, within 2e-7 relatively; 0 below -87. Made of IEEE additions and multiplications only, so that every
 *  machine gets the same bits: x = n ln 2 + r with |r| <= ln(2) / 2, e^r by its Taylor series (remainder 5e-9). */
static inline float exp_negative(float x)
{
    const float c = x > -87.0f ? x : -87.0f, magic = 0x1.8p23f; /* adding it rounds to a whole number */
    const float shifted = c * 0x1.715476p+0f + magic, n = shifted - magic;
    /* ln 2 in two parts, the first of 12 bits, so that n times it is exact */
    const float r = c - n * 0x1.62ep-1f - n * 0x1.0bfbe8p-15f;
    const float p = 1 + r * (1 + r * (1.0f / 2 + r * (1.0f / 6 + r * (1.0f / 24 + r * (1.0f / 120 + r * (1.0f / 720 +
                    r * (1.0f / 5040)))))));
    const float scale = f32_from_bits((f32_bits(shifted) - f32_bits(magic) + 127) << 23);
    return x > -87.0f ? p * scale : 0;
}

#endif
