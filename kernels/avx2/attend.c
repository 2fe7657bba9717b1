/* attend.c - attention in AVX2 with products of floats, and storing keys and values. */
#include "kernels/avx2/avx2.h"
#include "kernels/avx2/simd.h"

#include "kernels/generic/kv_store.h"
#include "kernels/generic/pairs.h"

#include "kernels/generic/attend.h"

void kernels_init_avx2_attend(struct kernels *k, const struct cpu_features *f)
{
    (void)f;
    for (int precision = 0; precision < PRECISION_COUNT; precision++)
        k->attend[precision] = attend;
    k->store_key = store_key;
    k->store_value = store_value;
}
