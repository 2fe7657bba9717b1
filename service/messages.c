/* messages.c - POST /v1/messages and /v1/messages/count_tokens: Anthropic's API.
 *
 * An answer is a list of blocks. In a stream they come after each other: each is begun, grows and is ended before the
 * next one begins. */
#include "service/messages.h"

#include "service/errors.h"
#include "service/openai.h"
#include "service/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What clients hand back with a block of thinking; nothing here needs it. */
static const char signature[] = "libinfer";

enum block { NO_BLOCK, TEXT, THINKING, TOOL_USE };

struct stream {
    int index; /* of the block that is open, or comes next */
    enum block open;
};

static const char *stop_reason(const struct answer *a)
{
    if (a->calls)
        return "tool_use";
    switch (a->result.reason) {
    case INFER_STOP_STRING: return "stop_sequence";
    case INFER_STOP_LENGTH:
    case INFER_STOP_FULL: return "max_tokens";
    default: return "end_turn";
    }
}

/* Which of the strings it was; NULL: none. */
static const char *stop_sequence(const struct answer *a)
{
    const bool stopped = !a->calls && a->result.reason == INFER_STOP_STRING;
    return stopped && a->result.stop < a->job->generate.n_stops ? a->job->stops[a->result.stop] : NULL;
}

static json_t *usage(size_t input, size_t cached, size_t output)
{
    return json_pack("{s:I, s:i, s:I, s:I}", "input_tokens", (json_int_t)(input - cached),
                     "cache_creation_input_tokens", 0, "cache_read_input_tokens", (json_int_t)cached, "output_tokens",
                     (json_int_t)output);
}

static json_t *usage_at_end(const struct job *j)
{
    json_t *const all = usage(job_prompt_tokens(j), job_cached_tokens(j), job_answer_tokens(j));
    const json_int_t reasoning = (json_int_t)j->answers[0].result.n_reasoning;
    if (reasoning)
        json_object_set_new(all, "output_tokens_details", json_pack("{s:I}", "thinking_tokens", reasoning));
    return all;
}

static json_t *head(const struct job *j, json_t *content, const char *reason, const char *sequence, json_t *spent)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:s?, s:s?, s:o}", "id", j->id, "type", "message", "role", "assistant",
                     "model", j->model->id, "content", content, "stop_reason", reason, "stop_sequence", sequence,
                     "usage", spent);
}

static json_t *tool_use(const struct answer *a, size_t i, json_t *input)
{
    char id[ID_LENGTH + 8];
    const json_t *const call = json_array_get(a->calls, i);
    const char *const known = json_string_value(json_object_get(call, "id")); /* "call_..." */
    snprintf(id, sizeof id, "toolu_%s", known + strlen("call_"));
    return json_pack("{s:s, s:s, s:O, s:o}", "type", "tool_use", "id", id, "name",
                     json_object_get(json_object_get(call, "function"), "name"), "input", input);
}

/* ---- A stream ---- */

static void event(struct job *j, json_t *taken)
{
    write_event(j->x, json_string_value(json_object_get(taken, "type")), taken);
}

static void delta(struct job *j, json_t *taken)
{
    const struct stream *const s = j->state;
    event(j, json_pack("{s:s, s:i, s:o}", "type", "content_block_delta", "index", s->index, "delta", taken));
}

static void close_block(struct job *j)
{
    struct stream *const s = j->state;
    if (s->open == NO_BLOCK)
        return;
    if (s->open == THINKING)
        delta(j, json_pack("{s:s, s:s}", "type", "signature_delta", "signature", signature));
    event(j, json_pack("{s:s, s:i}", "type", "content_block_stop", "index", s->index++));
    s->open = NO_BLOCK;
}

/* The block is released. */
static void open_block(struct job *j, enum block kind, json_t *block)
{
    struct stream *const s = j->state;
    close_block(j);
    s->open = kind;
    event(j, json_pack("{s:s, s:i, s:o}", "type", "content_block_start", "index", s->index, "content_block", block));
}

