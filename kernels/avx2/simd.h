/* simd.h - the vector of AVX2 with FMA under the names that kernels/generic/ is written in: 8 floats, and masked moves
 * for ragged ends. Arithmetic is written with the compiler's own + - * / on vectors. */
#ifndef KERNELS_AVX2_SIMD_H
#define KERNELS_AVX2_SIMD_H

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { VF = 8, VF_REGISTERS = 16 };
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
/** To the nearest whole number, ties to even. */
static inline vf vf_round(vf x)
{
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
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
static inline bool vf_any(vf_mask m)
{
    return _mm256_movemask_ps(m) != 0;
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

/** Lanes p[0] p[1] p[0] p[1] ... */
static inline vf vf_set_pair(const float *p)
{
    double pair;
    memcpy(&pair, p, sizeof pair);
    return _mm256_castpd_ps(_mm256_set1_pd(pair));
}
/** Lane i of the result is the sum of the lanes 2i and 2i + 1 of a followed by b. */
static inline vf vf_pair_sums(vf a, vf b)
{
    const vf sums = _mm256_shuffle_ps(a, b, 0x88) + _mm256_shuffle_ps(a, b, 0xdd);
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(sums), 0xd8));
}
/** Lanes 0 2 4 ... and 1 3 5 ..., if wanted; the others become 0, whatever they hold. */
static inline vf vf_keep(vf x, bool even, bool odd)
{
    const __m128i one = _mm_cvtsi32_si128(even ? -1 : 0), other = _mm_cvtsi32_si128(odd ? -1 : 0);
    return _mm256_and_ps(x, _mm256_castsi256_ps(_mm256_broadcastq_epi64(_mm_unpacklo_epi32(one, other))));
}

/** VF values of other types, at any address. */
static inline vf vf_load_f16(const void *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128(p));
}
static inline vf vf_load_bf16(const void *p)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(p)), 16));
}
static inline vf vf_load_i8(const void *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(p)));
}
/** The low or high halves of VF bytes: 0 to 15. */
static inline vf vf_load_low_nibbles(const void *p)
{
    return _mm256_cvtepi32_ps(_mm256_and_si256(_mm256_cvtepu8_epi32(_mm_loadl_epi64(p)), _mm256_set1_epi32(15)));
}
static inline vf vf_load_high_nibbles(const void *p)
{
    return _mm256_cvtepi32_ps(_mm256_srli_epi32(_mm256_cvtepu8_epi32(_mm_loadl_epi64(p)), 4));
}
/** Two f16 values as vf_set_pair. */
static inline vf vf_set_pair_f16(const void *p)
{
    int32_t pair;
    memcpy(&pair, p, sizeof pair);
    return _mm256_cvtph_ps(_mm_set1_epi32(pair));
}
/** To nearest, ties to even; what is too large becomes infinite. */
static inline void vf_store_f16(void *p, vf x)
{
    _mm_storeu_si128(p, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
/** To nearest, ties to even, of |x| <= 127. */
static inline void vf_store_i8(void *p, vf x)
{
    const __m256i i = _mm256_cvtps_epi32(x);
    const __m128i i16 = _mm_packs_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));
    _mm_storel_epi64(p, _mm_packs_epi16(i16, i16));
}

#endif
