/* vector.c - operations on vectors in NEON, instantiated from kernels/generic/. */
#include "kernels/neon/neon.h"
#include "kernels/neon/simd.h"

#include "kernels/generic/vector.h"

void kernels_init_neon_vector(struct kernels *k)
{
    fill_vector(k);
}
