/* attend.c - attention by running soft-max over stored keys and values, and storing them: plain loops over positions.
 *
 * A row carries the largest score so far, the sum of 2^(score - max), and the values weighted so. A key with a larger
 * score first shrinks what is carried by 2^(old max - new max). */
#include "kernels/kv.h"
#include "kernels/scalar/dot.h"
#include "kernels/scalar/scalar.h"
#include "src/base/numbers.h"

#include <math.h>

/* ---- Numbers of a block ---- */

/* Where number i of a position stands: the index counts numbers from the first of the line. */
struct place {
    uint8_t *scale; /* if quantised */
    uint8_t *line;
    size_t index;
};

static struct place key_place(const void *block, enum dtype type, size_t slot, size_t i)
{
    uint8_t *const b = (uint8_t *)(uintptr_t)block;
    return (struct place){ b + i / KV_PART * kv_part_bytes(type) + 2 * slot, b + kv_key_line(type, i / 2),
                           2 * slot + i % 2 };
}

static struct place value_place(const void *block, enum dtype type, size_t slot, size_t i, size_t d)
{
    uint8_t *const b = (uint8_t *)(uintptr_t)block;
    return (struct place){ b + i / KV_PART * kv_part_bytes(type) + 2 * slot,
                           b + kv_value_lines(type, i) + slot / 2 * kv_value_stride(type, d),
                           kv_value_index(type, i) + slot % 2 };
}

/* Byte and shift of a 4-bit quant. */
static uint8_t *nibble(const struct place *p, int *shift)
{
    *shift = p->index / 16 % 2 ? 4 : 0;
    return p->line + p->index / 32 * 16 + p->index % 16;
}

static float read_number(const struct place *p, enum dtype type)
{
    int shift;
    switch (type) {
    case DTYPE_F32: return f32_from_bits(read_u32(p->line + 4 * p->index));
    case DTYPE_BF16: return bf16_to_f32(read_u16(p->line + 2 * p->index));
    case DTYPE_Q8_0: return f16_to_f32(read_u16(p->scale)) * (float)(int8_t)p->line[p->index];
    case DTYPE_Q4_0: {
        const uint8_t *const byte = nibble(p, &shift);
        return f16_to_f32(read_u16(p->scale)) * (float)((*byte >> shift & 15) - 8);
    }
    default: return f16_to_f32(read_u16(p->line + 2 * p->index));
    }
}

static void write_float(const struct place *p, enum dtype type, float x)
{
    const uint32_t wide = f32_bits(x);
    const uint16_t narrow = type == DTYPE_BF16 ? bf16_from_f32(x) : f16_from_f32(x);
    if (type == DTYPE_F32)
        memcpy(p->line + 4 * p->index, &wide, sizeof wide);
    else
        memcpy(p->line + 2 * p->index, &narrow, sizeof narrow);
}

/* ---- Storing ---- */

/* The scale of a part. In Q8_0 the largest number becomes +-127, in Q4_0 -8. */
static uint16_t part_scale(enum dtype type, const float *x)
{
    const float limit = 65504; /* the largest f16 */
    float most = 0, least = 0;
    for (int i = 0; i < KV_PART; i++) {
        most = x[i] > most ? x[i] : most;
        least = x[i] < least ? x[i] : least;
    }
    const float size = most > -least ? most : -least;
    const float scale = type == DTYPE_Q8_0 ? size / 127 : (most >= -least ? most : least) / -8;
    return f16_from_f32(scale > limit ? limit : scale < -limit ? -limit : scale);
}

/* x * inverse within [least, most], to the nearest integer, ties to even: adding 1.5 * 2^23 leaves it in the low bits. */
static int quantise(float x, float inverse, int least, int most)
{
    const float f = x * inverse;
    const float within = f > (float)most ? (float)most : f > (float)least ? f : (float)least; /* a NaN: the least */
    return (int)(f32_bits(within + 0x1.8p23f) - f32_bits(0x1.8p23f));
}

static void write_quant(const struct place *p, enum dtype type, uint16_t scale, float x)
{
    const float back = f16_to_f32(scale), inverse = back != 0 ? 1 / back : 0;
    memcpy(p->scale, &scale, sizeof scale);
    if (type == DTYPE_Q8_0) {
        p->line[p->index] = (uint8_t)quantise(x, inverse, -127, 127);
        return;
    }
    int shift;
    uint8_t *const byte = nibble(p, &shift);
    *byte = (uint8_t)((*byte & ~(15 << shift)) | (quantise(x, inverse, -8, 7) + 8) << shift);
}

