/* rope.h - the angles of rotary position embeddings. */
#ifndef ENGINE_ROPE_H
#define ENGINE_ROPE_H

#include "src/engine/network.h"

/** Radians a position for each of n_rot / 2 points, after scaling; *magnitude multiplies cosines and sines (yarn).
 *  divisors: n_rot / 2 numbers, or NULL. */
void rope_frequencies(const struct rope *r, const float *divisors, float *frequency, float *magnitude);

#endif
