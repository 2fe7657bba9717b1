/* ahead.c - the rows of what is computed ahead. Keys and values lie where they belong if the guesses come true, in
 * pages behind the session's last token, which are given back if not. Pages and tokens that a fork shares by now may be
 * written to by nobody, so a session that was forked computes the token anew. */
#include "src/runtime/ahead.h"

#include "src/base/error.h"

infer_status ahead_open(infer_session *s, uint32_t n, infer_error *err)
{
    if (s->ahead && s->ahead->room > n)
        return INFER_OK;
    const size_t row = s->n_out * sizeof(float); /* below 2^27, and n below 2^12 */
    struct ahead *const ahead = mem_raw(&s->model->context->a, 1, sizeof *ahead + ((size_t)n + 1) * row);
    if (!ahead)
        return fail(err, INFER_E_NOMEM, "out of memory for %u tokens' logits", n + 1);
    ahead_close(s);
    *ahead = (struct ahead){ .room = n + 1 };
    s->ahead = ahead;
    return INFER_OK;
}

void ahead_close(infer_session *s)
{
    ahead_forget(s);
    mem_free(&s->model->context->a, s->ahead);
    s->ahead = NULL;
}

static bool is_shared(const infer_session *s)
{
    return atomic_load(&s->history->refs) > 1;
}

void ahead_forget(infer_session *s)
{
    if (!s->ahead || !s->ahead->n)
        return;
    s->ahead->n = 0;
    if (!is_shared(s))
        kv_keep(&s->history->kv, s->n_done);
}

uint32_t ahead_room(const infer_session *s)
{
    if (!s->ahead || s->n_done + 1 != s->n_tokens || !kv_resumes(&s->history->kv, s->n_done))
        return 0;
    const uint32_t rooms[] = { s->ahead->room - 1, s->workspace->n_batch - 1, s->n_ctx - s->n_tokens };
    uint32_t least = rooms[0];
    for (int i = 1; i < 3; i++)
        least = rooms[i] < least ? rooms[i] : least;
    return least;
}

infer_status ahead_prepare(infer_session *s, const int32_t *guesses, uint32_t n, struct advance *a, infer_error *err)
{
    const infer_status status = session_write(s, guesses, n, err);
    *a = (struct advance){ .s = s, .at = s->n_done, .end = s->n_tokens + n, .all = s->ahead->rows };
    return status;
}

void ahead_computed(infer_session *s, const struct advance *a)
{
    struct ahead *const ahead = s->ahead;
    ahead->first = s->n_done;
    ahead->n = a->end - s->n_tokens;
    memcpy(s->output->values, ahead->rows, s->n_out * sizeof *ahead->rows);
    session_advanced(s, s->n_tokens);
}

bool ahead_foresees(const infer_session *s, int32_t id)
{
    return s->ahead && s->ahead->n && !is_shared(s) && s->n_done == s->n_tokens &&
           s->history->tokens[s->n_tokens] == id;
}

bool ahead_take(infer_session *s, infer_status *status, infer_error *err)
{
    struct ahead *const ahead = s->ahead;
    if (!ahead || !ahead->n || is_shared(s) || s->n_done + 1 != s->n_tokens)
        return false;
    if (atomic_exchange(&s->cancel, false))
        *status = fail(err, INFER_E_CANCELLED, "cancelled with %u of %u tokens computed", s->n_done, s->n_tokens);
    else
        *status = session_own_output(s, err);
    if (*status == INFER_OK) /* pages that a fork, gone by now, shared; those that lie behind the window */
        *status = kv_reserve(&s->history->kv, s->n_done, 1, err);
    if (*status != INFER_OK)
        return true;
    const float *const row = ahead->rows + (size_t)(s->n_done - ahead->first) * s->n_out;
    memcpy(s->output->values, row, s->n_out * sizeof *row);
    ahead->n--;
    session_advanced(s, s->n_tokens);
    return true;
}
