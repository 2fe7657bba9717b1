/* matmul_transpose.h - rows to columns: what puts rows side by side in lanes. */
#ifndef KERNELS_AVX512_MATMUL_TRANSPOSE_H
#define KERNELS_AVX512_MATMUL_TRANSPOSE_H

#include "kernels/generic/inline.h"

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

/** Lane i of columns[j] is dword j of row i; rows lie `stride` bytes apart.
 *  Half of the work is done by loads: each puts four dwords of a row where its lane is, beside three other rows. */
INLINE void transpose_16x16(__m512i columns[16], const void *rows, size_t stride)
{
    for (int j = 0; j < 16; j += 4) {
        __m512i a[4]; /* dwords j..j + 3 of the rows i, i + 4, i + 8, i + 12 */
        for (int i = 0; i < 4; i++) {
            const uint8_t *const p = (const uint8_t *)rows + (size_t)i * stride + 4 * j;
            a[i] = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)p));
            a[i] = _mm512_mask_broadcast_i32x4(a[i], 0x00f0, _mm_loadu_si128((const __m128i *)(p + 4 * stride)));
            a[i] = _mm512_mask_broadcast_i32x4(a[i], 0x0f00, _mm_loadu_si128((const __m128i *)(p + 8 * stride)));
            a[i] = _mm512_mask_broadcast_i32x4(a[i], 0xf000, _mm_loadu_si128((const __m128i *)(p + 12 * stride)));
        }
        const __m512i b = _mm512_unpacklo_epi32(a[0], a[1]), c = _mm512_unpackhi_epi32(a[0], a[1]);
        const __m512i d = _mm512_unpacklo_epi32(a[2], a[3]), e = _mm512_unpackhi_epi32(a[2], a[3]);
        columns[j] = _mm512_unpacklo_epi64(b, d);
        columns[j + 1] = _mm512_unpackhi_epi64(b, d);
        columns[j + 2] = _mm512_unpacklo_epi64(c, e);
        columns[j + 3] = _mm512_unpackhi_epi64(c, e);
    }
}

/** Lane i of 128 bits of v[j] changes places with lane j of v[i]. */
INLINE void transpose_4x4(__m512i v[4])
{
    const __m512i a = _mm512_shuffle_i32x4(v[0], v[1], 0x88), b = _mm512_shuffle_i32x4(v[2], v[3], 0x88);
    const __m512i c = _mm512_shuffle_i32x4(v[0], v[1], 0xdd), d = _mm512_shuffle_i32x4(v[2], v[3], 0xdd);
    v[0] = _mm512_shuffle_i32x4(a, b, 0x88);
    v[1] = _mm512_shuffle_i32x4(c, d, 0x88);
    v[2] = _mm512_shuffle_i32x4(a, b, 0xdd);
    v[3] = _mm512_shuffle_i32x4(c, d, 0xdd);
}

/** Quadword i of v[j] changes places with quadword j of v[i]. */
INLINE void transpose_8x8(__m512i v[8])
{
    __m512i even[4], odd[4]; /* lane l of [i]: quadwords 2 l, of odd 2 l + 1, of the rows 2 i and 2 i + 1 */
    for (int i = 0; i < 4; i++) {
        even[i] = _mm512_unpacklo_epi64(v[2 * i], v[2 * i + 1]);
        odd[i] = _mm512_unpackhi_epi64(v[2 * i], v[2 * i + 1]);
    }
    transpose_4x4(even);
    transpose_4x4(odd);
    for (int i = 0; i < 4; i++) {
        v[2 * i] = even[i];
        v[2 * i + 1] = odd[i];
    }
}

#endif
