/* i8mm.c - products of bytes by smmla, and of bf16 by bfmmla: 2 x 2 sums of 8 and of 4 products. */
#include "benches/limits/neon.h"

#define SMALL vreinterpretq_bf16_u16(vdupq_n_u16(0x3c00)) /* 2^-7 */
MULTIPLY(multiply_int8, int32x4_t, vdupq_n_s32(0), vmmlaq_s32(x[i], vdupq_n_s8(7), vdupq_n_s8(-3)), vaddq_s32,
         vaddvq_s32)
MULTIPLY(multiply_bf16, float32x4_t, vdupq_n_f32(0), vbfmmlaq_f32(x[i], SMALL, SMALL), vaddq_f32, vaddvq_f32)

void limits_init_i8mm(struct probe *p)
{
    p->unit[PEAK_INT8] = (struct unit){ multiply_int8, 2.0 * CHAINS * 2 * 2 * 8 };
    p->unit[PEAK_BF16] = (struct unit){ multiply_bf16, 2.0 * CHAINS * 2 * 2 * 4 };
}
