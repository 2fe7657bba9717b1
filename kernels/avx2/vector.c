/* vector.c - operations on vectors in AVX2, instantiated from kernels/generic/. */
#include "kernels/avx2/avx2.h"
#include "kernels/avx2/simd.h"

#include "kernels/generic/vector.h"

void kernels_init_avx2_vector(struct kernels *k, const struct cpu_features *f)
{
    (void)f;
    fill_vector(k);
}
