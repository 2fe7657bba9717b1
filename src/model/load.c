/* load.c - how a model's weights come into memory.
 *
 * They are mapped when the files are opened, and everything in the files has been checked when this begins. Weights
 * that are to be read in take the place of the mapping, at the same addresses, chunk by chunk, by all threads of the
 * pool.
 *
 * On a machine of several nodes a page of memory lies on the node of the thread that first writes to it. A product's
 * rows are a job, of which each thread begins with its own share (pool_run); products of the same input are one job. So
 * each chunk is read by the thread whose share it is. */
#include "src/model/model.h"

#include "src/base/error.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/resource.h>

/* ---- Chunks and who reads them ---- */

size_t *model_chunks(const struct infer_model *m)
{
    const struct weights *w = m->weights;
    size_t *first = mem_new(&m->context->a, w->n_maps + 1, sizeof *first);
    for (size_t i = 0; first && i < w->n_maps; i++)
        first[i + 1] = first[i] + w->maps[i].size / LOAD_CHUNK + (w->maps[i].size % LOAD_CHUNK != 0);
    return first;
}

struct owning {
    const struct weights *weights;
    const size_t *first;
    int n_threads;
    uint8_t *owner;
};

/* A matrix. `before` and `total`: bytes of the job ahead of it, and of all of it. */
static void own_matrix(const struct owning *o, const struct weight *w, uint64_t before, uint64_t total)
{
    const struct weights *files = o->weights;
    const uint64_t bytes = weight_bytes(w);
    for (size_t i = 0; i < files->n_maps; i++) {
        const uint64_t at = (uintptr_t)w->data - (uintptr_t)files->maps[i].data;
        if (at >= files->maps[i].size || bytes > files->maps[i].size - at)
            continue;
        /* A chunk in which two weights meet goes with the one that has its middle. */
        uint64_t chunk = (at + LOAD_CHUNK / 2 - 1) / LOAD_CHUNK;
        for (uint64_t middle; (middle = chunk * LOAD_CHUNK + LOAD_CHUNK / 2) < at + bytes; chunk++)
            o->owner[o->first[i] + chunk] = (uint8_t)((double)(before + middle - at) / (double)total * o->n_threads);
    }
}

/* Of a stack, who computes with one matrix computes with its place in each. */
static void own_weight(const struct owning *o, const struct weight *w, uint64_t before, uint64_t total)
{
    for (uint32_t i = 0; w->stack && i < w->n_stack; i++) {
        const struct weight own = weight_of_stack(w, i);
        own_matrix(o, &own, before, total);
    }
    if (!w->stack)
        own_matrix(o, w, before, total);
}

/* The weights of one job: neighbours among the roles. Absent ones have no bytes. */
static void own_job(const struct owning *o, const struct weight *w, int n)
{
    uint64_t total = 0, before = 0;
    for (int i = 0; i < n; i++)
        total += w[i].data ? weight_bytes(&w[i]) : 0;
    for (int i = 0; i < n; i++)
        if (w[i].data) {
            own_weight(o, &w[i], before, total);
            before += weight_bytes(&w[i]);
        }
}

uint8_t *model_chunk_owners(const struct infer_model *m, const size_t *first, int n_threads)
{
    const struct network *net = &m->net;
    const struct owning o = { m->weights, first, n_threads, mem_new(&m->context->a, first[m->weights->n_maps], 1) };
    if (!o.owner || !m->runnable)
        return o.owner;
    for (int role = 0; role < MODEL_ROLES; role++)
        own_job(&o, &net->w[role], 1);
    for (uint32_t l = 0; l < net->h.n_layer; l++)
        for (int role = 0, n; role < LAYER_ROLES; role += n) {
            n = role == ATTN_Q_A ? 5 : role == FFN_GATE || role == EXPERT_GATE || role == SHARED_GATE ? 2 : 1;
            own_job(&o, &net->layers[l].w[role], n);
        }
    return o.owner;
}

/* ---- Reading ---- */

struct reading {
    const struct weights *weights;
    const size_t *first;  /* chunk of each file */
    const uint8_t *owner; /* of each chunk, NULL: whoever comes */
    infer_progress_fn *progress;
    void *user;
    atomic_size_t n_done; /* chunks */
    atomic_int failed;    /* an infer_status; the thread that sets it fills err */
    infer_error err;
};

static void stop(struct reading *r, const infer_error *why)
{
    int none = INFER_OK;
    if (atomic_compare_exchange_strong(&r->failed, &none, (int)why->code))
        r->err = *why;
}

static void read_chunk(struct reading *r, size_t chunk, int thread)
{
    const struct weights *w = r->weights;
    const size_t all = r->first[w->n_maps];
    infer_error err;
    size_t i = 0;
    if (atomic_load_explicit(&r->failed, memory_order_relaxed))
        return;
    while (chunk >= r->first[i + 1])
        i++;
    if (map_read(&w->maps[i], (chunk - r->first[i]) * LOAD_CHUNK, LOAD_CHUNK, &err) != INFER_OK) {
        fail_prefix(&err, w->path);
        stop(r, &err);
    }
    const double done = (double)(atomic_fetch_add(&r->n_done, 1) + 1) / (double)all;
    if (!thread && r->progress && !r->progress(r->user, (float)done)) { /* thread 0 is the caller's */
        fail(&err, INFER_E_CANCELLED, "%s: reading was cancelled", w->path);
        stop(r, &err);
    }
}

