/* prepare.c - activations into the forms that matrix products read. */
#include "kernels/avx512/matmul.h"
#include "kernels/avx512/simd.h"
#include "kernels/generic/prepare.h"

#include <string.h>

static float q8_largest(const float *x)
{
    return vf_largest(vf_max(vf_abs(vf_load(x)), vf_abs(vf_load(x + 16))));
}

static void q8_fix(int16_t *t, const float *x, float scale)
{
    for (int i = 0; i < 32; i += 16) {
        const __m512i n = _mm512_cvtps_epi32(vf_load(x + i) * vf_set(scale));
        _mm256_store_si256((__m256i *)(t + i), _mm512_cvtepi32_epi16(n));
    }
}

/* A lane of 32 bits is a number of steps; each step of the loop takes two values into all of them. The low 16 bits of
 * 4 n t are 4 r. Two sums, as an addition to one takes longer than what lies between. */
static int q8_search(const int16_t *t)
{
#define MULTIPLIER(n) (n) * 4 * 0x10001
    static const int32_t multipliers[Q8_TRIED] = { Q8_STEPS(MULTIPLIER) };
    const __m512i multiplier = _mm512_loadu_si512(multipliers);
    __m512i squares[2] = { _mm512_setzero_si512(), _mm512_setzero_si512() };
    for (int i = 0; i < 16; i++) {
        int32_t two;
        memcpy(&two, t + 2 * i, sizeof two);
        const __m512i r = _mm512_srai_epi16(_mm512_mullo_epi16(_mm512_set1_epi32(two), multiplier), 2);
        squares[i % 2] = _mm512_dpwssd_epi32(squares[i % 2], r, r);
    }
    const vf error = _mm512_cvtepi32_ps(_mm512_add_epi32(squares[0], squares[1])) * vf_load(q8_weights);
    return Q8_MAX_STEPS - __builtin_ctz(_mm512_cmpeq_ps_mask(error, vf_set(_mm512_reduce_min_ps(error))));
}

/* The sums over the lanes of each. */
static struct q8_sums q8_add_up(__m256i first, __m256i second, __m256i square, __m256i product)
{
    struct q8_sums sums;
    const __m256i of = _mm256_hadd_epi32(_mm256_hadd_epi32(first, second), _mm256_hadd_epi32(square, product));
    _mm_storeu_si128((__m128i *)&sums, _mm_add_epi32(_mm256_castsi256_si128(of), _mm256_extracti128_si256(of, 1)));
    return sums;
}

static __m256i halves_added(__m512i v)
{
    return _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
}

/* Multiplying by 2 n, pmulhrsw rounds 2 n t / 2^15. */
static struct q8_sums q8_round(int8_t *q, const int16_t *t, int n)
{
    const __m512i values = _mm512_load_si512(t);
    const __m512i steps = _mm512_mulhrs_epi16(values, _mm512_set1_epi16((int16_t)(2 * n)));
    _mm256_store_si256((__m256i *)q, _mm512_cvtepi16_epi8(steps));
    const __m512i halves = _mm512_madd_epi16(steps, _mm512_set1_epi16(1));
    return q8_add_up(_mm512_castsi512_si256(halves), _mm512_extracti64x4_epi64(halves, 1),
                     halves_added(_mm512_madd_epi16(steps, steps)), halves_added(_mm512_madd_epi16(values, steps)));
}

void avx512_prepare_q8(void *y, const float *x, size_t k, size_t first, size_t n)
{
    prepare_q8(y, x, k, first, n);
}

/* To the nearest, ties to even, by adding just below half; a NaN keeps its upper bits and becomes quiet. */
void avx512_prepare_bf16(void *y, const float *x, size_t k, size_t first, size_t n)
{
    (void)k;
    for (size_t i = 0; i < n || i % 32 != 0; i += 16) {
        const __m512 f = i + 16 <= n ? vf_load(x + i) : vf_load_n(x + i, i < n ? n - i : 0);
        const __m512i bits = _mm512_castps_si512(f), one = _mm512_set1_epi32(1);
        const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), one);
        const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
        const __mmask16 nan = _mm512_cmp_ps_mask(f, f, _CMP_UNORD_Q);
        const __m512i all = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
        _mm256_store_si256((__m256i *)((uint16_t *)y + first + i), _mm512_cvtepi32_epi16(_mm512_srli_epi32(all, 16)));
    }
}
