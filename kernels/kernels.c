/* kernels.c - fills a table from the scalar one up, and the layout of activations that all sets share. */
#include "kernels/kernels.h"

#include "kernels/kv.h"

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

const struct way *matmul_way(const struct matmul *m, int n_cols)
{
    int i = 0;
    while (i + 1 < MATMUL_WAYS && m->way[i + 1].fn && m->way[i + 1].from <= n_cols)
        i++;
    return &m->way[i];
}

void matmul_set_way(struct matmul *m, struct way way)
{
    int i = 1;
    while (i + 1 < MATMUL_WAYS && m->way[i].fn && m->way[i].from < way.from)
        i++;
    m->way[i] = way;
    while (++i < MATMUL_WAYS)
        m->way[i] = (struct way){ 0 };
}

/* Types that keys and values have here; quantised they come in whole parts. */
static bool is_stored(enum dtype type, size_t d)
{
    switch (type) {
    case DTYPE_F32:
    case DTYPE_F16:
    case DTYPE_BF16: return d > 0 && d <= ATTEND_WIDTH;
    case DTYPE_Q8_0:
    case DTYPE_Q4_0: return d > 0 && d <= ATTEND_WIDTH && d % KV_PART == 0;
    default: return false;
    }
}

size_t kv_key_bytes(enum dtype type, size_t d)
{
    return is_stored(type, d) ? round_up_64(kv_key_line(type, kv_key_lines(d) - 1) + kv_bytes(type, KV_LINE)) : 0;
}

size_t kv_value_bytes(enum dtype type, size_t d)
{
    if (!is_stored(type, d))
        return 0;
    return kv_is_quantised(type) ? d / KV_PART * kv_part_bytes(type) : kv_bytes(type, kv_width(d) * ATTEND_KEYS);
}

bool attend_rounds(const struct kernels *k, enum precision precision, enum dtype k_type, enum dtype v_type)
{
    return k->attend[precision] != k->attend[PRECISION_EXACT] && !kv_is_finer(k_type) && !kv_is_finer(v_type);
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
#elif defined(__aarch64__)
    if (level >= CPU_NEON)
        kernels_init_neon(k);
    if (level >= CPU_DOTPROD)
        kernels_init_dotprod(k);
    if (level >= CPU_I8MM)
        kernels_init_i8mm(k);
#endif
    k->name = cpu_level_name(level);
}
