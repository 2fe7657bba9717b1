/* job.c - texts that a request asks a model for: from a scheduler's callbacks to a dialect's writer. */
#include "service/job.h"

#include "service/errors.h"
#include "service/service.h"
#include "service/tokens.h"

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
    struct served *model = j && !fields_fail(&f, x) ? models_take(&x->service->models, name, &status, &err) : NULL;
    if (model && !infer_model_tokenizer(model->model)) {
        status = 400;
        service_error(&err, INFER_E_ARGUMENT, "%s has no vocabulary, without which it reads no text", model->id);
        models_give(&x->service->models, model);
        model = NULL;
    }
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
    j->n_prompts = 1;
    j->generate = infer_generate_defaults();
    j->sampler = infer_sampler_defaults();
    j->request = infer_request_defaults();
    j->setup = infer_chat_setup_defaults();
    return j;
}

void job_free(struct job *j)
{
    for (int i = 0; j->answers && i < j->n_answers; i++) {
        text_free(&j->answers[i].content);
        text_free(&j->answers[i].reasoning);
        json_decref(j->answers[i].calls);
        json_decref(j->answers[i].tokens);
    }
    for (int i = 0; j->submitted && i < j->n_prompts; i++)
        infer_request_close(&j->submitted[i].handle);
    served_chat_give(&j->service->models, j->chat);
    infer_grammar_close(&j->grammar);
    infer_grammar_close(&j->setup.response);
    if (j->state)
        (j->free_state ? j->free_state : free)(j->state);
    pthread_mutex_destroy(&j->lock);
    json_decref(j->messages);
    json_decref(j->body);
    free(j->users);
    free(j->answers);
    free(j->submitted);
    free(j->lengths);
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

/* Who started it, or n of those that computed it, have done with it. */
static void release(struct job *j, int n)
{
    pthread_mutex_lock(&j->lock);
    j->owners -= n;
    const bool last = !j->owners;
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
    if (j->stream)
        begin(j);
    if (j->stream || j->every_piece) {
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
    const size_t n = token_bytes(infer_model_tokenizer(j->model->model), id, text, sizeof text);
    json_t *const bytes = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(bytes, json_integer((unsigned char)text[i]));
    return json_pack("{s:o, s:o, s:f, s:i}", "token", token_string(text, n), "bytes", bytes, "logprob",
                     finite_logprob(logprob), "id", (int)id);
}

void job_on_token(void *user, int32_t id, float logprob, const infer_logprob *top, size_t n_top)
{
    struct answer *const a = user;
    if (infer_tokenizer_is_end(infer_model_tokenizer(a->job->model->model), id))
        return;
    json_t *const list = json_array(), *const token = token_json(a->job, id, logprob);
    for (size_t i = 0; i < n_top && top[i].id >= 0; i++)
        json_array_append_new(list, token_json(a->job, top[i].id, top[i].logprob));
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

/* INFER_E_FULL of a scheduler: its trouble if its queue is full, else the prompt is too long. */
static bool queue_is_full(const struct job *j)
{
    infer_scheduler_info info = { .size = sizeof info };
    if (j->model->scheduler)
        infer_scheduler_get_info(j->model->scheduler, &info);
    return info.n_queued >= (size_t)j->service->scheduler.max_queue;
}

int job_status(const struct job *j, const infer_error *err)
{
    const bool too_long = err->code == INFER_E_FULL && !queue_is_full(j);
    return too_long ? 400 : http_status(err->code);
}

static void fail_whole(struct job *j, const infer_error *err)
{
    const int status = err == &j->refusal ? job_status(j, err) : http_status(err->code);
    exchange_fail(j->x, status, NULL, status == 400 && err->code == INFER_E_FULL ? "context_length_exceeded" : NULL,
                  "%s", err->message);
}

/* All answers are at their end. */
static void finish(struct job *j, const infer_error *err)
{
    exchange_on_cancel(j->x, NULL, NULL);
    pthread_mutex_lock(&j->lock);
    j->ended = true;
    const bool begun = j->begun && j->stream;
    pthread_mutex_unlock(&j->lock);
    if (j->refusal.code == INFER_OK)
        count_result(j);
    if (err->code == INFER_OK) {
        slots_keep(&j->service->slots, j);
        if (j->stream && !begun)
            j->writer->begin(j);
        j->writer->end(j);
    } else if (!begun && err->code != INFER_E_CANCELLED) {
        fail_whole(j, err);
    } else {
        if (begun && err->code != INFER_E_CANCELLED)
            j->writer->fail(j, err);
        exchange_break(j->x);
    }
}

/* `n` prompts are at their end; the last ones end it all, by the first status that is none of success. */
static void count_down(struct job *j, int n)
{
    pthread_mutex_lock(&j->lock);
    j->pending -= n;
    const bool last = n && !j->pending;
    pthread_mutex_unlock(&j->lock);
    if (!last)
        return;
    const infer_error good = { INFER_OK, "" };
    const infer_error *err = j->refusal.code != INFER_OK ? &j->refusal : &good;
    for (int i = 0; i < j->n_answers && err == &good; i++)
        if (j->answers[i].err.code != INFER_OK)
            err = &j->answers[i].err;
    finish(j, err);
}

static void on_end(void *user, infer_request *handle)
{
    struct submitted *const one = user;
    struct job *const j = one->job;
    struct answer *const answers = j->answers + (one - j->submitted) * j->request.n;
    for (int i = 0; i < j->request.n; i++) {
        struct answer *const a = &answers[i];
        a->result.size = sizeof a->result;
        a->err.code = infer_request_get_result(handle, i, &a->result, &a->err);
        if (a->err.code == INFER_E_CANCELLED && exchange_late(j->x)) {
            a->err.code = INFER_OK; /* the time was up: what there is counts */
            a->result.reason = INFER_STOP_LENGTH;
        }
    }
    count_down(j, 1);
    release(j, 1);
}

/* ---- Starting ---- */

static void cancel(void *work)
{
    const struct job *const j = work;
    for (int i = 0; i < j->n_prompts; i++)
        if (j->submitted[i].handle)
            infer_request_cancel(j->submitted[i].handle);
}

/* What a chat is made of, as one text. */
static char *chat_key(const struct job *j, const char *response)
{
    const infer_chat_setup *const s = &j->setup;
    struct text key = { 0 };
    text_printf(&key, "%d %d %d %s\n%s\n%s\n%s\n%s\n%s", (int)s->tool_choice, (int)s->single_call,
                (int)s->reasoning_budget, s->tool_name ? s->tool_name : "", s->template_name ? s->template_name : "",
                s->variables ? s->variables : "", s->tools ? s->tools : "", response,
                s->chat_template ? s->chat_template : "");
    if (key.failed)
        text_free(&key);
    return key.v;
}

bool job_open_chat(struct job *j, infer_error *err)
{
    char response[24] = "";
    if (j->chat)
        return true;
    /* Grammars are made for one request each: a chat with one is its own. */
    if (j->setup.response)
        snprintf(response, sizeof response, "%.23s", j->x->id);
    char *const key = chat_key(j, response);
    if (key)
        j->chat = served_chat(&j->service->models, j->model, key, &j->setup, err);
    else
        service_error(err, INFER_E_NOMEM, "no memory for a conversation");
    free(key);
    return j->chat;
}

static infer_request *submit_chat(struct job *j, infer_scheduler *scheduler, infer_error *err)
{
    infer_request *handle = NULL;
    char *const messages = json_dumps(j->messages, JSON_COMPACT);
    if (!messages)
        service_error(err, INFER_E_NOMEM, "no memory for a conversation");
    else if (job_open_chat(j, err))
        handle = infer_scheduler_submit_chat(scheduler, j->chat->chat, messages, strlen(messages), &j->request, err);
    free(messages);
    return handle;
}

/* Ask for the texts of a prompt, whose ids begin at `from`. */
static infer_request *submit(struct job *j, int prompt, size_t from, infer_error *err)
{
    infer_scheduler *const scheduler = served_scheduler(&j->service->models, j->model, err);
    j->request.users = j->users + prompt * j->request.n;
    j->request.end_user = &j->submitted[prompt];
    if (!scheduler)
        return NULL;
    if (j->messages)
        return submit_chat(j, scheduler, err);
    if (!j->n_ids)
        return infer_scheduler_submit(scheduler, j->prompt, j->n_prompt, &j->request, err);
    return infer_scheduler_submit_ids(scheduler, j->ids + from, j->lengths ? j->lengths[prompt] : j->n_ids, &j->request,
                                      err);
}

/* Point everything to where it is, and make the answers. */
static bool prepare(struct job *j)
{
    infer_request_options *const r = &j->request;
    j->n_answers = j->n_prompts * r->n;
    j->users = calloc((size_t)j->n_answers, sizeof *j->users);
    j->answers = calloc((size_t)j->n_answers, sizeof *j->answers);
    j->submitted = calloc((size_t)j->n_prompts, sizeof *j->submitted);
    if (!j->users || !j->answers || !j->submitted)
        return false;
    for (int i = 0; i < j->n_prompts; i++)
        j->submitted[i].job = j;
    for (int i = 0; i < j->n_answers; i++) {
        j->answers[i].job = j;
        j->answers[i].index = i;
        j->users[i] = &j->answers[i];
    }
    if (j->messages)
        j->generate.on_part = on_part;
    else
        j->generate.on_text = on_text;
    j->generate.stops = j->stops;
    j->generate.unparse_special = j->text_tokens;
    r->generate = &j->generate;
    r->sampler = &j->sampler;
    r->grammar = j->grammar || j->messages ? j->grammar : j->setup.response;
    r->on_end = on_end;
    return true;
}

/* As long as a job is not ended under the lock, the exchange is there. */
static void started(struct job *j)
{
    pthread_mutex_lock(&j->lock);
    if (!j->ended) {
        begin_locked(j);
        exchange_on_cancel(j->x, cancel, j);
    }
    pthread_mutex_unlock(&j->lock);
}

void job_start(struct job *j)
{
    infer_error err = { 0 };
    int done = 0;
    if (!prepare(j)) {
        job_fail(j, 500, NULL, NULL, "no memory for a request");
        return;
    }
    j->owners = j->n_prompts + 1;
    j->pending = j->n_prompts;
    for (size_t from = 0; done < j->n_prompts; done++) {
        if (!(j->submitted[done].handle = submit(j, done, from, &err)))
            break;
        from += j->lengths ? j->lengths[done] : 0;
    }
    const int left = j->n_prompts - done;
    if (left) { /* nobody else looks at it until the last one is at its end, which is not before these are counted */
        j->refusal = err;
        cancel(j);
    } else {
        started(j);
    }
    count_down(j, left);
    release(j, left + 1);
}

void job_end_empty(struct job *j)
{
    const infer_error good = { INFER_OK, "" };
    if (!prepare(j)) {
        job_fail(j, 500, NULL, NULL, "no memory for a request");
        return;
    }
    for (int i = 0; i < j->n_prompts; i++)
        j->answers[i * j->request.n].result.n_prompt = j->lengths ? j->lengths[i] : j->n_ids;
    finish(j, &good);
    job_free(j);
}

/* ---- Figures and words for writers ---- */

size_t job_prompt_tokens(const struct job *j)
{
    size_t sum = 0, most = 0; /* of a prompt: its answers share it, and some of them tell less */
    for (int i = 0; i < j->n_answers; i++) {
        const infer_generate_result *const r = &j->answers[i].result;
        most = i % j->request.n ? most : 0;
        most = r->n_prompt + r->n_cached > most ? r->n_prompt + r->n_cached : most;
        sum += i % j->request.n == j->request.n - 1 ? most : 0;
    }
    return sum;
}

size_t job_cached_tokens(const struct job *j)
{
    size_t n = 0;
    for (int i = 0; i < j->n_answers; i += j->request.n)
        n += j->answers[i].result.n_cached;
    return n;
}

size_t job_answer_tokens(const struct job *j)
{
    size_t n = 0;
    for (int i = 0; i < j->n_answers; i++)
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
    if (name) /* it may be a part of the value */
        text_printf(&event, "event: %s\n", name);
    json_decref(taken);
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
