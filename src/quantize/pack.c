/* pack.c - fitted blocks into bytes: the reverse of kernels/scalar/unpack*.h, for the layouts of kernels/blocks.h. */
#include "src/quantize/pack.h"

#include "kernels/codebooks.h"

/* 2 n codes of four bits: first the low nibbles of n bytes, then the high ones. */
static void put_nibbles(uint8_t *qs, const uint8_t *q, int n)
{
    for (int i = 0; i < n; i++)
        qs[i] = (uint8_t)((q[i] & 15) | (q[i + n] & 15) << 4);
}

/* n codes less the lowest one, so that they begin at 0. */
static const uint8_t *from_zero(uint8_t *to, const int8_t *q, int n, int lowest)
{
    for (int i = 0; i < n; i++)
        to[i] = (uint8_t)(q[i] - lowest);
    return to;
}

/* n levels of a codebook in rising order to their places in it. */
static const uint8_t *places(uint8_t *to, const int8_t *q, int n, const int8_t levels[16])
{
    for (int i = 0; i < n; i++) {
        to[i] = 0;
        while (to[i] < 15 && levels[to[i]] != q[i])
            to[i]++;
    }
    return to;
}

/* ---- Blocks of 32 ---- */

static void put_fifth_bits(uint8_t qh[4], const uint8_t *q)
{
    uint32_t bits = 0;
    for (int i = 0; i < 32; i++)
        bits |= (uint32_t)(q[i] >> 4 & 1) << i;
    memcpy(qh, &bits, sizeof bits);
}

void pack_q4_0(void *block, const struct fitted *f)
{
    struct block_q4_0 *b = block;
    uint8_t q[32];
    put_f16(b->d, f->d);
    put_nibbles(b->qs, from_zero(q, f->q, 32, -8), 16);
}

void pack_q4_1(void *block, const struct fitted *f)
{
    struct block_q4_1 *b = block;
    uint8_t q[32];
    put_f16(b->d, f->d);
    put_f16(b->m, -f->dmin);
    put_nibbles(b->qs, from_zero(q, f->q, 32, 0), 16);
}

void pack_q5_0(void *block, const struct fitted *f)
{
    struct block_q5_0 *b = block;
    uint8_t q[32];
    put_f16(b->d, f->d);
    put_fifth_bits(b->qh, from_zero(q, f->q, 32, -16));
    put_nibbles(b->qs, q, 16);
}

void pack_q5_1(void *block, const struct fitted *f)
{
    struct block_q5_1 *b = block;
    uint8_t q[32];
    put_f16(b->d, f->d);
    put_f16(b->m, -f->dmin);
    put_fifth_bits(b->qh, from_zero(q, f->q, 32, 0));
    put_nibbles(b->qs, q, 16);
}

void pack_q8_0(void *block, const struct fitted *f)
{
    struct block_q8_0 *b = block;
    put_f16(b->d, f->d);
    memcpy(b->qs, f->q, 32);
}

void pack_iq4_nl(void *block, const struct fitted *f)
{
    struct block_iq4_nl *b = block;
    uint8_t q[32];
    put_f16(b->d, f->d);
    put_nibbles(b->qs, places(q, f->q, 32, codebook_iq4_nl), 16);
}

/* The codebook has the number format's order: 0 to 12, then -0 to -12. */
void pack_mxfp4(void *block, const struct fitted *f)
{
    struct block_mxfp4 *b = block;
    uint8_t q[32];
    b->e = f->number[0];
    put_nibbles(b->qs, places(q, f->q, 32, codebook_fp4), 16);
}

void pack_nvfp4(void *block, const struct fitted *f)
{
    struct block_nvfp4 *b = block;
    uint8_t q[64];
    memcpy(b->d, f->number, sizeof b->d);
    places(q, f->q, 64, codebook_fp4);
    for (int j = 0; j < 4; j++)
        put_nibbles(b->qs + 8 * j, q + 16 * j, 8);
}

/* ---- Blocks of 256 with scales for sub-blocks ---- */

/* Bits from, from + 1 of each code: two halves of 32 bytes; in a half, bits 2s, 2s+1 of byte l are for weight
 * 32 s + l. */
static void put_pairs(uint8_t *qs, const uint8_t *q, int from)
{
    memset(qs, 0, 64);
    for (int i = 0; i < 256; i++)
        qs[i / 128 * 32 + i % 32] |= (uint8_t)((q[i] >> from & 3) << i % 128 / 32 * 2);
}

void pack_q2_k(void *block, const struct fitted *f)
{
    struct block_q2_k *b = block;
    uint8_t q[256];
    put_f16(b->d, f->d);
    put_f16(b->dmin, f->dmin);
    for (int j = 0; j < 16; j++)
        b->scales[j] = (uint8_t)(f->sc[j] | f->m[j] << 4);
    put_pairs(b->qs, from_zero(q, f->q, 256, 0), 0);
}

