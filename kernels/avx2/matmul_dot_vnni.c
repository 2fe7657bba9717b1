/* matmul_dot_vnni.c - row dots by vpdpbusd: matmul_dot.h. Signed weights give their signs to the activations first. */
#include "kernels/avx2/matmul_dot.h"
#include "kernels/avx2/vnni.h"

INLINE __m256i offset_products(const __m256i *x, int i, struct type type)
{
    const __m256i offset = _mm256_set1_epi8((char)type.offset);
    __m256i sums = dpbusd(_mm256_setzero_si256(), offset, x[i]);
    if (type.pairs)
        sums = dpbusd(sums, offset, x[i + 1]);
    return _mm256_sub_epi32(_mm256_setzero_si256(), sums);
}

INLINE __m256i multiply_register(__m256i sums, __m256i w, __m256i x, struct type type)
{
    return type.bits == 8 ? dpbusd(sums, _mm256_abs_epi8(w), _mm256_sign_epi8(x, w)) : dpbusd(sums, w, x);
}

INLINE __m256i multiply(const __m256i *w, const __m256i *x, const __m256i *start, int i, struct type type)
{
    const __m256i sums = multiply_register(type.offset ? start[i] : _mm256_setzero_si256(), w[i], x[i], type);
    return type.pairs ? multiply_register(sums, w[i + 1], x[i + 1], type) : sums;
}

#define DOT(name, NAME) \
    void avx2_vnni_dot_##name(const struct matmul_tile *t) \
    { \
        dot(t, type_##name); \
    }
QUANTISED_TYPES(DOT)
