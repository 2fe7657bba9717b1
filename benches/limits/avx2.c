/* avx2.c - vectors of 256 bits: FMA; products of bytes by maddubs, or by vpdpbusd where AVX-VNNI is. */
#include "benches/limits/limits.h"

#include <immintrin.h>

typedef unsigned long long vector __attribute__((vector_size(32)));

static inline vector load_vector(const uint8_t *p)
{
    return (vector)_mm256_loadu_si256((const __m256i *)p);
}

#include "benches/limits/reader.h"

#define CHAINS 10 /* hide the latency */

static uint64_t multiply_f32(size_t n_steps)
{
    const __m256 a = _mm256_set1_ps(0.5f);
    __m256 x[CHAINS];
    for (int i = 0; i < CHAINS; i++) {
        x[i] = a;
        HIDE(x[i]);
    }
    for (size_t s = 0; s < n_steps; s++)
        for (int i = 0; i < CHAINS; i++)
            x[i] = _mm256_fmadd_ps(x[i], a, a);
    for (int i = 1; i < CHAINS; i++)
        x[0] = _mm256_add_ps(x[0], x[i]);
    return (uint64_t)_mm256_cvtss_f32(x[0]);
}

INLINE uint64_t sum_of(__m256i *x, int n)
{
    for (int i = 1; i < n; i++)
        x[0] = _mm256_add_epi32(x[0], x[i]);
    return (uint64_t)_mm256_extract_epi64(x[0], 0);
}

/* Products to pairs, pairs to fours, fours to the sum: of these three only the last is a chain. */
#define MADDUBS_CHAINS 4

static uint64_t multiply_maddubs(size_t n_steps)
{
    const __m256i ones = _mm256_set1_epi16(1), q = _mm256_set1_epi8(-3);
    __m256i w = _mm256_set1_epi8(7), x[MADDUBS_CHAINS] = { 0 };
    for (size_t s = 0; s < n_steps; s++)
        for (int i = 0; i < MADDUBS_CHAINS; i++) {
            HIDE(w);
            x[i] = _mm256_add_epi32(x[i], _mm256_madd_epi16(_mm256_maddubs_epi16(w, q), ones));
        }
    return sum_of(x, MADDUBS_CHAINS);
}

__attribute__((target("avxvnni"))) static uint64_t multiply_vnni(size_t n_steps)
{
    const __m256i w = _mm256_set1_epi8(7), q = _mm256_set1_epi8(-3);
    __m256i x[CHAINS];
    for (int i = 0; i < CHAINS; i++) {
        x[i] = _mm256_setzero_si256();
        HIDE(x[i]);
    }
    for (size_t s = 0; s < n_steps; s++)
        for (int i = 0; i < CHAINS; i++)
            x[i] = _mm256_dpbusd_avx_epi32(x[i], w, q);
    return sum_of(x, CHAINS);
}

void limits_init_avx2(struct probe *p, const struct cpu_features *f)
{
    p->unit[PEAK_F32] = (struct unit){ multiply_f32, 2.0 * CHAINS * 8 };
    p->unit[PEAK_INT8] = f->avx_vnni ? (struct unit){ multiply_vnni, 2.0 * CHAINS * 32 }
                                     : (struct unit){ multiply_maddubs, 2.0 * MADDUBS_CHAINS * 32 };
    use_readers(p);
}
