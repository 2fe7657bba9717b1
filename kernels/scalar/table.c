/* table.c - the scalar table, part by part; complete, as every other set starts from it. */
#include "kernels/scalar/scalar.h"

void kernels_init_scalar(struct kernels *k)
{
    (void)k;
}
