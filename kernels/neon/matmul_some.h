/* matmul_some.h - rows of results at the end of a tile. */
#ifndef KERNELS_NEON_MATMUL_SOME_H
#define KERNELS_NEON_MATMUL_SOME_H

#include "kernels/neon/matmul_unpack.h"

/** The first n of 4 floats, and zeros; all if n is more, none if it is less than 1. */
INLINE float32x4_t load_some(const float *p, int n)
{
    if (n >= 4)
        return vld1q_f32(p);
    float all[4] = { 0 };
    for (int i = 0; i < n; i++)
        all[i] = p[i];
    return vld1q_f32(all);
}

INLINE void store_some(float *p, float32x4_t v, int n)
{
    if (n >= 4) {
        vst1q_f32(p, v);
        return;
    }
    float all[4];
    vst1q_f32(all, v);
    for (int i = 0; i < n; i++)
        p[i] = all[i];
}

#endif
