/* simd.h - the vector of AVX-512 under the names that kernels/generic/ is written in: 16 floats, and masks for ragged
 * ends. Arithmetic is written with the compiler's own + - * / on vectors. */
#ifndef KERNELS_AVX512_SIMD_H
#define KERNELS_AVX512_SIMD_H

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { VF = 16, VF_REGISTERS = 32 };
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
/** To the nearest whole number, ties to even. */
static inline vf vf_round(vf x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
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
static inline bool vf_any(vf_mask m)
{
    return m != 0;
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

/** Lanes p[0] p[1] p[0] p[1] ... */
static inline vf vf_set_pair(const float *p)
{
    double pair;
    memcpy(&pair, p, sizeof pair);
    return _mm512_castpd_ps(_mm512_set1_pd(pair));
}
/** Lane i of the result is the sum of the lanes 2i and 2i + 1 of a followed by b. */
static inline vf vf_pair_sums(vf a, vf b)
{
    const vf sums = _mm512_shuffle_ps(a, b, 0x88) + _mm512_shuffle_ps(a, b, 0xdd);
    return _mm512_castpd_ps(_mm512_permutexvar_pd(_mm512_set_epi64(7, 5, 3, 1, 6, 4, 2, 0), _mm512_castps_pd(sums)));
}
/** Lanes 0 2 4 ... and 1 3 5 ..., if wanted; the others become 0, whatever they hold. */
static inline vf vf_keep(vf x, bool even, bool odd)
{
    return _mm512_maskz_mov_ps((__mmask16)((even ? 0x5555 : 0) | (odd ? 0xaaaa : 0)), x);
}

/** VF values of other types, at any address. */
static inline vf vf_load_f16(const void *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256(p));
}
static inline vf vf_load_bf16(const void *p)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(p)), 16));
}
static inline vf vf_load_i8(const void *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(p)));
}
/** The low or high halves of VF bytes: 0 to 15. */
static inline vf vf_load_low_nibbles(const void *p)
{
    return _mm512_cvtepi32_ps(_mm512_and_si512(_mm512_cvtepu8_epi32(_mm_loadu_si128(p)), _mm512_set1_epi32(15)));
}
static inline vf vf_load_high_nibbles(const void *p)
{
    return _mm512_cvtepi32_ps(_mm512_srli_epi32(_mm512_cvtepu8_epi32(_mm_loadu_si128(p)), 4));
}
/** Two f16 values as vf_set_pair. */
static inline vf vf_set_pair_f16(const void *p)
{
    int32_t pair;
    memcpy(&pair, p, sizeof pair);
    return _mm512_cvtph_ps(_mm256_set1_epi32(pair));
}
/** To nearest, ties to even; what is too large becomes infinite. */
static inline void vf_store_f16(void *p, vf x)
{
    _mm256_storeu_si256(p, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
/** To nearest, ties to even, of |x| <= 127. */
static inline void vf_store_i8(void *p, vf x)
{
    _mm_storeu_si128(p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x)));
}

#endif
