/* matmul.c - matrix products, the two ways that all types have.
 *
 * Exact: a piece of a weight row becomes floats, which meet the float activations of each column.
 * Fast: a block of weights becomes small integers, which meet the 8-bit activations; the products of a sub-block of 16
 * are summed as integers, then scaled:  sum w x = sum_j scale[j] d[j / 2] (sum q qx) - min[j] s[j].
 *
 * Both go along a row once for COLUMNS columns, so that unpacking is paid once for them. The order in which an
 * element's terms are added depends on k alone. */
#include "kernels/generic/inline.h"
#include "kernels/scalar/dequantize.h"
#include "kernels/scalar/dot.h"
#include "kernels/scalar/scalar.h"

#define COLUMNS 16 /* computed together */
#define PIECE 256  /* weights of a row turned to floats at once: a multiple of every block and of PARTS */

static const void *column(const struct matmul_tile *t, int c)
{
    return (const uint8_t *)t->x + (size_t)c * t->x_stride;
}

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

/* Elements (row, first .. first + n_cols - 1). */
INLINE void exact_row(const struct matmul_tile *t, int row, int first, int n_cols, dequantize_fn *dequantize,
                      size_t block, size_t block_bytes)
{
    const uint8_t *w = (const uint8_t *)t->w + (size_t)row * t->w_stride;
    float piece[PIECE], parts[COLUMNS][PARTS] = { 0 };
    for (size_t i = 0; i < t->k; i += PIECE) {
        const size_t n = t->k - i < PIECE ? t->k - i : PIECE;
        dequantize(piece, w + i / block * block_bytes, n);
        for (int c = 0; c < n_cols; c++)
            add_products(parts[c], piece, (const float *)column(t, first + c) + i, n);
    }
    for (int c = 0; c < n_cols; c++)
        t->y[(size_t)(first + c) * t->y_stride + (size_t)row] = sum_parts(parts[c]);
}

INLINE void exact(const struct matmul_tile *t, dequantize_fn *dequantize, size_t block, size_t block_bytes)
{
    for (int row = 0; row < t->n_rows; row++)
        for (int first = 0; first < t->n_cols; first += COLUMNS)
            exact_row(t, row, first, min_int(t->n_cols - first, COLUMNS), dequantize, block, block_bytes);
}

/* What the block of weights u, of which the first meets activation i of a row x, adds to an element. */
INLINE float block_product(const struct quants *u, const uint8_t *x, size_t i, size_t k, size_t block)
{
    const int8_t *const q = (const int8_t *)x + i;
    const float *const d = (const float *)(x + act_q8_d(k)) + i / 32;
    const float *const s = (const float *)(x + act_q8_s(k)) + i / 16;
    float sum = 0;
    for (size_t j = 0; j < block / 16; j++) {
        int products = 0;
        for (size_t l = 16 * j; l < 16 * j + 16; l++)
            products += u->q[l] * q[l];
        sum += u->scale[j] * d[j / 2] * (float)products - u->min[j] * s[j];
    }
    return sum;
}

/* Elements (row, first .. first + n_cols - 1). */
INLINE void fast_row(const struct matmul_tile *t, int row, int first, int n_cols, unpack_fn *unpack, size_t block,
                     size_t block_bytes)
{
    const uint8_t *w = (const uint8_t *)t->w + (size_t)row * t->w_stride;
    float sums[COLUMNS] = { 0 };
    struct quants u;
    for (size_t i = 0; i < t->k; i += block, w += block_bytes) {
        unpack(&u, w);
        for (int c = 0; c < n_cols; c++)
            sums[c] += block_product(&u, column(t, first + c), i, t->k, block);
    }
    for (int c = 0; c < n_cols; c++)
        t->y[(size_t)(first + c) * t->y_stride + (size_t)row] = sums[c];
}

INLINE void fast(const struct matmul_tile *t, unpack_fn *unpack, size_t block, size_t block_bytes)
{
    for (int row = 0; row < t->n_rows; row++)
        for (int first = 0; first < t->n_cols; first += COLUMNS)
            fast_row(t, row, first, min_int(t->n_cols - first, COLUMNS), unpack, block, block_bytes);
}

#define EXACT(name, block, bytes) \
    static void exact_##name(const struct matmul_tile *t) { exact(t, dequantize_##name, block, bytes); }
#define EXACT_AND_FAST(name, NAME) \
    EXACT(name, BLOCK_##NAME, sizeof(struct block_##name)) \
    static void fast_##name(const struct matmul_tile *t) \
    { \
        fast(t, unpack_##name, BLOCK_##NAME, sizeof(struct block_##name)); \
    }
EXACT(f32, 1, 4)
EXACT(f16, 1, 2)
EXACT(bf16, 1, 2)
EXACT(f64, 1, 8)
QUANTISED_TYPES(EXACT_AND_FAST)
SCALAR_TYPES(EXACT_AND_FAST)

/* One function serves few and many columns. */
static struct matmul entry(enum act act, matmul_fn *fn)
{
    return (struct matmul){ { { act, 1, fn } } };
}

void kernels_init_scalar_matmul(struct kernels *k)
{
    for (int p = 0; p < PRECISION_COUNT; p++) { /* of these types the fast way is the exact one */
        k->matmul[p][DTYPE_F32] = entry(ACT_F32, exact_f32);
        k->matmul[p][DTYPE_F16] = entry(ACT_F32, exact_f16);
        k->matmul[p][DTYPE_BF16] = entry(ACT_F32, exact_bf16);
        k->matmul[p][DTYPE_F64] = entry(ACT_F32, exact_f64);
    }
#define ENTRY(name, NAME) \
    k->matmul[PRECISION_EXACT][DTYPE_##NAME] = entry(ACT_F32, exact_##name); \
    k->matmul[PRECISION_FAST][DTYPE_##NAME] = entry(ACT_Q8, fast_##name);
    QUANTISED_TYPES(ENTRY)
    SCALAR_TYPES(ENTRY)
#undef ENTRY
}
