/* responses_events.c - the items of a response, made of the pieces of its text, and the events that tell of them. What
 * is no stream goes the same way, without the events. */
#include "service/openai.h"
#include "service/responses.h"
#include "service/service.h"

#include <stdlib.h>
#include <string.h>

/* ---- Events ---- */

/* An event, of which the rest is released. */
static void emit(struct job *j, const char *type, json_t *rest)
{
    struct response *const r = j->state;
    if (j->stream) {
        json_t *const event = json_pack("{s:s, s:I}", "type", type, "sequence_number", r->sequence++);
        json_object_update(event, rest);
        write_event(j->x, type, event);
    }
    json_decref(rest);
}

static int last_index(const struct response *r)
{
    return (int)json_array_size(r->output) - 1;
}

static json_t *last_item(const struct response *r)
{
    return json_array_get(r->output, json_array_size(r->output) - 1);
}

/* An event about the last item: {"item_id", "output_index"} and the rest. */
static void emit_of_item(struct job *j, const char *type, json_t *rest)
{
    const struct response *const r = j->state;
    json_t *const event = json_pack("{s:O, s:i}", "item_id", json_object_get(last_item(r), "id"), "output_index",
                                    last_index(r));
    json_object_update(event, rest);
    json_decref(rest);
    emit(j, type, event);
}

/* The same of its only part of content. */
static void emit_of_part(struct job *j, const char *type, json_t *rest)
{
    json_object_set_new(rest, "content_index", json_integer(0));
    emit_of_item(j, type, rest);
}

static void emit_item(struct job *j, const char *type)
{
    const struct response *const r = j->state;
    emit(j, type, json_pack("{s:i, s:o}", "output_index", last_index(r), "item", json_deep_copy(last_item(r))));
}

/* ---- Items ---- */

/* The open item's part as it is now. */
static json_t *part_json(const struct response *r)
{
    if (r->open == REASONING_ITEM)
        return json_pack("{s:s, s:s%}", "type", "reasoning_text", "text", text_string(&r->text), r->text.n);
    return json_pack("{s:s, s:s%, s:[], s:o}", "type", "output_text", "text", text_string(&r->text), r->text.n,
                     "annotations", "logprobs", r->tokens ? json_deep_copy(r->tokens) : json_array());
}

static void open_item(struct job *j, enum open_item kind)
{
    struct response *const r = j->state;
    json_t *item = NULL;
    if (kind == REASONING_ITEM)
        item = json_pack("{s:o, s:s, s:[], s:[], s:s}", "id", item_id("rs_"), "type", "reasoning", "summary", "content",
                         "status", "in_progress");
    else
        item = json_pack("{s:o, s:s, s:s, s:s, s:[]}", "id", item_id("msg_"), "type", "message", "status",
                         "in_progress", "role", "assistant", "content");
    r->open = kind;
    json_array_append_new(r->output, item);
    emit_item(j, "response.output_item.added");
    emit_of_part(j, "response.content_part.added", json_pack("{s:o}", "part", part_json(r)));
}

static void close_item(struct job *j, const char *status)
{
    struct response *const r = j->state;
    if (r->open == NO_ITEM)
        return;
    json_t *const done = json_pack("{s:s%}", "text", text_string(&r->text), r->text.n);
    if (r->open == MESSAGE_ITEM)
        json_object_set_new(done, "logprobs", r->tokens ? json_deep_copy(r->tokens) : json_array());
    emit_of_part(j, r->open == REASONING_ITEM ? "response.reasoning_text.done" : "response.output_text.done", done);
    emit_of_part(j, "response.content_part.done", json_pack("{s:o}", "part", part_json(r)));
    json_object_set_new(last_item(r), "content", json_pack("[o]", part_json(r)));
    json_object_set_new(last_item(r), "status", json_string(status));
    emit_item(j, "response.output_item.done");
    text_free(&r->text);
    json_decref(r->tokens);
    r->tokens = NULL;
    r->open = NO_ITEM;
}

/* The answer's tokens that came with this piece. */
static json_t *piece_tokens(const struct answer *a)
{
    const struct response *const r = a->job->state;
    json_t *const list = json_array();
    for (size_t i = a->n_shown; r->logprobs && i < json_array_size(a->tokens); i++)
        json_array_append(list, json_array_get(a->tokens, i));
    return list;
}

static void add_text(struct job *j, const struct answer *a, enum open_item kind, const char *text, size_t length)
{
    struct response *const r = j->state;
    if (r->open != kind) {
        close_item(j, "completed");
        open_item(j, kind);
    }
    text_add(&r->text, text, length);
    json_t *const delta = json_pack("{s:s%}", "delta", text, length);
    if (kind == MESSAGE_ITEM) {
        json_t *const tokens = piece_tokens(a);
        r->tokens = r->tokens ? r->tokens : json_array();
        json_array_extend(r->tokens, tokens);
        json_object_set_new(delta, "logprobs", tokens);
    }
    emit_of_part(j, kind == MESSAGE_ITEM ? "response.output_text.delta" : "response.reasoning_text.delta", delta);
}

