/* prompt.c - a prompt's tokens behind those of a session. */
#include "src/runtime/prompt.h"

#include "src/base/error.h"
#include "src/model/model.h"
#include "src/runtime/session.h"

/* ---- Reading ---- */

/* Put the session's tokens before the prompt's. */
static infer_status follow(struct prompt *p, infer_error *err)
{
    int32_t *all = mem_new(p->g->a, p->n_keep + p->n, sizeof *all);
    if (!all)
        return fail_memory(err, "the prompt's tokens");
    memcpy(all, infer_session_tokens(p->session), p->n_keep * sizeof *all);
    if (p->n)
        memcpy(all + p->n_keep, p->ids, p->n * sizeof *all);
    mem_free(p->g->a, p->ids);
    p->ids = all;
    p->n += p->n_keep;
    return INFER_OK;
}

infer_status prompt_read(struct prompt *p, struct generation *g, infer_session *session, const char *text,
                         size_t length, infer_error *err)
{
    const size_t there = infer_session_length(session), capacity = infer_session_capacity(session);
    *p = (struct prompt){ .session = session, .g = g, .n_keep = there, .anew = length > 0 };
    const infer_status status = generation_encode(g, text, length, !there, &p->ids, &p->n, err);
    if (status != INFER_OK)
        return status;
    if (p->n > capacity - there)
        return fail(err, INFER_E_FULL, "the prompt has %zu tokens, but the context of %zu has room for %zu", p->n,
                    capacity, capacity - there);
    return there ? follow(p, err) : INFER_OK;
}

/* The session keeps what it holds of the conversation, but for the last token, whose logits are wanted; and nothing
 * where all tokens are to be told. */
infer_status prompt_read_conversation(struct prompt *p, struct generation *g, infer_session *session, const char *text,
                                      infer_error *err)
{
    const size_t there = infer_session_length(session), capacity = infer_session_capacity(session);
    const int32_t *held = infer_session_tokens(session);
    *p = (struct prompt){ .session = session, .g = g, .anew = true };
    const infer_status status = generation_encode(g, text, strlen(text), false, &p->ids, &p->n, err);
    if (status != INFER_OK)
        return status;
    if (!p->n)
        return fail(err, INFER_E_ARGUMENT, "the chat template writes nothing for these messages");
    if (p->n > capacity)
        return fail(err, INFER_E_FULL, "the conversation has %zu tokens, the context has room for %zu", p->n, capacity);
    while (!generation_echoes(g) && p->n_keep + 1 < p->n && p->n_keep < there && held[p->n_keep] == p->ids[p->n_keep])
        p->n_keep++;
    g->r.n_cached = p->n_keep;
    return INFER_OK;
}

void prompt_close(struct prompt *p)
{
    if (p->g && p->g->a)
        mem_free(p->g->a, p->ids);
    *p = (struct prompt){ 0 };
}

/* ---- Evaluating ---- */

struct progress {
    const struct prompt *prompt;
    size_t done; /* tokens of the timeline */
};

static infer_status on_step(void *user, size_t end, size_t n_computed, infer_error *err)
{
    struct progress *at = user;
    const struct prompt *p = at->prompt;
    const infer_generate_options *o = &p->g->o;
    const size_t n = p->n - p->n_keep, done = end - p->n_keep;
    generation_count(p->g, p->ids + at->done, end - at->done, n_computed);
    at->done = end;
    if (o->on_prompt && !o->on_prompt(o->user, (float)done / (float)n))
        return fail(err, INFER_E_CANCELLED, "cancelled after %zu of %zu tokens of the prompt", done, n);
    return INFER_OK;
}

/* In steps of as many tokens as the session computes at once, where somebody wants to know how far it is. */
static infer_status eval(struct prompt *p, infer_error *err)
{
    const infer_generate_options *o = &p->g->o;
    const size_t n = p->n - p->n_keep, most = o->on_prompt ? session_batch(p->session) : n;
    struct progress at = { p, p->n_keep };
    if (!n)
        return INFER_OK;
    if (!generation_echoes(p->g))
        return session_sync(p->session, p->ids, p->n, most, on_step, &at, err);
    const infer_status status = infer_session_rewind(p->session, p->n_keep, err);
    if (status != INFER_OK)
        return status;
    return session_echo(p->session, p->ids + p->n_keep, n, o->on_token, o->n_top, o->user, on_step, &at, err);
}

infer_status prompt_eval(struct prompt *p, infer_error *err)
{
    const infer_status status = eval(p, err);
    if (status == INFER_OK)
        return generation_begin(p->g, infer_session_tokens(p->session), infer_session_length(p->session), p->anew, err);
    if (status != INFER_E_CANCELLED && infer_session_length(p->session) > p->n_keep)
        infer_session_rewind(p->session, p->n_keep, NULL);
    return status;
}
