/* fit.c - the sums that quantising searches with, four lanes at a time. */
#include "kernels/scalar/scalar.h"

#include "kernels/generic/simd4.h"

#include "kernels/generic/fit.h"

void kernels_init_scalar_fit(struct kernels *k)
{
    k->fit = fit;
}