static void add_call(struct job *j, const struct answer *a)
{
    struct response *const r = j->state;
    const json_t *const call = json_array_get(a->calls, json_array_size(a->calls) - 1);
    close_item(j, "completed");
    json_array_append_new(r->output, json_pack("{s:o, s:s, s:s, s:s, s:O, s:O}", "id", item_id("fc_"), "type",
                                               "function_call", "status", "in_progress", "arguments", "", "call_id",
                                               json_object_get(call, "id"), "name",
                                               json_object_get(json_object_get(call, "function"), "name")));
    emit_item(j, "response.output_item.added");
}

static void add_arguments(struct job *j, const char *text, size_t length)
{
    struct response *const r = j->state;
    json_t *const item = last_item(r), *const arguments = json_stringn(text, length);
    emit_of_item(j, "response.function_call_arguments.delta", json_pack("{s:O}", "delta", arguments));
    emit_of_item(j, "response.function_call_arguments.done",
                 json_pack("{s:O, s:O}", "name", json_object_get(item, "name"), "arguments", arguments));
    json_object_set_new(item, "arguments", arguments);
    json_object_set_new(item, "status", json_string("completed"));
    emit_item(j, "response.output_item.done");
}

static void piece(struct job *j, struct answer *a, infer_chat_part part, const char *text, size_t length)
{
    if (part == INFER_CHAT_CONTENT)
        add_text(j, a, MESSAGE_ITEM, text, length);
    else if (part == INFER_CHAT_REASONING)
        add_text(j, a, REASONING_ITEM, text, length);
    else if (part == INFER_CHAT_CALL)
        add_call(j, a);
    else
        add_arguments(j, text, length);
}

/* ---- The response ---- */

json_t *response_object(const struct job *j, const char *status)
{
    const struct response *const r = j->state;
    json_t *const object = json_copy(r->object);
    json_object_set_new(object, "status", json_string(status));
    json_object_set_new(object, "output", json_deep_copy(r->output));
    return object;
}

static json_t *usage(const struct job *j)
{
    const json_int_t input = (json_int_t)job_prompt_tokens(j), output = (json_int_t)job_answer_tokens(j);
    return json_pack("{s:I, s:{s:I}, s:I, s:{s:I}, s:I}", "input_tokens", input, "input_tokens_details",
                     "cached_tokens", (json_int_t)job_cached_tokens(j), "output_tokens", output,
                     "output_tokens_details", "reasoning_tokens", (json_int_t)j->answers[0].result.n_reasoning,
                     "total_tokens", input + output);
}

static void begin(struct job *j)
{
    openai_stream_begin(j);
    emit(j, "response.created", json_pack("{s:o}", "response", response_object(j, "in_progress")));
    emit(j, "response.in_progress", json_pack("{s:o}", "response", response_object(j, "in_progress")));
}

/* What is left to be done where a file may be written: not on the thread that computes. */
struct ending {
    infer_exchange *x;
    const char *event; /* its name; NULL: the answer is no stream */
    json_t *answer;    /* the response, or the last event */
    json_t *record;    /* to be kept, or NULL */
    char id[KEPT_ID_LENGTH + 1];
};

static void finish(void *user)
{
    struct ending *const e = user;
    if (e->record && !kept_put(&e->x->service->kept, e->id, e->record))
        service_log(e->x->service, "response_not_kept", json_pack("{s:s}", "id", e->id));
    json_decref(e->record);
    if (e->event) {
        write_event(e->x, e->event, e->answer);
        exchange_end(e->x);
    } else {
        exchange_answer_json(e->x, 200, e->answer);
    }
    free(e);
}

static void end(struct job *j)
{
    struct response *const r = j->state;
    const bool cut = !strcmp(finish_reason(&j->answers[0]), "length");
    const char *const status = cut ? "incomplete" : "completed";
    if (r->open == NO_ITEM && !json_array_size(r->output))
        open_item(j, MESSAGE_ITEM);
    close_item(j, status);
    json_t *const object = response_object(j, status);
    json_object_set_new(object, "usage", usage(j));
    if (cut)
        json_object_set_new(object, "incomplete_details", json_pack("{s:s}", "reason", "max_output_tokens"));

    struct ending *const e = calloc(1, sizeof *e);
    if (!e) {
        json_decref(object);
        exchange_break(j->x);
        return;
    }
    e->x = j->x;
    memcpy(e->id, j->id, KEPT_ID_LENGTH);
    if (r->kept)
        e->record = json_pack("{s:O, s:O, s:O}", "response", object, "input", r->input, "history", r->history);
    e->answer = object;
    if (j->stream) {
        e->event = cut ? "response.incomplete" : "response.completed";
        e->answer = json_pack("{s:s, s:I, s:o}", "type", e->event, "sequence_number", r->sequence++, "response",
                              object);
    }
    if (!e->record || !workers_add(&j->service->workers, finish, e))
        finish(e);
}

static void fail(struct job *j, const infer_error *err)
{
    json_t *const object = response_object(j, "failed");
    json_object_set_new(object, "error", json_pack("{s:s, s:s}", "code", "server_error", "message", err->message));
    emit(j, "response.failed", json_pack("{s:o}", "response", object));
}

const struct writer response_writer = { begin, piece, end, fail };
