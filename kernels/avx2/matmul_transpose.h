/* matmul_transpose.h - 8 rows of 8 floats to 8 columns: what puts rows of weights side by side in lanes. */
#ifndef KERNELS_AVX2_MATMUL_TRANSPOSE_H
#define KERNELS_AVX2_MATMUL_TRANSPOSE_H

#include <immintrin.h>

/** In place: lane j of v[i] and lane i of v[j] change places. Any dwords will do, no arithmetic is done on them. */
static inline __attribute__((always_inline)) void transpose_8x8(__m256 v[8])
{
    __m256 t[8];
    for (int i = 0; i < 8; i += 4) { /* 4 x 4 blocks: t[i + l] holds column l, and in the upper half column l + 4 */
        const __m256 a = _mm256_unpacklo_ps(v[i], v[i + 1]), b = _mm256_unpackhi_ps(v[i], v[i + 1]);
        const __m256 c = _mm256_unpacklo_ps(v[i + 2], v[i + 3]), d = _mm256_unpackhi_ps(v[i + 2], v[i + 3]);
        t[i] = _mm256_shuffle_ps(a, c, 0x44);
        t[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
        t[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
        t[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
    }
    for (int i = 0; i < 4; i++) {
        v[i] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x20);
        v[i + 4] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x31);
    }
}

#endif