static void read_task(void *job, int task, int thread)
{
    read_chunk(job, (size_t)task, thread);
}

static void read_own_task(void *job, int task, int thread)
{
    struct reading *r = job;
    for (size_t chunk = 0; chunk < r->first[r->weights->n_maps]; chunk++)
        if (r->owner[chunk] == task)
            read_chunk(r, chunk, thread);
}

static infer_status read_chunks(struct infer_model *m, struct reading *r, infer_error *err)
{
    struct pool *pool = m->context->pool;
    const size_t all = r->first[m->weights->n_maps];
    if (all > INT_MAX)
        return fail(err, INFER_E_UNKNOWN, "%s: the files are too large to be read in", m->weights->path);
    if (r->owner)
        pool_run_each(pool, read_own_task, r);
    else
        pool_run(pool, (int)all, read_task, r);
    if (atomic_load(&r->failed)) {
        if (err)
            *err = r->err;
        return r->err.code;
    }
    if (r->progress && !r->progress(r->user, 1))
        return fail(err, INFER_E_CANCELLED, "%s: reading was cancelled", m->weights->path);
    return INFER_OK;
}

static infer_status read_in(struct infer_model *m, const infer_model_options *o, infer_error *err)
{
    struct weights *w = m->weights;
    const infer_allocator *a = &m->context->a;
    size_t *first = model_chunks(m), bytes = 0, huge = 0;
    uint8_t *owner = first && m->context->numa != INFER_NUMA_NONE
                         ? model_chunk_owners(m, first, pool_threads(m->context->pool)) : NULL;
    infer_status status = INFER_OK;
    if (!first || (m->context->numa != INFER_NUMA_NONE && !owner))
        status = fail_memory(err, "the list of pieces to read");
    for (size_t i = 0; i < w->n_maps && status == INFER_OK; i++)
        status = map_begin_read(&w->maps[i], m->context->huge_pages, err);
    struct reading r = { .weights = w, .first = first, .owner = owner, .progress = o->on_read, .user = o->user };
    if (status == INFER_OK)
        status = read_chunks(m, &r, err);
    for (size_t i = 0; i < w->n_maps && status == INFER_OK; i++) {
        map_end_read(&w->maps[i]);
        bytes += w->maps[i].size;
        huge += m->context->huge_pages ? map_huge_bytes(w->maps[i].data, w->maps[i].size) : 0;
    }
    if (status == INFER_OK)
        context_log(m->context, INFER_LOG_INFO, "%s: %.1f MB read into memory, %.1f MB of it in huge pages", w->path,
                    (double)bytes / 1e6, (double)huge / 1e6);
    mem_free(a, owner);
    mem_free(a, first);
    return status;
}

/* ---- Locking ---- */

static void lock(const struct infer_model *m)
{
    const struct weights *w = m->files;
    double bytes = 0;
    for (size_t i = 0; i < w->n_maps; i++)
        bytes += (double)w->maps[i].size;
    for (size_t i = 0; i < w->n_maps; i++) {
        if (map_lock(&w->maps[i]))
            continue;
        const int why = errno;
        struct rlimit limit;
        char most[64] = "";
        if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
            snprintf(most, sizeof most, ", the limit is %.1f MB", (double)limit.rlim_cur / 1e6);
        context_log(m->context, INFER_LOG_WARN,
                    "%s: %.1f MB cannot be locked in memory (%s%s); \"ulimit -l unlimited\" in the shell, or "
                    "LimitMEMLOCK= of a service, raises the limit", w->path, bytes / 1e6, strerror(why), most);
        return;
    }
    if (w->n_maps)
        context_log(m->context, INFER_LOG_INFO, "%s: %.1f MB locked in memory", w->path, bytes / 1e6);
}

infer_status model_load(struct infer_model *m, const infer_model_options *o, infer_error *err)
{
    struct weights *w = m->files;
    const bool quantised = o->quantize && !o->inspect; /* then nothing of the files is used that could be read in */
    const infer_status status = o->no_mmap && !quantised && w->n_maps ? read_in(m, o, err) : INFER_OK;
    if (status == INFER_OK && o->lock)
        lock(m);
    if (!o->no_mmap && w->n_maps && m->context->numa != INFER_NUMA_NONE)
        context_log(m->context, INFER_LOG_INFO, "%s: mapped weights lie where the system keeps the file, on any node; "
                    "those that are read in (no_mmap) lie near the threads that use them", w->path);
    for (size_t i = 0; o->no_mmap && i < w->n_maps; i++)
        map_close_file(&w->maps[i]);
    return status;
}

infer_status model_intact(const struct infer_model *m, infer_error *err)
{
    return weights_intact(m->files, err);
}
