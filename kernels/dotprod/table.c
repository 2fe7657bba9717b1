/* table.c - the entries of the dot product instructions of Armv8.2 (sdot): products of 8-bit activations. */
#include "kernels/dotprod/dotprod.h"

/* From how many columns on gemm executes fewer instructions than dot, counted. */
#define GEMM_FROM 4

void kernels_init_dotprod(struct kernels *k)
{
#define ENTRY(name, NAME) \
    k->matmul[PRECISION_FAST][DTYPE_##NAME] = (struct matmul){ \
        { { ACT_Q8, 1, dotprod_dot_##name }, { ACT_Q8, GEMM_FROM, dotprod_gemm_##name } } };
    QUANTISED_TYPES(ENTRY)
#undef ENTRY
}
