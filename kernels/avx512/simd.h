/* simd.h - the vector of AVX-512 under the names that kernels/generic/ is written in: 16 floats, and masks for ragged
 * ends. Arithmetic is written with the compiler's own + - * / on vectors. */
#ifndef KERNELS_AVX512_SIMD_H
#define KERNELS_AVX512_SIMD_H

#include <immintrin.h>
#include <stddef.h>

enum { VF = 16 };
typedef __m512 vf;
typedef __mmask16 vf_mask;

static inline vf vf_set(float x)
{
    return _mm512_set1_ps(x);
}
static inline vf vf_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
static inline void vf_store(float *p, vf x)
{
    _mm512_storeu_ps(p, x);
}
static inline __mmask16 vf_first(size_t n)
{
    return (__mmask16)((1u << n) - 1);
}
/** The first n <= VF values; the other lanes are 0, and their memory is not touched. */
static inline vf vf_load_n(const float *p, size_t n)
{
    return _mm512_maskz_loadu_ps(vf_first(n), p);
}
static inline void vf_store_n(float *p, vf x, size_t n)
{
    _mm512_mask_storeu_ps(p, vf_first(n), x);
}

/** a * b + c and c - a * b with one rounding. */
static inline vf vf_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}
static inline vf vf_fnma(vf a, vf b, vf c)
{
    return _mm512_fnmadd_ps(a, b, c);
}
/** Where one of them is not a number: b. */
static inline vf vf_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}
static inline vf vf_min(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}
static inline vf vf_abs(vf x)
{
    return _mm512_abs_ps(x);
}
/** The size of x >= 0 with the sign of s. */
static inline vf vf_copy_sign(vf x, vf s)
{
    return _mm512_or_ps(x, _mm512_and_ps(s, _mm512_set1_ps(-0.0f)));
}

static inline vf_mask vf_less(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
/** True too where one of them is not a number. */
static inline vf_mask vf_not_at_most(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_NLE_UQ);
}
static inline vf vf_select(vf_mask m, vf yes, vf no)
{
    return _mm512_mask_blend_ps(m, no, yes);
}
/** x * 2^n for a normal result, n in the low bits of t. */
static inline vf vf_add_exponent(vf x, vf t)
{
    const __m512i n = _mm512_slli_epi32(_mm512_castps_si512(t), 23);
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x), n));
}

static inline float vf_sum(vf x)
{
    return _mm512_reduce_add_ps(x);
}
static inline float vf_largest(vf x)
{
    return _mm512_reduce_max_ps(x);
}

/** VF / 2 values; the other lanes are anything. */
static inline vf vf_load_half(const float *p)
{
    return _mm512_castps256_ps512(_mm256_loadu_ps(p));
}
/** Lanes 0 0 1 1 2 2 ... */
static inline vf vf_twice(vf x)
{
    return _mm512_permutexvar_ps(_mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0), x);
}
/** Lanes 1 0 3 2 ... */
static inline vf vf_swap_pairs(vf x)
{
    return _mm512_permute_ps(x, 0xb1);
}
/** a * b - c in even lanes, a * b + c in odd ones. */
static inline vf vf_fma_sub_add(vf a, vf b, vf c)
{
    return _mm512_fmaddsub_ps(a, b, c);
}

/** Lane i of the result is the sum over the lanes of x[i]. Each step adds what one half of the lanes of two vectors
 *  holds to the other half, so that the order of additions is the same for all i. */
static inline vf vf_sums(vf x[VF])
{
    const __m512i swap_quarters = _mm512_set_epi32(27, 26, 25, 24, 15, 14, 13, 12, 19, 18, 17, 16, 7, 6, 5, 4);
    for (int i = 0; i < 8; i++)
        x[i] = _mm512_mask_blend_ps(0xff00, x[i], x[i + 8]) + _mm512_shuffle_f32x4(x[i], x[i + 8], 0x4e);
    for (int i = 0; i < 4; i++)
        x[i] = _mm512_mask_blend_ps(0xf0f0, x[i], x[i + 4]) + _mm512_permutex2var_ps(x[i], swap_quarters, x[i + 4]);
    for (int i = 0; i < 2; i++)
        x[i] = _mm512_mask_blend_ps(0xcccc, x[i], x[i + 2]) + _mm512_shuffle_ps(x[i], x[i + 2], 0x4e);
    return _mm512_mask_blend_ps(0xaaaa, x[0], x[1]) + vf_swap_pairs(_mm512_mask_blend_ps(0x5555, x[0], x[1]));
}

#endif
