/* matmul_types.h - the quantised types: how each is unpacked, and what of it must be known when code is made for it. */
#ifndef KERNELS_NEON_MATMUL_TYPES_H
#define KERNELS_NEON_MATMUL_TYPES_H

#include "kernels/neon/matmul_unpack.h"
#include "kernels/neon/matmul_unpack_few.h"
#include "kernels/neon/matmul_unpack_grids.h"

/** The types: what is written over a type takes one of these. */
#define TYPE(name, NAME, pairs, max, minima) \
    static const struct type type_##name = { \
        unpack_##name, BLOCK_##NAME, sizeof(struct block_##name), pairs, max, minima };
TYPE(q4_0, Q4_0, true, 8, false)
TYPE(q4_1, Q4_1, true, 15, true)
TYPE(q5_0, Q5_0, true, 16, false)
TYPE(q5_1, Q5_1, true, 31, true)
TYPE(q8_0, Q8_0, true, 128, false)
TYPE(q2_k, Q2_K, false, 3, true)
TYPE(q3_k, Q3_K, false, 4, false)
TYPE(q4_k, Q4_K, true, 15, true)
TYPE(q5_k, Q5_K, true, 31, true)
TYPE(q6_k, Q6_K, false, 32, false)
TYPE(iq4_nl, IQ4_NL, true, 127, false)
TYPE(iq4_xs, IQ4_XS, true, 127, false)
TYPE(mxfp4, MXFP4, true, 12, false)
TYPE(nvfp4, NVFP4, false, 12, false)
TYPE(q1_0, Q1_0, true, 1, false)
TYPE(q2_0, Q2_0, true, 2, false)
TYPE(tq1_0, TQ1_0, true, 1, false)
TYPE(tq2_0, TQ2_0, true, 2, false)
TYPE(iq2_xxs, IQ2_XXS, true, 43, false)
TYPE(iq2_xs, IQ2_XS, false, 43, false)
TYPE(iq2_s, IQ2_S, false, 43, false)
TYPE(iq3_xxs, IQ3_XXS, true, 62, false)
TYPE(iq3_s, IQ3_S, true, 15, false)
TYPE(iq1_s, IQ1_S, true, 9, false)
TYPE(iq1_m, IQ1_M, false, 9, false)
#undef TYPE

#endif
