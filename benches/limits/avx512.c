/* avx512.c - vectors of 512 bits: FMA; products of bytes by vpdpbusd, and of bf16 by vdpbf16ps where it is. */
#include "benches/limits/limits.h"

#include <immintrin.h>

typedef unsigned long long vector __attribute__((vector_size(64)));

static inline vector load_vector(const uint8_t *p)
{
    return (vector)_mm512_loadu_si512(p);
}

#include "benches/limits/reader.h"

#define CHAINS 16 /* hide the latency */

INLINE uint64_t sum_of(__m512 x[CHAINS])
{
    for (int i = 1; i < CHAINS; i++)
        x[0] = _mm512_add_ps(x[0], x[i]);
    return (uint64_t)_mm512_cvtss_f32(x[0]);
}

static uint64_t multiply_f32(size_t n_steps)
{
    const __m512 a = _mm512_set1_ps(0.5f);
    __m512 x[CHAINS];
    for (int i = 0; i < CHAINS; i++) {
        x[i] = a;
        HIDE_512(x[i]);
    }
    for (size_t s = 0; s < n_steps; s++)
        for (int i = 0; i < CHAINS; i++)
            x[i] = _mm512_fmadd_ps(x[i], a, a);
    return sum_of(x);
}

static uint64_t multiply_int8(size_t n_steps)
{
    const __m512i w = _mm512_set1_epi8(7), q = _mm512_set1_epi8(-3);
    __m512i x[CHAINS];
    for (int i = 0; i < CHAINS; i++) {
        x[i] = _mm512_setzero_si512();
        HIDE_512(x[i]);
    }
    for (size_t s = 0; s < n_steps; s++)
        for (int i = 0; i < CHAINS; i++)
            x[i] = _mm512_dpbusd_epi32(x[i], w, q);
    for (int i = 1; i < CHAINS; i++)
        x[0] = _mm512_add_epi32(x[0], x[i]);
    return (uint64_t)_mm512_reduce_add_epi64(x[0]);
}

__attribute__((target("avx512bf16"))) static uint64_t multiply_bf16(size_t n_steps)
{
    const __m512bh a = (__m512bh)_mm512_set1_epi16(0x3c00); /* 2^-7 */
    __m512 x[CHAINS];
    for (int i = 0; i < CHAINS; i++) {
        x[i] = _mm512_setzero_ps();
        HIDE_512(x[i]);
    }
    for (size_t s = 0; s < n_steps; s++)
        for (int i = 0; i < CHAINS; i++)
            x[i] = _mm512_dpbf16_ps(x[i], a, a);
    return sum_of(x);
}

void limits_init_avx512(struct probe *p, const struct cpu_features *f)
{
    p->unit[PEAK_F32] = (struct unit){ multiply_f32, 2.0 * CHAINS * 16 };
    p->unit[PEAK_INT8] = (struct unit){ multiply_int8, 2.0 * CHAINS * 64 };
    if (f->avx512_bf16)
        p->unit[PEAK_BF16] = (struct unit){ multiply_bf16, 2.0 * CHAINS * 32 };
    use_readers(p);
}
