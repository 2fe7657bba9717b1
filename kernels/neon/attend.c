/* attend.c - attention in NEON with products of floats, and storing keys and values. */
#include "kernels/neon/neon.h"
#include "kernels/neon/simd.h"

#include "kernels/generic/kv_store.h"
#include "kernels/generic/pairs.h"

#include "kernels/generic/attend.h"

void neon_attend(const struct attend *a)
{
    attend(a);
}

void kernels_init_neon_attend(struct kernels *k)
{
    for (int precision = 0; precision < PRECISION_COUNT; precision++)
        k->attend[precision] = neon_attend;
    k->store_key = store_key;
    k->store_value = store_value;
}
