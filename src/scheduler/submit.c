/* submit.c - requests are made on the thread that submits them: prompts become tokens there, and what is wrong with
 * options is told there. */
#include "src/base/error.h"
#include "src/scheduler/parts.h"

enum { MOST_ANSWERS = 256, MOST_PRIORITY = 1000 };

/* What is asked for. */
struct order {
    infer_request_options o; /* complete and checked */
    infer_generate_options g;
    infer_sampler_options sampler;
    infer_chat *chat;
    const char *text; /* length bytes, of a prompt or of messages; or n_ids ids */
    size_t length;
    const int32_t *ids;
    size_t n_ids;
};

/* ---- Options ---- */

static infer_status check_options(infer_request_options *o, infer_error *err)
{
    if (!o->best_of)
        o->best_of = o->n;
    if (o->n < 1 || o->n > MOST_ANSWERS)
        return fail(err, INFER_E_ARGUMENT, "request options: n is %d, expected 1 to %d", o->n, MOST_ANSWERS);
    if (o->best_of < o->n || o->best_of > MOST_ANSWERS)
        return fail(err, INFER_E_ARGUMENT, "request options: best_of is %d, expected n, which is %d, to %d", o->best_of,
                    o->n, MOST_ANSWERS);
    if (o->priority < -MOST_PRIORITY || o->priority > MOST_PRIORITY)
        return fail(err, INFER_E_ARGUMENT, "request options: priority is %d, expected %d to %d", o->priority,
                    -MOST_PRIORITY, MOST_PRIORITY);
    if ((o->n_banned && !o->banned) || (o->n_dry_breakers && !o->dry_breakers))
        return fail(err, INFER_E_ARGUMENT, "request options: %zu banned texts and %zu dry_breakers, but one is NULL",
                    o->n_banned, o->n_dry_breakers);
    return INFER_OK;
}

static infer_status read_options(struct order *order, const infer_request_options *given, infer_error *err)
{
    infer_request_options *const o = &order->o;
    *o = infer_request_defaults();
    if (given && given->size < sizeof given->size)
        return fail(err, INFER_E_ARGUMENT, "request options: size is %zu; start from infer_request_defaults()",
                    given->size);
    if (given)
        memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    const infer_status status = check_options(o, err);
    if (status != INFER_OK)
        return status;
    if ((o->generate && o->generate->size < sizeof o->generate->size) ||
        (o->sampler && o->sampler->size < sizeof o->sampler->size))
        return fail(err, INFER_E_ARGUMENT, "request options: generate or sampler has no size; start from defaults");
    order->g = infer_generate_defaults();
    if (o->generate)
        memcpy(&order->g, o->generate, o->generate->size < sizeof order->g ? o->generate->size : sizeof order->g);
    order->sampler = infer_sampler_defaults();
    if (o->sampler)
        memcpy(&order->sampler, o->sampler,
               o->sampler->size < sizeof order->sampler ? o->sampler->size : sizeof order->sampler);
    if (o->best_of > o->n && order->g.on_token)
        return fail(err, INFER_E_ARGUMENT, "request options: best_of is %d of n %d: whose would on_token's be?",
                    o->best_of, o->n);
    return INFER_OK;
}

/* Stop strings are looked at for as long as text comes. */
static infer_status keep_stops(infer_request *r, struct order *order, infer_error *err)
{
    if (order->g.n_stops && !order->g.stops)
        return fail(err, INFER_E_ARGUMENT, "generate options: n_stops is %zu, but stops is NULL", order->g.n_stops);
    r->stops = mem_new(r->a, order->g.n_stops, sizeof *r->stops);
    for (; r->stops && r->n_stops < order->g.n_stops; r->n_stops++) {
        const char *const stop = order->g.stops[r->n_stops];
        const size_t n = stop ? strlen(stop) + 1 : 1;
        char *const copy = r->stops[r->n_stops] = mem_new(r->a, n, 1);
        if (!copy)
            break;
        memcpy(copy, stop ? stop : "", n);
    }
    if (!r->stops || r->n_stops < order->g.n_stops)
        return fail_memory(err, "stop strings");
    order->g.stops = (const char *const *)r->stops;
    return INFER_OK;
}

/* ---- Answers ---- */

