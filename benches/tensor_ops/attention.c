/* attention.c - query rows that share a KV head against 4096 cached tokens, block by block, as the engine does it: one
 * row while generating a token, some for heads that share, many for a prompt. */
#include "benches/tensor_ops/tensor_ops.h"

#include <math.h>
#include <stdio.h>

enum { KEYS = 4096, MAX_ROWS = 512, MAX_WIDTH = 128 };

struct attention {
    const struct kernels *k; /* set by bench_add_levels */
    int n_rows, width;
};

static struct {
    float *q, *keys, *values, *out, *max, *sum;
    int *first, *last;
    void *scratch;
} m;

static void open_memory(void)
{
    if (m.q)
        return;
    m.q = bench_memory(MAX_ROWS * MAX_WIDTH * sizeof(float));
    m.out = bench_memory(MAX_ROWS * MAX_WIDTH * sizeof(float));
    m.keys = bench_memory(KEYS * MAX_WIDTH * sizeof(float));
    m.values = bench_memory(KEYS * MAX_WIDTH * sizeof(float));
    m.max = bench_memory(MAX_ROWS * sizeof(float));
    m.sum = bench_memory(MAX_ROWS * sizeof(float));
    m.first = bench_memory(MAX_ROWS * sizeof(int));
    m.last = bench_memory(MAX_ROWS * sizeof(int));
    m.scratch = bench_memory(KERNEL_SCRATCH_BYTES);
    bench_fill(m.q, (size_t)MAX_ROWS * MAX_WIDTH);
    bench_fill(m.keys, (size_t)KEYS * MAX_WIDTH);
    bench_fill(m.values, (size_t)KEYS * MAX_WIDTH);
    for (int i = 0; i < MAX_ROWS; i++)
        m.last[i] = ATTEND_KEYS; /* all keys of every block */
}

static void attend_all(const struct attention *a)
{
    const size_t width = (size_t)a->width;
    for (int i = 0; i < a->n_rows; i++) {
        m.max[i] = -INFINITY;
        m.sum[i] = 0;
    }
    for (size_t i = 0; i < (size_t)a->n_rows * width; i++)
        m.out[i] = 0;
    for (size_t at = 0; at < KEYS * width; at += ATTEND_KEYS * width) {
        const struct attend_block block = {
            .n_q = a->n_rows, .n_keys = ATTEND_KEYS, .d_k = a->width, .d_v = a->width, .q = m.q, .q_stride = width,
            .k = m.keys + at, .v = m.values + at, .k_stride = width, .v_stride = width, .first = m.first,
            .last = m.last, .max = m.max, .sum = m.sum, .out = m.out, .out_stride = width, .scratch = m.scratch,
        };
        a->k->attend(&block);
    }
}

static void run_attention(struct bench *b, const void *arg)
{
    const struct attention *a = arg;
    open_memory();
    const enum cpu_level level = (enum cpu_level)cpu_level_find(a->k->name);
    bench_one_thread(b);
    while (bench_next(b))
        attend_all(a);
    bench_bytes(b, 2.0 * KEYS * a->width * sizeof(float), 0);
    bench_flops(b, 4.0 * a->n_rows * KEYS * a->width, limits_peak(bench_limits(), level, PEAK_F32));
}

void add_attention(void)
{
    static const int rows[] = { 1, 4, 8, 64, MAX_ROWS }, widths[] = { 64, MAX_WIDTH };
    char name[64];
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
            struct attention a = { NULL, rows[r], widths[w] };
            snprintf(name, sizeof name, "attention/f32/%dx%dx%d", rows[r], KEYS, widths[w]);
            bench_add_levels(name, offsetof(struct kernels, attend), rows[r] < MAX_ROWS ? CPU_SCALAR : CPU_SCALAR + 1,
                             run_attention, &a, sizeof a);
        }
}
