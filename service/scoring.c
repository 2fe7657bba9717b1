/* scoring.c - how likely the tokens of texts are. */
#include "service/scoring.h"

#include "service/errors.h"
#include "service/service.h"

bool scorer_open(struct scorer *s, struct job *j, infer_error *err)
{
    *s = (struct scorer){ .x = j->x, .model = j->model };
    pthread_mutex_lock(&s->model->scoring);
    s->session = infer_session_open(s->model->model, &j->service->session, err);
    if (s->session && (!j->request.n_adapters ||
                       infer_session_set_adapters(s->session, j->request.adapters, j->request.adapter_scales,
                                                  j->request.n_adapters, err) == INFER_OK))
        return true;
    scorer_close(s);
    return false;
}

void scorer_close(struct scorer *s)
{
    exchange_on_cancel(s->x, NULL, NULL);
    infer_session_close(&s->session);
    pthread_mutex_unlock(&s->model->scoring);
}

static void cancel(void *work)
{
    infer_session_cancel(work);
}

/* Have cancellations go to a session. */
static infer_status watch(struct scorer *s, infer_session *session, infer_error *err)
{
    if (exchange_on_cancel(s->x, cancel, session))
        return INFER_OK;
    return service_error(err, INFER_E_CANCELLED, "cancelled before all texts were evaluated");
}

/* Behind a beginning, in a fork, so that the session stays where it is for the next text. */
static infer_status tell_behind(struct scorer *s, const int32_t *ids, size_t from, size_t n, float *logprobs,
                                infer_logprob *top, size_t n_top, infer_error *err)
{
    infer_status status = infer_session_sync(s->session, ids, from, NULL, err);
    infer_session *fork = status == INFER_OK ? infer_session_fork(s->session, err) : NULL;
    if (!fork)
        return status == INFER_OK ? err->code : status;
    status = watch(s, fork, err);
    if (status == INFER_OK)
        status = infer_session_logprobs(fork, ids + from, n - from, logprobs, top, n_top, err);
    exchange_on_cancel(s->x, NULL, NULL);
    infer_session_close(&fork);
    return status;
}

bool scorer_tell(struct scorer *s, const int32_t *ids, size_t from, size_t n, float *logprobs, infer_logprob *top,
                 size_t n_top, infer_error *err)
{
    const size_t room = infer_session_capacity(s->session);
    infer_status status = watch(s, s->session, err);
    if (n > room)
        return service_error(err, INFER_E_FULL, "a text has %zu tokens, but there is room for %zu", n, room), false;
    if (status == INFER_OK && from)
        return tell_behind(s, ids, from, n, logprobs, top, n_top, err) == INFER_OK;
    if (status == INFER_OK)
        status = infer_session_rewind(s->session, 0, err);
    if (status == INFER_OK)
        status = infer_session_logprobs(s->session, ids, n, logprobs, top, n_top, err);
    if (status == INFER_OK) /* nothing is left to be computed, but others find it then */
        status = infer_session_sync(s->session, ids, n, NULL, err);
    return status == INFER_OK;
}

void scorer_fail(infer_exchange *x, const char *param, const infer_error *err)
{
    if (err->code == INFER_E_FULL)
        exchange_fail(x, 400, param, "context_length_exceeded", "%s", err->message);
    else if (err->code == INFER_E_CANCELLED && exchange_late(x))
        exchange_fail(x, 504, NULL, NULL, "the time for a request is up");
    else
        exchange_fail_by(x, param, err);
}
