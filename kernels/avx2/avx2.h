/* avx2.h - the parts of the AVX2 table, each filled by the file of its name. */
#ifndef KERNELS_AVX2_H
#define KERNELS_AVX2_H

#include "kernels/kernels.h"

void kernels_init_avx2_matmul(struct kernels *k, const struct cpu_features *f);
void kernels_init_avx2_vector(struct kernels *k, const struct cpu_features *f);
void kernels_init_avx2_fit(struct kernels *k, const struct cpu_features *f);
void kernels_init_avx2_attend(struct kernels *k, const struct cpu_features *f);

#endif
