/* table.c - the scalar table, part by part; complete, as every other set starts from it. */
#include "kernels/scalar/scalar.h"

void kernels_init_scalar(struct kernels *k)
{
    kernels_init_scalar_dequantize(k);
    kernels_init_scalar_prepare(k);
    kernels_init_scalar_matmul(k);
    kernels_init_scalar_vector(k);
    kernels_init_scalar_attend(k);
    kernels_init_scalar_fit(k);
}
