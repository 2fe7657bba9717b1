/* matmul.c - nothing yet is faster here than in the set below. */
#include "kernels/avx512/avx512.h"

void kernels_init_avx512_matmul(struct kernels *k, const struct cpu_features *f)
{
    (void)k;
    (void)f;
}
