/* fit.c - the sums that quantising searches with in AVX2, instantiated from kernels/generic/. */
#include "kernels/avx2/avx2.h"
#include "kernels/avx2/simd.h"

#include "kernels/generic/fit.h"

void kernels_init_avx2_fit(struct kernels *k, const struct cpu_features *f)
{
    (void)f;
    k->fit = fit;
}
