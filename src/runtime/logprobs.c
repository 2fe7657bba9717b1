/* logprobs.c - how likely tokens are, as the model has it. The logarithm of the sum of exponentials is that of
 * candidates' weights (elementary.h), so that every machine tells the same. */
#include "src/base/context.h"
#include "src/base/error.h"
#include "src/model/model.h"
#include "src/runtime/elementary.h"
#include "src/runtime/select.h"
#include "src/runtime/session.h"

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
    float *logprobs;
    infer_logprob *top;
    size_t n_top;
    int32_t n_vocab;
};

/* Token i, after what gave these logits. */
static infer_status tell(const struct echo *e, size_t i, const float *logits, infer_error *err)
{
    infer_logprob *top = e->n_top ? e->top + i * e->n_top : NULL;
    return infer_logprobs(logits, e->n_vocab, e->tokens[i], &e->logprobs[i], top, e->n_top, err);
}

static infer_status tell_first(const struct echo *e, infer_error *err)
{
    const bool begins = infer_session_length(e->session) == 0;
    infer_status status = INFER_OK;
    if (!begins && !infer_session_logits(e->session))
        status = infer_session_eval(e->session, NULL, 0, err);
    if (status == INFER_OK && !begins && infer_session_logits(e->session))
        return tell(e, 0, infer_session_logits(e->session), err);
    e->logprobs[0] = NAN;
    for (size_t i = 0; i < e->n_top; i++)
        e->top[i] = (infer_logprob){ -1, -INFINITY };
    return status;
}

static infer_status tell_rest(const struct echo *e, size_t n, float *rows, size_t n_rows, infer_error *err)
{
    infer_status status = INFER_OK;
    for (size_t done = 0; done < n && status == INFER_OK;) {
        const size_t now = n - done < n_rows ? n - done : n_rows;
        status = infer_session_eval_all(e->session, e->tokens + done, now, rows, err);
        for (size_t i = 0; i < now && done + i + 1 < n && status == INFER_OK; i++)
            status = tell(e, done + i + 1, rows + i * (size_t)e->n_vocab, err);
        done += now;
    }
    return status;
}

infer_status infer_session_logprobs(infer_session *session, const int32_t *tokens, size_t n, float *logprobs,
                                    infer_logprob *top, size_t n_top, infer_error *err)
{
    if (!session || (n && (!tokens || !logprobs || (n_top && !top))))
        return fail(err, INFER_E_ARGUMENT, "infer_session_logprobs needs a session, tokens and where to write; "
                    "found NULL");
    if (n_top > INFER_MAX_TOP)
        return fail(err, INFER_E_ARGUMENT, "n_top is %zu, expected at most %d", n_top, INFER_MAX_TOP);
    const infer_model *m = session_model(session);
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(m, &info);
    if (info.encoder)
        return fail(err, INFER_E_ARGUMENT, "%s: the model is an encoder, which does not say what follows", info.name);
    const struct echo e = { session, tokens, logprobs, top, n_top, info.n_vocab };
    const infer_allocator *a = context_allocator(m->context);
    const size_t there = infer_session_length(session), row = (size_t)info.n_vocab * sizeof(float);
    const size_t most = ROWS_BYTES / row > MIN_ROWS ? ROWS_BYTES / row : MIN_ROWS, n_rows = n < most ? n : most;
    float *rows = mem_raw(a, n_rows, row);
    if (!rows)
        return fail_memory(err, "the logits of a text");
    infer_status status = n ? tell_first(&e, err) : INFER_OK;
    if (status == INFER_OK)
        status = tell_rest(&e, n, rows, n_rows, err);
    if (status != INFER_OK && infer_session_length(session) > there)
        infer_session_rewind(session, there, NULL);
    mem_free(a, rows);
    return status;
}
