/* job.c - texts that a request asks a model for: from a scheduler's callbacks to a dialect's writer. */
#include "service/job.h"

#include "service/errors.h"
#include "service/service.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- Making and freeing ---- */

struct job *job_open(infer_exchange *x, json_t *body, const struct writer *writer)
{
    struct fields f = fields_of(body);
    infer_error err = { 0 };
    int status = 500;
    const char *const name = field_text(&f, "model", NULL);
    struct job *const j = calloc(1, sizeof *j);
    struct served *const model = j && !fields_fail(&f, x) ? models_take(&x->service->models, name, &status, &err)
                                                          : NULL;
    if (!model) {
        if (!j)
            exchange_fail(x, 500, NULL, NULL, "no memory for a request");
        else if (!f.param)
            exchange_fail(x, status, "model", status == 404 ? "model_not_found" : NULL, "%s", err.message);
        json_decref(body);
        free(j);
        return NULL;
    }
    pthread_mutex_init(&j->lock, NULL);
    x->held = model;
    x->model = strdup(model->id);
    j->x = x;
    j->service = x->service;
    j->model = model;
    j->writer = writer;
    j->body = body;
    j->created = time(NULL);
    j->generate = infer_generate_defaults();
    j->sampler = infer_sampler_defaults();
    j->request = infer_request_defaults();
    j->setup = infer_chat_setup_defaults();
    return j;
}

void job_free(struct job *j)
{
    for (int i = 0; j->answers && i < j->request.n; i++) {
        text_free(&j->answers[i].content);
        text_free(&j->answers[i].reasoning);
        json_decref(j->answers[i].calls);
        json_decref(j->answers[i].tokens);
    }
    infer_request_close(&j->handle);
    served_chat_give(&j->service->models, j->chat);
    infer_grammar_close(&j->grammar);
    infer_grammar_close(&j->setup.response);
    if (j->state)
        (j->free_state ? j->free_state : free)(j->state);
    pthread_mutex_destroy(&j->lock);
    json_decref(j->messages);
    json_decref(j->body);
    free(j->request.users ? (void *)j->request.users : NULL);
    free(j->answers);
    free(j->biases);
    free(j->banned);
    free(j->breakers);
    free(j->stages);
    free(j->adapters);
    free(j->scales);
    free(j->tools);
    free(j->variables);
    free(j->ids);
    free(j);
}

void job_fail(struct job *j, int status, const char *param, const char *code, const char *format, ...)
{
    char message[600];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    exchange_fail(j->x, status, param, code, "%s", message);
    job_free(j);
}

/* Who started it, or who computed it, has done with it. */
static void release(struct job *j)
{
    pthread_mutex_lock(&j->lock);
    const bool last = --j->owners == 0;
    pthread_mutex_unlock(&j->lock);
    if (last)
        job_free(j);
}

/* ---- What the scheduler tells ---- */

/* A stream begins when it is clear that there is a text, or with its first piece, whichever is first. */
static void begin_locked(struct job *j)
{
    if (!j->begun && !j->ended && j->stream)
        j->writer->begin(j);
    j->begun = true;
}

static void begin(struct job *j)
{
    pthread_mutex_lock(&j->lock);
    begin_locked(j);
    pthread_mutex_unlock(&j->lock);
}

static void add_call(struct answer *a, infer_chat_part part, const char *text, size_t length)
{
    if (part == INFER_CHAT_CALL) {
        char id[ID_LENGTH + 6] = "call_";
        service_random(id + 5, ID_LENGTH);
        a->calls = a->calls ? a->calls : json_array();
        json_array_append_new(a->calls, json_pack("{s:s, s:s, s:{s:s%, s:s}}", "id", id, "type", "function", "function",
                                                  "name", text, length, "arguments", ""));
    } else {
        json_t *const call = json_array_get(a->calls, json_array_size(a->calls) - 1);
        json_object_set_new(json_object_get(call, "function"), "arguments", json_stringn(text, length));
    }
}

static void count_time(struct answer *a)
{
    const double now = service_seconds();
    if (a->last > 0)
        histogram_add(&a->job->service->figures.inter_token, now - a->last);
    a->last = now;
}

static bool on_part(void *user, infer_chat_part part, const char *text, size_t length)
{
    struct answer *const a = user;
    struct job *const j = a->job;
    count_time(a);
    if (part == INFER_CHAT_CONTENT)
        text_add(&a->content, text, length);
    else if (part == INFER_CHAT_REASONING)
        text_add(&a->reasoning, text, length);
    else
        add_call(a, part, text, length);
    if (j->stream) {
        begin(j);
        j->writer->piece(j, a, part, text, length);
        a->n_shown = json_array_size(a->tokens);
    }
    return true;
}

static bool on_text(void *user, const char *text, size_t length)
{
    return on_part(user, INFER_CHAT_CONTENT, text, length);
}

