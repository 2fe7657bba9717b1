/* fit.c - the sums that quantising searches with in AVX-512, instantiated from kernels/generic/. */
#include "kernels/avx512/avx512.h"
#include "kernels/avx512/simd.h"

#include "kernels/generic/fit.h"

void kernels_init_avx512_fit(struct kernels *k, const struct cpu_features *f)
{
    (void)f;
    k->fit = fit;
}
