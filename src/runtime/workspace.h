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
    atomic_size_t *counter; /* of the model, which outlives it: bytes of its workspaces */
    size_t counted;         /* of this one, when it was opened */
    enum precision precision;
    bool deterministic;
    bool is_long; /* rotations are those of long contexts, where these have others */
    /* Of the step that is computed: */
    int32_t *ids;             /* n_batch */
    struct segment *segments; /* n_batch */
    float *outputs;           /* room for n_outputs */
    size_t n_outputs;
};

/** For steps of n_batch tokens. */
struct workspace *workspace_open(infer_model *m, const struct kv *kv, uint32_t n_batch, enum precision precision,
                                 bool deterministic, infer_error *err);
/** Whether tokens of sessions that have these can be computed in one step. */
bool workspace_alike(const struct workspace *a, const struct workspace *b);
/** Room for n rows of outputs, or NULL if memory is out. */
float *workspace_outputs(struct workspace *w, size_t n, size_t width);
struct workspace *workspace_retain(struct workspace *w);
void workspace_release(struct workspace *w);
size_t workspace_bytes(const struct workspace *w);

#endif
