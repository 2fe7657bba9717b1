/* codebooks.h - the numbers that the codes of some types stand for. blocks.h says where the codes are. */
#ifndef CODEBOOKS_H
#define CODEBOOKS_H

#include <stdint.h>

/** Values of 4-bit codes. fp4: twice what E2M1 means, so that they are whole numbers. */
extern const int8_t codebook_iq4_nl[16];
extern const int8_t codebook_fp4[16];

/** Eight sign bits from seven: the eighth makes the number of ones even. */
extern const uint8_t codebook_signs[128];

/** Grids: the eight (iq3: four) values of a code are the bytes of a number, the lowest byte first.
 *  iq2: 8, 25, 43; iq3_xxs: 4 to 62; iq3_s: odd numbers up to 15; iq1: -1, 0, 1 in two's complement. */
extern const uint64_t codebook_iq2_xxs[256];
extern const uint64_t codebook_iq2_xs[512];
extern const uint64_t codebook_iq2_s[1024];
extern const uint32_t codebook_iq3_xxs[256];
extern const uint32_t codebook_iq3_s[512];
extern const uint64_t codebook_iq1[2048];

/** The grids of sizes for look-ups within vectors: which level, counted from the smallest, each value is. An entry is two
 *  bytes, of the first and of the second half of its values, 2 (iq3: 3) bits each, the first lowest; the first bytes of
 *  all entries come before the second ones. */
extern const uint8_t codebook_iq2_xxs_parts[2 * 256];
extern const uint8_t codebook_iq2_xs_parts[2 * 512];
extern const uint8_t codebook_iq2_s_parts[2 * 1024];
extern const uint8_t codebook_iq3_xxs_parts[2 * 256];
extern const uint8_t codebook_iq3_s_parts[2 * 512];

#endif
