/* vector.c - operations on vectors in AVX-512, instantiated from kernels/generic/. */
#include "kernels/avx512/avx512.h"
#include "kernels/avx512/simd.h"

#include "kernels/generic/vector.h"

void kernels_init_avx512_vector(struct kernels *k, const struct cpu_features *f)
{
    (void)f;
    fill_vector(k);
}