/* One token as OpenAI's API has it. Bytes that are no whole character are told by `bytes`. */
static json_t *token_json(const struct job *j, int32_t id, double logprob)
{
    char text[512];
    size_t n = 0;
    infer_tokenizer_decode(infer_model_tokenizer(j->model->model), &id, 1, INFER_UNPARSE_SPECIAL, text, sizeof text, &n,
                           NULL);
    n = n < sizeof text ? n : sizeof text;
    json_t *const bytes = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(bytes, json_integer((unsigned char)text[i]));
    json_t *const whole = json_stringn(text, n);
    return json_pack("{s:o, s:o, s:f, s:i}", "token", whole ? whole : json_string("\xef\xbf\xbd"), "bytes", bytes,
                     "logprob", isfinite(logprob) ? logprob : -9999.0, "id", (int)id);
}

void job_on_token(void *user, int32_t id, float logprob, const infer_logprob *top, size_t n_top)
{
    struct answer *const a = user;
    json_t *const list = json_array();
    if (infer_tokenizer_is_end(infer_model_tokenizer(a->job->model->model), id)) {
        json_decref(list);
        return;
    }
    for (size_t i = 0; i < n_top && top[i].id >= 0; i++)
        json_array_append_new(list, token_json(a->job, top[i].id, top[i].logprob));
    json_t *const token = token_json(a->job, id, logprob);
    if (token)
        json_object_set_new(token, "top_logprobs", list);
    a->tokens = a->tokens ? a->tokens : json_array();
    json_array_append_new(a->tokens, token);
}

static void count_result(struct job *j)
{
    const infer_generate_result *const r = &j->answers[0].result;
    struct figures *const figures = &j->service->figures;
    infer_exchange *const x = j->x;
    x->n_prompt = job_prompt_tokens(j);
    x->n_cached = job_cached_tokens(j);
    x->n_generated = job_answer_tokens(j);
    x->queue_seconds = r->queue_seconds;
    x->first_token_seconds = r->queue_seconds + r->first_token_seconds;
    atomic_fetch_add(&figures->n_prompt, x->n_prompt - x->n_cached);
    atomic_fetch_add(&figures->n_cached, x->n_cached);
    atomic_fetch_add(&figures->n_generated, x->n_generated);
    histogram_add(&figures->queue, r->queue_seconds);
    if (r->first_token_seconds > 0)
        histogram_add(&figures->first_token, x->first_token_seconds);
}

/* The status that counts for all, and why. */
static infer_status outcome(struct job *j, infer_request *handle, infer_error *err)
{
    infer_status status = INFER_OK;
    for (int i = 0; i < j->request.n; i++) {
        struct answer *const a = &j->answers[i];
        infer_error mine = { 0 };
        a->result.size = sizeof a->result;
        a->status = infer_request_get_result(handle, i, &a->result, &mine);
        if (a->status == INFER_E_CANCELLED && j->x->late) {
            a->status = INFER_OK; /* the time was up: what there is counts */
            a->result.reason = INFER_STOP_LENGTH;
        }
        if (a->status != INFER_OK && status == INFER_OK) {
            status = a->status;
            *err = mine;
        }
    }
    return status;
}

static void on_end(void *user, infer_request *handle)
{
    struct job *const j = user;
    infer_error err = { 0 };
    const infer_status status = outcome(j, handle, &err);
    exchange_on_cancel(j->x, NULL, NULL);
    pthread_mutex_lock(&j->lock);
    j->ended = true;
    const bool begun = j->begun && j->stream;
    pthread_mutex_unlock(&j->lock);
    count_result(j);
    if (status == INFER_OK) {
        slots_keep(&j->service->slots, j);
        if (j->stream && !begun)
            j->writer->begin(j);
        j->writer->end(j);
    } else if (!begun && status != INFER_E_CANCELLED) {
        exchange_fail_by(j->x, NULL, &err);
    } else {
        if (begun && status != INFER_E_CANCELLED)
            j->writer->fail(j, &err);
        exchange_break(j->x);
    }
    release(j);
}

/* ---- Starting ---- */

static void cancel(void *work)
{
    struct job *const j = work;
    infer_request_cancel(j->handle);
}

/* What a chat is made of, as one text. */
static char *chat_key(const struct job *j, const char *response)
{
    const infer_chat_setup *const s = &j->setup;
    struct text key = { 0 };
    text_printf(&key, "%d %d %d %s\n%s\n%s\n%s\n%s", (int)s->tool_choice, (int)s->single_call, (int)s->reasoning_budget,
                s->tool_name ? s->tool_name : "", s->template_name ? s->template_name : "",
                s->variables ? s->variables : "", s->tools ? s->tools : "", response);
    if (key.failed)
        text_free(&key);
    return key.v;
}

