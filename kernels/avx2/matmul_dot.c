/* matmul_dot.c - row dots by vpmaddubsw: matmul_dot.h.
 *
 * It multiplies unsigned weights by signed activations and adds pairs in 16 bits: at most 2 * 127 * 127, which fits;
 * for types of signed weights these give their signs to the activations first, at most 2 * 128 * 127. A type's constant
 * offset is taken off there: what is left of two registers still fits. vpmaddwd adds pairs again. */
#include "kernels/avx2/matmul_dot.h"

INLINE __m256i offset_products(const __m256i *x, int i, struct type type)
{
    const __m256i offset = _mm256_set1_epi8((char)type.offset);
    __m256i sums = _mm256_maddubs_epi16(offset, x[i]);
    if (type.pairs)
        sums = _mm256_add_epi16(sums, _mm256_maddubs_epi16(offset, x[i + 1]));
    return _mm256_sub_epi16(_mm256_setzero_si256(), sums);
}

/* Sums of pairs of products in 16 bits. */
INLINE __m256i multiply_pairs(__m256i w, __m256i x, struct type type)
{
    return type.bits == 8 ? _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w))
                          : _mm256_maddubs_epi16(w, x);
}

INLINE __m256i multiply(const __m256i *w, const __m256i *x, const __m256i *start, int i, struct type type)
{
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i sums = multiply_pairs(w[i], x[i], type);
    if (type.pairs && type.bits == 8)
        return _mm256_add_epi32(_mm256_madd_epi16(sums, ones),
                                _mm256_madd_epi16(multiply_pairs(w[i + 1], x[i + 1], type), ones));
    if (type.pairs)
        sums = _mm256_add_epi16(sums, multiply_pairs(w[i + 1], x[i + 1], type));
    if (type.offset)
        sums = _mm256_add_epi16(sums, start[i]);
    return _mm256_madd_epi16(sums, ones);
}

#define DOT(name, NAME) \
    void avx2_dot_##name(const struct matmul_tile *t) \
    { \
        dot(t, type_##name); \
    }
QUANTISED_TYPES(DOT)
