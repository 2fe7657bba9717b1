/* matmul_unpack_grids.h - the types whose weights come in runs from a grid, in the common form. A signed weight becomes
 * unsigned by an offset that no size exceeds. */
#ifndef KERNELS_AVX2_MATMUL_UNPACK_GRIDS_H
#define KERNELS_AVX2_MATMUL_UNPACK_GRIDS_H

#include "kernels/avx2/matmul_unpack_few.h"
#include "kernels/generic/signs.h"

/* The runs of q[i], two of each half. */
INLINE __m256i look_up_runs(const void *block, run_fn *run, int i)
{
    return _mm256_setr_epi64x((long long)run(block, 2 * i), (long long)run(block, 2 * i + 1),
                              (long long)run(block, 2 * i + 16), (long long)run(block, 2 * i + 17));
}

/* The order is the same whatever `pairs` is. Where `minus` has all bits set, inverting and adding one make a size
 * negative; the one is added by subtracting them from the offset. */
INLINE void unpack_signed(struct unit *u, const void *block, run_fn *run, __m256i signs, bool pairs, int offset)
{
    (void)pairs;
    for (int i = 0; i < 8; i++) {
        const __m256i minus = bytes_of_bits(signs, i), middle = _mm256_set1_epi8((char)offset);
        u->q[i] = _mm256_add_epi8(_mm256_xor_si256(look_up_runs(block, run, i), minus),
                                  _mm256_sub_epi8(middle, minus));
    }
}

/* Of iq1: eight times the size, which is -1, 0 or 1, and the shift, 1 or -1, and 9. Sizes are made 0, 1, 2 first. */
INLINE void unpack_shifted(struct unit *u, const void *block, run_fn *run, __m256i shifts, bool pairs)
{
    (void)pairs;
    for (int i = 0; i < 8; i++) {
        const __m256i sizes = _mm256_add_epi8(look_up_runs(block, run, i), _mm256_set1_epi8(1));
        const __m256i plus = _mm256_andnot_si256(bytes_of_bits(shifts, i), _mm256_set1_epi8(2));
        u->q[i] = _mm256_add_epi8(_mm256_slli_epi16(sizes, 3), plus);
    }
}

INLINE void scale_groups(struct unit *u, __m256 by_group, int offset)
{
    set_groups(u, by_group, offset);
}

/* Sixteen scales, d times the odd numbers that bytes stand for. */
INLINE void scale_sub_blocks(struct unit *u, __m128i sc, float d, int offset)
{
    const __m128i bytes = order_of_singles(sc);
    u->d[0] = odd_scales(_mm256_cvtepu8_epi32(bytes), d);
    u->d[1] = odd_scales(_mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8)), d);
    set_offset(u, offset);
}

#include "kernels/generic/unpack_grids.h"

#endif
