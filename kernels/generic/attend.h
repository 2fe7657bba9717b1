/* attend.h - attention of query rows to blocks of stored keys and values by running soft-max, written once over the
 * vector of kernels/<set>/simd.h and the pairs of pairs.h or of the set's own.
 *
 * Rows are taken R at a time, block by block, in three steps:
 *   scores   R rows times STEP keys: R x 2 vectors of sums stay in registers while all pairs of a key pass
 *   weights  row by row: soft cap, new maximum, 2^(score - max); keys outside the row's range get 0
 *   values   R rows times STEP numbers of the output, while all pairs of positions pass
 * Up to FEW_ROWS rows read the stored form directly. For more of them a block is first brought into the form of pairs,
 * once: the same numbers, so the same bits. Values that are part of the keys always come about so.
 *
 * Whatever R is, a score is summed in the same order, and an output takes the pairs of positions one after the other.
 * So a row does not depend on the others. Nor does it touch values that only its neighbours see, which might be NaN. */
#ifndef KERNELS_GENERIC_ATTEND_H
#define KERNELS_GENERIC_ATTEND_H

#include "kernels/generic/inline.h"
#include "kernels/generic/math.h"
#include "kernels/kv.h"

#include <string.h>

enum {
    STEP = 2 * PAIRS, /* sums of a row in a tile: keys of scores, numbers of values */
    R_MOST = VF_REGISTERS == 32 ? 8 : 4,
    FEW_ROWS = 8,
    GROUP = 64, /* rows that share a block made pairs */
};

/* Alone in the scratch memory. */
struct attend_scratch {
    pnum k[ATTEND_KEYS * ATTEND_WIDTH], v[ATTEND_KEYS * ATTEND_WIDTH];
    pnum q[GROUP * ATTEND_WIDTH];
    pnum weights[R_MOST][ATTEND_KEYS];
    float scores[R_MOST][ATTEND_KEYS];
    float sums[GROUP][VF]; /* of weights: the parts of each row's sum */
};
_Static_assert(sizeof(struct attend_scratch) <= KERNEL_SCRATCH_BYTES, "room");

/* R rows and one block. */
struct attend_tile {
    const struct attend *a;
    int row, n;                      /* the first row of the call, and how many there are, 1 to R */
    int first[R_MOST], last[R_MOST]; /* keys of the block that each sees; an empty range is 0, 0 */
    int any_first, any_last;         /* from the first to the last key that one of them sees */
    int all_first, all_last;         /* keys that all n see, maybe none */
    const uint8_t *k, *v;
    enum dtype k_type, v_type; /* as they are read: stored, or made pairs */
    ptrdiff_t ahead;           /* bytes from the block to the next one, which is fetched meanwhile */
    const pnum *q;             /* of R rows */
    size_t q_stride;
    float (*sums)[VF]; /* of R rows */
    struct attend_scratch *s;
};

static inline int attend_min(int a, int b)
{
    return a < b ? a : b;
}
static inline int attend_max(int a, int b)
{
    return a > b ? a : b;
}

/* ---- Stored numbers ---- */

/* VF numbers of a line from number x on, a multiple of VF; quantised ones without their scale. */
INLINE vf kv_load(const uint8_t *line, size_t x, const enum dtype type)
{
    switch (type) {
    case DTYPE_F32: return vf_load((const float *)(const void *)(line + 4 * x));
    case DTYPE_BF16: return vf_load_bf16(line + 2 * x);
    case DTYPE_Q8_0: return vf_load_i8(line + x);
    case DTYPE_Q4_0: {
        const uint8_t *const bytes = line + x / 32 * 16 + x % 16;
        return (x / 16 % 2 ? vf_load_high_nibbles(bytes) : vf_load_low_nibbles(bytes)) - vf_set(8);
    }
    default: return vf_load_f16(line + 2 * x);
    }
}

