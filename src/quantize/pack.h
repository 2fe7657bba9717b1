/* pack.h - fitted blocks into the bytes that kernels/blocks.h describes. */
#ifndef QUANTIZE_PACK_H
#define QUANTIZE_PACK_H

#include "src/base/numbers.h"
#include "src/quantize/fit_grid.h"

typedef void pack_fn(void *block, const struct fitted *f);

pack_fn pack_q4_0, pack_q4_1, pack_q5_0, pack_q5_1, pack_q8_0, pack_iq4_nl, pack_mxfp4, pack_nvfp4;
pack_fn pack_q2_k, pack_q3_k, pack_q4_k, pack_q5_k, pack_q6_k, pack_iq4_xs;
pack_fn pack_q1_0, pack_q2_0, pack_tq1_0, pack_tq2_0;

typedef void pack_grid_fn(void *block, const struct fitted_grid *f);

pack_grid_fn pack_iq2_xxs, pack_iq2_xs, pack_iq2_s, pack_iq3_xxs, pack_iq3_s, pack_iq1_s, pack_iq1_m;

static inline void put_f16(uint8_t *at, float value)
{
    const uint16_t h = f16_from_f32(value);
    memcpy(at, &h, sizeof h);
}

#endif
