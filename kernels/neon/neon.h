/* neon.h - the parts of the NEON table, each filled by the file of its name. */
#ifndef KERNELS_NEON_H
#define KERNELS_NEON_H

#include "kernels/kernels.h"

void kernels_init_neon_matmul(struct kernels *k);
void kernels_init_neon_vector(struct kernels *k);
void kernels_init_neon_attend(struct kernels *k);

/** With products of floats. */
attend_fn neon_attend;

#endif
