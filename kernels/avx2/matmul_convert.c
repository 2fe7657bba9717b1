/* matmul_convert.c - weights of every type to floats. */
#include "kernels/avx2/matmul.h"
#include "kernels/avx2/matmul_types.h"

#include <string.h>

/* n values of a unit, a multiple of 32. d * q and -offset * d are exact, so the one rounding is that of their sum. */
INLINE void store_unit(float *y, const struct unit *u, int n, struct type type)
{
    uint8_t q[8][32];
    float d[16], m[16];
    for (int h = 0; h < 2; h++) {
        _mm256_storeu_ps(d + 8 * h, u->d[h]);
        _mm256_storeu_ps(m + 8 * h, type.offset || type.minima ? u->m[h] : _mm256_setzero_ps());
    }
    for (int i = 0; i < 8; i++)
        _mm256_storeu_si256((__m256i *)q[i], u->q[i]);
    for (int i = 0; i < n; i += 8) {
        const int sub = i / 16, scale = type.pairs ? sub / 2 : sub % 8 / 4 * 8 + sub / 8 * 4 + sub % 4;
        const __m128i bytes = _mm_loadl_epi64((const __m128i *)(q[sub % 8] + sub / 8 * 16 + i % 16));
        const __m256i integers = type.bits == 8 ? _mm256_cvtepi8_epi32(bytes) : _mm256_cvtepu8_epi32(bytes);
        _mm256_storeu_ps(y + i, _mm256_fmadd_ps(_mm256_cvtepi32_ps(integers), _mm256_broadcast_ss(d + scale),
                                                _mm256_broadcast_ss(m + scale)));
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
    void avx2_dequantize_##name(float *y, const void *w, size_t n) \
    { \
        dequantize(y, w, n, type_##name); \
    }
QUANTISED_TYPES(DEQUANTIZE)

void avx2_dequantize_f32(float *y, const void *w, size_t n)
{
    memcpy(y, w, n * sizeof *y);
}

void avx2_dequantize_f16(float *y, const void *w, size_t n)
{
    const uint8_t *const p = w;
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 2 * i))));
    for (; i < n; i++)
        y[i] = f16_to_f32(read_u16(p + 2 * i));
}

void avx2_dequantize_bf16(float *y, const void *w, size_t n)
{
    const uint8_t *const p = w;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256i bf16 = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(p + 2 * i)));
        _mm256_storeu_si256((__m256i *)(y + i), _mm256_slli_epi32(bf16, 16));
    }
    for (; i < n; i++)
        y[i] = bf16_to_f32(read_u16(p + 2 * i));
}
