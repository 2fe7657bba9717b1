/* prepare.h - activations to 8-bit blocks, as kernels.h defines them. A set's prepare.c includes this and defines the
 * four steps for one block of 32.
 *
 * The steps are taken for some blocks each in turn: one block's chain of operations is long, and so the next ones'
 * run beside it. */
#ifndef KERNELS_GENERIC_PREPARE_H
#define KERNELS_GENERIC_PREPARE_H

#include "kernels/kernels.h"

enum {
    Q8_ONE = 16384, /* what the largest value becomes in t */
    Q8_CHUNK = 16,  /* blocks */
    Q8_MAX_STEPS = 127,
};
/* Of a macro: for each number of steps that is tried, the best first. */
#define Q8_STEPS(of) \
    of(127), of(126), of(125), of(124), of(123), of(122), of(121), of(120), \
    of(119), of(118), of(117), of(116), of(115), of(114), of(113), of(112)
#define Q8_WEIGHT(n) 1.0f / ((n) * (n))
static const float q8_weights[] = { Q8_STEPS(Q8_WEIGHT) };
enum { Q8_TRIED = sizeof q8_weights / sizeof *q8_weights };

struct q8_sums {
    int half[2];         /* of q, over 16 values each */
    int square, product; /* of q * q, of t * q */
};

/* max|x| */
static float q8_largest(const float *x);
/* t = x * scale to the nearest integer, ties to even. */
static void q8_fix(int16_t *t, const float *x, float scale);
/* The number of steps n. */
static int q8_search(const int16_t *t);
/* q of t and n, and sums over them. */
static struct q8_sums q8_round(int8_t *q, const int16_t *t, int n);

static void prepare_q8(void *y, const float *x, size_t k, size_t first, size_t n)
{
    int8_t *q = (int8_t *)y + first;
    float *d = (float *)((uint8_t *)y + act_q8_d(k)) + first / 32;
    float *s = (float *)((uint8_t *)y + act_q8_s(k)) + first / 16;
    _Alignas(64) int16_t t[Q8_CHUNK][32];
    struct q8_sums sums[Q8_CHUNK];
    float max[Q8_CHUNK], scale[Q8_CHUNK];
    int steps[Q8_CHUNK];
    for (size_t left = n / 32, count; left > 0; left -= count) {
        count = left < Q8_CHUNK ? left : Q8_CHUNK;
        for (size_t i = 0; i < count; i++)
            max[i] = q8_largest(x + 32 * i);
        for (size_t i = 0; i < count; i++)
            scale[i] = max[i] < ACT_Q8_TINY ? 0 : Q8_ONE / max[i];
        for (size_t i = 0; i < count; i++)
            q8_fix(t[i], x + 32 * i, scale[i]);
        for (size_t i = 0; i < count; i++)
            steps[i] = q8_search(t[i]);
        for (size_t i = 0; i < count; i++)
            sums[i] = q8_round(q + 32 * i, t[i], steps[i]);
        for (size_t i = 0; i < count; i++) {
            d[i] = scale[i] > 0 ? max[i] / Q8_ONE * ((float)sums[i].product / (float)sums[i].square) : 0;
            s[2 * i] = d[i] * (float)sums[i].half[0];
            s[2 * i + 1] = d[i] * (float)sums[i].half[1];
        }
        x += 32 * count;
        q += 32 * count;
        d += count;
        s += 2 * count;
    }
}

#endif
