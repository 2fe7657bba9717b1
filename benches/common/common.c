/* common.c - what the suites share. */
#include "benches/common/common.h"
#include "src/base/memory.h"
#include "tools/common/random_blocks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum cpu_level highest(void)
{
    const char *name = getenv("INFER_CPU");
    const int level = name && *name ? cpu_level_find(name) : CPU_LEVELS, detected = cpu_detect();
    if (level < 0)
        fprintf(stderr, "INFER_CPU is \"%s\", which is no instruction set\n", name);
    return (enum cpu_level)(level < 0 || level > detected ? detected : level);
}

const struct kernels *bench_table(enum cpu_level level)
{
    static struct kernels tables[CPU_LEVELS];
    if (!tables[CPU_SCALAR].name)
        for (int l = CPU_SCALAR; l <= (int)highest(); l++)
            kernels_init(&tables[l], (enum cpu_level)l);
    return tables[level].name ? &tables[level] : NULL;
}

bool bench_is_new(enum cpu_level level, size_t offset)
{
    const char *const here = (const char *)bench_table(level) + offset;
    const char *const below = level > CPU_SCALAR ? (const char *)bench_table(level - 1) + offset : NULL;
    return !below || memcmp(here, below, sizeof(void (*)(void))) != 0;
}

void bench_add_levels(const char *name, size_t offset, enum cpu_level first, bench_fn *fn, void *arg, size_t arg_bytes)
{
    char full[96];
    for (enum cpu_level level = first; level < CPU_LEVELS && bench_table(level); level++) {
        if (!bench_is_new(level, offset))
            continue;
        const struct kernels *const table = bench_table(level);
        memcpy(arg, &table, sizeof table);
        snprintf(full, sizeof full, "%s/%s", name, cpu_level_name(level));
        bench_add(full, fn, arg, arg_bytes);
    }
}

size_t bench_level_names(const char *names[CPU_LEVELS])
{
    size_t n = 0;
    for (enum cpu_level level = CPU_SCALAR; level < CPU_LEVELS && bench_table(level); level++)
        names[n++] = cpu_level_name(level);
    return n;
}

const struct limits *bench_limits(void)
{
    static struct limits limits;
    if (limits.read > 0)
        return &limits;
    struct pool *pool = pool_open(&mem_default, 1, NULL);
    struct meter *meter = pool ? limits_open(pool) : NULL;
    if (!meter) {
        fprintf(stderr, "out of memory for measuring the limits\n");
        exit(1);
    }
    limits_measure(meter, &limits);
    limits_close(&meter);
    pool_close(&pool);
    return &limits;
}

void *bench_memory(size_t bytes)
{
    void *const p = mem_new(&mem_default, bytes, 1);
    if (!p) {
        fprintf(stderr, "out of memory for %zu bytes\n", bytes);
        exit(1);
    }
    return p;
}

void bench_fill(float *x, size_t n)
{
    uint64_t state = 1;
    for (size_t i = 0; i < n; i++)
        x[i] = random_uniform(&state);
}
