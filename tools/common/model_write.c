/* model_write.c - writing a model row by row.
 *
 * Rows are converted a batch at a time by all threads; one of the tasks of each batch writes the batch before, so that
 * neither waits for the other. Of the input nothing is kept resident that has been read. */
#include "tools/common/model_write.h"

#include "kernels/kernels.h"
#include "src/base/pool.h"
#include "src/quantize/quantize.h"
#include "tools/common/failure.h"
#include "tools/common/gguf_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BATCH_BYTES = 4 << 20, QUANTIZATION_VERSION = 2 };

struct batch {
    uint8_t *p;
    size_t n;
};

struct writing {
    const struct model_write *m;
    struct kernels kernels;
    struct pool *pool;
    struct gguf_writer *w;
    float *rows; /* for each thread room for two rows of the widest tensor */
    size_t widest;
    struct batch batches[2]; /* one being made, one being written */
    int making;
    bool failed;             /* to write */
    uint64_t *bad;           /* for each thread: one more than the first row that it could not convert; 0: none */
    uint64_t done, all;      /* bytes of the input, for the progress */
};

struct job {
    struct writing *w;
    const struct tensor *t;
    const struct quantizer *q;
    const float *importance;
    struct row_order order;
    size_t from_bytes, to_bytes; /* of a row */
    uint64_t first;              /* row of the batch */
};

static void write_batch(struct writing *w, struct batch *b)
{
    if (b->n && !gguf_data(w->w, b->p, b->n))
        w->failed = true;
    b->n = 0;
}

/* Task 0 writes what the job before has made; the others convert a row each. */
static void run_task(void *p, int task, int thread)
{
    const struct job *job = p;
    struct writing *w = job->w;
    if (task == 0) {
        write_batch(w, &w->batches[!w->making]);
        return;
    }
    const struct tensor *t = job->t;
    const uint64_t row = job->first + (uint64_t)task - 1;
    const size_t n = (size_t)t->ne[0];
    float *x = w->rows + 2 * (size_t)thread * w->widest;
    uint8_t *const buffer = (uint8_t *)(x + n);
    w->kernels.dequantize[t->type](x, row_at(t, job->order, row, job->from_bytes, buffer), n);
    const float *importance = job->importance ? job->importance + row / t->ne[1] % t->ne[2] * n : NULL;
    uint8_t *to = w->batches[w->making].p + (size_t)(task - 1) * job->to_bytes;
    if (!quantize_row(job->q, to, x, n, importance) && (!w->bad[thread] || w->bad[thread] > row + 1))
        w->bad[thread] = row + 1;
}

static void show_progress(const char *path, uint64_t done, uint64_t all)
{
    static int last = -1;
    const int percent = all ? (int)((double)done * 100 / (double)all) : 100;
    if (percent != last && isatty(STDERR_FILENO))
        fprintf(stderr, "\r%s: %3d %% of %.0f MB%s", path, percent, (double)all / 1e6, percent == 100 ? "\n" : "");
    last = percent;
}

/* Pages that lie wholly within what has been read need not stay in memory. */
static void forget(const void *p, uint64_t n)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = ((uintptr_t)p + page - 1) / page * page;
    const uintptr_t to = ((uintptr_t)p + (uintptr_t)n) / page * page;
    if (to > from)
        madvise((void *)from, to - from, MADV_DONTNEED); /* of a file: they are read again if need be */
}

static infer_status finish_batch(struct writing *w, const struct job *job, int rows, infer_error *err)
{
    const struct tensor *t = job->t;
    for (int i = 0; i < pool_threads(w->pool); i++)
        if (w->bad[i])
            return failure(err, INFER_E_FORMAT, "%s: tensor %s: row %" PRIu64 " has a value that is not finite, or too"
                           " large for %s", w->m->in->path, t->name.p, w->bad[i] - 1,
                           dtype_name(w->m->types[t - w->m->in->tensors]));
    if (*w->m->interrupted)
        return failure(err, INFER_E_CANCELLED, "interrupted");
    w->batches[w->making].n = (size_t)rows * job->to_bytes;
    w->making = !w->making;
    show_progress(w->m->path, w->done += (uint64_t)rows * job->from_bytes, w->all);
    if (!job->order.head && !job->order.parts)
        forget((const uint8_t *)t->data + job->first * job->from_bytes, (uint64_t)rows * job->from_bytes);
    return w->failed ? INFER_E_IO : INFER_OK;
}

