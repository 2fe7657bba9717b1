/* random_blocks.h - random weights of any type, for models and measurements whose speed does not depend on what they
 * say. */
#ifndef TOOLS_COMMON_RANDOM_BLOCKS_H
#define TOOLS_COMMON_RANDOM_BLOCKS_H

#include "kernels/kernels.h"

/** splitmix64 (Steele, Lea, Flood 2014); *state is the seed before the first call. */
uint64_t random_next(uint64_t *state);
/** In [-1, 1). */
float random_uniform(uint64_t *state);

/** n blocks of random bits whose numbers are uniform in [scale / 2, scale), or in [-scale, scale) where they are the
 *  values. */
void random_blocks(uint64_t *state, void *blocks, size_t n, enum dtype type, float scale);
/** The scale that gives weights a root mean square of `want`. */
float random_blocks_scale(uint64_t *state, const struct kernels *k, enum dtype type, float want);

#endif
