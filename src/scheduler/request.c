/* request.c - what becomes of requests: text is handed out as it comes, results at the end. */
#include "src/base/error.h"
#include "src/base/seconds.h"
#include "src/scheduler/parts.h"

#include <math.h>
#include <stdlib.h>

static bool is_ranked(const infer_request *r)
{
    return r->n_answers > r->n;
}

/* ---- Handing out, by who computes ---- */

static bool has_callback(const struct answer *x)
{
    return x->m.g.o.on_text || x->m.g.o.on_part;
}

/* To those who fetch, as text of answer `number`. */
static infer_status put(struct answer *x, struct piece piece, int32_t number, infer_error *err)
{
    infer_request *const r = x->request;
    piece.answer = number;
    pthread_mutex_lock(&r->scheduler->lock);
    const infer_status status = pieces_add(&r->come, r->a, &piece, err);
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->scheduler->lock);
    return status;
}

static infer_status deliver_as(struct answer *x, int32_t number, infer_error *err)
{
    struct generation *const g = &x->m.g;
    infer_status status = INFER_OK;
    bool wanted = true;
    for (struct piece piece; generation_piece(g, &piece);) {
        if (!wanted || status != INFER_OK)
            continue;
        if (!has_callback(x))
            status = put(x, piece, number, err);
        else if (!(wanted = generation_tell(g, &piece)))
            generation_stop(g, INFER_STOP_CALLBACK);
    }
    return status == INFER_OK && g->ended && g->truncated ? fail_memory(err, "the end of the text") : status;
}

infer_status answer_deliver(struct answer *x, infer_error *err)
{
    return is_ranked(x->request) ? INFER_OK : deliver_as(x, x->index, err);
}

void request_has_turn(infer_request *r)
{
    pthread_mutex_lock(&r->scheduler->lock);
    r->scheduler->n_queued -= r->queued;
    r->queued = false;
    pthread_mutex_unlock(&r->scheduler->lock);
}

/* ---- The end ---- */

static void fail_answer(struct answer *x, infer_status status, const infer_error *why)
{
    x->status = status;
    if (status != INFER_OK)
        x->error = *why;
}

/* Of a conversation: what the answer is. */
static infer_status keep_message(struct answer *x, infer_error *err)
{
    struct generation *const g = &x->m.g;
    struct text message;
    if (!g->turn.chat || !x->m.begun)
        return INFER_OK;
    const infer_status status = message_write(&g->turn.message, &message, err);
    if (status != INFER_OK)
        return status;
    x->message = mem_new(x->request->a, message.n + 1, 1);
    if (!x->message)
        return fail_memory(err, "the message");
    memcpy(x->message, message.p, message.n);
    x->n_message = message.n;
    if (g->o.on_message)
        g->o.on_message(g->o.user, x->message, x->n_message);
    return INFER_OK;
}

/* What text is left, as that of answer `number`; then it is no more than its results. */
static void finish(struct answer *x, int32_t number)
{
    infer_error err;
    x->told = true;
    infer_status status = number < 0 ? INFER_OK : deliver_as(x, number, &err);
    if (status == INFER_OK && number >= 0)
        status = keep_message(x, &err);
    if (x->status == INFER_OK)
        fail_answer(x, status, &err);
    x->result.size = sizeof x->result;
    generation_result(&x->m.g, &x->result);
    member_close(&x->m);
}

/* Those that went well come first, and of these the likeliest. */
static bool is_better(const struct answer *x, const struct answer *y)
{
    const struct generation *a = &x->m.g, *b = &y->m.g;
    const double left = a->n_logprobs ? a->logprobs / (double)a->n_logprobs : -INFINITY;
    const double right = b->n_logprobs ? b->logprobs / (double)b->n_logprobs : -INFINITY;
    if ((x->status == INFER_OK) != (y->status == INFER_OK))
        return x->status == INFER_OK;
    return left > right;
}