/* Have what is `ahead` of these bytes brought to the second cache. The processor's own prefetching ends with a page. */
INLINE void fetch(const uint8_t *p, const size_t bytes, ptrdiff_t ahead)
{
    for (size_t i = 0; i < bytes; i += 64)
        __builtin_prefetch((const void *)((uintptr_t)p + i + (uintptr_t)ahead), 0, 2);
}

struct scale_vectors {
    vf x[PAIR_VECTORS];
};

/* Pairs of a line from number x on, a multiple of 2 * PAIRS. */
INLINE pv load_pairs(const uint8_t *line, size_t x, const struct scale_vectors *scale, const enum dtype type)
{
    if (type == PAIRS_TYPE)
        return pv_load((const pnum *)(const void *)line + x);
    vf v[PAIR_VECTORS];
    for (int i = 0; i < PAIR_VECTORS; i++) {
        v[i] = kv_load(line, x + (size_t)i * VF, type);
        if (kv_is_quantised(type))
            v[i] = v[i] * scale->x[i];
    }
    return pv_from(v);
}

/* Scales of PAIRS keys from a part's scales, each for the two numbers of a pair. */
INLINE struct scale_vectors key_scales(const uint8_t *part, int key)
{
    struct scale_vectors s;
    for (int i = 0; i < PAIR_VECTORS; i++)
        s.x[i] = vf_twice(vf_load_f16(part + 2 * (key + i * VF / 2)));
    return s;
}

/* ---- Scores ---- */

/* Scores of R rows for the keys [key, key + STEP). */
INLINE void score_tile(const struct attend_tile *t, int key, const int R, const enum dtype type)
{
    const size_t lines = kv_key_lines((size_t)t->a->d_k), line = kv_bytes(type, KV_LINE);
    const size_t in_part = kv_is_quantised(type) ? KV_PART / 2 : lines, x = 2 * (size_t)key;
    struct scale_vectors scale[2] = { { { vf_set(0) } } };
    vf sum[R_MOST][2];
    UNROLL for (int r = 0; r < R; r++)
        sum[r][0] = sum[r][1] = vf_set(0);
    const pnum *q = t->q;
    for (size_t at = 0; at < lines; at += in_part) {
        const uint8_t *k = t->k + kv_key_line(type, at);
        if (kv_is_quantised(type))
            UNROLL for (int c = 0; c < 2; c++)
                scale[c] = key_scales(k - KV_SCALE_BYTES, key + c * PAIRS);
        for (size_t i = 0; i < in_part; i++, k += line, q += 2) {
            const pv k0 = load_pairs(k, x, &scale[0], type), k1 = load_pairs(k, x + 2 * PAIRS, &scale[1], type);
            fetch(k + kv_bytes(type, x), kv_bytes(type, 2 * STEP), t->ahead);
            UNROLL for (int r = 0; r < R; r++) {
                const pv pair = pv_set(q + (size_t)r * t->q_stride);
                sum[r][0] = pv_fma(pair, k0, sum[r][0]);
                sum[r][1] = pv_fma(pair, k1, sum[r][1]);
            }
        }
    }
    UNROLL for (int r = 0; r < R; r++)
        for (int i = 0; i < STEP / VF; i++)
            vf_store(&t->s->scores[r][key + i * VF], pv_sums(sum[r], i));
}

/* Scores for all keys that a row sees. */
INLINE void score_rows(const struct attend_tile *t, const int R, const enum dtype type)
{
    for (int key = t->any_first / STEP * STEP; key < t->any_last; key += STEP)
        score_tile(t, key, R, type);
}

/* ---- Weights ---- */

/* Soft cap, and -INFINITY outside [first, last), for the scores [from, to) in whole steps. */
static void mask_scores(float *s, int from, int to, int first, int last, float soft_cap)
{
    const vf cap = vf_set(soft_cap);
    if (soft_cap != 0)
        for (int j = from; j < to; j += VF)
            vf_store(s + j, vf_tanh(vf_load(s + j) / cap) * cap);
    for (int j = from; j < first; j++)
        s[j] = -INFINITY;
    for (int j = attend_max(from, last); j < to; j++)
        s[j] = -INFINITY;
}

