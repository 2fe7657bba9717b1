/* matmul_convert.c - weights of every type to floats. */
#include "kernels/neon/matmul.h"
#include "kernels/neon/matmul_types.h"

#include <string.h>

/* n values of a unit, a multiple of 32. d * q is exact: the one rounding is that of its sum with m. */
INLINE void store_unit(float *y, const struct unit *u, int n, struct type type)
{
    float d[16], m[16];
    for (int i = 0; i < (type.pairs ? 2 : 4); i++) {
        vst1q_f32(d + 4 * i, u->d[i]);
        if (type.minima)
            vst1q_f32(m + 4 * i, u->m[i]);
    }
    for (int i = 0; i < n / 16; i++) {
        const int scale = type.pairs ? i / 2 : i;
        float32x4_t f[4];
        scale_16(f, u->q[i], d[scale]);
        for (int j = 0; j < 4; j++)
            vst1q_f32(y + 16 * i + 4 * j, type.minima ? vaddq_f32(f[j], vdupq_n_f32(m[scale])) : f[j]);
    }
}

INLINE void dequantize(float *y, const void *weights, size_t n, struct type type)
{
    const uint8_t *w = weights;
    struct unit u;
    for (; n >= UNIT; n -= UNIT, y += UNIT, w += UNIT / type.block * type.bytes) {
        type.unpack(&u, w, UNIT / type.block);
        store_unit(y, &u, UNIT, type);
    }
    if (type.block < UNIT && n > 0) {
        type.unpack(&u, w, (int)n / type.block);
        store_unit(y, &u, (int)n, type);
    }
}

#define DEQUANTIZE(name, NAME) \
    void neon_dequantize_##name(float *y, const void *w, size_t n) \
    { \
        dequantize(y, w, n, type_##name); \
    }
QUANTISED_TYPES(DEQUANTIZE)

void neon_dequantize_f32(float *y, const void *w, size_t n)
{
    memcpy(y, w, n * sizeof *y);
}

INLINE uint16x8_t load_words(const uint8_t *p)
{
    return vreinterpretq_u16_u8(vld1q_u8(p));
}

void neon_dequantize_f16(float *y, const void *w, size_t n)
{
    const uint8_t *const p = w;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        float32x4_t f[2];
        floats_of_f16(f, load_words(p + 2 * i));
        vst1q_f32(y + i, f[0]);
        vst1q_f32(y + i + 4, f[1]);
    }
    for (; i < n; i++)
        y[i] = load_f16(p + 2 * i);
}

void neon_dequantize_bf16(float *y, const void *w, size_t n)
{
    const uint8_t *const p = w;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const uint16x8_t words = load_words(p + 2 * i);
        vst1q_f32(y + i, vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(words), 16)));
        vst1q_f32(y + i + 4, vreinterpretq_f32_u32(vshll_high_n_u16(words, 16)));
    }
    for (; i < n; i++)
        y[i] = bf16_to_f32(read_u16(p + 2 * i));
}
