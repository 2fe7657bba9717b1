/* prepare.c - activations into the forms that matrix products read. */
#include "kernels/generic/prepare.h"
#include "kernels/neon/matmul.h"
#include "kernels/neon/simd.h"

static float q8_largest(const float *x)
{
    vf sizes = vf_abs(vf_load(x));
    for (int i = VF; i < 32; i += VF)
        sizes = vf_max(sizes, vf_abs(vf_load(x + i)));
    return vf_largest(sizes);
}

static void q8_fix(int16_t *t, const float *x, float scale)
{
    for (int i = 0; i < 32; i += 4)
        vst1_s16(t + i, vmovn_s32(vcvtnq_s32_f32(vf_load(x + i) * vf_set(scale))));
}

/* The low 16 bits of 4 n t are 4 r. */
static int q8_search(const int16_t *t)
{
    const int16x8_t v[4] = { vld1q_s16(t), vld1q_s16(t + 8), vld1q_s16(t + 16), vld1q_s16(t + 24) };
    int best = 0;
    float least = 0;
    for (int tried = 0; tried < Q8_TRIED; tried++) {
        int32x4_t squares = vdupq_n_s32(0);
        for (int i = 0; i < 4; i++) {
            const int16x8_t r = vshrq_n_s16(vmulq_n_s16(v[i], (int16_t)(4 * (Q8_MAX_STEPS - tried))), 2);
            squares = vmlal_s16(squares, vget_low_s16(r), vget_low_s16(r));
            squares = vmlal_high_s16(squares, r, r);
        }
        const float error = (float)vaddvq_s32(squares) * q8_weights[tried];
        if (tried == 0 || error < least) {
            least = error;
            best = tried;
        }
    }
    return Q8_MAX_STEPS - best;
}

/* Multiplying by 2 n, sqrdmulh rounds 2 n t / 2^15. */
static struct q8_sums q8_round(int8_t *q, const int16_t *t, int n)
{
    int32x4_t half[2], square = vdupq_n_s32(0), product = vdupq_n_s32(0);
    for (int i = 0; i < 4; i++) {
        const int16x8_t of_t = vld1q_s16(t + 8 * i), of_q = vqrdmulhq_n_s16(of_t, (int16_t)(2 * n));
        half[i / 2] = i % 2 ? vpadalq_s16(half[i / 2], of_q) : vpaddlq_s16(of_q);
        square = vmlal_high_s16(vmlal_s16(square, vget_low_s16(of_q), vget_low_s16(of_q)), of_q, of_q);
        product = vmlal_high_s16(vmlal_s16(product, vget_low_s16(of_t), vget_low_s16(of_q)), of_t, of_q);
        vst1_s8(q + 8 * i, vmovn_s16(of_q));
    }
    return (struct q8_sums){ { vaddvq_s32(half[0]), vaddvq_s32(half[1]) }, vaddvq_s32(square), vaddvq_s32(product) };
}

void neon_prepare_q8(void *y, const float *x, size_t k, size_t first, size_t n)
{
    prepare_q8(y, x, k, first, n);
}
