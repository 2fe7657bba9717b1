/* dotprod.c - products of bytes by sdot. */
#include "benches/limits/neon.h"

MULTIPLY(multiply_int8, int32x4_t, vdupq_n_s32(0), vdotq_s32(x[i], vdupq_n_s8(7), vdupq_n_s8(-3)), vaddq_s32,
         vaddvq_s32)

void limits_init_dotprod(struct probe *p)
{
    p->unit[PEAK_INT8] = (struct unit){ multiply_int8, 2.0 * CHAINS * 16 };
}
