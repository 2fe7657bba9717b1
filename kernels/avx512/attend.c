/* attend.c - attention in AVX-512 with products of floats, and storing keys and values. */
#include "kernels/avx512/avx512.h"
#include "kernels/avx512/simd.h"

#include "kernels/generic/kv_store.h"
#include "kernels/generic/pairs.h"

#include "kernels/generic/attend.h"

void avx512_attend(const struct attend *a)
{
    attend(a);
}

void kernels_init_avx512_attend(struct kernels *k, const struct cpu_features *f)
{
    k->attend[PRECISION_EXACT] = avx512_attend;
    k->attend[PRECISION_FAST] = f->avx512_bf16 ? avx512_attend_bf16 : avx512_attend;
    k->store_key = store_key;
    k->store_value = store_value;
}
