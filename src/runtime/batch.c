/* batch.c - any number of sessions advance together. */
#include "src/base/error.h"
#include "src/runtime/steps.h"

/* Whether the tokens of two sessions can be in one step. */
static bool compute_alike(const infer_session *a, const infer_session *b)
{
    return a->model == b->model && a->history->kv.pool == b->history->kv.pool &&
           workspace_alike(a->workspace, b->workspace);
}

static infer_status check_item(const infer_batch_item *items, size_t i, infer_error *err)
{
    infer_session *const s = items[i].session;
    infer_error why;
    if (!s || (!items[i].tokens && items[i].n_tokens))
        return fail(err, INFER_E_ARGUMENT, "item %zu of the batch has no session or no tokens; found NULL", i);
    if (arch_has(&s->model->net.h, TRAIT_ENCODER))
        return fail(err, INFER_E_ARGUMENT, "item %zu of the batch is a session of an encoder: an embedder computes many "
                    "texts at once", i);
    if (!compute_alike(items[0].session, s))
        return fail(err, INFER_E_ARGUMENT, "item %zu of the batch is a session of another model, or with another "
                    "precision, cache type or rotation, than item 0", i);
    if (s->in_batch)
        return fail(err, INFER_E_ARGUMENT, "item %zu of the batch has the session of an earlier one", i);
    s->in_batch = true;
    const infer_status status = session_check(s, items[i].tokens, items[i].n_tokens, &why);
    return status == INFER_OK ? status : fail(err, status, "item %zu of the batch: %s", i, why.message);
}

static infer_status check_items(const infer_batch_item *items, size_t n, infer_error *err)
{
    infer_status status = INFER_OK;
    size_t checked = 0;
    while (checked < n && status == INFER_OK)
        status = check_item(items, checked++, err);
    for (size_t i = 0; i < checked; i++)
        if (items[i].session)
            items[i].session->in_batch = false;
    return status;
}

infer_status infer_batch_eval(infer_batch_item *items, size_t n, infer_error *err)
{
    for (size_t i = 0; i < n; i++)
        items[i].status = INFER_OK;
    infer_status first = check_items(items, n, err);
    if (first != INFER_OK || !n)
        return first;
    const infer_allocator *a = &items->session->model->context->a;
    struct advance *const advances = mem_raw(a, n, sizeof *advances);
    if (!advances)
        return fail_memory(err, "the batch");
    for (size_t i = 0; i < n; i++) {
        infer_session *const s = items[i].session;
        infer_error *const why = first == INFER_OK ? err : NULL;
        const infer_status status = session_write(s, items[i].tokens, items[i].n_tokens, why);
        first = first == INFER_OK ? status : first;
        advances[i] = (struct advance){
            .s = s, .at = s->n_done, .end = s->n_tokens + (uint32_t)items[i].n_tokens, .status = status
        };
    }
    const infer_status status = advance_all(advances, n, first == INFER_OK ? err : NULL);
    for (size_t i = 0; i < n; i++) {
        items[i].status = advances[i].status;
        if (items[i].status == INFER_OK && advances[i].end > items[i].session->n_done)
            session_advanced(items[i].session, advances[i].end);
    }
    mem_free(a, advances);
    return first == INFER_OK ? status : first;
}
