/* maxsim.c - ColBERT's late interaction (Khattab, Zaharia, arXiv 2004.12832): for each token of a query the best
 * product with a token of a document, summed.
 *
 * The products are those of a matrix, the document's tokens as its rows and the query's as columns, so the kernels for
 * weights of f32 compute them, a tile of rows at a time; of a tile only its largest values are kept. A task is some
 * documents, so a score depends on no other document. */
#include "src/base/error.h"
#include "src/base/memory.h"
#include "src/engine/context.h"

#include <limits.h>
#include <math.h>

enum { TILE_ROWS = 128, TASK_ROWS = 512 };

struct maxsim {
    const struct kernels *k;
    const struct way *way;
    const uint8_t *query; /* prepared, (n_query, x_stride) */
    size_t x_stride, dims, n_query;
    const float *documents;
    const size_t *first;
    size_t n, per_task; /* documents */
    float *scores;
    uint8_t *scratch; /* scratch_bytes for each thread: the kernel's, a tile, the largest values */
    size_t scratch_bytes;
};

/* Of each column of a tile the largest value. */
static void keep_largest(const struct maxsim *m, float *most, const float *y, size_t n_rows)
{
    for (size_t q = 0; q < m->n_query; q++, y += n_rows) {
        float largest = most[q];
        for (size_t r = 0; r < n_rows; r++)
            largest = y[r] > largest ? y[r] : largest;
        most[q] = largest;
    }
}

static float score(const struct maxsim *m, size_t document, uint8_t *scratch)
{
    float *const y = (float *)(scratch + KERNEL_SCRATCH_BYTES), *const most = y + m->n_query * TILE_ROWS;
    const size_t end = m->first[document + 1];
    float sum = 0;
    for (size_t q = 0; q < m->n_query; q++)
        most[q] = -INFINITY;
    for (size_t row = m->first[document], n; row < end; row += n) {
        n = end - row < TILE_ROWS ? end - row : TILE_ROWS;
        m->way->fn(&(struct matmul_tile){
            .y = y,
            .y_stride = n,
            .w = m->documents + row * m->dims,
            .w_stride = m->dims * sizeof(float),
            .x = m->query,
            .x_stride = m->x_stride,
            .n_rows = (int)n,
            .n_cols = (int)m->n_query,
            .k = m->dims,
            .scratch = scratch,
        });
        keep_largest(m, most, y, n);
    }
    for (size_t q = 0; q < m->n_query && m->first[document] < end; q++)
        sum += most[q];
    return sum;
}

static void score_task(void *arg, int task, int thread)
{
    const struct maxsim *m = arg;
    const size_t first = (size_t)task * m->per_task;
    for (size_t i = first; i < m->n && i < first + m->per_task; i++)
        m->scores[i] = score(m, i, m->scratch + (size_t)thread * m->scratch_bytes);
}

static infer_status check(size_t dims, size_t n_query, const size_t *first, size_t n, infer_error *err)
{
    if (!dims || dims > 1 << 24 || n_query > 1 << 20)
        return fail(err, INFER_E_ARGUMENT, "a query of %zu tokens of %zu numbers, expected up to 2^20 of 1 to 2^24",
                    n_query, dims);
    for (size_t i = 0; i < n; i++)
        if (first[i + 1] < first[i])
            return fail(err, INFER_E_ARGUMENT, "document %zu begins at row %zu and ends at row %zu", i, first[i],
                        first[i + 1]);
    return INFER_OK;
}

infer_status infer_maxsim(infer_context *c, size_t dims, const float *query, size_t n_query, const float *documents,
                          const size_t *first, size_t n, float *scores, infer_error *err)
{
    infer_status status = check(dims, n_query, first, n, err);
    if (status != INFER_OK || !n)
        return status;
    const struct way *way = matmul_way(&c->kernels.matmul[PRECISION_EXACT][DTYPE_F32], n_query ? (int)n_query : 1);
    const size_t mean = (first[n] - first[0]) / n + 1, per_task = mean < TASK_ROWS ? TASK_ROWS / mean : 1;
    struct maxsim m = {
        .k = &c->kernels,
        .way = way,
        .x_stride = act_row_bytes(way->act, dims),
        .dims = dims,
        .n_query = n_query,
        .documents = documents,
        .first = first,
        .n = n,
        .per_task = n / per_task < INT_MAX ? per_task : n,
        .scores = scores,
        .scratch_bytes = round_up(KERNEL_SCRATCH_BYTES + n_query * (TILE_ROWS + 1) * sizeof(float), CACHE_LINE),
    };
    uint8_t *const prepared = mem_raw(&c->a, n_query, m.x_stride);
    m.query = prepared;
    m.scratch = mem_raw(&c->a, (size_t)pool_threads(c->pool), m.scratch_bytes);
    if (!prepared || !m.scratch) {
        status = fail_memory(err, "comparing a query with documents");
    } else {
        for (size_t q = 0; q < n_query; q++)
            c->kernels.prepare[way->act](prepared + q * m.x_stride, query + q * dims, dims, 0, dims);
        pool_run(c->pool, (int)(n / m.per_task + (n % m.per_task != 0)), score_task, &m);
    }
    mem_free(&c->a, prepared);
    mem_free(&c->a, m.scratch);
    return status;
}