/* What a row carries shrinks to a new maximum. */
static void shrink_row(const struct attend *a, int row, float *sums, float max)
{
    const float shrink = exp2f(a->max[row] - max); /* 0 in the first block, where the old one is -INFINITY */
    float *const out = a->out + (size_t)row * a->out_stride;
    a->max[row] = max;
    vf_store(sums, vf_load(sums) * vf_set(shrink));
    for (int d = 0; d < a->d_v; d++)
        out[d] *= shrink;
}

/* Scores of row r become weights, 0 for what it does not see. Their sum is that of the numbers as pairs hold them. In
 * most blocks there is no new maximum, and the weights need not wait for one. */
static void weigh_row(const struct attend_tile *t, int r)
{
    const struct attend *const a = t->a;
    const int from = t->any_first / STEP * STEP, to = (t->any_last + STEP - 1) / STEP * STEP, row = t->row + r;
    float *const s = t->s->scores[r], *const sums = t->sums[r];
    mask_scores(s, from, to, t->first[r] < to ? t->first[r] : to, t->last[r], a->soft_cap);
    vf largest = vf_set(-INFINITY);
    for (int j = from; j < to; j += VF)
        largest = vf_max(vf_load(s + j), largest);
    if (vf_any(vf_less(vf_set(a->max[row]), largest)))
        shrink_row(a, row, sums, vf_largest(largest));
    const vf shift = vf_set(a->max[row] == -INFINITY ? 0 : a->max[row]);
    vf sum = vf_load(sums);
    for (int j = from; j < to; j += STEP) {
        vf w[PAIR_VECTORS];
        for (int i = 0; i < PAIR_VECTORS; i++)
            w[i] = vf_exp2(vf_load(s + j + i * VF) - shift);
        const pv weights = pv_from(w);
        pv_store(t->s->weights[r] + j, weights);
        sum = pv_fma(weights, pv_ones(), sum);
    }
    vf_store(sums, sum);
}

/* ---- Values ---- */

/* Where a tile's numbers stand in the lines of values. */
struct value_lines {
    const uint8_t *line;   /* the first one */
    const uint8_t *scales; /* of the part */
    size_t stride;
    size_t x[2]; /* of the tile's two vectors of pairs */
};

INLINE struct value_lines value_lines(const struct attend_tile *t, size_t d, const enum dtype type)
{
    const size_t d_v = (size_t)t->a->d_v, x = kv_value_index(type, d);
    const uint8_t *const line = t->v + kv_value_lines(type, d);
    /* The width is a multiple of 16, which may be no more than the first vector. */
    return (struct value_lines){
        line, line - KV_SCALE_BYTES, kv_value_stride(type, d_v), { x, d + PAIRS < kv_width(d_v) ? x + 2 * PAIRS : x }
    };
}

/* Add the values of the positions 2j and 2j + 1. Unless all rows see both, those that a row does not see count as 0. */
INLINE void value_step(vf sum[R_MOST][2], const struct attend_tile *t, const int R, const struct value_lines *l, int j,
                       const bool all, const enum dtype type)
{
    struct scale_vectors scale = { { vf_set(0) } };
    if (kv_is_quantised(type))
        for (int i = 0; i < PAIR_VECTORS; i++)
            scale.x[i] = vf_set_pair_f16(l->scales + 4 * j);
    const pv v0 = load_pairs(l->line + (size_t)j * l->stride, l->x[0], &scale, type);
    const pv v1 = load_pairs(l->line + (size_t)j * l->stride, l->x[1], &scale, type);
    fetch(l->line + (size_t)j * l->stride + kv_bytes(type, l->x[0]), kv_bytes(type, 2 * STEP), t->ahead);
    UNROLL for (int r = 0; r < R; r++) {
        const pv weights = pv_set(&t->s->weights[r][2 * j]);
        const bool one = all || (t->first[r] <= 2 * j && 2 * j < t->last[r]);
        const bool other = all || (t->first[r] <= 2 * j + 1 && 2 * j + 1 < t->last[r]);
        sum[r][0] = pv_fma(weights, all ? v0 : pv_keep(v0, one, other), sum[r][0]);
        sum[r][1] = pv_fma(weights, all ? v1 : pv_keep(v1, one, other), sum[r][1]);
    }
}

