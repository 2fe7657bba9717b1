/* dequantize.h - weights of every type to floats, inline for those who read them piece by piece. */
#ifndef KERNELS_SCALAR_DEQUANTIZE_H
#define KERNELS_SCALAR_DEQUANTIZE_H

#include "kernels/scalar/unpack_iq.h"

#include <stddef.h>

/** n weights, a multiple of the type's block, at any address. */
typedef void dequantize_fn(float *y, const void *w, size_t n);

static inline void dequantize_f32(float *y, const void *w, size_t n)
{
    memcpy(y, w, n * sizeof *y);
}

static inline void dequantize_f16(float *y, const void *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = f16_to_f32(read_u16((const uint8_t *)w + 2 * i));
}

static inline void dequantize_bf16(float *y, const void *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = bf16_to_f32(read_u16((const uint8_t *)w + 2 * i));
}

/* Numbers of other C types, in file order: little-endian, at any address. */
#define DEQUANTIZE(name, type) \
    static inline void dequantize_##name(float *y, const void *w, size_t n) \
    { \
        for (size_t i = 0; i < n; i++) { \
            type v; \
            memcpy(&v, (const uint8_t *)w + sizeof v * i, sizeof v); \
            y[i] = (float)v; \
        } \
    }
DEQUANTIZE(f64, double)
DEQUANTIZE(i8, int8_t)
DEQUANTIZE(i16, int16_t)
DEQUANTIZE(i32, int32_t)
DEQUANTIZE(i64, int64_t)
#undef DEQUANTIZE

static inline void dequantize_blocks(float *y, const void *w, size_t n, unpack_fn *unpack, size_t block,
                                     size_t block_bytes)
{
    struct quants u;
    for (const uint8_t *p = w; n > 0; n -= block, y += block, p += block_bytes) {
        unpack(&u, p);
        for (size_t j = 0; j < block / 16; j++)
            for (size_t l = 16 * j; l < 16 * j + 16; l++)
                y[l] = u.scale[j] * (float)u.q[l] - u.min[j];
    }
}

#define DEQUANTIZE(name, NAME) \
    static inline void dequantize_##name(float *y, const void *w, size_t n) \
    { \
        dequantize_blocks(y, w, n, unpack_##name, BLOCK_##NAME, sizeof(struct block_##name)); \
    }
QUANTISED_TYPES(DEQUANTIZE)
SCALAR_TYPES(DEQUANTIZE)
#undef DEQUANTIZE

#endif
