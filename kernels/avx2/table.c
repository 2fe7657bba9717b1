/* table.c - the AVX2 table, part by part. */
#include "kernels/avx2/avx2.h"

void kernels_init_avx2(struct kernels *k, const struct cpu_features *f)
{
    kernels_init_avx2_matmul(k, f);
    kernels_init_avx2_vector(k, f);
    kernels_init_avx2_fit(k, f);
    kernels_init_avx2_attend(k, f);
}
