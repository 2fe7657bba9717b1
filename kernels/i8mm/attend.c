/* attend.c - attention with products of bf16: twice as many an instruction as of floats. */
#include "kernels/i8mm/i8mm.h"
#include "kernels/i8mm/pairs_bf16.h"
#include "kernels/neon/neon.h"

#include "kernels/generic/attend.h"

static bool is_finer(enum dtype type)
{
    return type == DTYPE_F32 || type == DTYPE_F16;
}

void i8mm_attend_bf16(const struct attend *a)
{
    if (is_finer(a->k_type) || is_finer(a->v_type))
        neon_attend(a);
    else
        attend(a);
}
