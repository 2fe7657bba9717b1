/* model_write.c - writing a model row by row.
 *
 * Rows are made a batch at a time by all threads; one of the tasks of each batch writes the batch before, so that
 * neither waits for the other. */
#include "tools/common/model_write.h"

#include "tools/common/failure.h"
#include "tools/common/gguf_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BATCH_BYTES = 4 << 20, QUANTIZATION_VERSION = 2 };

struct batch {
    uint8_t *p;
    size_t n;
};

struct writing {
    struct recast *r;
    const char *path;
    const volatile sig_atomic_t *interrupted;
    struct gguf_writer *w;
    struct batch batches[2]; /* one being made, one being written */
    int making;
    uint64_t first;          /* row of the one being made */
    bool failed;             /* to write */
    uint64_t done, all;      /* bytes of the input, for the progress */
};

static void write_batch(struct writing *w, struct batch *b)
{
    if (b->n && !gguf_data(w->w, b->p, b->n))
        w->failed = true;
    b->n = 0;
}

/* Task 0 writes what the job before has made; the others make a row each. */
static void run_task(void *p, int task, int thread)
{
    struct writing *w = p;
    if (task == 0)
        write_batch(w, &w->batches[!w->making]);
    else
        recast_row(w->r, w->first + (uint64_t)task - 1,
                   w->batches[w->making].p + (size_t)(task - 1) * w->r->to_bytes, thread);
}

static void show_progress(const char *path, uint64_t done, uint64_t all)
{
    static int last = -1;
    const int percent = all ? (int)((double)done * 100 / (double)all) : 100;
    if (percent != last && isatty(STDERR_FILENO))
        fprintf(stderr, "\r%s: %3d %% of %.0f MB%s", path, percent, (double)all / 1e6, percent == 100 ? "\n" : "");
    last = percent;
}

static infer_status make_rows(struct writing *w, infer_error *err)
{
    const struct recast *r = w->r;
    const uint64_t n = recast_n_rows(r), most = BATCH_BYTES / (r->to_bytes + 1) + 1;
    for (w->first = 0; w->first < n; w->first += most) {
        const int rows = (int)(n - w->first < most ? n - w->first : most);
        pool_run(r->pool, rows + 1, run_task, w);
        const infer_status status = recast_check(r, err);
        if (status != INFER_OK)
            return status;
        if (*w->interrupted)
            return failure(err, INFER_E_CANCELLED, "interrupted");
        w->batches[w->making].n = (size_t)rows * r->to_bytes;
        w->making = !w->making;
        show_progress(w->path, w->done += (uint64_t)rows * r->from_bytes, w->all);
        if (w->failed)
            return INFER_E_IO;
    }
    return INFER_OK;
}

/* As it stands in the input. */
static infer_status copy(struct writing *w, const struct tensor *t, infer_error *err)
{
    write_batch(w, &w->batches[!w->making]);
    if (!t->bytes)
        return gguf_data(w->w, "", 0) ? INFER_OK : INFER_E_IO;
    for (uint64_t at = 0; at < t->bytes && !w->failed; at += BATCH_BYTES) {
        const size_t n = (size_t)(t->bytes - at < BATCH_BYTES ? t->bytes - at : BATCH_BYTES);
        if (*w->interrupted)
            return failure(err, INFER_E_CANCELLED, "interrupted");
        w->failed = !gguf_data(w->w, (const uint8_t *)t->data + at, n);
        show_progress(w->path, w->done += n, w->all);
    }
    return w->failed ? INFER_E_IO : INFER_OK;
}

static infer_status write_tensor(struct writing *w, size_t i, infer_error *err)
{
    const struct tensor *t = &w->r->in->tensors[i];
    infer_status status = recast_begin(w->r, i, err);
    if (status == INFER_OK)
        status = t->bytes && recast_changes(w->r, i) ? make_rows(w, err) : copy(w, t, err);
    recast_end(w->r);
    return status;
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

static void announce(struct gguf_writer *w, const struct recast *r)
{
    for (size_t i = 0; i < r->in->n_metas; i++)
        if (is_copied(&r->in->metas[i]))
            gguf_meta(w, &r->in->metas[i]);
    gguf_u32(w, "general.quantization_version", QUANTIZATION_VERSION);
    gguf_u32(w, "general.file_type", r->file_type);
    if (r->importance) {
        const struct importance_info info = importance_info(r->importance);
        gguf_text(w, "quantize.imatrix.file", r->o.importance);
        if (*info.dataset)
            gguf_text(w, "quantize.imatrix.dataset", info.dataset);
        gguf_u32(w, "quantize.imatrix.entries_count", (uint32_t)info.n_entries);
        if (info.n_chunks)
            gguf_u32(w, "quantize.imatrix.chunks_count", info.n_chunks);
    }
    for (size_t i = 0; i < r->in->n_tensors; i++)
        gguf_tensor(w, r->in->tensors[i].name.p, r->types[i], r->in->tensors[i].n_dims, r->in->tensors[i].ne);
}

static infer_status writing_open(struct writing *w, infer_error *err)
{
    size_t most = 0;
    for (size_t i = 0; i < w->r->in->n_tensors; i++)
        w->all += w->r->in->tensors[i].bytes;
    /* A batch is at most one row more than BATCH_BYTES, a row at most four bytes a value. */
    if (mul_size(w->r->widest, 4, &most) && add_size(most, BATCH_BYTES, &most)) {
        w->batches[0].p = malloc(most);
        w->batches[1].p = malloc(most);
    }
    if (!w->batches[0].p || !w->batches[1].p)
        return failure(err, INFER_E_NOMEM, "out of memory for rows of %zu values", w->r->widest);
    w->w = gguf_create(w->path);
    return w->w ? INFER_OK : failure(err, INFER_E_NOMEM, "out of memory");
}

infer_status model_write(struct recast *r, const char *path, const volatile sig_atomic_t *interrupted,
                         infer_error *err)
{
    struct writing w = { .r = r, .path = path, .interrupted = interrupted };
    infer_status status = writing_open(&w, err);
    if (status == INFER_OK) {
        announce(w.w, r);
        for (size_t i = 0; i < r->in->n_tensors && status == INFER_OK; i++)
            status = write_tensor(&w, i, err);
        if (status == INFER_OK)
            write_batch(&w, &w.batches[!w.making]);
        if (status == INFER_OK || status == INFER_E_IO)
            status = gguf_finish(w.w, err); /* which knows why it could not write */
        else
            gguf_abandon(w.w);
    }
    free(w.batches[0].p);
    free(w.batches[1].p);
    return status;
}
