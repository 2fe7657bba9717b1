/* matmul_bf16.c - F16 and BF16 weights times bf16 activations for many columns, by vdpbf16ps: twice the products of a
 * float multiply-add. It is used where the processor gives that rate (cpu_features) and the precision is fast.
 *
 * Panels of pairs (matmul_panel.h). F16 is rounded to bf16 when it is unpacked, to the nearest, as the activations
 * were: 8 bits of a weight are left of 11. This is the one file that may hold AVX512_BF16 instructions. */
#include "kernels/avx512/matmul.h"
#include "kernels/avx512/matmul_panel.h"

#define STEP 2 /* values of k */

INLINE __m512 add_pairs(__m512 sums, __m512i w, __m512i x)
{
    return _mm512_dpbf16_ps(sums, (__m512bh)w, (__m512bh)x);
}
DEFINE_MULTIPLY_COLUMNS(add_pairs)

/* n <= 32 values of 16 bits, then zeros. */
INLINE __m512i load_first(const uint8_t *p, size_t n)
{
    return n < 32 ? _mm512_maskz_loadu_epi16((1u << n) - 1, p) : _mm512_loadu_si512(p);
}

INLINE void steps_bf16(uint32_t *steps, const void *w, size_t n)
{
    for (size_t i = 0; i < n; i += 32)
        _mm512_store_si512(steps + i / STEP, load_first((const uint8_t *)w + 2 * i, n - i));
}

INLINE void steps_f16(uint32_t *steps, const void *w, size_t n)
{
    for (size_t i = 0; i < n; i += 32) {
        const __m512i f16 = load_first((const uint8_t *)w + 2 * i, n - i);
        const __m512 low = _mm512_cvtph_ps(_mm512_castsi512_si256(f16));
        const __m512 high = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(f16, 1));
        _mm512_store_si512(steps + i / STEP, (__m512i)_mm512_cvtne2ps_pbh(high, low));
    }
}

#define GEMM(name) \
    void avx512_bf16_gemm_##name(const struct matmul_tile *t) \
    { \
        panel_gemm(t, (struct panels){ steps_##name, STEP, { PANEL, CHUNK * STEP, 1, 2 }, multiply_columns }); \
    }
GEMM(f16)
GEMM(bf16)
