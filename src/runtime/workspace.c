/* workspace.c - buffers and a device, counted by the sessions that compute with them. */
#include "src/runtime/workspace.h"

#include "src/base/error.h"
#include "src/engine/cpu/cpu.h"

struct workspace *workspace_open(const infer_model *m, const struct kv *kv, uint32_t n_batch, enum precision precision,
                                 infer_error *err)
{
    const infer_allocator *a = &m->context->a;
    struct workspace *w = mem_new(a, 1, sizeof *w);
    if (!w)
        return fail_memory(err, "the session"), NULL;
    w->a = a;
    w->n_batch = n_batch;
    atomic_init(&w->refs, 1);
    pthread_mutex_init(&w->turn, NULL);
    if (step_buffers_init(&w->buffers, a, &m->net.h, n_batch, err) == INFER_OK)
        w->device = cpu_open(m->context, &m->net, kv, n_batch, precision, err);
    if (!w->device) {
        workspace_release(w);
        return NULL;
    }
    return w;
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
    cpu_close(w->device);
    step_buffers_free(&w->buffers);
    pthread_mutex_destroy(&w->turn);
    mem_free(w->a, w);
}

size_t workspace_bytes(const struct workspace *w)
{
    return w->buffers.bytes + cpu_bytes(w->device);
}
