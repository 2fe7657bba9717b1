/* matmul_dot.c - row dots with sdot, which adds four products to each lane: kernels/neon/matmul_dot.h has them. */
#include "kernels/dotprod/dotprod.h"
#include "kernels/neon/matmul_unpack.h"

INLINE int32x4_t products(const int8x16_t *w, const int8_t *x, int stride, int n, int max)
{
    (void)max;
    int32x4_t sums = vdupq_n_s32(0);
    for (int i = 0; i < n; i++)
        sums = vdotq_s32(sums, w[i], vld1q_s8(x + i * stride));
    return sums;
}

#include "kernels/neon/matmul_dot.h"

#define DOT(name, NAME) \
    void dotprod_dot_##name(const struct matmul_tile *t) \
    { \
        dot(t, type_##name); \
    }
QUANTISED_TYPES(DOT)
