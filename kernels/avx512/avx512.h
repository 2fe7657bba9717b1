/* avx512.h - the parts of the AVX512 table, each filled by the file of its name. */
#ifndef KERNELS_AVX512_H
#define KERNELS_AVX512_H

#include "kernels/kernels.h"

void kernels_init_avx512_matmul(struct kernels *k, const struct cpu_features *f);
void kernels_init_avx512_vector(struct kernels *k, const struct cpu_features *f);
void kernels_init_avx512_fit(struct kernels *k, const struct cpu_features *f);
void kernels_init_avx512_attend(struct kernels *k, const struct cpu_features *f);

/* With products of floats, and of bf16: for the latter the processor must have AVX512_BF16. */
void avx512_attend(const struct attend *a);
void avx512_attend_bf16(const struct attend *a);

#endif
