/* blocks.h - the quantised blocks as GGUF stores them: little-endian, packed, at any address.
 *
 * Read them through pointers to these structs only where they hold bytes alone (alignment 1 by construction: every
 * member is a byte array); 16-bit scales are read with read_u16() and f16_to_f32(). */
#ifndef BLOCKS_H
#define BLOCKS_H

#include <stdint.h>

/* 32 weights each. In q4_x and q5_x byte i of qs holds weight i (low nibble) and i + 16 (high nibble); bit i of the
 * 32-bit qh is the fifth bit of weight i. */
struct block_q4_0 { uint8_t d[2], qs[16]; };                /* w = d * (q - 8) */
struct block_q4_1 { uint8_t d[2], m[2], qs[16]; };          /* w = d * q + m */
struct block_q5_0 { uint8_t d[2], qh[4], qs[16]; };         /* w = d * (q - 16) */
struct block_q5_1 { uint8_t d[2], m[2], qh[4], qs[16]; };   /* w = d * q + m */
struct block_q8_0 { uint8_t d[2]; int8_t qs[32]; };         /* w = d * q */

/* 256 weights each, in 16 sub-blocks of 16 (q2_k, q3_k, q6_k) or 8 of 32 (q4_k, q5_k).
 *
 * q2_k: w = d * sc * q - dmin * m; scales[j] = sc | m << 4 of sub-block j. qs: two halves of 128 weights; in each, byte
 *   l (0..31) holds in bits 2s, 2s+1 the weight 32 s + l of the half.
 * q3_k: w = d * (sc - 32) * (q - 4); low two bits of q in qs as q2_k; third bit: bit b of hmask[l] for weight 32 b + l
 *   of the block (b = 0..7). sc: 6 bits; the low nibbles of sub-blocks 0..7 and 8..15 are the low and high nibbles of
 *   scales[0..7]; bits 4, 5 of sub-block j are the bits 2 (j / 4), 2 (j / 4) + 1 of scales[8 + j % 4].
 * q4_k: w = d * sc * q - dmin * m; eight 6-bit (sc, m) in scales: for j < 4 sc = scales[j] & 63, m = scales[j + 4] & 63;
 *   for j >= 4 sc = (scales[j + 4] & 15) | (scales[j - 4] >> 6) << 4, m = (scales[j + 4] >> 4) | (scales[j] >> 6) << 4.
 *   qs: four groups of 32 bytes; the low nibbles of group g are sub-block 2 g, the high nibbles 2 g + 1.
 * q5_k: as q4_k; bit j of qh[l] is the fifth bit of weight l of sub-block j.
 * q6_k: w = d * sc * (q - 32); two halves of 128 weights, each with 64 bytes ql, 32 bytes qh, 8 scales; weight 32 s + l
 *   of a half (s = 0..3): low nibble (s < 2) or high nibble (s >= 2) of ql[32 (s & 1) + l], upper two bits: bits 2s,
 *   2s+1 of qh[l]; scale: scales[2 s + l / 16]. */
struct block_q2_k { uint8_t scales[16], qs[64], d[2], dmin[2]; };
struct block_q3_k { uint8_t hmask[32], qs[64], scales[12], d[2]; };
struct block_q4_k { uint8_t d[2], dmin[2], scales[12], qs[128]; };
struct block_q5_k { uint8_t d[2], dmin[2], scales[12], qh[32], qs[128]; };
struct block_q6_k { uint8_t ql[128], qh[64]; int8_t scales[16]; uint8_t d[2]; };

/* What llama.cpp keeps activations in; a file may hold them as well.
 *
 * q8_1: w = d * q; s = d * sum(q), which a reader of weights does not need.
 * q8_k: w = d * q, d a float; sums: int16_t of each 16 q, not needed either. */
struct block_q8_1 { uint8_t d[2], s[2]; int8_t qs[32]; };
struct block_q8_k { uint8_t d[4]; int8_t qs[256]; uint8_t sums[32]; };

/* Few values.
 *
 * q1_0: 128 weights, w = d or -d as bit i is 1 or 0. q2_0: 64, w = d * (q - 1), q the bits 2i, 2i+1.
 * tq2_0: 256, w = d * (q - 1); two halves as those of q2_k.
 * tq1_0: 256, w = d * (t - 1), t a digit in base 3. A byte holds the fraction 0.t0 t1 t2 t3 t4 (base 3) times 256,
 *   rounded up; so digit i is the integer part of 3 * (byte * 3^i mod 256) / 256. Digit i of byte l of qs[0..31] is
 *   weight 32 i + l, of qs[32..47] weight 160 + 16 i + l; qh's four bytes hold four digits: weight 240 + 4 i + l. */
