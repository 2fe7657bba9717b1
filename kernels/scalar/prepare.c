/* prepare.c - activations into the forms that matrix products read. */
#include "kernels/scalar/scalar.h"
#include "src/base/numbers.h"

#include <math.h>

static void prepare_f32(void *y, const float *x, size_t k)
{
    memcpy(y, x, k * sizeof *x);
}

static void prepare_bf16(void *y, const float *x, size_t k)
{
    uint16_t *const b = y;
    for (size_t i = 0; i < k; i++)
        b[i] = bf16_from_f32(x[i]);
    for (size_t i = k; i % 32 != 0; i++)
        b[i] = 0;
}

/* The nearest integer, ties to even, of |f| <= 127: adding 1.5 * 2^23 rounds the fraction off and leaves the integer in
 * the low bits, in two's complement. Unlike lrintf() this becomes vector code. */
static int8_t round_to_int8(float f)
{
    return (int8_t)f32_bits(f + 0x1.8p23f);
}

/* One block of 32: quants, their scale, and the two scaled sums. */
static void quantise_32(int8_t *q, float *d, float *s, const float *x)
{
    float max = 0;
    for (int i = 0; i < 32; i++)
        if (fabsf(x[i]) > max)
            max = fabsf(x[i]);
    const bool zero = max < ACT_Q8_TINY;
    const float inverse = zero ? 0 : 127 / max;
    *d = zero ? 0 : max / 127;
    for (int half = 0; half < 2; half++) {
        int sum = 0;
        for (int i = 16 * half; i < 16 * half + 16; i++) {
            q[i] = round_to_int8(x[i] * inverse);
            sum += q[i];
        }
        s[half] = *d * (float)sum;
    }
}

static void prepare_q8(void *y, const float *x, size_t k)
{
    uint8_t *const row = y;
    int8_t *const q = y;
    float *const d = (float *)(row + act_q8_d(k)), *const s = (float *)(row + act_q8_s(k));
    for (size_t i = 0; i < k / 32; i++)
        quantise_32(q + 32 * i, d + i, s + 2 * i, x + 32 * i);
}

void kernels_init_scalar_prepare(struct kernels *k)
{
    k->prepare[ACT_F32] = prepare_f32;
    k->prepare[ACT_BF16] = prepare_bf16;
    k->prepare[ACT_Q8] = prepare_q8;
}
