/* matmul.c - nothing yet is faster here than in the set below. */
#include "kernels/avx2/avx2.h"

void kernels_init_avx2_matmul(struct kernels *k, const struct cpu_features *f)
{
    (void)k;
    (void)f;
}
