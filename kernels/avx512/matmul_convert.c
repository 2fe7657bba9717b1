/* matmul_convert.c - weights of every type to floats. */
#include "kernels/avx512/matmul.h"
#include "kernels/avx512/matmul_types.h"

#include <string.h>

/* n values of a unit, a multiple of 16. d * q and offset * d are exact, so the one rounding is that of their sum. */
INLINE void store_unit(float *y, const struct unit *u, int n, struct type type)
{
    uint8_t q[4][64];
    float d[16], m[16];
    _mm512_storeu_ps(d, u->d);
    if (!type.pairs)
        _mm512_storeu_ps(m, u->m);
    for (int r = 0; r < 4; r++)
        _mm512_storeu_si512(q[r], u->q[r]);
    for (int r = 0; r < 4; r++)
        for (int lane = 0; lane < 4; lane++) {
            const int sub = sub_block(type.pairs, r, lane), scale = type.pairs ? sub & ~1 : sub;
            const float minimum = type.offset ? (float)-type.offset * d[scale] : type.pairs ? d[scale + 1] : m[sub];
            const __m512i bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(q[r] + 16 * lane)));
            if (16 * sub < n)
                _mm512_storeu_ps(y + 16 * sub, _mm512_fmadd_ps(_mm512_cvtepi32_ps(bytes), _mm512_set1_ps(d[scale]),
                                                               _mm512_set1_ps(minimum)));
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
    void avx512_dequantize_##name(float *y, const void *w, size_t n) \
    { \
        dequantize(y, w, n, type_##name); \
    }
QUANTISED_TYPES(DEQUANTIZE)

void avx512_dequantize_f32(float *y, const void *w, size_t n)
{
    memcpy(y, w, n * sizeof *y);
}

INLINE __mmask16 first_of_16(size_t n)
{
    return n < 16 ? (__mmask16)((1u << n) - 1) : 0xffff;
}

void avx512_dequantize_f16(float *y, const void *w, size_t n)
{
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 mask = first_of_16(n - i);
        const __m256i f16 = _mm256_maskz_loadu_epi16(mask, (const uint8_t *)w + 2 * i);
        _mm512_mask_storeu_ps(y + i, mask, _mm512_cvtph_ps(f16));
    }
}

void avx512_dequantize_bf16(float *y, const void *w, size_t n)
{
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 mask = first_of_16(n - i);
        const __m512i bf16 = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, (const uint8_t *)w + 2 * i));
        _mm512_mask_storeu_epi32(y + i, mask, _mm512_slli_epi32(bf16, 16));
    }
}