static infer_status convert_rows(struct writing *w, const struct tensor *t, enum dtype type, const struct quantizer *q,
                                 infer_error *err)
{
    uint64_t from_bytes, to_bytes;
    const float *importance = NULL;
    infer_status status = model_importance(w->m, t, &importance, err);
    dtype_row_bytes(t->type, t->ne[0], &from_bytes);
    dtype_row_bytes(type, t->ne[0], &to_bytes);
    const uint64_t n = from_bytes ? t->bytes / from_bytes : 0, most = BATCH_BYTES / (to_bytes + 1) + 1;
    struct job job = {
        .w = w, .t = t, .q = q, .importance = importance, .from_bytes = from_bytes, .to_bytes = to_bytes
    };
    if (w->m->orders)
        job.order = w->m->orders[t - w->m->in->tensors];
    for (; job.first < n && status == INFER_OK; job.first += most) {
        const int rows = (int)(n - job.first < most ? n - job.first : most);
        pool_run(w->pool, rows + 1, run_task, &job);
        status = finish_batch(w, &job, rows, err);
    }
    for (uint64_t part = 0; job.order.parts && part < t->ne[2]; part++)
        forget(job.order.parts[part], t->bytes / t->ne[2]);
    if (!job.order.parts)
        forget(t->data, t->bytes);
    return status;
}

/* As it stands in the input. */
static infer_status copy(struct writing *w, const struct tensor *t, infer_error *err)
{
    for (uint64_t at = 0; at < t->bytes && !w->failed; at += BATCH_BYTES) {
        const size_t n = (size_t)(t->bytes - at < BATCH_BYTES ? t->bytes - at : BATCH_BYTES);
        if (*w->m->interrupted)
            return failure(err, INFER_E_CANCELLED, "interrupted");
        w->failed = !gguf_data(w->w, (const uint8_t *)t->data + at, n);
        show_progress(w->m->path, w->done += n, w->all);
    }
    forget(t->data, t->bytes);
    return w->failed ? INFER_E_IO : INFER_OK;
}

static infer_status write_tensor(struct writing *w, size_t i, infer_error *err)
{
    const struct tensor *t = &w->m->in->tensors[i];
    const enum dtype type = w->m->types[i];
    if (!t->bytes) {
        write_batch(w, &w->batches[!w->making]);
        return gguf_data(w->w, "", 0) ? INFER_OK : INFER_E_IO;
    }
    if (t->type != type || (w->m->orders && (w->m->orders[i].head || w->m->orders[i].parts))) {
        struct quantizer *q = quantizer_open(&mem_default, &w->kernels, type, err);
        const infer_status status = q ? convert_rows(w, t, type, q, err) : err->code;
        quantizer_close(&q);
        return status;
    }
    write_batch(w, &w->batches[!w->making]);
    return copy(w, t, err);
}

/* ---- What comes before the tensors ---- */

/* What holds for the input file only, or is written anew. */
static bool is_copied(const struct meta *m)
{
    static const char *const not_copied[] = { "general.file_type", "general.quantization_version", "general.alignment",
                                              "split.no", "split.count", "split.tensors.count",
                                              "quantize.imatrix.file", "quantize.imatrix.dataset",
                                              "quantize.imatrix.entries_count", "quantize.imatrix.chunks_count" };
    for (size_t i = 0; i < sizeof not_copied / sizeof *not_copied; i++)
        if (text_is(m->key, not_copied[i]))
            return false;
    return true;
}

