/* ollama_text.c - POST /api/generate and /api/chat: how answers are written, and what the requests want. */
#include "service/errors.h"
#include "service/ollama.h"
#include "service/prompts.h"
#include "service/service.h"
#include "service/shimmy.h"

#include <stdlib.h>
#include <string.h>

/* ---- Answers ---- */

/* What all lines begin with; the text is under "response", or within "message". Without reasoning it is NULL. */
static json_t *line(const struct job *j, json_t *content, json_t *reasoning, bool done)
{
    const struct ollama *const o = j->state;
    json_t *const all = json_pack("{s:s, s:o}", "model", ollama_name(j->body, j->model), "created_at", ollama_time(0));
    if (o->generates) {
        json_object_set_new(all, "response", content);
        if (reasoning)
            json_object_set_new(all, "thinking", reasoning);
    } else {
        json_object_set_new(
            all, "message",
            json_pack("{s:s, s:o, s:o*}", "role", "assistant", "content", content, "thinking", reasoning));
    }
    json_object_set_new(all, "done", json_boolean(done));
    return all;
}

/* Calls from one on, their arguments as an object. */
static json_t *calls(const struct answer *a, size_t from)
{
    json_t *const all = json_array();
    for (size_t i = from; i < json_array_size(a->calls); i++) {
        const json_t *const call = json_array_get(a->calls, i), *const function = json_object_get(call, "function");
        json_t *const arguments = json_loads(json_string_value(json_object_get(function, "arguments")), 0, NULL);
        json_array_append_new(all, json_pack("{s:O, s:{s:i, s:O, s:o}}", "id", json_object_get(call, "id"), "function",
                                             "index", (int)i, "name", json_object_get(function, "name"), "arguments",
                                             arguments ? arguments : json_object()));
    }
    return all;
}

/* Tokens from one on. */
static void add_logprobs(json_t *to, const struct answer *a, size_t from)
{
    if (!a->job->generate.on_token)
        return;
    json_t *const list = json_array();
    for (size_t i = from; i < json_array_size(a->tokens); i++)
        json_array_append(list, json_array_get(a->tokens, i));
    json_object_set_new(to, "logprobs", list);
}

/* Ids of the prompt and of the answer: what the next request's `context` may be. */
static json_t *context_of(const struct answer *a)
{
    struct job *const j = a->job;
    const char *const text = text_string(&a->content);
    struct ids ids = { 0 };
    json_t *const list = json_array();
    ids_add(&ids, j->ids, j->n_ids);
    if (j->messages)
        conversation_ids(j, text, a->content.n, &ids, NULL);
    else
        ids_add_text(&ids, infer_model_tokenizer(j->model->model), text, a->content.n, 0, NULL);
    for (size_t i = 0; i < ids.n; i++)
        json_array_append_new(list, json_integer(ids.v[i]));
    ids_free(&ids);
    return list;
}

/* Why it ended, and how long all of it took. */
static void add_end(json_t *to, const struct answer *a)
{
    const struct job *const j = a->job;
    const struct ollama *const o = j->state;
    const infer_generate_result *const r = &a->result;
    const bool full = r->reason == INFER_STOP_LENGTH || r->reason == INFER_STOP_FULL;
    json_t *const last =
        json_pack("{s:s, s:o, s:o, s:I, s:o, s:I, s:o}", "done_reason", full ? "length" : "stop", "total_duration",
                  ollama_duration(service_seconds() - j->x->began), "load_duration", ollama_duration(o->load_seconds),
                  "prompt_eval_count", (json_int_t)job_prompt_tokens(j), "prompt_eval_duration",
                  ollama_duration(r->prompt_seconds), "eval_count", (json_int_t)r->n_generated, "eval_duration",
                  ollama_duration(r->generate_seconds));
    json_object_update(to, last);
    json_decref(last);
    if (o->remembers)
        json_object_set_new(to, "context", context_of(a));
}

static void begin(struct job *j)
{
    exchange_stream(j->x, "application/x-ndjson");
}

static void piece(struct job *j, struct answer *a, infer_chat_part part, const char *text, size_t length)
{
    json_t *one = NULL;
    if (part == INFER_CHAT_CONTENT)
        one = line(j, json_stringn(text, length), NULL, false);
    else if (part == INFER_CHAT_REASONING)
        one = line(j, json_string(""), json_stringn(text, length), false);
    else if (part == INFER_CHAT_ARGUMENTS && (one = line(j, json_string(""), NULL, false)))
        json_object_set_new(json_object_get(one, "message"), "tool_calls", calls(a, json_array_size(a->calls) - 1));
    if (!one)
        return;
    add_logprobs(one, a, a->n_shown);
    write_line(j->x, one);
}

static void end(struct job *j)
{
    const struct answer *const a = j->answers;
    const struct ollama *const o = j->state;
    if (o->keeps)
        models_keep(&j->service->models, j->model, o->keep);
    if (j->stream) {
        json_t *const last = line(j, json_string(""), NULL, true);
        add_end(last, a);
        write_line(j->x, last);
        exchange_end(j->x);
        return;
    }
    json_t *const all = line(j, json_stringn(text_string(&a->content), a->content.n),
                             a->reasoning.n ? json_stringn(a->reasoning.v, a->reasoning.n) : NULL, true);
    if (a->calls)
        json_object_set_new(json_object_get(all, "message"), "tool_calls", calls(a, 0));
    add_logprobs(all, a, 0);
    add_end(all, a);
    exchange_answer_json(j->x, 200, all);
}