static void store(void *block, enum dtype type, int slot, const float *x, size_t d, bool is_key)
{
    for (size_t i = 0; i < d; i++) {
        const struct place p =
            is_key ? key_place(block, type, (size_t)slot, i) : value_place(block, type, (size_t)slot, i, d);
        if (kv_is_quantised(type))
            write_quant(&p, type, part_scale(type, x + i / KV_PART * KV_PART), x[i]);
        else
            write_float(&p, type, x[i]);
    }
}

static void store_key(void *block, enum dtype type, int slot, const float *x, size_t d)
{
    store(block, type, slot, x, d, true);
    if (d % 2) {
        const struct place p = key_place(block, type, (size_t)slot, d);
        write_float(&p, type, 0);
    }
}

static void store_value(void *block, enum dtype type, int slot, const float *x, size_t d)
{
    store(block, type, slot, x, d, false);
}

/* ---- Attention ---- */

/* A block as floats: one row for each position. */
struct scratch {
    float k[ATTEND_KEYS][ATTEND_WIDTH], v[ATTEND_KEYS][ATTEND_WIDTH];
};
_Static_assert(sizeof(struct scratch) <= KERNEL_SCRATCH_BYTES, "room");

static void read_block(struct scratch *s, const struct attend *a, int block, int n_keys)
{
    for (size_t slot = 0; slot < (size_t)n_keys; slot++) {
        for (size_t i = 0; i < (size_t)a->d_k; i++) {
            const struct place p = key_place(a->pages[block] + a->k_at, a->k_type, slot, i);
            s->k[slot][i] = read_number(&p, a->k_type);
        }
        for (size_t i = 0; i < (size_t)a->d_v; i++) {
            const uint8_t *const page = a->pages[block];
            const struct place p = a->shared ? key_place(page + a->k_at, a->v_type, slot, i)
                                             : value_place(page + a->v_at, a->v_type, slot, i, (size_t)a->d_v);
            s->v[slot][i] = read_number(&p, a->v_type);
        }
    }
}

/* Scores of the keys [first, last) of a block for row i; returns the largest. */
static float score_row(float *scores, const struct attend *a, const struct scratch *s, int i, int first, int last)
{
    float max = -INFINITY;
    for (int j = first; j < last; j++) {
        float score = dot(a->q + (size_t)i * a->q_stride, s->k[j], (size_t)a->d_k);
        if (a->soft_cap != 0)
            score = a->soft_cap * tanhf(score / a->soft_cap);
        scores[j] = score;
        max = score > max ? score : max;
    }
    return max;
}

/* Row i and the keys [first, last) of a block. */
static void attend_row(const struct attend *a, const struct scratch *s, int i, int first, int last)
{
    float scores[ATTEND_KEYS];
    const float block_max = score_row(scores, a, s, i, first, last);
    if (block_max == -INFINITY) /* no key, or none that can be seen */
        return;
    const float max = block_max > a->max[i] ? block_max : a->max[i];
    const float shrink = exp2f(a->max[i] - max); /* 0 for the first block, where the old one is -INFINITY */
    float *const out = a->out + (size_t)i * a->out_stride;
    a->max[i] = max;
    a->sum[i] *= shrink;
    for (int d = 0; d < a->d_v; d++)
        out[d] *= shrink;
    for (int j = first; j < last; j++) {
        const float weight = exp2f(scores[j] - max);
        a->sum[i] += weight;
        for (int d = 0; d < a->d_v; d++)
            out[d] += weight * s->v[j][d];
    }
}

static void attend(const struct attend *a)
{
    struct scratch *const s = a->scratch;
    for (int begin = 0, block = 0; begin < a->n_keys; begin += ATTEND_KEYS, block++) {
        const int n_keys = a->n_keys - begin < ATTEND_KEYS ? a->n_keys - begin : ATTEND_KEYS;
        read_block(s, a, block, n_keys);
        for (int i = 0; i < a->n_q; i++) {
            const int first = a->first[i] - begin, last = a->last[i] - begin;
            attend_row(a, s, i, first > 0 ? first : 0, last < n_keys ? last : n_keys);
        }
    }
}

void kernels_init_scalar_attend(struct kernels *k)
{
    for (int precision = 0; precision < PRECISION_COUNT; precision++)
        k->attend[precision] = attend;
    k->store_key = store_key;
    k->store_value = store_value;
}
