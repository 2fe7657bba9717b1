/* simd.h - the vector of NEON under the names that kernels/generic/ is written in: 4 floats, and moves of fewer for
 * ragged ends. Arithmetic is written with the compiler's own + - * / on vectors. */
#ifndef KERNELS_NEON_SIMD_H
#define KERNELS_NEON_SIMD_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

enum { VF = 4 };
typedef float32x4_t vf;
typedef uint32x4_t vf_mask; /* all bits of a lane, or none */

static inline vf vf_set(float x)
{
    return vdupq_n_f32(x);
}
static inline vf vf_load(const float *p)
{
    return vld1q_f32(p);
}
static inline void vf_store(float *p, vf x)
{
    vst1q_f32(p, x);
}
/** The first n <= VF values; the other lanes are 0, and their memory is not touched. */
static inline vf vf_load_n(const float *p, size_t n)
{
    float x[VF] = { 0 };
    for (size_t i = 0; i < n && i < VF; i++)
        x[i] = p[i];
    return vld1q_f32(x);
}
static inline void vf_store_n(float *p, vf x, size_t n)
{
    float all[VF];
    vst1q_f32(all, x);
    for (size_t i = 0; i < n && i < VF; i++)
        p[i] = all[i];
}

/** a * b + c and c - a * b with one rounding. */
static inline vf vf_fma(vf a, vf b, vf c)
{
    return vfmaq_f32(c, a, b);
}
static inline vf vf_fnma(vf a, vf b, vf c)
{
    return vfmsq_f32(c, a, b);
}
/** Where one of them is not a number: b. */
static inline vf vf_max(vf a, vf b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}
static inline vf vf_min(vf a, vf b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}
static inline vf vf_abs(vf x)
{
    return vabsq_f32(x);
}
/** The size of x >= 0 with the sign of s. */
static inline vf vf_copy_sign(vf x, vf s)
{
    return vbslq_f32(vdupq_n_u32(0x80000000), s, x);
}

static inline vf_mask vf_less(vf a, vf b)
{
    return vcltq_f32(a, b);
}
/** True too where one of them is not a number. */
static inline vf_mask vf_not_at_most(vf a, vf b)
{
    return vmvnq_u32(vcleq_f32(a, b));
}
static inline vf vf_select(vf_mask m, vf yes, vf no)
{
    return vbslq_f32(m, yes, no);
}
/** x * 2^n for a normal result, n in the low bits of t. */
static inline vf vf_add_exponent(vf x, vf t)
{
    const int32x4_t n = vshlq_n_s32(vreinterpretq_s32_f32(t), 23);
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(x), n));
}

static inline float vf_sum(vf x)
{
    return vaddvq_f32(x);
}
static inline float vf_largest(vf x)
{
    return vmaxvq_f32(x);
}

/** VF / 2 values; the other lanes are anything. */
static inline vf vf_load_half(const float *p)
{
    const float32x2_t half = vld1_f32(p);
    return vcombine_f32(half, half);
}
/** Lanes 0 0 1 1 2 2 ... */
static inline vf vf_twice(vf x)
{
    return vzip1q_f32(x, x);
}
/** Lanes 1 0 3 2 ... */
static inline vf vf_swap_pairs(vf x)
{
    return vrev64q_f32(x);
}
/** a * b - c in even lanes, a * b + c in odd ones. */
static inline vf vf_fma_sub_add(vf a, vf b, vf c)
{
    const uint32x4_t even_signs = vreinterpretq_u32_u64(vdupq_n_u64(0x80000000));
    return vfmaq_f32(vreinterpretq_f32_u32(veorq_u32(vreinterpretq_u32_f32(c), even_signs)), a, b);
}

/** Lane i of the result is the sum over the lanes of x[i], added in the same order for all i. */
static inline vf vf_sums(vf x[VF])
{
    return vpaddq_f32(vpaddq_f32(x[0], x[1]), vpaddq_f32(x[2], x[3]));
}

#endif