static void fail(struct job *j, const infer_error *err)
{
    write_line(j->x, json_pack("{s:s}", "error", err->message));
}

static const struct writer writer = { begin, piece, end, fail };

/* ---- Generate ---- */

static void refuse_images(struct fields *f, const json_t *object)
{
    const json_t *const images = json_object_get(object, "images");
    if (images && !json_is_null(images) && (!json_is_array(images) || json_array_size(images)))
        field_wrong(f, "images", "this server reads text alone");
}

/* The ids of an earlier request's `context`, and what the new prompt is behind them: without its BOS. */
static bool add_context(struct job *j, struct fields *f, const json_t *context, infer_error *err)
{
    const infer_tokenizer *const tokenizer = infer_model_tokenizer(j->model->model);
    struct ids all = { 0 }, new = { 0 };
    read_prompt(&all, tokenizer, f, "context", context);
    const bool there = conversation_ids(j, "", 0, &new, err);
    const size_t skip = new.n &&new.v[0] == infer_tokenizer_bos(tokenizer);
    if (there) {
        ids_add(&all, new.v + skip, new.n - skip);
        json_decref(j->messages);
        j->messages = NULL;
        job_add_prompt(j, f, "context", &all);
    }
    ids_free(&all);
    ids_free(&new);
    return there;
}

/* The prompt as it is, or before a suffix, or as the only message of a conversation; or behind what a context has. */
static bool choose_prompt(struct job *j, struct fields *f, const char *prompt, infer_error *err)
{
    struct ollama *const o = j->state;
    const char *const system = field_text(f, "system", NULL);
    const json_t *const context = field_array(f, "context");
    const struct hole hole = { .prefix = field_any(f, "prompt"), .suffix = field_any(f, "suffix") };
    if (*field_text(f, "suffix", "")) {
        job_read_hole(j, f, "suffix", &hole);
        return true;
    }
    if (field_flag(f, "raw", false)) {
        j->prompt = prompt;
        j->n_prompt = strlen(prompt);
        return true;
    }
    j->messages = json_array();
    if (system && *system)
        json_array_append_new(j->messages, json_pack("{s:s, s:s}", "role", "system", "content", system));
    json_array_append_new(j->messages, json_pack("{s:s, s:s}", "role", "user", "content", prompt));
    o->remembers = true;
    return !json_array_size(context) || f->param || add_context(j, f, context, err);
}

static void generate(infer_exchange *x, json_t *body, const char *prompt)
{
    infer_error err = { 0 };
    struct job *const j = ollama_open(x, body, &writer);
    if (!j)
        return;
    struct fields f = fields_of(j->body);
    ((struct ollama *)j->state)->generates = true;
    ollama_read(j, &f);
    refuse_images(&f, j->body);
    const bool read = choose_prompt(j, &f, prompt, &err);
    if (fields_fail(&f, x))
        job_free(j);
    else if (!read)
        job_fail(j, job_status(j, &err), "prompt", NULL, "%s", err.message);
    else
        job_start(j);
}

void ollama_generate(infer_exchange *x)
{
    json_t *const body = exchange_json(x);
    struct fields f = fields_of(body);
    if (!body)
        return;
    if (shimmy_asks(body)) {
        shimmy_generate(x, body);
        return;
    }
    const char *const prompt = field_text(&f, "prompt", "");
    if (fields_fail(&f, x))
        json_decref(body);
    else if (!*prompt)
        ollama_load(x, body, "response", json_string(""));
    else
        generate(x, body, prompt);
}

/* ---- Chat ---- */

static void rename_key(json_t *object, const char *from, const char *to)
{
    json_t *const value = json_object_get(object, from);
    if (value)
        json_object_set(object, to, value);
    json_object_del(object, from);
}

/* Messages in the form of OpenAI's. */
static json_t *read_messages(struct fields *f, const json_t *messages)
{
    json_t *const all = json_deep_copy(messages), *message;
    size_t i;
    json_array_foreach(all, i, message) {
        refuse_images(f, message);
        rename_key(message, "thinking", "reasoning_content");
        rename_key(message, "tool_name", "name");
        if (json_is_object(message) && !json_object_get(message, "content"))
            json_object_set_new(message, "content", json_string(""));
    }
    json_t *const read = conversation_messages(f, "messages", all);
    json_decref(all);
    return read;
}

static void chat(infer_exchange *x, json_t *body)
{
    infer_error err = { 0 };
    struct job *const j = ollama_open(x, body, &writer);
    if (!j)
        return;
    struct fields f = fields_of(j->body);
    j->messages = read_messages(&f, field_any(&f, "messages"));
    ollama_read(j, &f);
    job_set_tools(j, &f, "tools", field_array(&f, "tools"));
    if (fields_fail(&f, x))
        job_free(j);
    else if (conversation_continue(j, &err))
        job_start(j);
    else
        job_fail(j, job_status(j, &err), "messages", NULL, "%s", err.message);
}

void ollama_chat(infer_exchange *x)
{
    json_t *const body = exchange_json(x);
    if (!body)
        return;
    const json_t *const messages = json_object_get(body, "messages");
    const bool none = !messages || json_is_null(messages) || (json_is_array(messages) && !json_array_size(messages));
    if (none)
        ollama_load(x, body, "message", json_pack("{s:s, s:s}", "role", "assistant", "content", ""));
    else
        chat(x, body);
}
