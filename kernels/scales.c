/* scales.c - where the blocks of each type keep their floating-point numbers. */
#include "kernels/scales.h"

#include "kernels/blocks.h"

const struct scales scales_of[DTYPE_COUNT] = {
    [DTYPE_F32] = { NUMBER_F32, 1, 0 },
    [DTYPE_F16] = { NUMBER_F16, 1, 0 },
    [DTYPE_BF16] = { NUMBER_BF16, 1, 0 },
    [DTYPE_F64] = { NUMBER_F64, 1, 0 },
    [DTYPE_Q4_0] = { NUMBER_F16, 1, offsetof(struct block_q4_0, d) },
    [DTYPE_Q4_1] = { NUMBER_F16, 2, offsetof(struct block_q4_1, d) },
    [DTYPE_Q5_0] = { NUMBER_F16, 1, offsetof(struct block_q5_0, d) },
    [DTYPE_Q5_1] = { NUMBER_F16, 2, offsetof(struct block_q5_1, d) },
    [DTYPE_Q8_0] = { NUMBER_F16, 1, offsetof(struct block_q8_0, d) },
    [DTYPE_Q8_1] = { NUMBER_F16, 1, offsetof(struct block_q8_1, d) },
    [DTYPE_Q2_K] = { NUMBER_F16, 2, offsetof(struct block_q2_k, d) },
    [DTYPE_Q3_K] = { NUMBER_F16, 1, offsetof(struct block_q3_k, d) },
    [DTYPE_Q4_K] = { NUMBER_F16, 2, offsetof(struct block_q4_k, d) },
    [DTYPE_Q5_K] = { NUMBER_F16, 2, offsetof(struct block_q5_k, d) },
    [DTYPE_Q6_K] = { NUMBER_F16, 1, offsetof(struct block_q6_k, d) },
    [DTYPE_Q8_K] = { NUMBER_F32, 1, offsetof(struct block_q8_k, d) },
    [DTYPE_IQ2_XXS] = { NUMBER_F16, 1, offsetof(struct block_iq2_xxs, d) },
    [DTYPE_IQ2_XS] = { NUMBER_F16, 1, offsetof(struct block_iq2_xs, d) },
    [DTYPE_IQ2_S] = { NUMBER_F16, 1, offsetof(struct block_iq2_s, d) },
    [DTYPE_IQ3_XXS] = { NUMBER_F16, 1, offsetof(struct block_iq3_xxs, d) },
    [DTYPE_IQ3_S] = { NUMBER_F16, 1, offsetof(struct block_iq3_s, d) },
    [DTYPE_IQ1_S] = { NUMBER_F16, 1, offsetof(struct block_iq1_s, d) },
    [DTYPE_IQ1_M] = { NUMBER_F16_SPREAD, 1, offsetof(struct block_iq1_m, scales) },
    [DTYPE_IQ4_NL] = { NUMBER_F16, 1, offsetof(struct block_iq4_nl, d) },
    [DTYPE_IQ4_XS] = { NUMBER_F16, 1, offsetof(struct block_iq4_xs, d) },
    [DTYPE_TQ1_0] = { NUMBER_F16, 1, offsetof(struct block_tq1_0, d) },
    [DTYPE_TQ2_0] = { NUMBER_F16, 1, offsetof(struct block_tq2_0, d) },
    [DTYPE_MXFP4] = { NUMBER_E8M0, 1, offsetof(struct block_mxfp4, e) },
    [DTYPE_NVFP4] = { NUMBER_UE4M3, 4, offsetof(struct block_nvfp4, d) },
    [DTYPE_Q1_0] = { NUMBER_F16, 1, offsetof(struct block_q1_0, d) },
    [DTYPE_Q2_0] = { NUMBER_F16, 1, offsetof(struct block_q2_0, d) },
};
