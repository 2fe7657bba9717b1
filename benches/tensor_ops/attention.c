/* attention.c - query rows that share a KV head against 4096 cached tokens: one row while generating a token, some for
 * heads that share, many for a prompt; and storing what a token adds. */
#include "benches/tensor_ops/tensor_ops.h"
#include "src/base/dtype.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { KEYS = 4096, BLOCKS = KEYS / ATTEND_KEYS, MAX_ROWS = 512, MAX_WIDTH = 128 };

struct attention {
    const struct kernels *k; /* set by bench_add_levels */
    enum precision precision;
    enum dtype type;
    int n_rows, width;
};

static struct {
    float *q, *out, *max, *sum;
    uint8_t *cache, *pages[BLOCKS];
    int *first, *last;
    void *scratch;
} m;

static void open_memory(void)
{
    if (m.q)
        return;
    const size_t block = kv_key_bytes(DTYPE_F32, MAX_WIDTH) + kv_value_bytes(DTYPE_F32, MAX_WIDTH);
    m.q = bench_memory(MAX_ROWS * MAX_WIDTH * sizeof(float));
    m.out = bench_memory(MAX_ROWS * MAX_WIDTH * sizeof(float));
    m.cache = bench_memory(BLOCKS * block);
    m.max = bench_memory(MAX_ROWS * sizeof(float));
    m.sum = bench_memory(MAX_ROWS * sizeof(float));
    m.first = bench_memory(MAX_ROWS * sizeof(int));
    m.last = bench_memory(MAX_ROWS * sizeof(int));
    m.scratch = bench_memory(KERNEL_SCRATCH_BYTES);
    bench_fill(m.q, (size_t)MAX_ROWS * MAX_WIDTH);
    for (int i = 0; i < MAX_ROWS; i++)
        m.last[i] = KEYS;
}

/* The queries are keys and values too. Returns where the values of a page are. */
static size_t fill_cache(const struct attention *a)
{
    const size_t width = (size_t)a->width, v_at = kv_key_bytes(a->type, width);
    const size_t bytes = v_at + kv_value_bytes(a->type, width);
    for (int i = 0; i < BLOCKS; i++) {
        m.pages[i] = m.cache + (size_t)i * bytes;
        for (int slot = 0; slot < ATTEND_KEYS; slot++) {
            const float *x = m.q + (size_t)(i * ATTEND_KEYS + slot) % MAX_ROWS * width;
            a->k->store_key(m.pages[i], a->type, slot, x, width);
            a->k->store_value(m.pages[i] + v_at, a->type, slot, x, width);
        }
    }
    return v_at;
}

static void run_attention(struct bench *b, const void *arg)
{
    const struct attention *a = arg;
    const size_t width = (size_t)a->width;
    open_memory();
    const size_t v_at = fill_cache(a);
    const struct attend all = {
        .n_q = a->n_rows, .d_k = a->width, .d_v = a->width, .k_type = a->type, .v_type = a->type, .q = m.q,
        .q_stride = width, .pages = m.pages, .v_at = v_at, .n_keys = KEYS, .first = m.first, .last = m.last,
        .max = m.max, .sum = m.sum, .out = m.out, .out_stride = width, .scratch = m.scratch,
    };
    const enum cpu_level level = (enum cpu_level)cpu_level_find(a->k->name);
    const bool rounds = attend_rounds(a->k, a->precision, a->type, a->type);
    bench_one_thread(b);
    while (bench_next(b)) {
        for (int i = 0; i < a->n_rows; i++) {
            m.max[i] = -INFINITY;
            m.sum[i] = 0;
        }
        memset(m.out, 0, (size_t)a->n_rows * width * sizeof *m.out);
        a->k->attend[a->precision](&all);
    }
    bench_bytes(b, (double)(v_at + kv_value_bytes(a->type, width)) * BLOCKS, 0);
    bench_flops(b, 4.0 * a->n_rows * KEYS * a->width,
                limits_peak(bench_limits(), level, rounds ? PEAK_BF16 : PEAK_F32));
}

/* A key and a value into each position of a block. */
static void run_store(struct bench *b, const void *arg)
{
    const struct attention *a = arg;
    const size_t width = (size_t)a->width;
    open_memory();
    bench_one_thread(b);
    while (bench_next(b))
        for (int slot = 0; slot < ATTEND_KEYS; slot++) {
            const float *x = m.q + (size_t)slot * width;
            a->k->store_key(m.cache, a->type, slot, x, width);
            a->k->store_value(m.cache + kv_key_bytes(a->type, width), a->type, slot, x, width);
        }
    bench_bytes(b, 2.0 * ATTEND_KEYS * (double)width * sizeof(float), 0);
}

static void add_type(enum precision precision, enum dtype type)
{
    static const int rows[] = { 1, 4, 8, 64, MAX_ROWS }, widths[] = { 64, MAX_WIDTH };
    const size_t offset = offsetof(struct kernels, attend[0]) + precision * sizeof(attend_fn *);
    char name[64];
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
            struct attention a = { NULL, precision, type, rows[r], widths[w] };
            snprintf(name, sizeof name, "attention-%s/%s/%dx%dx%d", precision == PRECISION_FAST ? "fast" : "exact",
                     dtype_name(type), rows[r], KEYS, widths[w]);
            bench_add_levels(name, offset, rows[r] < MAX_ROWS ? CPU_SCALAR : CPU_SCALAR + 1, run_attention, &a,
                             sizeof a);
        }
    struct attention a = { NULL, precision, type, 0, MAX_WIDTH };
    snprintf(name, sizeof name, "kv-store/%s/%dx%d", dtype_name(type), ATTEND_KEYS, MAX_WIDTH);
    if (precision == PRECISION_FAST)
        bench_add_levels(name, offsetof(struct kernels, store_key), CPU_SCALAR, run_store, &a, sizeof a);
}

void add_attention(void)
{
    static const enum dtype types[] = { DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_Q8_0, DTYPE_Q4_0 };
    for (int precision = 0; precision < PRECISION_COUNT; precision++)
        for (size_t t = 0; t < sizeof types / sizeof *types; t++)
            add_type((enum precision)precision, types[t]);
}
