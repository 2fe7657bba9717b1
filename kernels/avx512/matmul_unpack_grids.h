/* matmul_unpack_grids.h - the types whose weights come in runs from a grid, in the common form. A signed weight becomes
 * unsigned by an offset that no size exceeds. */
#ifndef KERNELS_AVX512_MATMUL_UNPACK_GRIDS_H
#define KERNELS_AVX512_MATMUL_UNPACK_GRIDS_H

#include "kernels/avx512/matmul_unpack_few.h"
#include "kernels/generic/signs.h"

/* The runs of q[r]. */
INLINE __m512i look_up_runs(const void *block, run_fn *run, int r, bool pairs)
{
    const int a = 2 * sub_block(pairs, r, 0), b = 2 * sub_block(pairs, r, 1);
    const int c = 2 * sub_block(pairs, r, 2), d = 2 * sub_block(pairs, r, 3);
    return _mm512_setr_epi64((long long)run(block, a), (long long)run(block, a + 1), (long long)run(block, b),
                             (long long)run(block, b + 1), (long long)run(block, c), (long long)run(block, c + 1),
                             (long long)run(block, d), (long long)run(block, d + 1));
}

INLINE __m512i signed_runs(const void *block, run_fn *run, int r, __m512i lanes, bool pairs, int offset)
{
    const __m512i sizes = look_up_runs(block, run, r, pairs), middle = _mm512_set1_epi8((char)offset);
    return _mm512_mask_sub_epi8(_mm512_add_epi8(middle, sizes), bits_of(lanes, r, pairs), middle, sizes);
}

/* No loop: compilers leave some rolled, and then compute where each code is. */
INLINE void unpack_signed(struct unit *u, const void *block, run_fn *run, __m256i signs, bool pairs, int offset)
{
    const __m512i lanes = words_to_lanes(signs, pairs);
    u->q[0] = signed_runs(block, run, 0, lanes, pairs, offset);
    u->q[1] = signed_runs(block, run, 1, lanes, pairs, offset);
    u->q[2] = signed_runs(block, run, 2, lanes, pairs, offset);
    u->q[3] = signed_runs(block, run, 3, lanes, pairs, offset);
}

INLINE __m512i shifted_runs(const void *block, run_fn *run, int r, __m512i lanes, bool pairs)
{
    const __m512i sizes = _mm512_add_epi8(look_up_runs(block, run, r, pairs), _mm512_set1_epi8(1));
    const __m512i eights = _mm512_slli_epi16(sizes, 3);
    return _mm512_mask_add_epi8(eights, ~bits_of(lanes, r, pairs), eights, _mm512_set1_epi8(2));
}

/* Of iq1: eight times the size, which is -1, 0 or 1, and the shift, 1 or -1, and 9. Sizes are made 0, 1, 2 first. */
INLINE void unpack_shifted(struct unit *u, const void *block, run_fn *run, __m256i shifts, bool pairs)
{
    const __m512i lanes = words_to_lanes(shifts, pairs);
    u->q[0] = shifted_runs(block, run, 0, lanes, pairs);
    u->q[1] = shifted_runs(block, run, 1, lanes, pairs);
    u->q[2] = shifted_runs(block, run, 2, lanes, pairs);
    u->q[3] = shifted_runs(block, run, 3, lanes, pairs);
}

/* Sixteen scales, d times the odd numbers that bytes stand for. */
INLINE void scale_sub_blocks(struct unit *u, __m128i sc, float d, int offset)
{
    (void)offset; /* one of the type's constants here */
    const __m512i odd = _mm512_or_si512(_mm512_slli_epi32(_mm512_cvtepu8_epi32(sc), 1), _mm512_set1_epi32(1));
    u->d = _mm512_mul_ps(_mm512_cvtepi32_ps(odd), _mm512_set1_ps(d));
}

#include "kernels/generic/unpack_grids.h"

#endif
