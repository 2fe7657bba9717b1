/* scalar.h - the parts of the scalar table, each filled by the file of its name. The reference for all other sets:
 * plain C, compiled without contraction of a * b + c, so that the bits are the same everywhere. */
#ifndef KERNELS_SCALAR_H
#define KERNELS_SCALAR_H

#include "kernels/kernels.h"

void kernels_init_scalar_dequantize(struct kernels *k);
void kernels_init_scalar_prepare(struct kernels *k);
void kernels_init_scalar_matmul(struct kernels *k);
void kernels_init_scalar_vector(struct kernels *k);
void kernels_init_scalar_attend(struct kernels *k);
void kernels_init_scalar_fit(struct kernels *k);

#endif
