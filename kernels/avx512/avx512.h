/* avx512.h - the parts of the AVX512 table, each filled by the file of its name. */
#ifndef KERNELS_AVX512_H
#define KERNELS_AVX512_H

#include "kernels/kernels.h"

void kernels_init_avx512_matmul(struct kernels *k, const struct cpu_features *f);
void kernels_init_avx512_vector(struct kernels *k, const struct cpu_features *f);
void kernels_init_avx512_fit(struct kernels *k, const struct cpu_features *f);

#endif
