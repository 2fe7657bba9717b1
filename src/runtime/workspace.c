/* workspace.c - buffers and a device, counted by the sessions that compute with them. */
#include "src/runtime/workspace.h"

#include "src/base/error.h"
#include "src/engine/cpu/cpu.h"

struct workspace *workspace_open(infer_model *m, const struct kv *kv, uint32_t n_batch, enum precision precision,
                                 bool deterministic, infer_error *err)
{
    const infer_allocator *a = &m->context->a;
    struct workspace *w = mem_new(a, 1, sizeof *w);
    if (!w)
        return fail_memory(err, "the session"), NULL;
    w->a = a;
    w->n_batch = n_batch;
    w->precision = precision;
    w->deterministic = deterministic;
    w->is_long = kv->n_ctx > m->net.h.rope.n_ctx_original;
    atomic_init(&w->refs, 1);
    pthread_mutex_init(&w->turn, NULL);
    w->ids = mem_raw(a, n_batch, sizeof *w->ids);
    w->segments = mem_raw(a, n_batch, sizeof *w->segments);
    if (!w->ids || !w->segments)
        fail_memory(err, "the session");
    else if (step_buffers_init(&w->buffers, a, &m->net.h, n_batch, err) == INFER_OK)
        w->device = cpu_open(m->context, &m->net, kv, n_batch, precision, deterministic, err);
    if (!w->device) {
        workspace_release(w);
        return NULL;
    }
    w->counted = workspace_bytes(w);
    w->counter = &m->work_bytes;
    atomic_fetch_add(w->counter, w->counted);
    return w;
}

bool workspace_alike(const struct workspace *a, const struct workspace *b)
{
    return a == b || (a->precision == b->precision && a->deterministic == b->deterministic && a->is_long == b->is_long);
}

float *workspace_outputs(struct workspace *w, size_t n, size_t width)
{
    if (n * width <= w->n_outputs && w->outputs)
        return w->outputs;
    mem_free(w->a, w->outputs);
    w->outputs = mem_raw(w->a, n, width * sizeof *w->outputs);
    w->n_outputs = w->outputs ? n * width : 0;
    return w->outputs;
}

struct workspace *workspace_retain(struct workspace *w)
{
    atomic_fetch_add(&w->refs, 1);
    return w;
}

void workspace_release(struct workspace *w)
{
    if (!w || atomic_fetch_sub(&w->refs, 1) > 1)
        return;
    if (w->counter)
        atomic_fetch_sub(w->counter, w->counted);
    cpu_close(w->device);
    step_buffers_free(&w->buffers);
    mem_free(w->a, w->ids);
    mem_free(w->a, w->segments);
    mem_free(w->a, w->outputs);
    pthread_mutex_destroy(&w->turn);
    mem_free(w->a, w);
}

size_t workspace_bytes(const struct workspace *w)
{
    return w->buffers.bytes + cpu_bytes(w->device) + w->n_outputs * sizeof *w->outputs +
           w->n_batch * (sizeof *w->ids + sizeof *w->segments);
}
