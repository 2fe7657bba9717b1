/* simd.h - the vector of AVX2 with FMA under the names that kernels/generic/ is written in: 8 floats, and masked moves
 * for ragged ends. Arithmetic is written with the compiler's own + - * / on vectors. */
#ifndef KERNELS_AVX2_SIMD_H
#define KERNELS_AVX2_SIMD_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum { VF = 8 };
typedef __m256 vf;
typedef __m256 vf_mask; /* all bits of a lane, or none */

static inline vf vf_set(float x)
{
    return _mm256_set1_ps(x);
}
static inline vf vf_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
static inline void vf_store(float *p, vf x)
{
    _mm256_storeu_ps(p, x);
}
static inline __m256i vf_first(size_t n)
{
    static const int32_t window[16] = { -1, -1, -1, -1, -1, -1, -1, -1 };
    return _mm256_loadu_si256((const __m256i *)(window + 8 - n));
}
/** The first n <= VF values; the other lanes are 0, and their memory is not touched. */
static inline vf vf_load_n(const float *p, size_t n)
{
    return _mm256_maskload_ps(p, vf_first(n));
}
static inline void vf_store_n(float *p, vf x, size_t n)
{
    _mm256_maskstore_ps(p, vf_first(n), x);
}

/** a * b + c and c - a * b with one rounding. */
static inline vf vf_fma(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}
static inline vf vf_fnma(vf a, vf b, vf c)
{
    return _mm256_fnmadd_ps(a, b, c);
}
/** Where one of them is not a number: b. */
static inline vf vf_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}
static inline vf vf_min(vf a, vf b)
{
    return _mm256_min_ps(a, b);
}
static inline vf vf_abs(vf x)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}
/** The size of x >= 0 with the sign of s. */
static inline vf vf_copy_sign(vf x, vf s)
{
    return _mm256_or_ps(x, _mm256_and_ps(s, _mm256_set1_ps(-0.0f)));
}

static inline vf_mask vf_less(vf a, vf b)
{
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}
/** True too where one of them is not a number. */
static inline vf_mask vf_not_at_most(vf a, vf b)
{
    return _mm256_cmp_ps(a, b, _CMP_NLE_UQ);
}
static inline vf vf_select(vf_mask m, vf yes, vf no)
{
    return _mm256_blendv_ps(no, yes, m);
}
/** x * 2^n for a normal result, n in the low bits of t. */
static inline vf vf_add_exponent(vf x, vf t)
{
    const __m256i n = _mm256_slli_epi32(_mm256_castps_si256(t), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), n));
}

static inline float vf_sum(vf x)
{
    __m128 s = _mm256_castps256_ps128(x) + _mm256_extractf128_ps(x, 1);
    s += _mm_movehl_ps(s, s);
    return _mm_cvtss_f32(s + _mm_movehdup_ps(s));
}
static inline float vf_largest(vf x)
{
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ps(m, _mm_movehdup_ps(m)));
}

/** VF / 2 values; the other lanes are anything. */
static inline vf vf_load_half(const float *p)
{
    return _mm256_castps128_ps256(_mm_loadu_ps(p));
}
/** Lanes 0 0 1 1 2 2 ... */
static inline vf vf_twice(vf x)
{
    return _mm256_permutevar8x32_ps(x, _mm256_set_epi32(3, 3, 2, 2, 1, 1, 0, 0));
}
/** Lanes 1 0 3 2 ... */
static inline vf vf_swap_pairs(vf x)
{
    return _mm256_permute_ps(x, 0xb1);
}
/** a * b - c in even lanes, a * b + c in odd ones. */
static inline vf vf_fma_sub_add(vf a, vf b, vf c)
{
    return _mm256_fmaddsub_ps(a, b, c);
}

/** Lane i of the result is the sum over the lanes of x[i]. Each step adds what one half of the lanes of two vectors
 *  holds to the other half, so that the order of additions is the same for all i. */
static inline vf vf_sums(vf x[VF])
{
    for (int i = 0; i < 4; i++)
        x[i] = _mm256_blend_ps(x[i], x[i + 4], 0xf0) + _mm256_permute2f128_ps(x[i], x[i + 4], 0x21);
    for (int i = 0; i < 2; i++)
        x[i] = _mm256_blend_ps(x[i], x[i + 2], 0xcc) + _mm256_shuffle_ps(x[i], x[i + 2], 0x4e);
    return _mm256_blend_ps(x[0], x[1], 0xaa) + vf_swap_pairs(_mm256_blend_ps(x[0], x[1], 0x55));
}

#endif