static infer_status make_sampler(struct answer *x, struct order *order, infer_error *err)
{
    const infer_request_options *o = &order->o;
    infer_model *const model = x->request->scheduler->model;
    const infer_tokenizer *tokenizer = infer_model_tokenizer(model);
    infer_sampler_options sampler = order->sampler;
    sampler.seed += (uint64_t)x->index;
    infer_sampler *const s = x->m.sampler = infer_sampler_open(model->context, &sampler, err);
    infer_status status = s ? INFER_OK : err ? err->code : INFER_E_NOMEM;
    if (status == INFER_OK && o->n_dry_breakers)
        status = infer_sampler_set_dry_breakers(s, tokenizer, o->dry_breakers, o->n_dry_breakers, err);
    if (status == INFER_OK && o->n_banned)
        status = infer_sampler_set_banned(s, tokenizer, o->banned, o->n_banned, err);
    if (status == INFER_OK && o->grammar)
        status = infer_sampler_set_grammar(s, o->grammar, tokenizer, err);
    return status;
}

static infer_status make_answer(infer_request *r, int32_t index, struct order *order, infer_error *err)
{
    struct answer *const x = &r->answers[index];
    x->request = r;
    x->index = index;
    x->priority = order->o.priority;
    infer_generate_options g = order->g;
    if (r->users) /* of those that are ranked it is told at their end whose they are */
        g.user = r->users[index < r->n ? index : 0];
    infer_status status = make_sampler(x, order, err);
    if (status == INFER_OK)
        status = generation_open(&x->m.g, r->scheduler->model, x->m.sampler, &g, err);
    x->m.g.ranked = r->n_answers > r->n;
    x->m.capacity = r->scheduler->capacity;
    return status;
}

/* ---- Prompts ---- */

static infer_status check_ids(const struct order *order, const infer_model *model, infer_error *err)
{
    const uint32_t n_vocab = model->net.h.n_vocab;
    for (size_t i = 0; i < order->n_ids; i++)
        if (order->ids[i] < 0 || (uint32_t)order->ids[i] >= n_vocab)
            return fail(err, INFER_E_ARGUMENT, "token %zu of %zu is %d, expected 0 to %u", i, order->n_ids,
                        order->ids[i], n_vocab - 1);
    return INFER_OK;
}

/* The first answer's timeline is the prompt. */
static infer_status make_prompt(infer_request *r, const struct order *order, infer_error *err)
{
    struct answer *const first = r->answers;
    struct member *const m = &first->m;
    char *prompt = NULL;
    infer_status status = INFER_OK;
    if (order->ids) {
        status = check_ids(order, r->scheduler->model, err);
        m->ids = status == INFER_OK ? mem_new(r->a, order->n_ids, sizeof *m->ids) : NULL;
        m->n_ids = order->n_ids;
        if (m->ids)
            memcpy(m->ids, order->ids, order->n_ids * sizeof *m->ids);
        else if (status == INFER_OK)
            status = fail_memory(err, "the prompt's tokens");
    } else if (!order->chat) {
        status = generation_encode(&m->g, order->text, order->length, true, &m->ids, &m->n_ids, err);
    } else {
        status = chat_write_prompt(order->chat, order->text, order->length, &prompt, err);
        if (status == INFER_OK)
            status = generation_encode(&m->g, prompt, strlen(prompt), false, &m->ids, &m->n_ids, err);
        for (int32_t i = 0; i < r->n_answers && status == INFER_OK; i++)
            status = generation_answer(&r->answers[i].m.g, order->chat, prompt, err);
        if (status == INFER_OK && !m->n_ids)
            status = fail(err, INFER_E_ARGUMENT, "the chat template writes nothing for these messages");
        mem_free(r->a, prompt);
    }
    m->id_room = m->n_prompt = m->n_ids;
    m->anew = order->chat || order->ids || order->length > 0;
    if (status == INFER_OK && m->n_ids > m->capacity)
        return fail(err, INFER_E_FULL, "the prompt has %zu tokens, but a text of this scheduler has room for %zu",
                    m->n_ids, m->capacity);
    return status;
}

static infer_status copy_prompt(const struct member *from, struct member *to, infer_error *err)
{
    to->ids = mem_new(from->g.a, from->n_ids, sizeof *to->ids);
    if (!to->ids)
        return fail_memory(err, "the prompt's tokens");
    memcpy(to->ids, from->ids, from->n_ids * sizeof *to->ids);
    to->n_ids = to->id_room = to->n_prompt = from->n_ids;
    to->anew = from->anew;
    return INFER_OK;
}

/* ---- Requests ---- */

