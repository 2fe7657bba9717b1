/* quantize.c - the types: what each can say, who fits it and who packs it. */
#include "src/quantize/quantize.h"

#include "kernels/codebooks.h"
#include "src/base/error.h"
#include "src/base/numbers.h"
#include "src/quantize/pack.h"

#include <math.h>

/* The levels of mxfp4 and nvfp4 rise; the codebook begins with those that are not negative. */
static const int8_t fp4_levels[16] = { -12, -8, -6, -4, -3, -2, -1, 0, 0, 1, 2, 3, 4, 6, 8, 12 };
static const int8_t signs[16] = { -1, -1, -1, -1, -1, -1, -1, -1, 1, 1, 1, 1, 1, 1, 1, 1 };

static const struct type {
    struct form form;
    pack_fn *pack;
} types[] = {
#define WHOLE(lo, hi) { lo, hi, NULL }
#define NL { -127, 113, codebook_iq4_nl }
    /* codes, block, sub-block, scales, minima, one minimum, kind of scale, plain */
    [DTYPE_Q4_0] = { { WHOLE(-8, 7), 32, 32, WHOLE(0, 0), 0, false, SCALE_F16, true }, pack_q4_0 },
    [DTYPE_Q4_1] = { { WHOLE(0, 15), 32, 32, WHOLE(0, 0), 0, true, SCALE_F16, true }, pack_q4_1 },
    [DTYPE_Q5_0] = { { WHOLE(-16, 15), 32, 32, WHOLE(0, 0), 0, false, SCALE_F16, true }, pack_q5_0 },
    [DTYPE_Q5_1] = { { WHOLE(0, 31), 32, 32, WHOLE(0, 0), 0, true, SCALE_F16, true }, pack_q5_1 },
    [DTYPE_Q8_0] = { { WHOLE(-127, 127), 32, 32, WHOLE(0, 0), 0, false, SCALE_F16, true }, pack_q8_0 },
    [DTYPE_IQ4_NL] = { { NL, 32, 32, WHOLE(0, 0), 0, false, SCALE_F16, false }, pack_iq4_nl },
    [DTYPE_MXFP4] = { { { -12, 12, fp4_levels }, 32, 32, WHOLE(0, 0), 0, false, SCALE_E8M0, false }, pack_mxfp4 },
    [DTYPE_NVFP4] = { { { -12, 12, fp4_levels }, 64, 16, WHOLE(0, 0), 0, false, SCALE_UE4M3, false }, pack_nvfp4 },
    [DTYPE_Q2_K] = { { WHOLE(0, 3), 256, 16, WHOLE(0, 15), 15, false, SCALE_F16, false }, pack_q2_k },
    [DTYPE_Q3_K] = { { WHOLE(-4, 3), 256, 16, WHOLE(-32, 31), 0, false, SCALE_F16, false }, pack_q3_k },
    [DTYPE_Q4_K] = { { WHOLE(0, 15), 256, 32, WHOLE(0, 63), 63, false, SCALE_F16, false }, pack_q4_k },
    [DTYPE_Q5_K] = { { WHOLE(0, 31), 256, 32, WHOLE(0, 63), 63, false, SCALE_F16, false }, pack_q5_k },
    [DTYPE_Q6_K] = { { WHOLE(-32, 31), 256, 16, WHOLE(-128, 127), 0, false, SCALE_F16, false }, pack_q6_k },
    [DTYPE_IQ4_XS] = { { NL, 256, 32, WHOLE(-32, 31), 0, false, SCALE_F16, false }, pack_iq4_xs },
    [DTYPE_TQ1_0] = { { WHOLE(-1, 1), 256, 256, WHOLE(0, 0), 0, false, SCALE_F16, false }, pack_tq1_0 },
    [DTYPE_TQ2_0] = { { WHOLE(-1, 1), 256, 256, WHOLE(0, 0), 0, false, SCALE_F16, false }, pack_tq2_0 },
    [DTYPE_Q1_0] = { { { -1, 1, signs }, 128, 128, WHOLE(0, 0), 0, false, SCALE_F16, false }, pack_q1_0 },
    [DTYPE_Q2_0] = { { WHOLE(-1, 2), 64, 64, WHOLE(0, 0), 0, false, SCALE_F16, false }, pack_q2_0 },
#undef WHOLE
#undef NL
};
enum { TYPES = sizeof types / sizeof *types };

static const int8_t sizes_iq2[16] = { 8, 25, 43, 43, 43, 43, 43, 43, 43, 43, 43, 43, 43, 43, 43, 43 };
static const int8_t sizes_iq3_xxs[16] = { 4, 12, 20, 28, 36, 44, 52, 62, 62, 62, 62, 62, 62, 62, 62, 62 };
static const int8_t sizes_iq3_s[16] = { 1, 3, 5, 7, 9, 11, 13, 15, 15, 15, 15, 15, 15, 15, 15, 15 };