static void announce(struct gguf_writer *w, const struct model_write *m)
{
    for (size_t i = 0; i < m->in->n_metas; i++)
        if (is_copied(&m->in->metas[i]))
            gguf_meta(w, &m->in->metas[i]);
    gguf_u32(w, "general.quantization_version", QUANTIZATION_VERSION);
    gguf_u32(w, "general.file_type", m->file_type);
    if (m->importance) {
        const struct importance_info info = importance_info(m->importance);
        gguf_text(w, "quantize.imatrix.file", m->importance_path);
        if (*info.dataset)
            gguf_text(w, "quantize.imatrix.dataset", info.dataset);
        gguf_u32(w, "quantize.imatrix.entries_count", (uint32_t)info.n_entries);
        if (info.n_chunks)
            gguf_u32(w, "quantize.imatrix.chunks_count", info.n_chunks);
    }
    for (size_t i = 0; i < m->in->n_tensors; i++)
        gguf_tensor(w, m->in->tensors[i].name.p, m->types[i], m->in->tensors[i].n_dims, m->in->tensors[i].ne);
}

infer_status model_importance(const struct model_write *m, const struct tensor *t, const float **v, infer_error *err)
{
    size_t n = 0;
    *v = m->importance ? importance_find(m->importance, t->name, &n) : NULL;
    if (!*v || n == t->ne[0] * t->ne[2])
        return INFER_OK;
    *v = NULL;
    if (text_is(t->name, "token_embd.weight"))
        return INFER_OK;
    return failure(err, INFER_E_FORMAT, "%s: %s has %zu values, expected %" PRIu64 ": it was made for another model",
                   m->importance_path, t->name.p, n, t->ne[0] * t->ne[2]);
}

static infer_status writing_open(struct writing *w, infer_error *err)
{
    size_t most = 0, floats;
    for (size_t i = 0; i < w->m->in->n_tensors; i++) {
        const struct tensor *t = &w->m->in->tensors[i];
        w->widest = t->ne[0] > w->widest ? t->ne[0] : w->widest;
        w->all += t->bytes;
    }
    kernels_init(&w->kernels, cpu_detect());
    w->pool = pool_open(&mem_default, w->m->n_threads, err);
    if (!w->pool)
        return err->code;
    /* A batch is at most one row more than BATCH_BYTES, a row at most four bytes a value. */
    if (mul_size(w->widest, 4, &most) && add_size(most, BATCH_BYTES, &most) &&
        mul_size(2 * w->widest, (size_t)pool_threads(w->pool), &floats)) {
        w->batches[0].p = malloc(most);
        w->batches[1].p = malloc(most);
        w->rows = calloc(floats + 1, sizeof *w->rows);
        w->bad = calloc((size_t)pool_threads(w->pool), sizeof *w->bad);
    }
    if (!w->batches[0].p || !w->batches[1].p || !w->rows || !w->bad)
        return failure(err, INFER_E_NOMEM, "out of memory for rows of %zu values", w->widest);
    w->w = gguf_create(w->m->path);
    return w->w ? INFER_OK : failure(err, INFER_E_NOMEM, "out of memory");
}

static void writing_close(struct writing *w)
{
    if (w->pool)
        pool_close(&w->pool);
    free(w->batches[0].p);
    free(w->batches[1].p);
    free(w->rows);
    free(w->bad);
}

infer_status model_write(const struct model_write *m, infer_error *err)
{
    struct writing w = { .m = m };
    infer_status status = writing_open(&w, err);
    if (status == INFER_OK) {
        announce(w.w, m);
        for (size_t i = 0; i < m->in->n_tensors && status == INFER_OK; i++)
            status = write_tensor(&w, i, err);
        if (status == INFER_OK)
            write_batch(&w, &w.batches[!w.making]);
        if (status == INFER_OK || status == INFER_E_IO)
            status = gguf_finish(w.w, err); /* which knows why it could not write */
        else
            gguf_abandon(w.w);
    }
    writing_close(&w);
    return status;
}
