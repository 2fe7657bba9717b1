/* kv_store.h - storing keys and values, written once over the vector that kernels/<set>/simd.h names. */
#ifndef KERNELS_GENERIC_KV_STORE_H
#define KERNELS_GENERIC_KV_STORE_H

#include "kernels/kv.h"
#include "src/base/numbers.h"

#include <string.h>

/* The two numbers of every pair of a row are scattered: number i goes to place(i). Keys: pairs lie a line apart. Values:
 * each number has that of the neighbouring position between itself and the next. */
struct kv_place {
    uint8_t *at;
    size_t pair, second; /* bytes from a pair to the next, and from its first number to its second */
};

static inline uint8_t *kv_place(const struct kv_place *p, size_t i)
{
    return p->at + i / 2 * p->pair + i % 2 * p->second;
}

/* d numbers of `size` bytes. */
static inline void kv_scatter(const struct kv_place *p, const void *row, size_t d, const size_t size)
{
    for (size_t i = 0; i < d; i++)
        memcpy(kv_place(p, i), (const uint8_t *)row + i * size, size);
}

/* d numbers as F32, F16 or BF16. */
static void kv_store_floats(const struct kv_place *p, enum dtype type, const float *x, size_t d)
{
    uint16_t row[ATTEND_WIDTH + VF];
    if (type == DTYPE_F32) {
        kv_scatter(p, x, d, sizeof *x);
        return;
    }
    if (type == DTYPE_BF16)
        for (size_t i = 0; i < d; i++)
            row[i] = bf16_from_f32(x[i]);
    else
        for (size_t i = 0; i < d; i += VF)
            vf_store_f16(row + i, d - i < VF ? vf_load_n(x + i, d - i) : vf_load(x + i));
    kv_scatter(p, row, d, sizeof *row);
}

/* The scale that KV_PART numbers get, and their quants: in Q8_0 the largest becomes +-127, in Q4_0 -8. */
static uint16_t kv_quantise(int8_t *q, enum dtype type, const float *x)
{
    vf high = vf_set(0), low = vf_set(0);
    for (int i = 0; i < KV_PART; i += VF) {
        high = vf_max(vf_load(x + i), high);
        low = vf_min(vf_load(x + i), low);
    }
    const float most = vf_largest(high), least = -vf_largest(-low), limit = 65504; /* the largest f16 */
    const bool is_q8 = type == DTYPE_Q8_0;
    float scale = is_q8 ? (most > -least ? most : -least) / 127 : (most >= -least ? most : least) / -8;
    scale = scale > limit ? limit : scale < -limit ? -limit : scale;
    const uint16_t stored = f16_from_f32(scale);
    const float back = f16_to_f32(stored), inverse = back != 0 ? 1 / back : 0;
    const vf first = vf_set(is_q8 ? -127 : -8), last = vf_set(is_q8 ? 127 : 7);
    for (int i = 0; i < KV_PART; i += VF)
        vf_store_i8(q + i, vf_min(vf_max(vf_load(x + i) * vf_set(inverse), first), last));
    return stored;
}

static inline void kv_store_nibble(uint8_t *line, size_t x, int q)
{
    uint8_t *const byte = line + x / 32 * 16 + x % 16;
    const int shift = x / 16 % 2 ? 4 : 0;
    *byte = (uint8_t)((*byte & ~(15 << shift)) | (q + 8) << shift);
}

/* Number i of a part stands in line i / 2 of the keys at 2 slot + i % 2, in line slot / 2 of the values at 2 i + slot % 2. */
static void kv_store_quants(uint8_t *block, enum dtype type, int slot, const float *x, size_t d, const bool is_key)
{
    const size_t s = (size_t)slot, line = kv_bytes(type, is_key ? KV_LINE : 2 * KV_PART);
    for (size_t part = 0; part < d; part += KV_PART, block += kv_part_bytes(type)) {
        int8_t q[KV_PART];
        const uint16_t scale = kv_quantise(q, type, x + part);
        memcpy(block + 2 * s, &scale, sizeof scale);
        uint8_t *const lines = block + KV_SCALE_BYTES;
        for (size_t i = 0; i < KV_PART; i++) {
            uint8_t *const at = lines + (is_key ? i / 2 : s / 2) * line;
            const size_t index = is_key ? 2 * s + i % 2 : 2 * i + s % 2;
            if (type == DTYPE_Q8_0)
                memcpy(at + index, q + i, 1);
            else
                kv_store_nibble(at, index, q[i]);
        }
    }
}

static void store_key(void *block, enum dtype type, int slot, const float *x, size_t d)
{
    if (kv_is_quantised(type)) {
        kv_store_quants(block, type, slot, x, d, true);
        return;
    }
    const struct kv_place p = { (uint8_t *)block + kv_bytes(type, 2 * (size_t)slot), kv_bytes(type, KV_LINE),
                                kv_bytes(type, 1) };
    kv_store_floats(&p, type, x, d);
    if (d % 2)
        memset(kv_place(&p, d), 0, kv_bytes(type, 1));
}

static void store_value(void *block, enum dtype type, int slot, const float *x, size_t d)
{
    if (kv_is_quantised(type)) {
        kv_store_quants(block, type, slot, x, d, false);
        return;
    }
    const size_t at = (size_t)(slot / 2) * kv_value_stride(type, d) + kv_bytes(type, (size_t)(slot % 2));
    const struct kv_place p = { (uint8_t *)block + at, kv_bytes(type, 4), kv_bytes(type, 2) };
    kv_store_floats(&p, type, x, d);
}

#endif
