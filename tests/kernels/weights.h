/* weights.h - rows of weights of any type with chosen values, and what they mean as floats. */
#ifndef TESTS_KERNELS_WEIGHTS_H
#define TESTS_KERNELS_WEIGHTS_H

#include "kernels/scalar/dequantize.h"
#include "kernels/scales.h"
#include "tests/kernels/harness.h"

/* Types with kernels; the last ones can be turned to floats and no more. */
static const struct weight_type {
    enum dtype dtype;
    unpack_fn *unpack; /* NULL: plain numbers */
    bool no_product;
} weight_types[] = {
    { DTYPE_F32, NULL, false },
    { DTYPE_F16, NULL, false },
    { DTYPE_BF16, NULL, false },
    { DTYPE_F64, NULL, false },
#define ROW(name, NAME) { DTYPE_##NAME, unpack_##name, false },
    QUANTISED_TYPES(ROW)
    SCALAR_TYPES(ROW)
#undef ROW
    { DTYPE_I8, NULL, true },
    { DTYPE_I16, NULL, true },
    { DTYPE_I32, NULL, true },
    { DTYPE_I64, NULL, true },
};
#define N_WEIGHT_TYPES ((int)(sizeof weight_types / sizeof *weight_types))

static size_t row_bytes(enum dtype dtype, size_t n)
{
    uint64_t bytes = 0;
    assert_true(dtype_row_bytes(dtype, n, &bytes));
    return (size_t)bytes;
}

/* A scale. Those of 16 bits and less are taken to the ends of their range, subnormal numbers among the small ones. */
static void fill_scale(uint8_t *p, enum number number, enum fill fill)
{
    static const struct {
        int zero, random[2], large, small[2];
    } bits[NUMBER_COUNT] = {
        [NUMBER_E8M0] = { 0, { 115, 130 }, 143, { 0, 110 } },
        [NUMBER_UE4M3] = { 0, { 0, 255 }, 0x7e, { 1, 7 } },
        [NUMBER_F16] = { .large = 0x7bff, .small = { 0, 0x3ff } }, /* random: a number in (-1, 1) */
    };
    const enum number kind = number == NUMBER_F16_SPREAD ? NUMBER_F16 : number;
    if (number == NUMBER_F32) {
        const float f = fill_value(fill, 65504);
        memcpy(p, &f, sizeof f);
        return;
    }
    int v = 0;
    switch (fill) {
    case FILL_ZERO: v = bits[kind].zero; break;
    case FILL_LARGE: v = bits[kind].large; break;
    case FILL_SMALL: v = random_int(bits[kind].small[0], bits[kind].small[1]); break;
    default:
        v = kind == NUMBER_F16 ? f16_from_f32(random_float()) : random_int(bits[kind].random[0], bits[kind].random[1]);
    }
    if (kind == NUMBER_F16 && fill != FILL_RANDOM)
        v |= random_int(0, 1) << 15; /* the others have no sign */
    if (number == NUMBER_F16_SPREAD)
        write_f16_spread(p, (uint16_t)v);
    else
        memcpy(p, &v, (size_t)number_bytes(number));
}

/* Numbers that are the weights themselves; whole ones are any bits. */
static void fill_numbers(uint8_t *w, enum dtype dtype, size_t n, enum fill fill)
{
    const size_t bytes = dtype_info(dtype)->bytes;
    random_bytes(w, n * bytes);
    for (size_t i = 0; scales_of[dtype].count && i < n; i++) {
        const float f = fill_value(fill, dtype == DTYPE_F16 ? 65504 : 1e15f);
        const double d = (double)f;
        const uint16_t half = dtype == DTYPE_F16 ? f16_from_f32(f) : bf16_from_f32(f);
        memcpy(w + bytes * i, bytes == 8 ? (const void *)&d : bytes == 4 ? (const void *)&f : &half, bytes);
    }
}

/* A row of n weights. Large ones have bytes whose quants lie at the ends of their range. */
static void fill_weights(uint8_t *w, const struct weight_type *t, size_t n, enum fill fill)
{
    if (!t->unpack) {
        fill_numbers(w, t->dtype, n, fill);
        return;
    }
    static const uint8_t extremes[] = { 0x00, 0xff, 0x80, 0x7f, 0xf0, 0x0f };
    const struct dtype_info *const info = dtype_info(t->dtype);
    const struct scales *const scales = &scales_of[t->dtype];
    for (size_t b = 0; b < n / info->block; b++, w += info->bytes) {
        random_bytes(w, info->bytes);
        const int same = random_int(0, 1); /* a block of one extreme: the largest sums there are */
        const uint8_t one = extremes[random_int(0, 5)];
        for (size_t i = 0; fill == FILL_LARGE && i < info->bytes; i++)
            w[i] = same ? one : extremes[random_int(0, 5)];
        for (int s = 0; s < scales->count; s++)
            fill_scale(w + scales->offset + s * number_bytes(scales->number), scales->number, fill);
    }
}

static double number_value(enum dtype dtype, const uint8_t *p)
{
    double d;
    switch (dtype) {
    case DTYPE_F32: return (double)f32_from_bits(read_u32(p));
    case DTYPE_F16: return (double)f16_to_f32(read_u16(p));
    case DTYPE_BF16: return (double)bf16_to_f32(read_u16(p));
    case DTYPE_F64: memcpy(&d, p, sizeof d); return d;
    case DTYPE_I8: return (int8_t)*p;
    case DTYPE_I16: return (int16_t)read_u16(p);
    case DTYPE_I32: return (int32_t)read_u32(p);
    default: return (double)(float)(int64_t)read_u64(p); /* rounded once, as a double between would not be */
    }
}

/* Each weight's value, and the size of what it is the difference of: |scale q| + |min|. */
static void weight_values(double *value, double *size, const struct weight_type *t, const uint8_t *w, size_t n)
{
    if (!t->unpack) {
        for (size_t i = 0; i < n; i++) {
            value[i] = number_value(t->dtype, w + dtype_info(t->dtype)->bytes * i);
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
    case ACT_Q8_PAIR:
        return activation_value(ACT_Q8, row, i, k) + activation_value(ACT_Q8, row + act_row_bytes(ACT_Q8, k), i, k);
    default:
        memcpy(&d, row + act_q8_d(k) + i / 32 * 4, 4);
        return (double)d * ((const int8_t *)row)[i];
    }
}

#endif
