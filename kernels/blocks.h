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

_Static_assert(sizeof(struct block_q4_0) == 18 && sizeof(struct block_q4_1) == 20, "file format");
_Static_assert(sizeof(struct block_q5_0) == 22 && sizeof(struct block_q5_1) == 24, "file format");
_Static_assert(sizeof(struct block_q8_0) == 34 && sizeof(struct block_q2_k) == 84, "file format");
_Static_assert(sizeof(struct block_q3_k) == 110 && sizeof(struct block_q4_k) == 144, "file format");
_Static_assert(sizeof(struct block_q5_k) == 176 && sizeof(struct block_q6_k) == 210, "file format");

/** The quantised types: X(name, NAME). A type `name` has struct block_name here. */
#define QUANTISED_TYPES(X) \
    X(q4_0, Q4_0) X(q4_1, Q4_1) X(q5_0, Q5_0) X(q5_1, Q5_1) X(q8_0, Q8_0) \
    X(q2_k, Q2_K) X(q3_k, Q3_K) X(q4_k, Q4_K) X(q5_k, Q5_K) X(q6_k, Q6_K)

/** Weights in a block of each, and in the largest. */
enum {
    BLOCK_Q4_0 = 32, BLOCK_Q4_1 = 32, BLOCK_Q5_0 = 32, BLOCK_Q5_1 = 32, BLOCK_Q8_0 = 32,
    BLOCK_Q2_K = 256, BLOCK_Q3_K = 256, BLOCK_Q4_K = 256, BLOCK_Q5_K = 256, BLOCK_Q6_K = 256,
    BLOCK_MAX = 256
};

#endif
