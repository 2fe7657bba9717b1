/* i8mm.c - products of bytes by smmla, and of bf16 by bfmmla: 2 x 2 sums of 8 and of 4 products. */
#include "benches/limits/limits.h"

#include <arm_neon.h>

#define CHAINS 16 /* hide the latency */

static uint64_t multiply_int8(size_t n_steps)
{
    const int8x16_t w = vdupq_n_s8(7), q = vdupq_n_s8(-3);
    int32x4_t x[CHAINS];
    for (int i = 0; i < CHAINS; i++) {
        x[i] = vdupq_n_s32(0);
        HIDE(x[i]);
    }
    for (size_t s = 0; s < n_steps; s++)
        for (int i = 0; i < CHAINS; i++)
            x[i] = vmmlaq_s32(x[i], w, q);
    for (int i = 1; i < CHAINS; i++)
        x[0] = vaddq_s32(x[0], x[i]);
    return (uint64_t)vaddvq_s32(x[0]);
}

static uint64_t multiply_bf16(size_t n_steps)
{
    const bfloat16x8_t w = vreinterpretq_bf16_u16(vdupq_n_u16(0x3c00)); /* 2^-7 */
    float32x4_t x[CHAINS];
    for (int i = 0; i < CHAINS; i++) {
        x[i] = vdupq_n_f32(0);
        HIDE(x[i]);
    }
    for (size_t s = 0; s < n_steps; s++)
        for (int i = 0; i < CHAINS; i++)
            x[i] = vbfmmlaq_f32(x[i], w, w);
    for (int i = 1; i < CHAINS; i++)
        x[0] = vaddq_f32(x[0], x[i]);
    return (uint64_t)vaddvq_f32(x[0]);
}

void limits_init_i8mm(struct probe *p)
{
    p->unit[PEAK_INT8] = (struct unit){ multiply_int8, 2.0 * CHAINS * 2 * 2 * 8 };
    p->unit[PEAK_BF16] = (struct unit){ multiply_bf16, 2.0 * CHAINS * 2 * 2 * 4 };
}