/* Find the n best, hand them out, and forget the others. */
static void rank(infer_request *r)
{
    for (int32_t i = 0; i < r->n; i++) {
        struct answer *best = NULL;
        for (int32_t j = 0; j < r->n_answers; j++)
            if (!r->answers[j].told && (!best || is_better(&r->answers[j], best)))
                best = &r->answers[j];
        r->ranks[i] = (int32_t)(best - r->answers);
        if (r->users)
            best->m.g.o.user = r->users[i];
        finish(best, i);
    }
    for (int32_t j = 0; j < r->n_answers; j++)
        if (!r->answers[j].told)
            finish(&r->answers[j], -1);
}

static void unlink_request(infer_request *r)
{
    *r->link = r->next;
    if (r->next)
        r->next->link = r->link;
}

static void end_request(infer_request *r)
{
    if (is_ranked(r))
        rank(r);
    unlink_request(r);
    request_has_turn(r);
    pthread_mutex_lock(&r->scheduler->lock);
    for (int32_t i = 0; i < r->n && r->status == INFER_OK; i++) {
        const struct answer *x = &r->answers[r->ranks[i]];
        r->status = x->status;
        r->error = x->error;
    }
    r->ended = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->scheduler->lock);
    if (r->on_end)
        r->on_end(r->end_user, r);
    request_release(r);
}

/* Its place or its turn goes, its text ends. */
static void leave(struct answer *x, infer_status status, const infer_error *why)
{
    queue_remove(x->request->scheduler, x);
    member_leave(&x->m);
    x->ended = true;
    fail_answer(x, status, why);
    if (status != INFER_OK)
        generation_stop(&x->m.g, INFER_STOP_ERROR);
    if (!is_ranked(x->request))
        finish(x, x->index);
    x->request->n_ended++;
}

void answer_end(struct answer *x, infer_status status, const infer_error *why)
{
    infer_request *const r = x->request;
    const bool had_prompt = x->m.begun;
    leave(x, status, why);
    for (int32_t i = 0; i < r->n_answers && !x->index && !had_prompt; i++)
        if (!r->answers[i].ended && !r->answers[i].listed)
            leave(&r->answers[i], status, why);
    if (r->n_ended == r->n_answers)
        end_request(r);
}

/* ---- From any thread ---- */

void request_release(infer_request *r)
{
    if (atomic_fetch_sub(&r->owners, 1) > 1)
        return;
    infer_scheduler *const s = r->scheduler;
    for (int32_t i = 0; i < r->n_answers; i++) {
        member_close(&r->answers[i].m);
        mem_free(r->a, r->answers[i].message);
    }
    for (size_t i = 0; i < r->n_stops; i++)
        mem_free(r->a, r->stops[i]);
    adapter_set_release(r->adapters);
    pieces_close(&r->come, r->a);
    pieces_close(&r->taken, r->a);
    pthread_cond_destroy(&r->changed);
    mem_free(r->a, r->stops);
    mem_free(r->a, r->users);
    mem_free(r->a, r->ranks);
    mem_free(r->a, r->answers);
    mem_free(r->a, r);
    scheduler_release(s);
}

/* Under the lock: the next piece of those taken, else of those that have come since. */
static bool take_piece(infer_request *r, struct piece *piece)
{
    if (pieces_next(&r->taken, piece))
        return true;
    const struct pieces empty = r->taken;
    r->taken = r->come;
    r->come = empty;
    return pieces_next(&r->taken, piece);
}

static bool has_piece(const infer_request *r)
{
    return pieces_wait(&r->taken) || pieces_wait(&r->come);
}

/* Under the lock, which is given up meanwhile: wait until something has changed, or compute a step. */
static void wait_or_step(infer_request *r, double until)
{
    infer_scheduler *const s = r->scheduler;
    if (s->manual) {
        pthread_mutex_unlock(&s->lock);
        pthread_mutex_lock(&s->turn);
        if (s->root)
            scheduler_advance(s);
        pthread_mutex_unlock(&s->turn);
        pthread_mutex_lock(&s->lock);
    } else if (until == INFINITY) {
        pthread_cond_wait(&r->changed, &s->lock);
    } else {
        const double whole = floor(until);
        const struct timespec t = { (time_t)whole, (long)(1e9 * (until - whole)) };
        pthread_cond_timedwait(&r->changed, &s->lock, &t);
    }
}

