/* dotprod.c - products of bytes by sdot. */
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
            x[i] = vdotq_s32(x[i], w, q);
    for (int i = 1; i < CHAINS; i++)
        x[0] = vaddq_s32(x[0], x[i]);
    return (uint64_t)vaddvq_s32(x[0]);
}

void limits_init_dotprod(struct probe *p)
{
    p->unit[PEAK_INT8] = (struct unit){ multiply_int8, 2.0 * CHAINS * 16 };
}
