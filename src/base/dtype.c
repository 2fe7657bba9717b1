/* dtype.c - the one table of tensor types. Sizes are those of the GGUF specification. */
#include "src/base/dtype.h"

static const struct dtype_info table[DTYPE_COUNT] = {
    [DTYPE_F32] = { "f32", 1, 4 },
    [DTYPE_F16] = { "f16", 1, 2 },
    [DTYPE_BF16] = { "bf16", 1, 2 },
    [DTYPE_F64] = { "f64", 1, 8 },
    [DTYPE_I8] = { "i8", 1, 1 },
    [DTYPE_I16] = { "i16", 1, 2 },
    [DTYPE_I32] = { "i32", 1, 4 },
    [DTYPE_I64] = { "i64", 1, 8 },
    [DTYPE_Q4_0] = { "q4_0", 32, 18 },
    [DTYPE_Q4_1] = { "q4_1", 32, 20 },
    [DTYPE_Q5_0] = { "q5_0", 32, 22 },
    [DTYPE_Q5_1] = { "q5_1", 32, 24 },
    [DTYPE_Q8_0] = { "q8_0", 32, 34 },
    [DTYPE_Q8_1] = { "q8_1", 32, 36 },
    [DTYPE_Q2_K] = { "q2_k", 256, 84 },
    [DTYPE_Q3_K] = { "q3_k", 256, 110 },
    [DTYPE_Q4_K] = { "q4_k", 256, 144 },
    [DTYPE_Q5_K] = { "q5_k", 256, 176 },
    [DTYPE_Q6_K] = { "q6_k", 256, 210 },
    [DTYPE_Q8_K] = { "q8_k", 256, 292 },
    [DTYPE_IQ2_XXS] = { "iq2_xxs", 256, 66 },
    [DTYPE_IQ2_XS] = { "iq2_xs", 256, 74 },
    [DTYPE_IQ2_S] = { "iq2_s", 256, 82 },
    [DTYPE_IQ3_XXS] = { "iq3_xxs", 256, 98 },
    [DTYPE_IQ3_S] = { "iq3_s", 256, 110 },
    [DTYPE_IQ1_S] = { "iq1_s", 256, 50 },
    [DTYPE_IQ1_M] = { "iq1_m", 256, 56 },
    [DTYPE_IQ4_NL] = { "iq4_nl", 32, 18 },
    [DTYPE_IQ4_XS] = { "iq4_xs", 256, 136 },
    [DTYPE_TQ1_0] = { "tq1_0", 256, 54 },
    [DTYPE_TQ2_0] = { "tq2_0", 256, 66 },
    [DTYPE_MXFP4] = { "mxfp4", 32, 17 },
    [DTYPE_NVFP4] = { "nvfp4", 64, 36 },
    [DTYPE_Q1_0] = { "q1_0", 128, 18 },
    [DTYPE_Q2_0] = { "q2_0", 64, 18 },
    [DTYPE_U8] = { "u8", 1, 1 },
    [DTYPE_U16] = { "u16", 1, 2 },
    [DTYPE_U32] = { "u32", 1, 4 },
    [DTYPE_U64] = { "u64", 1, 8 },
    [DTYPE_BOOL] = { "bool", 1, 1 },
    [DTYPE_F8_E4M3] = { "f8_e4m3", 1, 1 },
    [DTYPE_F8_E5M2] = { "f8_e5m2", 1, 1 },
};

const struct dtype_info *dtype_info(uint64_t type)
{
    return type < DTYPE_COUNT && table[type].name ? &table[type] : NULL;
}

const char *dtype_name(uint64_t type)
{
    const struct dtype_info *t = dtype_info(type);
    return t ? t->name : "unknown";
}

bool dtype_row_bytes(uint64_t type, uint64_t n, uint64_t *bytes)
{
    const struct dtype_info *t = dtype_info(type);
    return t && n % t->block == 0 && !__builtin_mul_overflow(n / t->block, t->bytes, bytes);
}
