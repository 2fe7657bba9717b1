/* kernels.c - fills a table from the scalar one up, and the layout of activations that all sets share. */
#include "kernels/kernels.h"

static size_t round_up_64(size_t n)
{
    return (n + 63) / 64 * 64;
}

size_t act_row_bytes(enum act act, size_t k)
{
    switch (act) {
    case ACT_F32: return round_up_64(k * sizeof(float));
    case ACT_BF16: return round_up_64((k + 31) / 32 * 32 * sizeof(uint16_t));
    case ACT_Q8: return round_up_64(act_q8_s(k) + k / 16 * sizeof(float));
    case ACT_Q8_PAIR: return 2 * act_row_bytes(ACT_Q8, k);
    case ACT_COUNT: break;
    }
    return 0;
}

void kernels_init(struct kernels *k, enum cpu_level level)
{
    *k = (struct kernels){ 0 };
    const enum cpu_level highest = cpu_detect();
    if (level > highest)
        level = highest;
    kernels_init_scalar(k);
#if defined(__x86_64__)
    const struct cpu_features features = cpu_features();
    if (level >= CPU_AVX2)
        kernels_init_avx2(k, &features);
    if (level >= CPU_AVX512)
        kernels_init_avx512(k, &features);
    if (level >= CPU_AMX)
        kernels_init_amx(k);
#endif
    k->name = cpu_level_name(level);
}
