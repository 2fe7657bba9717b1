/* unpack_grids.h - the types whose weights come in runs from a grid, written once over what a set has defined before:
 *   unpack_signed      sizes of runs with their signs, plus offset
 *   unpack_shifted     eight times sizes of iq1, plus 1 or -1, plus 9
 *   scale_groups       scales of groups of 32, and the minima that an offset makes
 *   scale_sub_blocks   scales of sub-blocks of 16, the same
 * `pairs` is as in the set's table of types. */
#ifndef KERNELS_GENERIC_UNPACK_GRIDS_H
#define KERNELS_GENERIC_UNPACK_GRIDS_H

#include "kernels/generic/signs.h"
#include "kernels/scales.h"

INLINE void unpack_iq2_xxs(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_iq2_xxs *b = (const void *)w;
    const __m256i words = words_iq2_xxs(b);
    unpack_signed(u, b, run_iq2_xxs, eight_of_seven(bytes_of_fields(words, 7)), true, 64);
    scale_groups(u, odd_scales(_mm256_srli_epi32(words, 28), first_of_f16(b->d) / 8), 64);
}

INLINE void unpack_iq2_xs(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_iq2_xs *b = (const void *)w;
    unpack_signed(u, b, run_iq2_xs, signs_iq2_xs(b), false, 64);
    scale_sub_blocks(u, scales_of_nibbles(b->scales), first_of_f16(b->d) / 8, 64);
}

INLINE void unpack_iq2_s(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_iq2_s *b = (const void *)w;
    unpack_signed(u, b, run_iq2_s, load_32(b->signs), false, 64);
    scale_sub_blocks(u, scales_of_nibbles(b->scales), first_of_f16(b->d) / 8, 64);
}

INLINE void unpack_iq3_xxs(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_iq3_xxs *b = (const void *)w;
    const __m256i words = load_32(b->scales);
    unpack_signed(u, b, run_iq3_xxs, eight_of_seven(bytes_of_fields(words, 7)), true, 64);
    scale_groups(u, odd_scales(_mm256_srli_epi32(words, 28), first_of_f16(b->d) / 4), 64);
}

INLINE void unpack_iq3_s(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_iq3_s *b = (const void *)w;
    unpack_signed(u, b, run_iq3_s, load_32(b->signs), true, 16);
    scale_groups(u, odd_scales(scales_iq3_s(b), first_of_f16(b->d)), 16);
}

INLINE void unpack_iq1_s(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_iq1_s *b = (const void *)w;
    const __m256i words = words_iq1_s(b), sc = _mm256_and_si256(_mm256_srli_epi32(words, 12), _mm256_set1_epi32(7));
    unpack_shifted(u, b, run_iq1_s, shifts_iq1_s(words), true);
    scale_groups(u, odd_scales(sc, first_of_f16(b->d) / 8), 9);
}

INLINE void unpack_iq1_m(struct unit *u, const uint8_t *w, int n_blocks)
{
    (void)n_blocks;
    const struct block_iq1_m *b = (const void *)w;
    unpack_shifted(u, b, run_iq1_m, shifts_iq1_m(b), false);
    scale_sub_blocks(u, scales_iq1_m(b), f16_to_f32(read_f16_spread(b->scales)) / 8, 9);
}

#endif
