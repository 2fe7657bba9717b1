/* pairs_bf16.h - pairs of bf16, which bfdot multiplies and sums: what kernels/generic/pairs.h describes. Of the sums,
 * lane i is that of pair i. The products are exact; numbers below 2^-126 count as 0. */
#ifndef KERNELS_I8MM_PAIRS_BF16_H
#define KERNELS_I8MM_PAIRS_BF16_H

#include "kernels/neon/simd.h"

#define PAIRS_TYPE DTYPE_BF16
#define PAIRS_OF_TYPES(F) F(BF16) F(Q8_0) F(Q4_0)
enum { PAIRS = VF, PAIR_VECTORS = 2 };
typedef uint16_t pnum;
typedef uint16x8_t pv;

static inline pv pv_from(const vf x[PAIR_VECTORS])
{
    return vreinterpretq_u16_bf16(vcvtq_high_bf16_f32(vcvtq_low_bf16_f32(x[0]), x[1]));
}
static inline pv pv_load(const pnum *p)
{
    return vld1q_u16(p);
}
static inline void pv_store(pnum *p, pv x)
{
    vst1q_u16(p, x);
}
static inline pv pv_set(const pnum *p)
{
    uint32_t pair;
    memcpy(&pair, p, sizeof pair);
    return vreinterpretq_u16_u32(vdupq_n_u32(pair));
}
static inline pv pv_ones(void)
{
    uint32_t pair = 0x3f803f80;
    __asm__("" : "+r"(pair)); /* gcc 12 takes what it knows to be ones of bf16 for ones of f16 */
    return vreinterpretq_u16_u32(vdupq_n_u32(pair));
}
static inline pv pv_keep(pv x, bool first, bool second)
{
    return vandq_u16(x, vreinterpretq_u16_u32(vdupq_n_u32((first ? 0xffff : 0) | (second ? 0xffff0000 : 0))));
}
static inline vf pv_fma(pv a, pv b, vf sums)
{
    return vbfdotq_f32(sums, vreinterpretq_bf16_u16(a), vreinterpretq_bf16_u16(b));
}
static inline vf pv_sums(const vf sums[2], int i)
{
    return sums[i];
}

#endif