static infer_request *submit_chat(struct job *j, infer_scheduler *scheduler, infer_error *err)
{
    infer_request *handle = NULL;
    char response[24] = "";
    /* Grammars are made for one request each: a chat with one is its own. */
    if (j->setup.response)
        snprintf(response, sizeof response, "%.23s", j->x->id);
    char *const key = chat_key(j, response);
    char *const messages = json_dumps(j->messages, JSON_COMPACT);
    if (!key || !messages)
        service_error(err, INFER_E_NOMEM, "no memory for a conversation");
    else if ((j->chat = served_chat(&j->service->models, j->model, key, &j->setup, err)))
        handle = infer_scheduler_submit_chat(scheduler, j->chat->chat, messages, strlen(messages), &j->request, err);
    free(messages);
    free(key);
    return handle;
}

static infer_request *submit(struct job *j, infer_error *err)
{
    infer_scheduler *const scheduler = served_scheduler(&j->service->models, j->model, err);
    if (!scheduler)
        return NULL;
    if (j->messages)
        return submit_chat(j, scheduler, err);
    if (j->prompt)
        return infer_scheduler_submit(scheduler, j->prompt, j->n_prompt, &j->request, err);
    return infer_scheduler_submit_ids(scheduler, j->ids, j->n_ids, &j->request, err);
}

/* Point everything to where it is, and make the answers. */
static bool prepare(struct job *j)
{
    infer_request_options *const r = &j->request;
    void **const users = calloc((size_t)r->n, sizeof *users);
    r->users = users;
    j->answers = calloc((size_t)r->n, sizeof *j->answers);
    if (!users || !j->answers)
        return false;
    for (int i = 0; i < r->n; i++) {
        j->answers[i].job = j;
        j->answers[i].index = i;
        users[i] = &j->answers[i];
    }
    if (j->messages)
        j->generate.on_part = on_part;
    else
        j->generate.on_text = on_text;
    j->generate.stops = j->stops;
    j->generate.unparse_special = j->text_tokens;
    r->generate = &j->generate;
    r->sampler = &j->sampler;
    r->grammar = j->grammar;
    r->on_end = on_end;
    r->end_user = j;
    return true;
}

/* INFER_E_FULL of a scheduler: its trouble if its queue is full, else the prompt is too long. */
static bool queue_is_full(const struct job *j)
{
    infer_scheduler_info info = { .size = sizeof info };
    if (j->model->scheduler)
        infer_scheduler_get_info(j->model->scheduler, &info);
    return info.n_queued >= (size_t)j->service->scheduler.max_queue;
}

void job_start(struct job *j)
{
    infer_error err = { 0 };
    if (!prepare(j)) {
        job_fail(j, 500, NULL, NULL, "no memory for a request");
        return;
    }
    j->owners = 2;
    infer_request *const handle = submit(j, &err);
    if (!handle) {
        const bool too_long = err.code == INFER_E_FULL && !queue_is_full(j);
        exchange_fail(j->x, too_long ? 400 : http_status(err.code), NULL, too_long ? "context_length_exceeded" : NULL,
                      "%s", err.message);
        job_free(j);
        return;
    }
    pthread_mutex_lock(&j->lock); /* as long as it is not ended under the lock, the exchange is there */
    j->handle = handle;
    if (!j->ended) {
        begin_locked(j);
        exchange_on_cancel(j->x, cancel, j);
    }
    pthread_mutex_unlock(&j->lock);
    release(j);
}

/* ---- Figures and words for writers ---- */

size_t job_prompt_tokens(const struct job *j)
{
    size_t most = 0;
    for (int i = 0; i < j->request.n; i++) {
        const infer_generate_result *const r = &j->answers[i].result;
        most = r->n_prompt + r->n_cached > most ? r->n_prompt + r->n_cached : most;
    }
    return most;
}

size_t job_cached_tokens(const struct job *j)
{
    return j->answers[0].result.n_cached;
}

size_t job_answer_tokens(const struct job *j)
{
    size_t n = 0;
    for (int i = 0; i < j->request.n; i++)
        n += j->answers[i].result.n_generated;
    return n;
}

const char *finish_reason(const struct answer *a)
{
    if (a->calls)
        return "tool_calls";
    return a->result.reason == INFER_STOP_LENGTH || a->result.reason == INFER_STOP_FULL ? "length" : "stop";
}

void write_event(infer_exchange *x, const char *name, json_t *taken)
{
    char *const json = taken ? json_dumps(taken, JSON_COMPACT) : NULL;
    struct text event = { 0 };
    json_decref(taken);
    if (name)
        text_printf(&event, "event: %s\n", name);
    text_add_string(&event, "data: ");
    text_add_string(&event, json ? json : "{}");
    text_add_string(&event, "\n\n");
    if (!event.failed)
        exchange_write(x, event.v, event.n);
    text_free(&event);
    free(json);
}

void write_line(infer_exchange *x, json_t *taken)
{
    char *const json = taken ? json_dumps(taken, JSON_COMPACT) : NULL;
    struct text line = { 0 };
    json_decref(taken);
    text_add_string(&line, json ? json : "{}");
    text_add_string(&line, "\n");
    if (!line.failed)
        exchange_write(x, line.v, line.n);
    text_free(&line);
    free(json);
}
