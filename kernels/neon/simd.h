/* simd.h - the vector of NEON under the names that kernels/generic/ is written in: 4 floats, and moves of fewer for
 * ragged ends. Arithmetic is written with the compiler's own + - * / on vectors. */
#ifndef KERNELS_NEON_SIMD_H
#define KERNELS_NEON_SIMD_H

#include <arm_neon.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { VF = 4, VF_REGISTERS = 32 };
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
static inline bool vf_any(vf_mask m)
{
    return vmaxvq_u32(m) != 0;
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

/** Lanes p[0] p[1] p[0] p[1] */
static inline vf vf_set_pair(const float *p)
{
    const float32x2_t pair = vld1_f32(p);
    return vcombine_f32(pair, pair);
}
/** Lane i of the result is the sum of the lanes 2i and 2i + 1 of a followed by b. */
static inline vf vf_pair_sums(vf a, vf b)
{
    return vpaddq_f32(a, b);
}
/** Lanes 0 2 and 1 3, if wanted; the others become 0, whatever they hold. */
static inline vf vf_keep(vf x, bool even, bool odd)
{
    const uint64x2_t kept = vdupq_n_u64((even ? 0xffffffff : 0) | (odd ? 0xffffffff00000000 : 0));
    return vreinterpretq_f32_u64(vandq_u64(vreinterpretq_u64_f32(x), kept));
}

/** VF values of other types, at any address. */
static inline vf vf_load_f16(const void *p)
{
    uint16x4_t bits;
    memcpy(&bits, p, sizeof bits);
    return vcvt_f32_f16(vreinterpret_f16_u16(bits));
}
static inline vf vf_load_bf16(const void *p)
{
    uint16x4_t bits;
    memcpy(&bits, p, sizeof bits);
    return vreinterpretq_f32_u32(vshll_n_u16(bits, 16));
}
/** Four bytes as dwords. */
static inline uint32x4_t vf_load_u8(const void *p)
{
    uint32_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    return vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(bytes))));
}
static inline vf vf_load_i8(const void *p)
{
    uint32_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(bytes)))));
}
/** The low or high halves of VF bytes: 0 to 15. */
static inline vf vf_load_low_nibbles(const void *p)
{
    return vcvtq_f32_u32(vandq_u32(vf_load_u8(p), vdupq_n_u32(15)));
}
static inline vf vf_load_high_nibbles(const void *p)
{
    return vcvtq_f32_u32(vshrq_n_u32(vf_load_u8(p), 4));
}
/** Two f16 values as vf_set_pair. */
static inline vf vf_set_pair_f16(const void *p)
{
    uint32_t pair;
    memcpy(&pair, p, sizeof pair);
    return vcvt_f32_f16(vreinterpret_f16_u32(vdup_n_u32(pair)));
}
/** To nearest, ties to even; what is too large becomes infinite. */
static inline void vf_store_f16(void *p, vf x)
{
    const float16x4_t f16 = vcvt_f16_f32(x);
    memcpy(p, &f16, sizeof f16);
}
/** To nearest, ties to even, of |x| <= 127. */
static inline void vf_store_i8(void *p, vf x)
{
    const int16x4_t i16 = vmovn_s32(vcvtnq_s32_f32(x));
    const int8x8_t i8 = vmovn_s16(vcombine_s16(i16, i16));
    memcpy(p, &i8, 4);
}

#endif
