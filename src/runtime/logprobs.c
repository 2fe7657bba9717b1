/* logprobs.c - how likely tokens are, as the model has it. The logarithm of the sum of exponentials is that of
 * candidates' weights (elementary.h), so that every machine tells the same. */
#include "src/runtime/logprobs.h"

#include "src/base/context.h"
#include "src/base/error.h"
#include "src/model/model.h"
#include "src/runtime/session.h"
#include "src/sampler/elementary.h"
#include "src/sampler/select.h"

#include <math.h>

enum { ROWS_BYTES = 64 << 20, MIN_ROWS = 8 }; /* logits of so many tokens at once */

/* Largest logit, and ln of the sum of e^(logit - largest). */
struct scale {
    float largest;
    double log_sum;
};

static struct scale scale_of(const float *logits, int32_t n)
{
    struct scale s = { .largest = -INFINITY };
    double sum[4] = { 0 };
    for (int32_t i = 0; i < n; i++)
        s.largest = is_finite(logits[i]) && logits[i] > s.largest ? logits[i] : s.largest;
    for (int32_t i = 0; i < n; i++)
        sum[i % 4] += is_finite(logits[i]) ? (double)exp_negative(logits[i] - s.largest) : 0;
    const double total = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    s.log_sum = total > 0 ? log_positive(total) : 0;
    return s;
}

static float logprob_of(const struct scale *s, float logit)
{
    return is_finite(logit) ? (float)((double)logit - (double)s->largest - s->log_sum) : -INFINITY;
}

void logprobs_all(const float *logits, int32_t n, float *logprob)
{
    const struct scale s = scale_of(logits, n);
    for (int32_t i = 0; i < n; i++)
        logprob[i] = logprob_of(&s, logits[i]);
}

static void find_top(const float *logits, int32_t n, const struct scale *s, infer_logprob *top, size_t n_top)
{
    uint64_t key[INFER_MAX_TOP];
    struct best best = { .key = key, .k = n_top };
    for (int32_t i = 0; i < n && n_top; i++)
        if (logits[i] > best_floor(&best) && is_finite(logits[i]))
            best_offer(&best, key_of(logits[i], i));
    best_sort(&best);
    for (size_t i = 0; i < n_top; i++)
        top[i] = i < best.n ? (infer_logprob){ key_id(key[i]), logprob_of(s, logits[key_id(key[i])]) }
                            : (infer_logprob){ -1, -INFINITY };
}

infer_status infer_logprobs(const float *logits, int32_t n_vocab, int32_t id, float *logprob, infer_logprob *top,
                            size_t n_top, infer_error *err)
{
    if (!logits || !logprob || (n_top && !top))
        return fail(err, INFER_E_ARGUMENT, "infer_logprobs needs logits and where to write, found NULL");
    if (id < 0 || id >= n_vocab)
        return fail(err, INFER_E_ARGUMENT, "token %d, expected 0 to %d", id, n_vocab - 1);
    if (n_top > INFER_MAX_TOP)
        return fail(err, INFER_E_ARGUMENT, "n_top is %zu, expected at most %d", n_top, INFER_MAX_TOP);
    const struct scale s = scale_of(logits, n_vocab);
    *logprob = logprob_of(&s, logits[id]);
    find_top(logits, n_vocab, &s, top, n_top);
    return INFER_OK;
}

/* ---- Of a session's tokens ---- */

struct echo {
    infer_session *session;
    const int32_t *tokens;
    size_t n, n_top;
    infer_token_fn *tell;
    void *teller;
    session_step_fn *on_step;
    void *user;
    int32_t n_vocab;
};

/* Token i, after what gave these logits; NULL: nothing. */
static infer_status tell(const struct echo *e, size_t i, const float *logits, infer_error *err)
{
    infer_logprob top[INFER_MAX_TOP];
    float logprob = NAN;
    infer_status status = INFER_OK;
    for (size_t k = 0; k < e->n_top; k++)
        top[k] = (infer_logprob){ -1, -INFINITY };
    if (logits)
        status = infer_logprobs(logits, e->n_vocab, e->tokens[i], &logprob, top, e->n_top, err);
    if (status == INFER_OK)
        e->tell(e->teller, e->tokens[i], logprob, top, e->n_top);
    return status;
}

/* The session's logits tell of a step's first token, the rows of those after it. */
static infer_status tell_all(const struct echo *e, float *rows, size_t n_rows, infer_error *err)
{
    const size_t there = infer_session_length(e->session);
    infer_status status = session_ready(e->session, err);
    for (size_t done = 0; done < e->n && status == INFER_OK;) {
        const size_t now = e->n - done < n_rows ? e->n - done : n_rows;
        status = tell(e, done, infer_session_logits(e->session), err);
        if (status == INFER_OK)
            status = infer_session_eval_all(e->session, e->tokens + done, now, rows, err);
        for (size_t i = 1; i < now && status == INFER_OK; i++)
            status = tell(e, done + i, rows + (i - 1) * (size_t)e->n_vocab, err);
        done += now;
        if (status == INFER_OK && e->on_step)
            status = e->on_step(e->user, there + done, now, err);
    }
    return status;
}

infer_status session_echo(infer_session *session, const int32_t *tokens, size_t n, infer_token_fn *tell, size_t n_top,
                          void *teller, session_step_fn *on_step, void *user, infer_error *err)
{
    const infer_model *m = session_model(session);
    const size_t row = m->net.h.n_vocab * sizeof(float), batch = session_batch(session);
    size_t n_rows = ROWS_BYTES / row > MIN_ROWS ? ROWS_BYTES / row : MIN_ROWS;
    n_rows = n_rows < batch ? n_rows : batch;
    n_rows = n_rows < n ? n_rows : n;
    const struct echo e = { session, tokens, n, n_top, tell, teller, on_step, user, (int32_t)m->net.h.n_vocab };
    const infer_allocator *a = context_allocator(m->context);
    float *rows = mem_raw(a, n_rows, row);
    if (!rows)
        return fail_memory(err, "the logits of a text");
    const infer_status status = tell_all(&e, rows, n_rows, err);
    mem_free(a, rows);
    return status;
}

struct list {
    float *logprob;
    infer_logprob *top;
};

static void keep(void *user, int32_t id, float logprob, const infer_logprob *top, size_t n_top)
{
    struct list *l = user;
    (void)id;
    *l->logprob++ = logprob;
    for (size_t k = 0; k < n_top; k++)
        *l->top++ = top[k];
}

infer_status infer_session_logprobs(infer_session *session, const int32_t *tokens, size_t n, float *logprobs,
                                    infer_logprob *top, size_t n_top, infer_error *err)
{
    if (!session || (n && (!tokens || !logprobs || (n_top && !top))))
        return fail(err, INFER_E_ARGUMENT, "infer_session_logprobs needs a session, tokens and where to write; "
                    "found NULL");
    if (n_top > INFER_MAX_TOP)
        return fail(err, INFER_E_ARGUMENT, "n_top is %zu, expected at most %d", n_top, INFER_MAX_TOP);
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(session_model(session), &info);
    if (info.encoder)
        return fail(err, INFER_E_ARGUMENT, "%s: the model is an encoder, which does not say what follows", info.name);
    const size_t there = infer_session_length(session);
    struct list list = { logprobs, top };
    const infer_status status = n ? session_echo(session, tokens, n, keep, n_top, &list, NULL, NULL, err) : INFER_OK;
    if (status != INFER_OK && infer_session_length(session) > there)
        infer_session_rewind(session, there, NULL);
    return status;
}