static infer_status fill(infer_request *r, struct order *order, infer_error *err)
{
    r->n = order->o.n;
    r->on_end = order->o.on_end;
    r->end_user = order->o.end_user;
    r->ranks = mem_new(r->a, (size_t)r->n, sizeof *r->ranks);
    r->answers = mem_new(r->a, (size_t)order->o.best_of, sizeof *r->answers);
    r->users = order->o.users ? mem_new(r->a, (size_t)r->n, sizeof *r->users) : NULL;
    if (!r->ranks || !r->answers || (order->o.users && !r->users))
        return fail_memory(err, "a request");
    if (r->users)
        memcpy(r->users, order->o.users, (size_t)r->n * sizeof *r->users);
    r->n_answers = order->o.best_of;
    for (int32_t i = 0; i < r->n; i++)
        r->ranks[i] = i;
    infer_status status;
    r->adapters = adapter_set_open(r->scheduler->model, order->o.adapters, order->o.adapter_scales, order->o.n_adapters,
                                   &status, err);
    if (status == INFER_OK)
        status = keep_stops(r, order, err);
    for (int32_t i = 0; i < r->n_answers && status == INFER_OK; i++)
        status = make_answer(r, i, order, err);
    if (status == INFER_OK)
        status = make_prompt(r, order, err);
    for (int32_t i = 1; i < r->n_answers && status == INFER_OK; i++)
        status = copy_prompt(&r->answers[0].m, &r->answers[i].m, err);
    for (int32_t i = 0; i < r->n_answers && status == INFER_OK; i++)
        r->answers[i].m.adapters = r->adapters;
    return status;
}

static void init_changed(pthread_cond_t *changed)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

static infer_request *new_request(infer_scheduler *s, infer_error *err)
{
    infer_request *const r = mem_new(s->a, 1, sizeof *r);
    if (!r)
        return fail_memory(err, "a request"), NULL;
    r->a = s->a;
    r->scheduler = s;
    atomic_fetch_add(&s->owners, 1);
    atomic_init(&r->owners, 1);
    init_changed(&r->changed);
    return r;
}

/* A place in the queue, before any work is done. */
static infer_status enqueue(infer_scheduler *s, infer_error *err)
{
    infer_status status = INFER_OK;
    pthread_mutex_lock(&s->lock);
    if (s->n_queued >= s->max_queue)
        status = fail(err, INFER_E_FULL, "%zu requests wait, and no more than %zu may", s->n_queued, s->max_queue);
    s->n_queued += status == INFER_OK;
    pthread_mutex_unlock(&s->lock);
    return status;
}

static void hand_over(infer_scheduler *s, infer_request *r)
{
    pthread_mutex_lock(&s->lock);
    if (r) {
        atomic_fetch_add(&r->owners, 1);
        r->queued = true;
        *s->come_end = r;
        s->come_end = &r->next;
        pthread_cond_signal(&s->wake);
    } else {
        s->n_queued--;
    }
    pthread_mutex_unlock(&s->lock);
}

static infer_request *submit(infer_scheduler *s, struct order *order, const infer_request_options *options,
                             infer_error *err)
{
    infer_error own;
    err = err ? err : &own;
    if (read_options(order, options, err) != INFER_OK || enqueue(s, err) != INFER_OK)
        return NULL;
    infer_request *r = new_request(s, err);
    if (r && fill(r, order, err) != INFER_OK) {
        request_release(r);
        r = NULL;
    }
    hand_over(s, r);
    return r;
}

infer_request *infer_scheduler_submit(infer_scheduler *s, const char *prompt, size_t length,
                                      const infer_request_options *options, infer_error *err)
{
    struct order order = { .text = prompt, .length = length };
    if (!s || (!prompt && length))
        return fail_null(err, INFER_E_ARGUMENT, "a request needs a scheduler and a prompt; found NULL");
    return submit(s, &order, options, err);
}

infer_request *infer_scheduler_submit_ids(infer_scheduler *s, const int32_t *ids, size_t n,
                                          const infer_request_options *options, infer_error *err)
{
    struct order order = { .ids = ids, .n_ids = n };
    if (!s || !ids || !n)
        return fail_null(err, INFER_E_ARGUMENT, "a request needs a scheduler and at least one token; found none");
    return submit(s, &order, options, err);
}

infer_request *infer_scheduler_submit_chat(infer_scheduler *s, infer_chat *chat, const char *messages, size_t n,
                                           const infer_request_options *options, infer_error *err)
{
    struct order order = { .chat = chat, .text = messages, .length = n };
    if (!s || !chat || !messages || chat->model != s->model)
        return fail_null(err, INFER_E_ARGUMENT, "an answer needs messages, and a conversation with the model");
    return submit(s, &order, options, err);
}
