/* steps.c - steps of several sessions' tokens.
 *
 * Rows whose outputs are wanted stand last in a step, as all products of the last layer's rest are for these alone. So a
 * session's tokens may be two segments: those without and those with outputs. */
#include "src/runtime/steps.h"

#include "src/base/error.h"
#include "src/engine/cpu/cpu.h"

/* The first failure is what the caller is told. */
static void drop(struct advance *a, infer_status status, infer_status *first)
{
    a->status = status;
    *first = *first == INFER_OK ? status : *first;
}

/* How many tokens each session has in the next step; the sum. */
static uint32_t share_out(struct advance *a, size_t n, uint32_t room, infer_status *first, infer_error *err)
{
    uint32_t taken = 0;
    for (size_t i = 0; i < n; i++) {
        struct advance *const x = &a[i];
        infer_error why;
        const uint32_t left = x->status == INFER_OK ? x->end - x->at : 0, most = room - taken;
        x->n = left < most ? left : most;
        x->n_out = x->all ? x->n : x->n && x->at + x->n == x->end && !x->open_end;
        if (!x->n)
            continue;
        infer_status status = INFER_OK;
        if (atomic_exchange(&x->s->cancel, false))
            status = fail(&why, INFER_E_CANCELLED, "cancelled with %u of %u tokens computed", x->at, x->end);
        else
            status = kv_reserve(&x->s->history->kv, x->at, x->n, &why);
        if (status != INFER_OK) {
            if (err && *first == INFER_OK)
                *err = why;
            drop(x, status, first);
            x->n = x->n_out = 0;
        }
        taken += x->n;
    }
    return taken;
}

/* Some tokens of a session become a segment, or lengthen the last one; as if alone, each becomes one if need be. */
static void add_segment(struct workspace *w, struct span *span, const struct advance *x, uint32_t at, uint32_t n,
                        bool alone)
{
    struct kv *const kv = &x->s->history->kv;
    const struct adaptation *const how = x->s->adapters ? &x->s->adapters->how : NULL;
    const bool apart = alone && n && !cpu_cuts_alike(w->device, kv, at, n);
    const uint32_t each = apart ? 1 : n;
    span->adapted = span->adapted || (n && how);
    if (n)
        memcpy(w->ids + span->n, x->s->history->tokens + at, n * sizeof *w->ids);
    for (uint32_t i = 0; i < n; i += each) {
        struct segment *const last = span->n_segments ? &w->segments[span->n_segments - 1] : NULL;
        if (last && last->kv == kv && !apart) {
            last->n += each;
        } else {
            w->segments[span->n_segments++] = (struct segment){ kv, at + i, each, span->n + i, NULL, how };
            span->split = span->split || at + i > x->at;
        }
    }
    span->n += n;
}

/* The step: rows without outputs, then those with. */
static struct span lay_out(struct workspace *w, const struct advance *a, size_t n, bool alone, uint32_t *n_out)
{
    struct span span = { .segments = w->segments };
    *n_out = 0;
    for (size_t i = 0; i < n; i++)
        add_segment(w, &span, &a[i], a[i].at, a[i].n - a[i].n_out, alone);
    for (size_t i = 0; i < n; i++) {
        add_segment(w, &span, &a[i], a[i].at + a[i].n - a[i].n_out, a[i].n_out, alone);
        *n_out += a[i].n_out;
    }
    return span;
}

/* Where the outputs of a session in the step go. */
static float *output_of(const struct advance *x)
{
    return x->all ? x->all : x->s->output->values;
}

/* Outputs that stand one behind the other to their sessions. */
static void spread(struct advance *a, size_t n, const float *rows)
{
    for (size_t i = 0; i < n; i++) {
        const size_t floats = (size_t)a[i].n_out * a[i].s->n_out;
        if (floats)
            memcpy(output_of(&a[i]), rows, floats * sizeof *rows);
        rows += floats;
    }
}

infer_status step_failed(infer_status status, uint32_t n_tokens, infer_error *err)
{
    return status == INFER_E_NOMEM ? fail_memory(err, "what adapters compute in")
                                   : fail(err, status, "cancelled while computing %u tokens", n_tokens);
}

/* One step of the tokens shared out. */
static infer_status run_step(struct advance *a, size_t n, uint32_t n_tokens, infer_error *err)
{
    struct workspace *const w = a->s->workspace;
    const struct hparams *h = &a->s->model->net.h;
    const enum forward_output kind = arch_has(h, TRAIT_ENCODER) ? FORWARD_HIDDEN : FORWARD_LOGITS;
    atomic_bool never = false;
    struct advance *only = NULL;
    uint32_t n_out;
    struct forward f = session_forward(a->s);
    bool alone = !w->deterministic; /* which is so in any case */
    for (size_t i = 0; i < n; i++) {
        only = a[i].n == n_tokens ? &a[i] : only;
        alone = alone && (a[i].alone || !a[i].n);
    }
    f.cancel = only ? &only->s->cancel : &never;
    const struct span span = lay_out(w, a, n, alone, &n_out);
    float *const out = only ? output_of(only) : workspace_outputs(w, n_out, a->s->n_out);
    if (!out)
        return fail(err, INFER_E_NOMEM, "out of memory for %u tokens' logits", n_out);
    cpu_alone(w->device, alone);
    const infer_status status = forward_step(&f, &span, w->ids, kind, n_out, out);
    cpu_alone(w->device, false);
    if (status != INFER_OK) {
        atomic_store(f.cancel, false);
        return step_failed(status, n_tokens, err);
    }
    if (!only)
        spread(a, n, out);
    return status;
}

/* Whether all files are that the next step reads. */
static infer_status intact(const struct advance *a, size_t n, infer_error *err)
{
    infer_status status = model_intact(a->s->model, err);
    for (size_t i = 0; i < n && status == INFER_OK; i++)
        if (a[i].n)
            status = adapter_set_intact(a[i].s->adapters, err);
    return status;
}

infer_status advance_all(struct advance *a, size_t n, infer_error *err)
{
    struct workspace *const w = a->s->workspace;
    infer_status first = INFER_OK;
    for (uint32_t n_tokens;;) {
        infer_error why;
        if (!(n_tokens = share_out(a, n, w->n_batch, &first, err)))
            return first;
        pthread_mutex_lock(&w->turn);
        infer_status status = intact(a, n, &why);
        if (status == INFER_OK)
            status = run_step(a, n, n_tokens, &why);
        pthread_mutex_unlock(&w->turn);
        if (status != INFER_OK && first == INFER_OK && err)
            *err = why;
        for (size_t i = 0; i < n; i++) {
            if (a[i].n && status != INFER_OK)
                drop(&a[i], status, &first);
            a[i].at += a[i].n;
            if (status == INFER_OK && a[i].n && a[i].at < a[i].end)
                session_publish_step(a[i].s, a[i].at);
            if (a[i].all)
                a[i].all += (size_t)a[i].n * a[i].s->n_out;
        }
    }
}