static void begin(struct job *j)
{
    struct ids ids = { 0 };
    if (j->messages) /* what is computed is told at the end; here all of it */
        conversation_ids(j, "", 0, &ids, NULL);
    openai_stream_begin(j);
    event(j, json_pack("{s:s, s:o}", "type", "message_start", "message",
                       head(j, json_array(), NULL, NULL, usage(ids.n + j->n_ids, 0, 0))));
    event(j, json_pack("{s:s}", "type", "ping"));
    ids_free(&ids);
}

static void piece(struct job *j, struct answer *a, infer_chat_part part, const char *text, size_t length)
{
    struct stream *const s = j->state;
    switch (part) {
    case INFER_CHAT_CONTENT:
        if (s->open != TEXT)
            open_block(j, TEXT, json_pack("{s:s, s:s}", "type", "text", "text", ""));
        delta(j, json_pack("{s:s, s:s%}", "type", "text_delta", "text", text, length));
        break;
    case INFER_CHAT_REASONING:
        if (s->open != THINKING)
            open_block(j, THINKING, json_pack("{s:s, s:s, s:s}", "type", "thinking", "thinking", "", "signature", ""));
        delta(j, json_pack("{s:s, s:s%}", "type", "thinking_delta", "thinking", text, length));
        break;
    case INFER_CHAT_CALL: open_block(j, TOOL_USE, tool_use(a, json_array_size(a->calls) - 1, json_object())); break;
    default: delta(j, json_pack("{s:s, s:s%}", "type", "input_json_delta", "partial_json", text, length));
    }
}

static void end_stream(struct job *j)
{
    const struct answer *const a = j->answers;
    close_block(j);
    event(j, json_pack("{s:s, s:{s:s, s:s?}, s:o}", "type", "message_delta", "delta", "stop_reason", stop_reason(a),
                       "stop_sequence", stop_sequence(a), "usage", usage_at_end(j)));
    event(j, json_pack("{s:s}", "type", "message_stop"));
    exchange_end(j->x);
}

static void fail_stream(struct job *j, const infer_error *err)
{
    struct text body = { 0 };
    write_error(&body, ANTHROPIC, http_status(err->code), NULL, NULL, err->message);
    event(j, json_loads(text_string(&body), 0, NULL));
    text_free(&body);
}

/* ---- A whole answer ---- */

static json_t *blocks(const struct answer *a)
{
    json_t *const all = json_array();
    if (a->reasoning.n)
        json_array_append_new(all, json_pack("{s:s, s:s%, s:s}", "type", "thinking", "thinking", a->reasoning.v,
                                             a->reasoning.n, "signature", signature));
    if (a->content.n)
        json_array_append_new(all, json_pack("{s:s, s:s%}", "type", "text", "text", a->content.v, a->content.n));
    for (size_t i = 0; i < json_array_size(a->calls); i++) {
        const json_t *const function = json_object_get(json_array_get(a->calls, i), "function");
        json_t *const input = json_loads(json_string_value(json_object_get(function, "arguments")), 0, NULL);
        json_array_append_new(all, tool_use(a, i, input ? input : json_object()));
    }
    return all;
}

static void end(struct job *j)
{
    const struct answer *const a = j->answers;
    if (j->stream)
        end_stream(j);
    else
        exchange_answer_json(j->x, 200, head(j, blocks(a), stop_reason(a), stop_sequence(a), usage_at_end(j)));
}

static const struct writer writer = { begin, piece, end, fail_stream };

/* ---- The request ---- */

