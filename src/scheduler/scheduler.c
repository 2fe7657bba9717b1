/* scheduler.c - steps: who has come, who gets how much, compute, choose, tell. */
#include "src/base/error.h"
#include "src/base/seconds.h"
#include "src/scheduler/parts.h"

#include <signal.h>

/* ---- A step ---- */

/* Those that were submitted since the last step. */
static void take_come(infer_scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    infer_request *r = s->come;
    s->come = NULL;
    s->come_end = &s->come;
    pthread_mutex_unlock(&s->lock);
    for (infer_request *next; r; r = next) {
        next = r->next;
        r->next = s->requests;
        r->link = &s->requests;
        if (r->next)
            r->next->link = &r->next;
        s->requests = r;
        for (int32_t i = 0; i < r->n_answers; i++)
            r->answers[i].order = s->n_orders++;
        queue_add(s, r->answers);
    }
}

static void cancel(infer_request *r, const char *why)
{
    atomic_fetch_add(&r->owners, 1);
    for (int32_t i = 0; i < r->n_answers; i++) {
        struct answer *const x = &r->answers[i];
        infer_error err;
        if (x->ended)
            continue;
        fail(&err, INFER_E_CANCELLED, "%s after %zu tokens of text", why, x->m.g.r.n_generated);
        answer_end(x, INFER_E_CANCELLED, &err);
    }
    request_release(r);
}

static void take_cancelled(infer_scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    const bool called = s->called;
    s->called = false;
    pthread_mutex_unlock(&s->lock);
    for (infer_request *r = called ? s->requests : NULL, *next; r; r = next) {
        next = r->next;
        if (atomic_load(&r->cancel))
            cancel(r, "cancelled");
    }
}

/* The prompt of one has come further. false: its caller wants no more. */
static bool tell_progress(struct answer *x)
{
    const infer_generate_options *o = &x->m.g.o;
    return x->m.begun || x->index || !o->on_prompt ||
           o->on_prompt(o->user, (float)x->m.s->n_done / (float)x->m.n_ids);
}

/* What was computed of a text: its prompt may be at an end. Memory that was out is no failure while others can make
 * room. */
static void settle(infer_scheduler *s, struct answer *x)
{
    infer_error err;
    if (x->m.status == INFER_E_NOMEM && queue_make_room(s))
        return;
    if (x->m.status != INFER_OK)
        answer_end(x, x->m.status, &x->m.error);
    else if (!tell_progress(x))
        answer_end(x, fail(&err, INFER_E_CANCELLED, "cancelled after %u of %zu tokens of the prompt", x->m.s->n_done,
                           x->m.n_ids), &err);
    else if (!x->index && !x->m.begun && !member_left(&x->m))
        queue_follow(s, x);
}

/* The next token of one that has computed all, and its text. */
static void choose(infer_scheduler *s, struct answer *x)
{
    infer_error err;
    const size_t before = x->m.g.r.n_generated;
    infer_status status = member_choose(&x->m, &err);
    s->info.n_generated += x->m.g.r.n_generated - before;
    if (status == INFER_OK)
        status = answer_deliver(x, &err);
    if (status != INFER_OK || x->m.g.ended)
        answer_end(x, status, &err);
}

/* Compute a step's tokens, then let those choose that can. */
static void compute(infer_scheduler *s)
{
    uint32_t n_prompt, n_texts;
    const uint32_t n = queue_share(s, &n_prompt, &n_texts);
    const double begun = monotonic_seconds();
    group_advance(s->group, n, s->advances);
    for (uint32_t i = 0; i < n; i++)
        if (s->group[i]->s) /* else it has made room for another one */
            settle(s, (struct answer *)s->group[i]);
    for (uint32_t i = s->n_running; i-- > 0;) /* those that end leave the array */
        if (!member_left(&s->running[i]->m))
            choose(s, s->running[i]);
    if (n)
        pace_learn(&s->pace, n_prompt, n_texts, monotonic_seconds() - begun);
    s->info.n_steps += n > 0;
    s->info.n_prompt += n_prompt;
}

static void tell_info(infer_scheduler *s)
{
    size_t n_aside = 0;
    for (const struct answer *x = s->waiting; x; x = x->next)
        n_aside += x->had_turn;
    const uint64_t bytes = kv_pool_used(s->root->history->kv.pool, UINT64_MAX);
    pthread_mutex_lock(&s->lock);
    infer_scheduler_info *const info = &s->told;
    *info = s->info;
    info->n_running = s->n_running;
    info->n_aside = n_aside;
    info->kv_bytes = bytes;
    info->step_seconds = s->pace.step;
    info->prompt_token_seconds = s->pace.per_token;
    pthread_mutex_unlock(&s->lock);
}

bool scheduler_advance(infer_scheduler *s)
{
    take_come(s);
    take_cancelled(s);
    queue_admit(s);
    if (s->n_running)
        compute(s);
    tell_info(s);
    return s->n_running || s->waiting;
}

/* ---- The thread ---- */

