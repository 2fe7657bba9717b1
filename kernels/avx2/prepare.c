/* prepare.c - activations into the forms that matrix products read. */
#include "kernels/avx2/matmul.h"
#include "kernels/avx2/simd.h"
#include "kernels/generic/prepare.h"

#include <string.h>

static float q8_largest(const float *x)
{
    vf sizes = vf_abs(vf_load(x));
    for (int i = VF; i < 32; i += VF)
        sizes = vf_max(sizes, vf_abs(vf_load(x + i)));
    return vf_largest(sizes);
}

static void q8_fix(int16_t *t, const float *x, float scale)
{
    for (int i = 0; i < 32; i += 16) {
        const __m256i a = _mm256_cvtps_epi32(vf_load(x + i) * vf_set(scale));
        const __m256i b = _mm256_cvtps_epi32(vf_load(x + i + 8) * vf_set(scale));
        /* packing works within halves */
        _mm256_store_si256((__m256i *)(t + i), _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8));
    }
}

static unsigned lanes_equal(vf a, vf b)
{
    return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_EQ_OQ));
}

/* A lane of 32 bits is a number of steps; each step of the loop takes two values into all of them. The low 16 bits of
 * 4 n t are 4 r. */
static int q8_search(const int16_t *t)
{
#define MULTIPLIER(n) (n) * 4 * 0x10001
    static const int32_t multipliers[Q8_TRIED] = { Q8_STEPS(MULTIPLIER) };
    __m256i multiplier[2], squares[2];
    for (int h = 0; h < 2; h++) {
        multiplier[h] = _mm256_loadu_si256((const __m256i *)(multipliers + 8 * h));
        squares[h] = _mm256_setzero_si256();
    }
    for (int i = 0; i < 16; i++) {
        int32_t two;
        memcpy(&two, t + 2 * i, sizeof two);
        for (int h = 0; h < 2; h++) {
            const __m256i r = _mm256_srai_epi16(_mm256_mullo_epi16(_mm256_set1_epi32(two), multiplier[h]), 2);
            squares[h] = _mm256_add_epi32(squares[h], _mm256_madd_epi16(r, r));
        }
    }
    const vf a = _mm256_cvtepi32_ps(squares[0]) * vf_load(q8_weights);
    const vf b = _mm256_cvtepi32_ps(squares[1]) * vf_load(q8_weights + 8);
    const vf least = vf_set(-vf_largest(-vf_min(a, b)));
    return Q8_MAX_STEPS - __builtin_ctz(lanes_equal(a, least) | lanes_equal(b, least) << 8);
}

/* The sums over the lanes of each. */
static struct q8_sums q8_add_up(__m256i first, __m256i second, __m256i square, __m256i product)
{
    struct q8_sums sums;
    const __m256i of = _mm256_hadd_epi32(_mm256_hadd_epi32(first, second), _mm256_hadd_epi32(square, product));
    _mm_storeu_si128((__m128i *)&sums, _mm_add_epi32(_mm256_castsi256_si128(of), _mm256_extracti128_si256(of, 1)));
    return sums;
}

/* Multiplying by 2 n, pmulhrsw rounds 2 n t / 2^15. */
static struct q8_sums q8_round(int8_t *q, const int16_t *t, int n)
{
    const __m256i multiplier = _mm256_set1_epi16((int16_t)(2 * n)), one = _mm256_set1_epi16(1);
    const __m256i t0 = _mm256_load_si256((const __m256i *)t), t1 = _mm256_load_si256((const __m256i *)(t + 16));
    const __m256i q0 = _mm256_mulhrs_epi16(t0, multiplier), q1 = _mm256_mulhrs_epi16(t1, multiplier);
    _mm256_store_si256((__m256i *)q, _mm256_permute4x64_epi64(_mm256_packs_epi16(q0, q1), 0xd8));
    return q8_add_up(_mm256_madd_epi16(q0, one), _mm256_madd_epi16(q1, one),
                     _mm256_add_epi32(_mm256_madd_epi16(q0, q0), _mm256_madd_epi16(q1, q1)),
                     _mm256_add_epi32(_mm256_madd_epi16(t0, q0), _mm256_madd_epi16(t1, q1)));
}

void avx2_prepare_q8(void *y, const float *x, size_t k, size_t first, size_t n)
{
    prepare_q8(y, x, k, first, n);
}