struct block_q1_0 { uint8_t d[2], qs[16]; };
struct block_q2_0 { uint8_t d[2], qs[16]; };
struct block_tq1_0 { uint8_t qs[48], qh[4], d[2]; };
struct block_tq2_0 { uint8_t qs[64], d[2]; };

/* 4-bit codes of 16 values that are not evenly spaced: those in codebooks.h.
 *
 * iq4_nl: 32 weights, w = d * value; nibbles as q4_0.
 * iq4_xs: 256 weights in 8 sub-blocks of 32, w = d * (sc - 32) * value; 16 bytes qs a sub-block, nibbles as q4_0;
 *   sc: 4 bits in nibble j of scales_l, bits 2j, 2j+1 of the 16-bit scales_h above them.
 * mxfp4: 32 weights, w = 2^(e - 128) * value; nibbles as q4_0. The values are twice those of the number format
 *   (E2M1), so the scale is half of what E8M0 says.
 * nvfp4: 64 weights in 4 sub-blocks of 16, w = d[j] / 2 * value, d[j] an unsigned E4M3 number; 8 bytes qs a
 *   sub-block, byte i holds weight i (low nibble) and i + 8 (high). */
struct block_iq4_nl { uint8_t d[2], qs[16]; };
struct block_iq4_xs { uint8_t d[2], scales_h[2], scales_l[4], qs[128]; };
struct block_mxfp4 { uint8_t e, qs[16]; };
struct block_nvfp4 { uint8_t d[4], qs[32]; };

/* 256 weights in 8 groups of 32, a group as 4 runs of 8. A code names the sizes of a run (iq2, iq1) or of half a run
 * (iq3) in a grid of codebooks.h; eight sign bits follow, the lowest for the first weight, 1 for minus. Seven bits
 * stand for eight by codebook_signs, which makes the number of minus signs even.
 *
 * iq2_xxs: group g: two 32-bit words; the bytes of the first are its codes; the second: 7 sign bits for each run, then
 *   4 bits sc.  w = d * (2 sc + 1) / 8 * size * sign.
 * iq2_xs: run r: 16 bits of qs: 9 of code, 7 of signs; sc of each 16 weights: nibbles of scales, low first. w as
 *   iq2_xxs.
 * iq2_s: run r: code qs[r], and above it the bits 2 (r % 4), 2 (r % 4) + 1 of qh[r / 4]; sign bits signs[r]; sc and w
 *   as iq2_xs.
 * iq3_xxs: half run h: code qs[h]; group g: 32-bit word of scales as iq2_xxs' second.
 *   w = d * (2 sc + 1) / 4 * size * sign.
 * iq3_s: half run h: code qs[h], above it bit h % 8 of qh[h / 8]; sign bits signs[r]; sc of a group: nibbles of
 *   scales.  w = d * (2 sc + 1) * size * sign.
 * iq1_s: the sizes are -1, 0, 1, and all of a group are shifted by 1/8. Group g: 16 bits of qh: bits 3r .. 3r+2 lie
 *   above the code qs of run r, bits 12..14 are sc, bit 15 makes the shift -1/8.  w = d * (2 sc + 1) * (size + shift).
 * iq1_m: as iq1_s, but nibble r of qh: three bits above the code of run r, then one for its shift; sc: 3 bits for each
 *   16 weights, four of them in each 16-bit word of scales; the top nibbles of these four words are d, lowest first. */
struct block_iq2_xxs { uint8_t d[2], qs[64]; };
struct block_iq2_xs { uint8_t d[2], qs[64], scales[8]; };
struct block_iq2_s { uint8_t d[2], qs[32], signs[32], qh[8], scales[8]; };
struct block_iq3_xxs { uint8_t d[2], qs[64], scales[32]; };
struct block_iq3_s { uint8_t d[2], qs[64], qh[8], signs[32], scales[4]; };
struct block_iq1_s { uint8_t d[2], qs[32], qh[16]; };
struct block_iq1_m { uint8_t qs[32], qh[16], scales[8]; };