/* Under the lock: until there is a piece, if pieces count, or the end. */
static infer_status await(infer_request *r, double seconds, bool pieces, infer_error *err)
{
    const double until = seconds < 0 || seconds > 1e9 ? INFINITY : monotonic_seconds() + seconds;
    while (!r->ended && !(pieces && has_piece(r))) {
        if (until < INFINITY && (seconds == 0 || monotonic_seconds() >= until))
            return fail(err, INFER_E_TIMEOUT, "nothing came within %g seconds", seconds);
        wait_or_step(r, until);
    }
    return INFER_OK;
}

static infer_status end_status(const infer_request *r, infer_error *err)
{
    return r->status == INFER_OK ? INFER_OK : fail(err, r->status, "%s", r->error.message);
}

infer_status infer_request_next(infer_request *r, double seconds, infer_request_piece *piece, infer_error *err)
{
    if (!r || !piece || piece->size < sizeof piece->size)
        return fail(err, INFER_E_ARGUMENT, "infer_request_next needs a request, and a piece with its size");
    infer_request_piece full = { .size = piece->size };
    struct piece next;
    pthread_mutex_lock(&r->scheduler->lock);
    infer_status status = await(r, seconds, true, err);
    if (status == INFER_OK && take_piece(r, &next)) {
        full.answer = next.answer;
        full.part = next.part;
        full.text = next.text.p;
        full.length = next.text.n;
    } else if (status == INFER_OK) {
        status = end_status(r, err);
    }
    pthread_mutex_unlock(&r->scheduler->lock);
    memcpy(piece, &full, piece->size < sizeof full ? piece->size : sizeof full);
    return status;
}

infer_status infer_request_wait(infer_request *r, double seconds, infer_error *err)
{
    if (!r)
        return fail(err, INFER_E_ARGUMENT, "infer_request_wait needs a request; found NULL");
    pthread_mutex_lock(&r->scheduler->lock);
    infer_status status = await(r, seconds, false, err);
    if (status == INFER_OK)
        status = end_status(r, err);
    pthread_mutex_unlock(&r->scheduler->lock);
    return status;
}

void infer_request_cancel(infer_request *r)
{
    atomic_store(&r->cancel, true);
    pthread_mutex_lock(&r->scheduler->lock);
    r->scheduler->called = true;
    pthread_cond_signal(&r->scheduler->wake);
    pthread_mutex_unlock(&r->scheduler->lock);
}

/* The answer of this number, at the end of its request; or NULL with the status. */
static const struct answer *ended_answer(infer_request *r, int32_t number, infer_status *status, infer_error *err)
{
    if (!r || number < 0 || number >= r->n) {
        *status = fail(err, INFER_E_ARGUMENT, "answer %d of %d", number, r ? r->n : 0);
        return NULL;
    }
    pthread_mutex_lock(&r->scheduler->lock);
    const bool ended = r->ended;
    pthread_mutex_unlock(&r->scheduler->lock);
    *status = ended ? INFER_OK : fail(err, INFER_E_TIMEOUT, "the request is not at its end");
    return ended ? &r->answers[r->ranks[number]] : NULL;
}

infer_status infer_request_get_result(infer_request *r, int32_t answer, infer_generate_result *result,
                                      infer_error *err)
{
    infer_status status;
    const struct answer *x = ended_answer(r, answer, &status, err);
    if (!x)
        return status;
    if (result) {
        infer_generate_result full = x->result;
        full.size = result->size;
        memcpy(result, &full, result->size < sizeof full ? result->size : sizeof full);
    }
    return x->status == INFER_OK ? INFER_OK : fail(err, x->status, "%s", x->error.message);
}

const char *infer_request_message(infer_request *r, int32_t answer, size_t *length)
{
    infer_status status;
    const struct answer *x = ended_answer(r, answer, &status, NULL);
    if (length)
        *length = x ? x->n_message : 0;
    return x ? x->message : NULL;
}

void infer_request_close(infer_request **request)
{
    infer_request *const r = request ? *request : NULL;
    if (!r)
        return;
    *request = NULL;
    infer_request_cancel(r);
    request_release(r);
}
