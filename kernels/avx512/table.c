/* table.c - the AVX512 table, part by part. */
#include "kernels/avx512/avx512.h"

void kernels_init_avx512(struct kernels *k, const struct cpu_features *f)
{
    kernels_init_avx512_matmul(k, f);
    kernels_init_avx512_vector(k, f);
    kernels_init_avx512_fit(k, f);
    kernels_init_avx512_attend(k, f);
}
