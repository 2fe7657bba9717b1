/* matmul_convert.c - weights of every type to floats, and activations to the 8-bit form. */
#include "kernels/avx2/matmul.h"
#include "kernels/avx2/matmul_types.h"

#include <string.h>

/* n values of a unit, a multiple of 32. d * q and -offset * d are exact, so the one rounding is that of their sum. */
INLINE void store_unit(float *y, const struct unit *u, int n, struct type type)
{
    uint8_t q[UNIT];
    float d[16], m[16];
    for (int h = 0; h < 2; h++) {
        _mm256_storeu_ps(d + 8 * h, u->d[h]);
        _mm256_storeu_ps(m + 8 * h, type.offset || type.minima ? u->m[h] : _mm256_setzero_ps());
    }
    for (int i = 0; i < 8; i++)
        _mm256_storeu_si256((__m256i *)(q + 32 * i), u->q[i]);
    for (int i = 0; i < n; i += 8) {
        const __m128i bytes = _mm_loadl_epi64((const __m128i *)(q + i));
        const __m256i integers = type.bits == 8 ? _mm256_cvtepi8_epi32(bytes) : _mm256_cvtepu8_epi32(bytes);
        _mm256_storeu_ps(y + i, _mm256_fmadd_ps(_mm256_cvtepi32_ps(integers), _mm256_broadcast_ss(d + i / 16),
                                                _mm256_broadcast_ss(m + i / 16)));
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

static float max_of(__m256 v)
{
    __m128 max = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    max = _mm_max_ps(max, _mm_movehl_ps(max, max));
    return _mm_cvtss_f32(_mm_max_ss(max, _mm_movehdup_ps(max)));
}

static int sum_of(__m256i v)
{
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1)));
}

/* 16 values: their quants, and the sum of these. */
static int quantise_16(uint8_t *q, const float *x, __m256 inverse)
{
    const __m256i a = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), inverse));
    const __m256i b = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8), inverse));
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8); /* packing works within halves */
    _mm_store_si128((__m128i *)q, _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
    return sum_of(_mm256_add_epi32(a, b));
}

void avx2_prepare_q8(void *y, const float *x, size_t k)
{
    uint8_t *const row = y;
    float *const d = (float *)(row + act_q8_d(k)), *const s = (float *)(row + act_q8_s(k));
    const __m256 sign = _mm256_set1_ps(-0.0f);
    for (size_t i = 0; i < k; i += 32) {
        __m256 sizes = _mm256_setzero_ps();
        for (size_t j = i; j < i + 32; j += 8)
            sizes = _mm256_max_ps(sizes, _mm256_andnot_ps(sign, _mm256_loadu_ps(x + j)));
        const float max = max_of(sizes);
        const bool zero = max < ACT_Q8_TINY;
        const __m256 inverse = _mm256_set1_ps(zero ? 0 : 127 / max);
        d[i / 32] = zero ? 0 : max / 127;
        s[i / 16] = d[i / 32] * (float)quantise_16(row + i, x + i, inverse);
        s[i / 16 + 1] = d[i / 32] * (float)quantise_16(row + i + 16, x + i + 16, inverse);
    }
}
