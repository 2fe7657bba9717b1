/* prepare.c - activations into the forms that matrix products read. */
#include "kernels/generic/prepare.h"
#include "kernels/scalar/scalar.h"
#include "src/base/numbers.h"

#include <math.h>

static void prepare_f32(void *y, const float *x, size_t k, size_t first, size_t n)
{
    (void)k;
    memcpy((float *)y + first, x, n * sizeof *x);
}

static void prepare_bf16(void *y, const float *x, size_t k, size_t first, size_t n)
{
    uint16_t *const b = (uint16_t *)y + first;
    (void)k;
    for (size_t i = 0; i < n; i++)
        b[i] = bf16_from_f32(x[i]);
    for (size_t i = n; i % 32 != 0; i++)
        b[i] = 0;
}

static float q8_largest(const float *x)
{
    float max = 0;
    for (int i = 0; i < 32; i++)
        max = fabsf(x[i]) > max ? fabsf(x[i]) : max;
    return max;
}

/* Adding 1.5 * 2^23 rounds the fraction off and leaves the integer in the low bits, in two's complement. Unlike
 * lrintf() this becomes vector code. */
static void q8_fix(int16_t *t, const float *x, float scale)
{
    for (int i = 0; i < 32; i++)
        t[i] = (int16_t)f32_bits(x[i] * scale + 0x1.8p23f);
}

/* The low 16 bits of 4 n t are 4 r. */
static int q8_search(const int16_t *t)
{
    float least = INFINITY;
    int best = 0;
    for (int i = 0; i < Q8_TRIED; i++) {
        uint32_t square = 0; /* 2^31 for some t that were no numbers */
        for (int j = 0; j < 32; j++) {
            const int r = (int16_t)(t[j] * 4 * (Q8_MAX_STEPS - i)) >> 2;
            square += (uint32_t)(r * r);
        }
        const float error = (float)square * q8_weights[i];
        best = error < least ? i : best;
        least = error < least ? error : least;
    }
    return Q8_MAX_STEPS - best;
}

static struct q8_sums q8_round(int8_t *q, const int16_t *t, int n)
{
    struct q8_sums sums = { 0 };
    for (int i = 0; i < 32; i++) {
        q[i] = (int8_t)((t[i] * n + Q8_ONE / 2) >> 14);
        sums.half[i / 16] += q[i];
        sums.square += q[i] * q[i];
        sums.product += t[i] * q[i];
    }
    return sums;
}

/* One block in each of two rows; their sums follow from the q. */
static void split_32(int8_t *high, int8_t *low, const float *x, float scale)
{
    int16_t t[32];
    q8_fix(t, x, scale);
    for (int i = 0; i < 32; i++) {
        high[i] = (int8_t)((t[i] + 64) >> 7);
        low[i] = (int8_t)(t[i] - 128 * high[i]);
    }
}

static float scaled_sum_16(const int8_t *q, float d)
{
    int sum = 0;
    for (int i = 0; i < 16; i++)
        sum += q[i];
    return d * (float)sum;
}

static void prepare_q8_pair(void *y, const float *x, size_t k, size_t first, size_t n)
{
    enum { ONE = 127 * 128 };
    uint8_t *const row[2] = { y, (uint8_t *)y + act_row_bytes(ACT_Q8, k) };
    for (size_t i = first / 32; i < (first + n) / 32; i++, x += 32) {
        const float max = q8_largest(x);
        const bool zero = max < ACT_Q8_TINY;
        split_32((int8_t *)row[0] + 32 * i, (int8_t *)row[1] + 32 * i, x, zero ? 0 : ONE / max);
        for (int r = 0; r < 2; r++) {
            const float d = zero ? 0 : max / ONE * (r == 0 ? 128 : 1);
            ((float *)(row[r] + act_q8_d(k)))[i] = d;
            for (size_t half = 2 * i; half < 2 * i + 2; half++)
                ((float *)(row[r] + act_q8_s(k)))[half] = scaled_sum_16((const int8_t *)row[r] + 16 * half, d);
        }
    }
}

void kernels_init_scalar_prepare(struct kernels *k)
{
    k->prepare[ACT_F32] = prepare_f32;
    k->prepare[ACT_BF16] = prepare_bf16;
    k->prepare[ACT_Q8] = prepare_q8;
    k->prepare[ACT_Q8_PAIR] = prepare_q8_pair;
}
