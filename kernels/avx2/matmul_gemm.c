/* matmul_gemm.c - quantised weights times 8-bit activations for many columns: panels.
 *
 * Rows stand in lanes. A panel is PANEL = 8 rows by up to CHUNK values of k, unpacked once for all columns, in the
 * order in which the inner loop reads it; a group is 32 values where scales are those of 32 weights, else 16:
 *   group:  [group / 4][8 rows] dwords of 4 weights | [8 rows] scales | [8 rows] minima, if the type has them
 * A column's piece of as many values is packed too: its 8-bit values, its scales, and for each group what its sum is
 * needed for (see below). Rows of activations may lie at a stride that maps them all to the same lines of the cache;
 * packed they do not.
 *
 * The inner loop holds 8 rows of up to 4 columns: vpmaddubsw multiplies and adds pairs in 16 bits, where as many
 * steps are added as fit, then vpmaddwd adds pairs in 32. At the end of a group the sums are scaled and added to the
 * floats. No conversion: the integers start from the bits of 1.5 * 2^23, so that read as a float a sum is 1.5 * 2^23
 * + itself, and one multiply-add with -1.5 * 2^23 * d leaves d times the sum, rounded once (d has at most 19
 * significant bits). A constant offset of the type starts them lower still, by offset * sum(x) of the group; minima
 * take one more multiply-add with the scaled sums.
 *
 * The order of additions to an element is that of k, whatever the tile. */
#include "kernels/avx2/matmul.h"
#include "kernels/avx2/matmul_transpose.h"
#include "kernels/avx2/matmul_types.h"

#include <string.h>

#define PANEL 8
#define CHUNK 512
#define COLUMNS 4   /* of the inner loop */
#define PACKED 512  /* columns packed at a time */
#define MAGIC 0x1.8p23f
#define MAGIC_BITS 0x4b400000

/* A column's piece of a chunk. */
struct packed {
    int8_t q[CHUNK];
    float d[CHUNK / 32];
    union {
        int32_t start[CHUNK / 16]; /* MAGIC_BITS - offset * sum(q) of each group */
        float s[CHUNK / 16];       /* d * sum(q) of each group */
    };
};

struct scratch {
    uint8_t panel[CHUNK / 16 * PANEL * (16 + 4 + 4)];
    struct packed x[PACKED];
};
_Static_assert(sizeof(struct scratch) <= KERNEL_SCRATCH_BYTES && sizeof(struct packed) % 64 == 0, "room, alignment");

INLINE int group_values(struct type type)
{
    return type.pairs ? 32 : 16;
}

INLINE size_t group_bytes(struct type type)
{
    return (size_t)PANEL * (size_t)(group_values(type) + 4 + (type.minima ? 4 : 0));
}

/* n values, a multiple of 32, from value i of the row x. */
INLINE void pack_column(struct packed *p, const uint8_t *x, size_t i, size_t n, size_t k, struct type type)
{
    const size_t values = (size_t)group_values(type);
    const float *const s = (const float *)(x + act_q8_s(k)) + i / 16;
    memcpy(p->q, x + i, n);
    memcpy(p->d, (const float *)(x + act_q8_d(k)) + i / 32, n / 32 * sizeof(float));
    for (size_t g = 0; g < n / values; g++) {
        if (type.minima) {
            p->s[g] = type.pairs ? s[2 * g] + s[2 * g + 1] : s[g];
        } else {
            int sum = 0;
            for (size_t l = 0; l < values; l++)
                sum += p->q[g * values + l];
            p->start[g] = MAGIC_BITS - type.offset * sum;
        }
    }
}

