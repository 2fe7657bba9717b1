/* table.c - the NEON table, part by part. */
#include "kernels/neon/neon.h"

void kernels_init_neon(struct kernels *k)
{
    kernels_init_neon_matmul(k);
    kernels_init_neon_vector(k);
    kernels_init_neon_attend(k);
}