static void *drive(void *scheduler)
{
    infer_scheduler *const s = scheduler;
    bool busy = false;
    pthread_mutex_lock(&s->lock);
    while (!s->closing) {
        if (!busy && !s->come && !s->called) {
            pthread_cond_wait(&s->wake, &s->lock);
            continue;
        }
        pthread_mutex_unlock(&s->lock);
        pthread_mutex_lock(&s->turn);
        busy = scheduler_advance(s);
        pthread_mutex_unlock(&s->turn);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* Signals are for the program's own threads. */
static infer_status start_thread(infer_scheduler *s, infer_error *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int e = pthread_create(&s->thread, NULL, drive, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    s->has_thread = !e;
    return e ? fail(err, INFER_E_NOMEM, "the scheduler's thread cannot be started: %s", strerror(e)) : INFER_OK;
}

/* ---- Opening and closing ---- */

static infer_status read_options(infer_scheduler_options *o, const infer_scheduler_options *given, infer_error *err)
{
    enum { MOST = 4096 };
    *o = infer_scheduler_defaults();
    if (given && given->size < sizeof given->size)
        return fail(err, INFER_E_ARGUMENT, "scheduler options: size is %zu; start from infer_scheduler_defaults()",
                    given->size);
    if (given)
        memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    if (o->max_running < 1 || o->max_running > MOST)
        return fail(err, INFER_E_ARGUMENT, "scheduler options: max_running is %d, expected 1 to %d", o->max_running,
                    MOST);
    if (o->max_queue < 1)
        return fail(err, INFER_E_ARGUMENT, "scheduler options: max_queue is %d, expected 1 or more", o->max_queue);
    if (!(o->max_itl_ms >= 0 && o->max_itl_ms < 1e9))
        return fail(err, INFER_E_ARGUMENT, "scheduler options: max_itl_ms is %g, expected 0 (no bound) or more",
                    o->max_itl_ms);
    return INFER_OK;
}

/* Most tokens of a text: as many as one alone has room for. */
static infer_status find_capacity(infer_scheduler *s, uint64_t most, infer_error *err)
{
    const struct kv_shape *shape = &s->root->history->kv.pool->shape;
    uint32_t n = s->root->n_ctx;
    while (most && n && kv_shape_bytes(shape, n, s->n_batch) > most)
        n = (n - 1) / ATTEND_KEYS * ATTEND_KEYS;
    s->capacity = n;
    s->max_kv_bytes = most;
    return n ? INFER_OK
             : fail(err, INFER_E_ARGUMENT, "scheduler options: kv_bytes is %llu, but %d tokens take %llu",
                    (unsigned long long)most, ATTEND_KEYS,
                    (unsigned long long)kv_shape_bytes(shape, ATTEND_KEYS, s->n_batch));
}

static infer_status set_up(infer_scheduler *s, const infer_scheduler_options *o, infer_error *err)
{
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(s->model, &info);
    if (info.encoder)
        return fail(err, INFER_E_ARGUMENT, "%s: the model is an encoder, which generates no text", info.name);
    s->root = infer_session_open(s->model, o->session, err);
    if (!s->root)
        return INFER_E_NOMEM;
    s->manual = o->manual;
    s->n_batch = (uint32_t)session_batch(s->root);
    s->max_running = (uint32_t)o->max_running;
    s->max_queue = (size_t)o->max_queue;
    s->pace.most = o->max_itl_ms / 1000;
    s->running = mem_new(s->a, s->max_running, sizeof *s->running);
    s->group = mem_new(s->a, s->max_running, sizeof *s->group);
    s->advances = mem_new(s->a, s->max_running, sizeof *s->advances);
    if (!s->running || !s->group || !s->advances)
        return fail_memory(err, "a scheduler");
    const infer_status status = find_capacity(s, o->kv_bytes, err);
    return status == INFER_OK && !s->manual ? start_thread(s, err) : status;
}

infer_scheduler *infer_scheduler_open(infer_model *model, const infer_scheduler_options *options, infer_error *err)
{
    infer_scheduler_options o;
    if (!model)
        return fail_null(err, INFER_E_ARGUMENT, "a scheduler needs a model; found NULL");
    if (read_options(&o, options, err) != INFER_OK)
        return NULL;
    const infer_allocator *a = context_allocator(model->context);
    infer_scheduler *s = mem_new(a, 1, sizeof *s);
    if (!s)
        return fail_memory(err, "a scheduler"), NULL;
    s->a = a;
    s->model = infer_model_retain(model);
    s->come_end = &s->come;
    atomic_init(&s->owners, 1);
    pthread_mutex_init(&s->turn, NULL);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    if (set_up(s, &o, err) != INFER_OK)
        infer_scheduler_close(&s);
    return s;
}

void scheduler_release(infer_scheduler *s)
{
    if (atomic_fetch_sub(&s->owners, 1) > 1)
        return;
    infer_model *model = s->model;
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->turn);
    mem_free(s->a, s);
    infer_model_close(&model);
}

void infer_scheduler_close(infer_scheduler **scheduler)
{
    infer_scheduler *const s = scheduler ? *scheduler : NULL;
    if (!s)
        return;
    *scheduler = NULL;
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    if (s->has_thread)
        pthread_join(s->thread, NULL);
    pthread_mutex_lock(&s->turn);
    take_come(s);
    while (s->requests)
        cancel(s->requests, "the scheduler was closed");
    infer_session_close(&s->root);
    mem_free(s->a, s->running);
    mem_free(s->a, s->group);
    mem_free(s->a, s->advances);
    pthread_mutex_unlock(&s->turn);
    scheduler_release(s);
}

/* ---- Asked from outside ---- */

infer_status infer_scheduler_step(infer_scheduler *s, bool *busy, infer_error *err)
{
    if (!s || !s->manual)
        return fail(err, INFER_E_ARGUMENT, "infer_scheduler_step needs a scheduler that was opened as manual");
    pthread_mutex_lock(&s->turn);
    const bool more = scheduler_advance(s);
    pthread_mutex_unlock(&s->turn);
    if (busy)
        *busy = more;
    return INFER_OK;
}

void infer_scheduler_get_info(infer_scheduler *s, infer_scheduler_info *info)
{
    pthread_mutex_lock(&s->lock);
    infer_scheduler_info full = s->told;
    full.n_queued = s->n_queued;
    pthread_mutex_unlock(&s->lock);
    full.size = info->size;
    full.n_ctx = (int32_t)s->capacity;
    memcpy(info, &full, info->size < sizeof full ? info->size : sizeof full);
}
