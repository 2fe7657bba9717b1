/* openblas.c - products of floats by OpenBLAS, on one thread: a column beside ours. Empty where it is not installed. */
#ifdef HAVE_OPENBLAS
#include "benches/tensor_ops/tensor_ops.h"
#include "src/base/memory.h"

#include <cblas.h>
#include <stdio.h>

static float *random_floats(size_t n)
{
    float *const x = bench_memory(n * sizeof *x);
    bench_fill(x, n);
    return x;
}

/* y (n_cols, rows) = x (n_cols, k) · wᵀ. */
static void run_openblas(struct bench *b, const void *arg)
{
    const struct shape *s = arg;
    const int rows = (int)s->rows, k = (int)s->k, n = s->n_cols;
    float *const w = random_floats(s->rows * s->k), *const x = random_floats((size_t)n * s->k);
    float *const y = random_floats((size_t)n * s->rows);
    openblas_set_num_threads(1);
    bench_one_thread(b);
    while (bench_next(b)) {
        if (n == 1)
            cblas_sgemv(CblasRowMajor, CblasNoTrans, rows, k, 1, w, k, x, 1, 0, y, 1);
        else
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, rows, k, 1, x, k, w, k, 0, y, rows);
    }
    bench_bytes(b, (double)s->rows * (double)s->k * sizeof *w, 0);
    bench_flops(b, 2.0 * rows * k * n, n == 1 ? 0 : limits_peak(bench_limits(), CPU_LEVELS - 1, PEAK_F32));
    mem_free(&mem_default, w);
    mem_free(&mem_default, x);
    mem_free(&mem_default, y);
}

void add_openblas(const char *row, const struct shape *s)
{
    char name[96];
    snprintf(name, sizeof name, "%s/openblas", row);
    if (!s->from_memory)
        bench_add(name, run_openblas, s, sizeof *s);
}

#endif