/* 8 rows of a unit to their panel. */
INLINE void unpack_unit(uint8_t *panel, const uint8_t *const w[PANEL], size_t at, int n_blocks, struct type type)
{
    const int values = group_values(type), per_group = values / 16; /* sub-blocks */
    __m256 q[8][PANEL], d[2][PANEL], m[2][PANEL];
    for (int row = 0; row < PANEL; row++) {
        struct unit u;
        type.unpack(&u, w[row] + at, n_blocks);
        for (int g = 0; g < 8; g++)
            q[g][row] = _mm256_castsi256_ps(u.q[g]);
        for (int h = 0; h < 2; h++) {
            d[h][row] = u.d[h];
            m[h][row] = type.minima ? u.m[h] : _mm256_setzero_ps();
        }
    }
    for (int g = 0; g < 8; g++) {
        transpose_8x8(q[g]);
        for (int j = 0; j < 8; j++) {
            uint8_t *const group = panel + (size_t)((8 * g + j) / (values / 4)) * group_bytes(type);
            _mm256_storeu_ps((float *)(void *)(group + (8 * g + j) % (values / 4) * PANEL * 4), q[g][j]);
        }
    }
    for (int h = 0; h < 2; h++) {
        transpose_8x8(d[h]);
        if (type.minima)
            transpose_8x8(m[h]);
        for (int j = 0; j < 8; j += per_group) {
            uint8_t *const scales = panel + (size_t)((8 * h + j) / per_group) * group_bytes(type) + values * PANEL;
            _mm256_storeu_ps((float *)(void *)scales, d[h][j]);
            if (type.minima)
                _mm256_storeu_ps((float *)(void *)scales + PANEL, m[h][j]);
        }
    }
}

/* Rows from `row` on, n values from value i of each. Rows past the last one are copies of it. */
INLINE void unpack_panel(uint8_t *panel, const struct matmul_tile *t, int row, size_t i, size_t n, struct type type)
{
    const uint8_t *w[PANEL];
    for (int r = 0; r < PANEL; r++)
        w[r] = (const uint8_t *)t->w + (size_t)(row + r < t->n_rows ? row + r : t->n_rows - 1) * t->w_stride;
    for (size_t j = 0; j < n; j += UNIT) {
        const size_t left = n - j < UNIT ? n - j : UNIT, at = (i + j) / (size_t)type.block * (size_t)type.bytes;
        uint8_t *const to = panel + j / (size_t)group_values(type) * group_bytes(type);
        if (left == UNIT)
            unpack_unit(to, w, at, UNIT / type.block, type);
        else if (type.block < UNIT)
            unpack_unit(to, w, at, (int)left / type.block, type);
    }
}

/* Sums of pairs of products in 16 bits. */
INLINE __m256i multiply_pairs(__m256i w, __m256i sizes, __m256i x, struct type type)
{
    return type.bits == 8 ? _mm256_maddubs_epi16(sizes, _mm256_sign_epi8(x, w)) : _mm256_maddubs_epi16(w, x);
}

/* A group's products of 8 rows and n_cols columns, added to the sums. */
INLINE void add_group(__m256 sums[COLUMNS], const uint8_t *panel, const struct packed *x, size_t group, int n_cols,
                      struct type type)
{
    /* Steps that fit 16 bits: each adds at most 2 * 127 * (2^bits - 1); of signed weights, of up to 128, one. */
    const int fit = type.bits <= 4 ? 8 : type.bits == 5 ? 4 : type.bits == 6 ? 2 : 1;
    const int values = group_values(type);
    __m256i products[COLUMNS];
    for (int c = 0; c < n_cols; c++)
        products[c] = _mm256_set1_epi32(type.minima ? MAGIC_BITS : x[c].start[group]);
    for (int j = 0; j < values / 4; j += fit) {
        __m256i pairs[COLUMNS];
        for (int l = j; l < j + fit && l < values / 4; l++) {
            const __m256i w = _mm256_loadu_si256((const __m256i *)(panel + l * PANEL * 4)), sizes = _mm256_abs_epi8(w);
            for (int c = 0; c < n_cols; c++) {
                const __m256i q = _mm256_set1_epi32((int)read_u32(x[c].q + group * (size_t)values + 4 * l));
                const __m256i more = multiply_pairs(w, sizes, q, type);
                pairs[c] = l == j ? more : _mm256_add_epi16(pairs[c], more);
            }
        }
        for (int c = 0; c < n_cols; c++)
            products[c] = _mm256_add_epi32(products[c], _mm256_madd_epi16(pairs[c], _mm256_set1_epi16(1)));
    }
    const float *const scales = (const float *)(const void *)(panel + values * PANEL);
    const __m256 d = _mm256_loadu_ps(scales), magic = _mm256_mul_ps(d, _mm256_set1_ps(-MAGIC));
    for (int c = 0; c < n_cols; c++) {
        const __m256 scaled = _mm256_fmadd_ps(_mm256_castsi256_ps(products[c]), d, magic);
        sums[c] = _mm256_fmadd_ps(scaled, _mm256_broadcast_ss(&x[c].d[group * (size_t)values / 32]), sums[c]);
        if (type.minima)
            sums[c] = _mm256_fmadd_ps(_mm256_loadu_ps(scales + PANEL), _mm256_broadcast_ss(&x[c].s[group]), sums[c]);
    }
}

