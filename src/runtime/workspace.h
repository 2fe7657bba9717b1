/* workspace.h - what a step computes in: buffers and a device. A session and its forks have one together. */
#ifndef RUNTIME_WORKSPACE_H
#define RUNTIME_WORKSPACE_H

#include "src/engine/forward.h"
#include "src/model/model.h"

struct workspace {
    const infer_allocator *a;
    atomic_uint refs;
    pthread_mutex_t turn; /* held by who computes: sessions of several threads take turns, step by step */
    struct step_buffers buffers;
    struct device *device;
    uint32_t n_batch;
};

/** For steps of n_batch tokens of sessions of n_ctx or less. */
struct workspace *workspace_open(const infer_model *m, const struct kv *kv, uint32_t n_batch, enum precision precision,
                                 infer_error *err);
struct workspace *workspace_retain(struct workspace *w);
void workspace_release(struct workspace *w);
size_t workspace_bytes(const struct workspace *w);

#endif
