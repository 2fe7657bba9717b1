/* weights.h - rows of weights of any type with chosen values, and what they mean as floats. */
#ifndef TESTS_KERNELS_WEIGHTS_H
#define TESTS_KERNELS_WEIGHTS_H

#include "kernels/scalar/dequantize.h"
#include "tests/kernels/harness.h"

/* Types with kernels. A quantised block is random bytes but for its f16 scales, which lie at scale_at. */
static const struct weight_type {
    enum dtype dtype;
    unpack_fn *unpack; /* NULL: floats */
    int n_scales, scale_at[2];
} weight_types[] = {
    { DTYPE_F32, NULL, 0, { 0 } },
    { DTYPE_F16, NULL, 0, { 0 } },
    { DTYPE_BF16, NULL, 0, { 0 } },
    { DTYPE_Q4_0, unpack_q4_0, 1, { 0 } },
    { DTYPE_Q4_1, unpack_q4_1, 2, { 0, 2 } },
    { DTYPE_Q5_0, unpack_q5_0, 1, { 0 } },
    { DTYPE_Q5_1, unpack_q5_1, 2, { 0, 2 } },
    { DTYPE_Q8_0, unpack_q8_0, 1, { 0 } },
    { DTYPE_Q2_K, unpack_q2_k, 2, { 80, 82 } },
    { DTYPE_Q3_K, unpack_q3_k, 1, { 108 } },
    { DTYPE_Q4_K, unpack_q4_k, 2, { 0, 2 } },
    { DTYPE_Q5_K, unpack_q5_k, 2, { 0, 2 } },
    { DTYPE_Q6_K, unpack_q6_k, 1, { 208 } },
};
#define N_WEIGHT_TYPES ((int)(sizeof weight_types / sizeof *weight_types))

static size_t row_bytes(enum dtype dtype, size_t n)
{
    uint64_t bytes = 0;
    assert_true(dtype_row_bytes(dtype, n, &bytes));
    return (size_t)bytes;
}

static void fill_float_weights(uint8_t *w, enum dtype dtype, size_t n, enum fill fill)
{
    for (size_t i = 0; i < n; i++) {
        const float f = fill_value(fill, dtype == DTYPE_F16 ? 65504 : 1e15f);
        const uint16_t half = dtype == DTYPE_F16 ? f16_from_f32(f) : bf16_from_f32(f);
        if (dtype == DTYPE_F32)
            memcpy(w + 4 * i, &f, 4);
        else
            memcpy(w + 2 * i, &half, 2);
    }
}

static uint16_t fill_scale(enum fill fill)
{
    switch (fill) {
    case FILL_ZERO: return 0;
    case FILL_RANDOM: return f16_from_f32(random_float());
    case FILL_LARGE: return f16_from_f32(random_int(0, 1) ? 65504 : -65504);
    default: return (uint16_t)(random_int(0, 1) << 15 | random_int(0, 0x3ff)); /* subnormal */
    }
}

/* A row of n weights. Large ones have bytes whose quants lie at the ends of their range. */
static void fill_weights(uint8_t *w, const struct weight_type *t, size_t n, enum fill fill)
{
    if (!t->unpack) {
        fill_float_weights(w, t->dtype, n, fill);
        return;
    }
    static const uint8_t extremes[] = { 0x00, 0xff, 0x80, 0x7f, 0xf0, 0x0f };
    const struct dtype_info *const info = dtype_info(t->dtype);
    for (size_t b = 0; b < n / info->block; b++, w += info->bytes) {
        random_bytes(w, info->bytes);
        const int same = random_int(0, 1); /* a block of one extreme: the largest sums there are */
        const uint8_t one = extremes[random_int(0, 5)];
        for (size_t i = 0; fill == FILL_LARGE && i < info->bytes; i++)
            w[i] = same ? one : extremes[random_int(0, 5)];
        for (int s = 0; s < t->n_scales; s++) {
            const uint16_t scale = fill_scale(fill);
            memcpy(w + t->scale_at[s], &scale, 2);
        }
    }
}

/* Each weight's value, and the size of what it is the difference of: |scale q| + |min|. */
static void weight_values(double *value, double *size, const struct weight_type *t, const uint8_t *w, size_t n)
{
    if (!t->unpack) {
        for (size_t i = 0; i < n; i++) {
            float f;
            if (t->dtype == DTYPE_F32)
                memcpy(&f, w + 4 * i, 4);
            else
                f = t->dtype == DTYPE_F16 ? f16_to_f32(read_u16(w + 2 * i)) : bf16_to_f32(read_u16(w + 2 * i));
            value[i] = (double)f;
            size[i] = fabs(value[i]);
        }
        return;
    }
    struct quants u;
    const struct dtype_info *const info = dtype_info(t->dtype);
    for (size_t i = 0; i < n; i++) {
        const size_t j = i % info->block;
        if (j == 0)
            t->unpack(&u, w + i / info->block * info->bytes);
        const double product = (double)u.scale[j / 16] * u.q[j], min = (double)u.min[j / 16];
        value[i] = product - min;
        size[i] = fabs(product) + fabs(min);
    }
}

/* The value of activation i of a prepared row of k. */
static double activation_value(enum act act, const uint8_t *row, size_t i, size_t k)
{
    float d;
    switch (act) {
    case ACT_F32: return (double)((const float *)row)[i];
    case ACT_BF16: return (double)bf16_to_f32(((const uint16_t *)row)[i]);
    default:
        memcpy(&d, row + act_q8_d(k) + i / 32 * 4, 4);
        return (double)d * ((const int8_t *)row)[i];
    }
}

#endif