void pack_q3_k(void *block, const struct fitted *f)
{
    struct block_q3_k *b = block;
    uint8_t q[256];
    put_f16(b->d, f->d);
    put_pairs(b->qs, from_zero(q, f->q, 256, -4), 0);
    memset(b->hmask, 0, sizeof b->hmask);
    for (int i = 0; i < 256; i++)
        b->hmask[i % 32] |= (uint8_t)((q[i] >> 2 & 1) << i / 32);
    memset(b->scales, 0, sizeof b->scales);
    for (int j = 0; j < 16; j++) {
        const int sc = f->sc[j] + 32;
        b->scales[j % 8] |= (uint8_t)((sc & 15) << (j < 8 ? 0 : 4));
        b->scales[8 + j % 4] |= (uint8_t)((sc >> 4) << 2 * (j / 4));
    }
}

/* The eight 6-bit scales and minima of q4_k and q5_k. */
static void put_scales(uint8_t scales[12], const struct fitted *f)
{
    for (int j = 0; j < 4; j++) {
        const int sc = f->sc[j + 4], m = f->m[j + 4];
        scales[j] = (uint8_t)(f->sc[j] | (sc >> 4) << 6);
        scales[j + 4] = (uint8_t)(f->m[j] | (m >> 4) << 6);
        scales[j + 8] = (uint8_t)((sc & 15) | (m & 15) << 4);
    }
}

void pack_q4_k(void *block, const struct fitted *f)
{
    struct block_q4_k *b = block;
    uint8_t q[256];
    put_f16(b->d, f->d);
    put_f16(b->dmin, f->dmin);
    put_scales(b->scales, f);
    from_zero(q, f->q, 256, 0);
    for (int g = 0; g < 4; g++)
        put_nibbles(b->qs + 32 * g, q + 64 * g, 32);
}

void pack_q5_k(void *block, const struct fitted *f)
{
    struct block_q5_k *b = block;
    uint8_t q[256];
    put_f16(b->d, f->d);
    put_f16(b->dmin, f->dmin);
    put_scales(b->scales, f);
    from_zero(q, f->q, 256, 0);
    for (int g = 0; g < 4; g++)
        put_nibbles(b->qs + 32 * g, q + 64 * g, 32);
    memset(b->qh, 0, sizeof b->qh);
    for (int i = 0; i < 256; i++)
        b->qh[i % 32] |= (uint8_t)((q[i] >> 4) << i / 32);
}

void pack_q6_k(void *block, const struct fitted *f)
{
    struct block_q6_k *b = block;
    uint8_t q[256];
    put_f16(b->d, f->d);
    memcpy(b->scales, f->sc, sizeof b->scales);
    put_pairs(b->qh, from_zero(q, f->q, 256, -32), 4);
    for (int half = 0; half < 2; half++)
        put_nibbles(b->ql + 64 * half, q + 128 * half, 64);
}

void pack_iq4_xs(void *block, const struct fitted *f)
{
    struct block_iq4_xs *b = block;
    uint8_t q[256];
    unsigned high = 0;
    put_f16(b->d, f->d);
    memset(b->scales_l, 0, sizeof b->scales_l);
    places(q, f->q, 256, codebook_iq4_nl);
    for (int j = 0; j < 8; j++) {
        const unsigned sc = (unsigned)(f->sc[j] + 32);
        b->scales_l[j / 2] |= (uint8_t)((sc & 15) << 4 * (j % 2));
        high |= (sc >> 4) << 2 * j;
        put_nibbles(b->qs + 16 * j, q + 32 * j, 16);
    }
    memcpy(b->scales_h, &(uint16_t){ (uint16_t)high }, sizeof b->scales_h);
}

/* ---- Few values ---- */

void pack_q1_0(void *block, const struct fitted *f)
{
    struct block_q1_0 *b = block;
    put_f16(b->d, f->d);
    memset(b->qs, 0, sizeof b->qs);
    for (int i = 0; i < 128; i++)
        b->qs[i / 8] |= (uint8_t)((f->q[i] > 0) << i % 8);
}

void pack_q2_0(void *block, const struct fitted *f)
{
    struct block_q2_0 *b = block;
    put_f16(b->d, f->d);
    memset(b->qs, 0, sizeof b->qs);
    for (int i = 0; i < 64; i++)
        b->qs[i / 4] |= (uint8_t)((f->q[i] + 1) << 2 * (i % 4));
}

void pack_tq2_0(void *block, const struct fitted *f)
{
    struct block_tq2_0 *b = block;
    uint8_t q[256];
    put_f16(b->d, f->d);
    put_pairs(b->qs, from_zero(q, f->q, 256, -1), 0);
}

/* Digits in base 3, the first the highest of five, n bytes apart; as a fraction of 256, rounded up. */
static void put_digits(uint8_t *bytes, const int8_t *q, int n, int n_digits)
{
    for (int l = 0; l < n; l++) {
        int number = 0;
        for (int i = 0; i < 5; i++)
            number = number * 3 + (i < n_digits ? q[i * n + l] + 1 : 0);
        bytes[l] = (uint8_t)((number * 256 + 242) / 243);
    }
}

void pack_tq1_0(void *block, const struct fitted *f)
{
    struct block_tq1_0 *b = block;
    put_f16(b->d, f->d);
    put_digits(b->qs, f->q, 32, 5);
    put_digits(b->qs + 32, f->q + 160, 16, 5);
    put_digits(b->qh, f->q + 240, 4, 4);
}
