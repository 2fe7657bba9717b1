/* matmul_products.h - sums of products of bytes where there is no instruction for them.
 *
 * Products are added in 16 bits as long as no sum can leave these, then in pairs in 32: activations are at most 127 in
 * size, so four additions fit for weights of up to 64, two for any. */
#ifndef KERNELS_NEON_MATMUL_PRODUCTS_H
#define KERNELS_NEON_MATMUL_PRODUCTS_H

#include "kernels/neon/matmul_unpack.h"

/* Of n <= 2 registers of weights, none larger than max, and as many activations, 16 every `stride` bytes. */
INLINE int32x4_t products(const int8x16_t *w, const int8_t *x, int stride, int n, int max)
{
    const int8x16_t first = vld1q_s8(x);
    int16x8_t pairs = vmull_s8(vget_low_s8(w[0]), vget_low_s8(first));
    pairs = vmlal_high_s8(pairs, w[0], first);
    if (n == 1)
        return vpaddlq_s16(pairs);
    const int8x16_t second = vld1q_s8(x + stride);
    if (max <= 64) {
        pairs = vmlal_s8(pairs, vget_low_s8(w[1]), vget_low_s8(second));
        return vpaddlq_s16(vmlal_high_s8(pairs, w[1], second));
    }
    const int16x8_t more = vmull_s8(vget_low_s8(w[1]), vget_low_s8(second));
    return vpadalq_s16(vpaddlq_s16(pairs), vmlal_high_s8(more, w[1], second));
}

#endif