/* {"type": "enabled", "budget_tokens": N}, "adaptive" or "disabled"; without it the model is asked not to think. */
static void read_thinking(struct job *j, struct fields *f)
{
    json_t *const thinking = field_object(f, "thinking");
    struct fields inner = fields_of(thinking), output = fields_of(field_object(f, "output_config"));
    const char *const type = field_text(&inner, "type", "disabled");
    const char *const effort = field_text(&output, "effort", NULL);
    const bool on = strcmp(type, "disabled");
    const int64_t budget = field_integer(&inner, "budget_tokens", -1, 0, INT32_MAX);
    if (on && strcmp(type, "enabled") && strcmp(type, "adaptive") && strcmp(type, "between_tools"))
        field_wrong(&inner, "type", "expected enabled, adaptive or disabled, found \"%.40s\"", type);
    if (inner.param)
        field_wrong(f, "thinking", "%s: %s", inner.param, inner.why);
    if (output.param)
        field_wrong(f, "output_config", "%s: %s", output.param, output.why);
    if (on)
        j->setup.reasoning_budget = (int32_t)budget;
    json_t *const variables = json_pack("{s:b, s:s*}", "enable_thinking", on, "reasoning_effort", effort);
    job_set_variables(j, f, "thinking", variables);
    json_decref(variables);
}

static void read_one_format(struct job *j, struct fields *f, const char *param, const json_t *format)
{
    const char *const type = json_string_value(json_object_get(format, "type"));
    const json_t *const schema = json_object_get(format, "schema");
    if (!format || json_is_null(format))
        return;
    if (!type || strcmp(type, "json_schema") || !json_is_object(schema))
        field_wrong(f, param, "a format is expected to be of the type json_schema, with a schema");
    else
        job_set_schema(j, f, param, schema);
}

/* {"type": "json_schema", "schema": {...}} in output_config, which counts, or, as it was called before, in
 * output_format. */
static void read_format(struct job *j, struct fields *f)
{
    read_one_format(j, f, "output_format", field_object(f, "output_format"));
    read_one_format(j, f, "output_config", json_object_get(field_object(f, "output_config"), "format"));
}

/* What both routes read. */
static struct job *open_job(infer_exchange *x, struct fields *f)
{
    json_t *const body = exchange_json(x);
    struct job *const j = body ? job_open(x, body, &writer) : NULL;
    if (!j)
        return NULL;
    *f = fields_of(j->body);
    openai_id(j, "msg_");
    exchange_set_header(x, "request-id", x->id);
    j->messages = messages_conversation(f, field_any(f, "system"), field_any(f, "messages"));
    messages_tools(j, f, field_array(f, "tools"));
    messages_tool_choice(j, f, field_object(f, "tool_choice"));
    read_thinking(j, f);
    read_format(j, f);
    return j;
}

void messages(infer_exchange *x)
{
    struct fields f;
    infer_error err = { 0 };
    struct job *const j = open_job(x, &f);
    if (!j)
        return;
    if (!field_any(&f, "max_tokens"))
        field_wrong(&f, "max_tokens", "this field is required");
    job_set_length(j, field_integer(&f, "max_tokens", 0, 0, INT32_MAX));
    j->stream = field_flag(&f, "stream", false);
    job_read_sampling(j, &f);
    job_read_stops(j, &f, "stop_sequences");
    field_object(&f, "metadata");
    if (!(j->state = calloc(1, sizeof(struct stream))))
        field_wrong(&f, "messages", "no memory for an answer");
    if (fields_fail(&f, x))
        job_free(j);
    else if (conversation_continue(j, &err))
        job_start(j);
    else
        job_fail(j, job_status(j, &err), "messages", NULL, "%s", err.message);
}

void messages_count(infer_exchange *x)
{
    struct fields f;
    struct ids ids = { 0 };
    infer_error err = { 0 };
    struct job *const j = open_job(x, &f);
    if (!j)
        return;
    if (fields_fail(&f, x))
        ;
    else if (conversation_ids(j, "", 0, &ids, &err))
        exchange_answer_json(x, 200, json_pack("{s:I}", "input_tokens", (json_int_t)ids.n));
    else
        exchange_fail_by(x, "messages", &err);
    ids_free(&ids);
    job_free(j);
}