_Static_assert(sizeof(struct block_q4_0) == 18 && sizeof(struct block_q4_1) == 20, "file format");
_Static_assert(sizeof(struct block_q5_0) == 22 && sizeof(struct block_q5_1) == 24, "file format");
_Static_assert(sizeof(struct block_q8_0) == 34 && sizeof(struct block_q2_k) == 84, "file format");
_Static_assert(sizeof(struct block_q3_k) == 110 && sizeof(struct block_q4_k) == 144, "file format");
_Static_assert(sizeof(struct block_q5_k) == 176 && sizeof(struct block_q6_k) == 210, "file format");
_Static_assert(sizeof(struct block_q8_1) == 36 && sizeof(struct block_q8_k) == 292, "file format");
_Static_assert(sizeof(struct block_q1_0) == 18 && sizeof(struct block_q2_0) == 18, "file format");
_Static_assert(sizeof(struct block_tq1_0) == 54 && sizeof(struct block_tq2_0) == 66, "file format");
_Static_assert(sizeof(struct block_iq4_nl) == 18 && sizeof(struct block_iq4_xs) == 136, "file format");
_Static_assert(sizeof(struct block_mxfp4) == 17 && sizeof(struct block_nvfp4) == 36, "file format");
_Static_assert(sizeof(struct block_iq2_xxs) == 66 && sizeof(struct block_iq2_xs) == 74, "file format");
_Static_assert(sizeof(struct block_iq2_s) == 82 && sizeof(struct block_iq3_xxs) == 98, "file format");
_Static_assert(sizeof(struct block_iq3_s) == 110 && sizeof(struct block_iq1_s) == 50, "file format");
_Static_assert(sizeof(struct block_iq1_m) == 56, "file format");

/** The quantised types, X(name, NAME): those that every set has kernels for, of these the ones with a grid and signs,
 *  and those that only scalar has. A type `name` has struct block_name here. */
#define QUANTISED_TYPES(X) \
    X(q4_0, Q4_0) X(q4_1, Q4_1) X(q5_0, Q5_0) X(q5_1, Q5_1) X(q8_0, Q8_0) \
    X(q2_k, Q2_K) X(q3_k, Q3_K) X(q4_k, Q4_K) X(q5_k, Q5_K) X(q6_k, Q6_K) \
    X(q1_0, Q1_0) X(q2_0, Q2_0) X(tq1_0, TQ1_0) X(tq2_0, TQ2_0) \
    X(iq4_nl, IQ4_NL) X(iq4_xs, IQ4_XS) X(mxfp4, MXFP4) X(nvfp4, NVFP4) \
    SIGNED_GRID_TYPES(X) X(iq1_s, IQ1_S) X(iq1_m, IQ1_M)
#define SIGNED_GRID_TYPES(X) \
    X(iq2_xxs, IQ2_XXS) X(iq2_xs, IQ2_XS) X(iq2_s, IQ2_S) X(iq3_xxs, IQ3_XXS) X(iq3_s, IQ3_S)
#define SCALAR_TYPES(X) X(q8_1, Q8_1) X(q8_k, Q8_K)

/** Weights in a block of each, and in the largest. */
enum {
    BLOCK_Q4_0 = 32, BLOCK_Q4_1 = 32, BLOCK_Q5_0 = 32, BLOCK_Q5_1 = 32, BLOCK_Q8_0 = 32, BLOCK_Q8_1 = 32,
    BLOCK_Q2_K = 256, BLOCK_Q3_K = 256, BLOCK_Q4_K = 256, BLOCK_Q5_K = 256, BLOCK_Q6_K = 256, BLOCK_Q8_K = 256,
    BLOCK_Q1_0 = 128, BLOCK_Q2_0 = 64, BLOCK_TQ1_0 = 256, BLOCK_TQ2_0 = 256,
    BLOCK_IQ4_NL = 32, BLOCK_IQ4_XS = 256, BLOCK_MXFP4 = 32, BLOCK_NVFP4 = 64,
    BLOCK_IQ2_XXS = 256, BLOCK_IQ2_XS = 256, BLOCK_IQ2_S = 256, BLOCK_IQ3_XXS = 256, BLOCK_IQ3_S = 256,
    BLOCK_IQ1_S = 256, BLOCK_IQ1_M = 256,
    BLOCK_MAX = 256
};

#endif
