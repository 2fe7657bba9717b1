/* product.c - calls one matrix product some times: product LEVEL TYPE PRECISION WAY N_COLS N_CALLS. Its weights are ROWS
 * rows of K; the numbers do not matter, as what a kernel executes does not depend on them. WAY counts from 0. */
#include "kernels/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 256, K = 4096 };

static int dtype_of(const char *name)
{
    for (int type = 0; type < DTYPE_COUNT; type++)
        if (dtype_info((uint64_t)type) && strcmp(dtype_name((uint64_t)type), name) == 0)
            return type;
    return -1;
}

static void *zeros(size_t bytes)
{
    void *const p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!p) {
        fprintf(stderr, "no memory\n");
        exit(1);
    }
    return memset(p, 0, bytes);
}

int main(int argc, char **argv)
{
    static struct kernels k;
    const int level = argc == 7 ? cpu_level_find(argv[1]) : -1, type = argc == 7 ? dtype_of(argv[2]) : -1;
    if (level < 0 || level > (int)cpu_detect() || type < 0) {
        fprintf(stderr, "product LEVEL TYPE fast|exact WAY N_COLS N_CALLS\n");
        return 2;
    }
    kernels_init(&k, (enum cpu_level)level);
    const struct matmul *const entry = &k.matmul[strcmp(argv[3], "exact") == 0 ? PRECISION_EXACT : PRECISION_FAST][type];
    const int n_way = atoi(argv[4]), n_cols = atoi(argv[5]);
    if (n_way < 0 || n_way >= MATMUL_WAYS || !entry->way[n_way].fn)
        return 2;
    const struct way *const way = &entry->way[n_way];
    const size_t x_stride = act_row_bytes(way->act, K);
    uint64_t row = 0;
    if (n_cols < 1 || !dtype_row_bytes((uint64_t)type, K, &row))
        return 2;
    const struct matmul_tile tile = {
        .y = zeros(sizeof(float) * ROWS * (size_t)n_cols), .y_stride = ROWS, .w = zeros(ROWS * row), .w_stride = row,
        .x = zeros(x_stride * (size_t)n_cols), .x_stride = x_stride, .n_rows = ROWS, .n_cols = n_cols, .k = K,
        .scratch = zeros(KERNEL_SCRATCH_BYTES),
    };
    for (int i = atoi(argv[6]); i > 0; i--)
        way->fn(&tile);
    return 0;
}