static const struct grid_type {
    struct grid_form form;
    pack_grid_fn *pack;
} grid_types[] = {
#define GRID(name, n_values) codebook_##name, sizeof codebook_##name / n_values, n_values
#define IQ2 { 8, 43, sizes_iq2 }
    /* codes, sub-block, scales, divisor, extra, sizes */
    [DTYPE_IQ2_XXS] = { { GRID(iq2_xxs, 8), 32, 16, 8, SIGNS_EVEN, IQ2 }, pack_iq2_xxs },
    [DTYPE_IQ2_XS] = { { GRID(iq2_xs, 8), 16, 16, 8, SIGNS_EVEN, IQ2 }, pack_iq2_xs },
    [DTYPE_IQ2_S] = { { GRID(iq2_s, 8), 16, 16, 8, SIGNS, IQ2 }, pack_iq2_s },
    [DTYPE_IQ3_XXS] = { { GRID(iq3_xxs, 4), 32, 16, 4, SIGNS_EVEN, { 4, 62, sizes_iq3_xxs } }, pack_iq3_xxs },
    [DTYPE_IQ3_S] = { { GRID(iq3_s, 4), 32, 16, 1, SIGNS, { 1, 15, sizes_iq3_s } }, pack_iq3_s },
    [DTYPE_IQ1_S] = { { GRID(iq1, 8), 32, 8, 1, SHIFT_GROUP, { -1, 1, NULL } }, pack_iq1_s },
    [DTYPE_IQ1_M] = { { GRID(iq1, 8), 16, 8, 1, SHIFT_RUN, { -1, 1, NULL } }, pack_iq1_m },
#undef IQ2
#undef GRID
};
enum { GRID_TYPES = sizeof grid_types / sizeof *grid_types };

static bool is_grid(enum dtype type)
{
    return (unsigned)type < GRID_TYPES && grid_types[type].pack;
}

static bool is_number(enum dtype type)
{
    return type == DTYPE_F32 || type == DTYPE_F16 || type == DTYPE_BF16;
}

bool quantize_has(enum dtype type)
{
    return is_number(type) || is_grid(type) || ((unsigned)type < TYPES && types[type].pack);
}

static bool round_row(enum dtype type, uint8_t *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint16_t h = type == DTYPE_F16 ? f16_from_f32(x[i]) : bf16_from_f32(x[i]);
        if (!isfinite(x[i]) || (type != DTYPE_F32 && !isfinite(type == DTYPE_F16 ? f16_to_f32(h) : bf16_to_f32(h))))
            return false;
        if (type == DTYPE_F32)
            memcpy(y + 4 * i, &x[i], 4);
        else
            memcpy(y + 2 * i, &h, 2);
    }
    return true;
}

struct quantizer {
    const infer_allocator *a;
    const struct kernels *k;
    enum dtype type;
    struct grid grid; /* of types that have one */
};

struct quantizer *quantizer_open(const infer_allocator *a, const struct kernels *k, enum dtype type, infer_error *err)
{
    if (!quantize_has(type))
        return fail_null(err, INFER_E_ARGUMENT, "there is no quantiser for %s", dtype_name(type));
    struct quantizer *q = mem_new(a, 1, sizeof *q);
    if (!q)
        return fail_memory(err, "a quantiser"), NULL;
    q->a = a;
    q->k = k;
    q->type = type;
    if (is_grid(type)) {
        const struct grid_form *form = &grid_types[type].form;
        grid_build(&q->grid, form->codes, form->n_codes, form->n_values);
    }
    return q;
}

void quantizer_close(struct quantizer **q)
{
    if (*q)
        mem_free((*q)->a, *q);
    *q = NULL;
}

static bool quantize_block(const struct quantizer *q, void *block, const float *x, const float *importance)
{
    struct fitted f;
    struct fitted_grid g;
    if (is_grid(q->type)) {
        const struct grid_type *type = &grid_types[q->type];
        if (!fit_grid_block(&g, q->k, &type->form, &q->grid, x, importance))
            return false;
        type->pack(block, &g);
    } else {
        if (!fit_block(&f, q->k, &types[q->type].form, x, importance))
            return false;
        types[q->type].pack(block, &f);
    }
    return true;
}

bool quantize_row(const struct quantizer *q, void *blocks, const float *x, size_t n, const float *importance)
{
    uint64_t bytes;
    if (!dtype_row_bytes(q->type, n, &bytes))
        return false;
    if (is_number(q->type))
        return round_row(q->type, blocks, x, n);
    const struct dtype_info *info = dtype_info(q->type);
    for (size_t i = 0; i < n; i += info->block)
        if (!quantize_block(q, (uint8_t *)blocks + i / info->block * info->bytes, x + i,
                            importance ? importance + i : NULL))
            return false;
    return true;
}