/* Numbers [d, d + STEP) of R rows take the values. */
INLINE void value_tile(const struct attend_tile *t, const int R, size_t d, const enum dtype type)
{
    const struct attend *const a = t->a;
    const struct value_lines l = value_lines(t, d, type);
    const int last = (t->any_last + 1) / 2, all_from = (t->all_first + 1) / 2, all_to = t->all_last / 2;
    vf sum[R_MOST][2];
    UNROLL for (int r = 0; r < R; r++)
        sum[r][0] = sum[r][1] = vf_set(0);
    for (int j = t->any_first / 2; j < last;) {
        for (; j >= all_from && j < all_to; j++)
            value_step(sum, t, R, &l, j, true, type);
        if (j < last)
            value_step(sum, t, R, &l, j++, false, type);
    }
    for (int r = 0; r < t->n; r++)
        for (int c = 0; c < STEP / VF; c++) {
            const size_t at = d + (size_t)c * VF, left = at < (size_t)a->d_v ? (size_t)a->d_v - at : 0;
            float *const out = a->out + (size_t)(t->row + r) * a->out_stride + at;
            const vf more = pv_sums(sum[r], c);
            if (left >= VF)
                vf_store(out, vf_load(out) + more);
            else if (left)
                vf_store_n(out, vf_load_n(out, left) + more, left);
        }
}

INLINE void value_rows(const struct attend_tile *t, const int R, const enum dtype type)
{
    for (size_t d = 0; d < (size_t)t->a->d_v; d += STEP)
        value_tile(t, R, d, type);
}

/* ---- Blocks made pairs ---- */

INLINE void unpack_keys(pnum *y, const uint8_t *block, size_t d, const enum dtype type)
{
    const size_t lines = kv_key_lines(d), line = kv_bytes(type, KV_LINE);
    const size_t in_part = kv_is_quantised(type) ? KV_PART / 2 : lines;
    for (size_t at = 0; at < lines; at += in_part) {
        const uint8_t *const k = block + kv_key_line(type, at);
        for (int key = 0; key < ATTEND_KEYS; key += PAIRS) {
            struct scale_vectors scale = { { vf_set(0) } };
            if (kv_is_quantised(type))
                scale = key_scales(k - KV_SCALE_BYTES, key);
            for (size_t i = 0; i < in_part; i++)
                pv_store(y + (at + i) * KV_LINE + 2 * key, load_pairs(k + i * line, 2 * (size_t)key, &scale, type));
        }
    }
}

INLINE void unpack_values(pnum *y, const uint8_t *block, size_t d, int n_keys, const enum dtype type)
{
    const size_t width = kv_width(d), stride = kv_value_stride(type, d);
    for (size_t i = 0; i < width; i += PAIRS) {
        const uint8_t *const v = block + kv_value_lines(type, i);
        for (int j = 0; 2 * j < n_keys; j++) {
            struct scale_vectors scale = { { vf_set(0) } };
            if (kv_is_quantised(type))
                for (int c = 0; c < PAIR_VECTORS; c++)
                    scale.x[c] = vf_set_pair_f16(v - KV_SCALE_BYTES + 4 * j);
            pv_store(y + 2 * ((size_t)j * width + i),
                     load_pairs(v + (size_t)j * stride, kv_value_index(type, i), &scale, type));
        }
    }
}

/* Values from keys whose first d numbers they are, both as pairs: of two numbers and two positions, those of a position
 * stand side by side in the one and those of a number in the other. Positions go four pairs at a time, which are a line
 * of the processor's cache. */
