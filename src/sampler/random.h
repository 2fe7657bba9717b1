/* random.h - random numbers that are the same everywhere: xoshiro256** 1.0, seeded by SplitMix64.
 * D. Blackman, S. Vigna: Scrambled linear pseudorandom number generators, ACM TOMS 47 (2021), figure 4;
 * G. Steele, D. Lea, C. Flood: Fast splittable pseudorandom number generators, OOPSLA 2014, figure 17. */
#ifndef SAMPLER_RANDOM_H
#define SAMPLER_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t s[4];
};

/* The four words come from a bijection of four different numbers, so they are never all zero. */
static inline void random_seed(struct random *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t z = seed += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        r->s[i] = z ^ z >> 31;
    }
}

static inline uint64_t rotate_left(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

static inline uint64_t random_next(struct random *r)
{
    uint64_t *const s = r->s;
    const uint64_t result = rotate_left(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

/** Uniform in [0, 1), a multiple of 2^-53. */
static inline double random_uniform(struct random *r)
{
    return (double)(random_next(r) >> 11) * 0x1p-53;
}

#endif