/* A panel times n_cols packed columns: n values more of the elements at y, of which n_rows are wanted. */
INLINE void multiply(float *y, size_t y_stride, const uint8_t *panel, const struct packed *x, size_t n, bool first,
                     int n_rows, int n_cols, struct type type)
{
    const __m256i rows = _mm256_cmpgt_epi32(_mm256_set1_epi32(n_rows), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    __m256 sums[COLUMNS];
    for (int c = 0; c < n_cols; c++)
        sums[c] = first ? _mm256_setzero_ps() : _mm256_maskload_ps(y + (size_t)c * y_stride, rows);
    for (size_t group = 0; group < n / (size_t)group_values(type); group++, panel += group_bytes(type))
        add_group(sums, panel, x, group, n_cols, type);
    for (int c = 0; c < n_cols; c++)
        _mm256_maskstore_ps(y + (size_t)c * y_stride, rows, sums[c]);
}

/* A panel times all packed columns. */
INLINE void multiply_all(float *y, size_t y_stride, const struct scratch *s, size_t n, bool first, int n_rows,
                         int n_cols, struct type type)
{
    int c = 0;
    for (; c + COLUMNS <= n_cols; c += COLUMNS)
        multiply(y + (size_t)c * y_stride, y_stride, s->panel, s->x + c, n, first, n_rows, COLUMNS, type);
    float *const rest = y + (size_t)c * y_stride;
    switch (n_cols - c) {
    case 3: multiply(rest, y_stride, s->panel, s->x + c, n, first, n_rows, 3, type); break;
    case 2: multiply(rest, y_stride, s->panel, s->x + c, n, first, n_rows, 2, type); break;
    case 1: multiply(rest, y_stride, s->panel, s->x + c, n, first, n_rows, 1, type); break;
    }
}

INLINE void gemm(const struct matmul_tile *t, struct type type)
{
    struct scratch *const s = t->scratch;
    for (int col = 0; col < t->n_cols; col += PACKED) {
        const int n_cols = t->n_cols - col < PACKED ? t->n_cols - col : PACKED;
        float *const y = t->y + (size_t)col * t->y_stride;
        for (size_t i = 0; i < t->k; i += CHUNK) {
            const size_t n = t->k - i < CHUNK ? t->k - i : CHUNK;
            for (int c = 0; c < n_cols; c++)
                pack_column(&s->x[c], (const uint8_t *)t->x + (size_t)(col + c) * t->x_stride, i, n, t->k, type);
            for (int row = 0; row < t->n_rows; row += PANEL) {
                unpack_panel(s->panel, t, row, i, n, type);
                multiply_all(y + row, t->y_stride, s, n, i == 0, t->n_rows - row, n_cols, type);
            }
        }
    }
}

#define GEMM(name, NAME) \
    void avx2_gemm_##name(const struct matmul_tile *t) \
    { \
        gemm(t, type_##name); \
    }
QUANTISED_TYPES(GEMM)