static void values_of_keys(pnum *v, const pnum *k, size_t d, int n_keys)
{
    enum { AT_ONCE = 4 };
    typedef pnum quad __attribute__((vector_size(4 * sizeof(pnum))));
    const size_t width = kv_width(d);
    for (int begin = 0; 2 * begin < n_keys; begin += AT_ONCE)
        for (size_t i = 0; i < kv_key_lines(d); i++)
            for (int j = begin; j < begin + AT_ONCE; j++) {
                quad x;
                memcpy(&x, k + i * KV_LINE + 4 * j, sizeof x);
                x = __builtin_shufflevector(x, x, 0, 2, 1, 3);
                memcpy(v + 2 * ((size_t)j * width + 2 * i), &x, sizeof x);
            }
}

/* ---- What reads each type ---- */

/* By the size of a tile: 1, R_MOST / 2, R_MOST. */
typedef void attend_step_fn(const struct attend_tile *t);
struct attend_reader {
    attend_step_fn *score[3], *value[3];
    void (*unpack_keys)(pnum *y, const uint8_t *block, size_t d);
    void (*unpack_values)(pnum *y, const uint8_t *block, size_t d, int n_keys);
};

#define TILES(type, R, name) \
    static void score_##name##_##type(const struct attend_tile *t) \
    { \
        score_rows(t, R, DTYPE_##type); \
    } \
    static void value_##name##_##type(const struct attend_tile *t) \
    { \
        value_rows(t, R, DTYPE_##type); \
    }
#define READER(type) \
    TILES(type, 1, one) TILES(type, R_MOST / 2, half) TILES(type, R_MOST, most) \
    static void unpack_keys_##type(pnum *y, const uint8_t *block, size_t d) \
    { \
        unpack_keys(y, block, d, DTYPE_##type); \
    } \
    static void unpack_values_##type(pnum *y, const uint8_t *block, size_t d, int n_keys) \
    { \
        unpack_values(y, block, d, n_keys, DTYPE_##type); \
    }
PAIRS_OF_TYPES(READER)

#define ROW(type) \
    [DTYPE_##type] = { { score_one_##type, score_half_##type, score_most_##type }, \
                       { value_one_##type, value_half_##type, value_most_##type }, \
                       unpack_keys_##type, unpack_values_##type },
static const struct attend_reader attend_readers[DTYPE_COUNT] = { PAIRS_OF_TYPES(ROW) };
#undef ROW
#undef READER
#undef TILES

/* ---- All of it ---- */

/* The tile's rows meet its block. */
static void attend_tile(struct attend_tile *t)
{
    const int size = t->n == 1 ? 0 : t->n <= R_MOST / 2 ? 1 : 2;
    attend_readers[t->k_type].score[size](t);
    for (int r = 0; r < t->n; r++)
        weigh_row(t, r);
    attend_readers[t->v_type].value[size](t);
}

/* Which keys of the block from `begin` on the rows of the tile see; false if none. */
static bool attend_ranges(struct attend_tile *t, int begin, int n_keys)
{
    t->any_first = t->all_last = ATTEND_KEYS;
    t->any_last = t->all_first = 0;
    for (int r = 0; r < R_MOST; r++) {
        const int first = r < t->n ? attend_max(t->a->first[t->row + r] - begin, 0) : 0;
        const int last = r < t->n ? attend_min(t->a->last[t->row + r] - begin, n_keys) : 0;
        const bool sees = first < last;
        t->first[r] = sees ? first : 0;
        t->last[r] = sees ? last : 0;
        if (sees) {
            t->any_first = attend_min(t->any_first, first);
            t->any_last = attend_max(t->any_last, last);
        }
        if (r < t->n) {
            t->all_first = attend_max(t->all_first, t->first[r]);
            t->all_last = attend_min(t->all_last, t->last[r]);
        }
    }
    return t->any_first < t->any_last;
}

/* Queries of n rows as pairs, and rows of zeros up to whole tiles. */
static size_t attend_queries(struct attend_scratch *s, const struct attend *a, int row, int n)
{
    const size_t d = (size_t)a->d_k, stride = (d + STEP - 1) / STEP * STEP;
    for (int r = 0; r < n; r++) {
        const float *const q = a->q + (size_t)(row + r) * a->q_stride;
        for (size_t i = 0; i < stride; i += STEP) {
            vf x[PAIR_VECTORS];
            for (int c = 0; c < PAIR_VECTORS; c++) {
                const size_t at = i + (size_t)c * VF;
                x[c] = at + VF <= d ? vf_load(q + at) : vf_load_n(q + at, at < d ? d - at : 0);
            }
            pv_store(s->q + (size_t)r * stride + i, pv_from(x));
        }
    }
    const int whole = (n + R_MOST - 1) / R_MOST * R_MOST;
    memset(s->q + (size_t)n * stride, 0, (size_t)(whole - n) * stride * sizeof *s->q);
    return stride;
}

/* The tile's block as pairs from here on, where it is not stored so. */
static void attend_unpack(struct attend_tile *t, int n_keys)
{
    const struct attend *const a = t->a;
    struct attend_scratch *const s = t->s;
    if (a->k_type != PAIRS_TYPE) {
        attend_readers[a->k_type].unpack_keys(s->k, t->k, (size_t)a->d_k);
        t->k = (const uint8_t *)s->k, t->k_type = PAIRS_TYPE;
    }
    if (a->shared)
        values_of_keys(s->v, (const pnum *)(const void *)t->k, (size_t)a->d_v, n_keys);
    else if (a->v_type != PAIRS_TYPE)
        attend_readers[a->v_type].unpack_values(s->v, t->v, (size_t)a->d_v, n_keys);
    else
        return;
    t->v = (const uint8_t *)s->v, t->v_type = PAIRS_TYPE;
}

/* n <= GROUP rows and all blocks. */
static void attend_rows(const struct attend *a, int row, int n)
{
    struct attend_scratch *const s = a->scratch;
    struct attend_tile t = { .a = a, .s = s, .q_stride = attend_queries(s, a, row, n) };
    const bool as_stored = n <= FEW_ROWS && !a->shared;
    memset(s->sums, 0, sizeof s->sums);
    for (int i = 0; i < n; i++)
        s->sums[i][0] = a->sum[row + i];
    for (int begin = 0, block = 0; begin < a->n_keys; begin += ATTEND_KEYS, block++) {
        const int n_keys = attend_min(a->n_keys - begin, ATTEND_KEYS);
        t.k = a->pages[block] + a->k_at, t.k_type = a->k_type;
        t.v = a->pages[block] + a->v_at, t.v_type = a->v_type;
        const uint8_t *const next = begin + ATTEND_KEYS < a->n_keys ? a->pages[block + 1] : a->next;
        t.ahead = next && as_stored ? (ptrdiff_t)((uintptr_t)next - (uintptr_t)a->pages[block]) : 0;
        bool ready = as_stored;
        for (int i = 0; i < n; i += R_MOST) {
            t.row = row + i;
            t.n = attend_min(n - i, R_MOST);
            t.q = s->q + (size_t)i * t.q_stride;
            t.sums = s->sums + i;
            if (!attend_ranges(&t, begin, n_keys))
                continue;
            if (!ready)
                attend_unpack(&t, n_keys);
            ready = true;
            attend_tile(&t);
            t.ahead = 0;
        }
    }
    for (int i = 0; i < n; i++)
        a->sum[row + i] = vf_sum(vf_load(s->sums[i]));
}

static void attend(const struct attend *a)
{
    struct attend_scratch *const s = a->scratch;
    memset(s->weights, 0, sizeof s->weights); /* also of the rows that only fill up a tile */
    for (int row = 0; row < a->n_q; row += GROUP)
        attend_rows(a, row, attend_min(a->n_q - row, GROUP));
}

#endif
