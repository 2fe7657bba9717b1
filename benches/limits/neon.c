/* neon.c - vectors of 128 bits: FMA; products of bytes, added in 16 bits, then in pairs in 32. Plain C reads memory
 * with the same vectors. */
#include "benches/limits/neon.h"

MULTIPLY(multiply_f32, float32x4_t, vdupq_n_f32(0.5f), vfmaq_f32(x[i], vdupq_n_f32(0.5f), vdupq_n_f32(0.5f)), vaddq_f32,
         vaddvq_f32)

static uint64_t multiply_int8(size_t n_steps)
{
    const int8x16_t q = vdupq_n_s8(-3);
    int8x16_t w = vdupq_n_s8(7);
    int32x4_t x[CHAINS] = { 0 };
    for (size_t s = 0; s < n_steps; s++)
        for (int i = 0; i < CHAINS; i++) {
            HIDE(w);
            x[i] = vpadalq_s16(x[i], vmlal_high_s8(vmull_s8(vget_low_s8(w), vget_low_s8(q)), w, q));
        }
    for (int i = 1; i < CHAINS; i++)
        x[0] = vaddq_s32(x[0], x[i]);
    return (uint64_t)vaddvq_s32(x[0]);
}

void limits_init_neon(struct probe *p)
{
    p->unit[PEAK_F32] = (struct unit){ multiply_f32, 2.0 * CHAINS * 4 };
    p->unit[PEAK_INT8] = (struct unit){ multiply_int8, 2.0 * CHAINS * 16 };
}
