/* openai_responses.c - POST /v1/responses, and GET and DELETE of those that were kept. */
#include "service/openai.h"
#include "service/responses.h"
#include "service/service.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TOP_LOGPROBS = 20, MAX_METADATA = 16, MAX_LISTED = 100, USUAL_LISTED = 20 };

static void free_response(void *state)
{
    struct response *const r = state;
    json_decref(r->object);
    json_decref(r->output);
    json_decref(r->input);
    json_decref(r->history);
    json_decref(r->tokens);
    text_free(&r->text);
    free(r);
}

/* ---- The conversation ---- */

/* A record that has what it should have; the caller releases it. */
static json_t *load(infer_service *service, const char *id)
{
    json_t *const record = kept_get(&service->kept, id);
    if (json_is_object(json_object_get(record, "response")) && json_is_array(json_object_get(record, "input")) &&
        json_is_array(json_object_get(record, "history")))
        return record;
    json_decref(record);
    return NULL;
}

/* Items before those of the request: those of a response that was kept, and its own. */
static json_t *read_history(struct job *j, struct fields *f, const char *id)
{
    json_t *const record = load(j->service, id);
    json_t *const items = json_array();
    if (!record)
        field_wrong(f, "previous_response_id", "there is no response \"%s\", or it was not kept", id);
    json_array_extend(items, json_object_get(record, "history"));
    json_array_extend(items, json_object_get(record, "input"));
    json_array_extend(items, json_object_get(json_object_get(record, "response"), "output"));
    json_decref(record);
    return items;
}

static void read_conversation(struct job *j, struct fields *f)
{
    struct response *const r = j->state;
    const char *const previous = field_text(f, "previous_response_id", NULL);
    const char *const instructions = field_text(f, "instructions", NULL);
    r->history = previous && *previous ? read_history(j, f, previous) : json_array();
    r->input = f->param ? NULL : items_read(f, "input", field_any(f, "input"));
    if (f->param)
        return;
    json_t *const sent = json_copy(r->history);
    json_array_extend(sent, r->input);
    json_t *const all = items_read(f, "previous_response_id", sent); /* a file is checked, too */
    if (all)
        j->messages = items_messages(f, "input", instructions, all);
    json_decref(all);
    json_decref(sent);
}

/* ---- Tools and forms ---- */

/* {"type": "function", "name", "parameters" ...} as chat completions have it. */
static void read_tools(struct job *j, struct fields *f)
{
    json_t *const tools = field_array(f, "tools"), *const nested = json_array(), *tool;
    size_t i;
    json_array_foreach(tools, i, tool) {
        json_t *const function = json_object_get(tool, "function") ? json_incref(json_object_get(tool, "function"))
                                                                   : json_copy(tool);
        json_t *const type = json_object_get(tool, "type");
        if (!json_object_get(tool, "function"))
            json_object_del(function, "type");
        json_array_append_new(nested, json_pack("{s:O, s:o}", "type", type ? type : json_null(), "function", function));
    }
    job_set_tools(j, f, "tools", nested);
    json_decref(nested);
}

static void read_tool_choice(struct job *j, struct fields *f)
{
    const json_t *const choice = field_any(f, "tool_choice"), *const name = json_object_get(choice, "name");
    json_t *const required = json_string("required");
    const bool named = json_is_string(name) && !json_object_get(choice, "function");
    job_set_tool_choice(j, f, "tool_choice", named ? required : choice);
    if (named)
        j->setup.tool_name = json_string_value(name);
    json_decref(required);
}

static void read_format(struct job *j, struct fields *f)
{
    const json_t *const format = json_object_get(field_object(f, "text"), "format");
    const char *const type = json_string_value(json_object_get(format, "type"));
    const json_t *const schema = json_object_get(format, "schema");
    if (!format || json_is_null(format) || (type && !strcmp(type, "text")))
        return;
    if (type && !strcmp(type, "json_object"))
        job_set_schema(j, f, "text", NULL);
    else if (!type || strcmp(type, "json_schema"))
        field_wrong(f, "text", "a format's type is expected to be text, json_object or json_schema");
    else if (!schema)
        field_wrong(f, "text", "a format of the type json_schema is expected to have a schema");
    else
        job_set_schema(j, f, "text", schema);
}

static void read_metadata(struct fields *f)
{
    json_t *const metadata = field_object(f, "metadata"), *value;
    const char *key;
    if (json_object_size(metadata) > MAX_METADATA)
        field_wrong(f, "metadata", "expected at most %d entries, found %zu", MAX_METADATA, json_object_size(metadata));
    json_object_foreach(metadata, key, value)
        if (!json_is_string(value))
            field_wrong(f, "metadata", "expected strings, found %s", json_kind(value));
}

/* What would change the answer, but is not done here, is refused. */
static void refuse_others(struct fields *f)
{
    static const char *const unknown[] = { "conversation", "prompt", "context_management" };
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        if (field_any(f, unknown[i]))
            field_wrong(f, unknown[i], "this server has none; it goes on from previous_response_id");
    if (field_flag(f, "background", false))
        field_wrong(f, "background", "a response is made while its request is open");
    if (strcmp(field_text(f, "truncation", "disabled"), "disabled"))
        field_wrong(f, "truncation", "expected \"disabled\": a conversation that is too long is refused");
}

static void read_logprobs(struct job *j, struct fields *f)
{
    struct response *const r = j->state;
    const json_t *const include = field_array(f, "include");
    json_t *one;
    size_t i;
    j->generate.n_top = (size_t)field_integer(f, "top_logprobs", 0, 0, MAX_TOP_LOGPROBS);
    r->logprobs = j->generate.n_top > 0;
    json_array_foreach(include, i, one)
        if (!json_is_string(one))
            field_wrong(f, "include", "expected strings, found %s", json_kind(one));
        else if (!strcmp(json_string_value(one), "message.output_text.logprobs"))
            r->logprobs = true;
    if (r->logprobs)
        j->generate.on_token = job_on_token;
}

/* ---- The response, as it is told ---- */

static void tell(json_t *object, const struct fields *f, const char *name, const char *otherwise)
{
    json_t *const value = field_any(f, name);
    json_object_set_new(object, name, value ? json_incref(value) : json_loads(otherwise, JSON_DECODE_ANY, NULL));
}

static json_t *first_object(const struct job *j, const struct fields *f)
{
    json_t *const o = json_pack("{s:s, s:s, s:I, s:s, s:n, s:n, s:s, s:b, s:f, s:f, s:n}", "id", j->id, "object",
                                "response", "created_at", (json_int_t)j->created, "status", "in_progress", "error",
                                "incomplete_details", "model", j->model->id, "background", 0, "temperature",
                                (double)j->sampler.temperature, "top_p", (double)j->sampler.top_p, "usage");
    tell(o, f, "instructions", "null");
    tell(o, f, "max_output_tokens", "null");
    tell(o, f, "metadata", "{}");
    tell(o, f, "parallel_tool_calls", "true");
    tell(o, f, "previous_response_id", "null");
    tell(o, f, "reasoning", "{\"effort\":null,\"summary\":null}");
    tell(o, f, "store", "true");
    tell(o, f, "text", "{\"format\":{\"type\":\"text\"}}");
    tell(o, f, "tool_choice", "\"auto\"");
    tell(o, f, "tools", "[]");
    tell(o, f, "top_logprobs", "0");
    tell(o, f, "truncation", "\"disabled\"");
    tell(o, f, "user", "null");
    return o;
}

/* ---- Routes ---- */

static void read_request(struct job *j, struct fields *f)
{
    struct response *const r = j->state;
    const json_t *const effort = json_object_get(field_object(f, "reasoning"), "effort");
    j->stream = field_flag(f, "stream", false);
    j->every_piece = true;
    job_set_length(j, field_integer(f, "max_output_tokens", -1, 1, INT32_MAX));
    job_read_sampling(j, f);
    job_read_stops(j, f, "stop");
    read_conversation(j, f);
    read_tools(j, f);
    read_tool_choice(j, f);
    read_format(j, f);
    read_metadata(f);
    read_logprobs(j, f);
    refuse_others(f);
    job_set_variables(j, f, "chat_template_kwargs", field_any(f, "chat_template_kwargs"));
    openai_read_effort(j, f, "reasoning", effort);
    j->setup.single_call = !field_flag(f, "parallel_tool_calls", true);
    r->kept = field_flag(f, "store", true);
    r->output = json_array();
    r->object = first_object(j, f);
}

void responses_create(infer_exchange *x)
{
    json_t *const body = exchange_json(x);
    struct job *const j = body ? job_open(x, body, &response_writer) : NULL;
    if (!j)
        return;
    struct fields f = fields_of(j->body);
    j->state = calloc(1, sizeof(struct response));
    j->free_state = free_response;
    openai_id(j, "resp_");
    if (!j->state) {
        job_fail(j, 500, NULL, NULL, "no memory for a request");
        return;
    }
    read_request(j, &f);
    if (fields_fail(&f, x))
        job_free(j);
    else
        job_start(j);
}

static json_t *find(infer_exchange *x)
{
    json_t *const record = load(x->service, x->rest);
    if (!record)
        exchange_fail(x, 404, "response_id", NULL, "there is no response \"%s\", or it was not kept", x->rest);
    return record;
}

void responses_get(infer_exchange *x)
{
    json_t *const record = find(x);
    if (record)
        exchange_answer_json(x, 200, json_incref(json_object_get(record, "response")));
    json_decref(record);
}

void responses_delete(infer_exchange *x)
{
    if (kept_remove(&x->service->kept, x->rest))
        exchange_answer_json(x, 200, json_pack("{s:s, s:s, s:b}", "id", x->rest, "object", "response", "deleted", 1));
    else
        exchange_fail(x, 404, "response_id", NULL, "there is no response \"%s\", or it was not kept", x->rest);
}

/* Where an item stands in a list; the list's length if it is not there. */
static size_t index_of(const json_t *items, const char *id)
{
    size_t i;
    json_t *item;
    json_array_foreach(items, i, item) {
        const char *const found = json_string_value(json_object_get(item, "id"));
        if (found && !strcmp(found, id))
            return i;
    }
    return json_array_size(items);
}

/* As many items as are wanted, behind one of them, in the order of time or, which is usual, against it. */
static json_t *list_items(const json_t *items, bool ascending, const char *after, size_t limit)
{
    const size_t n = json_array_size(items), at = *after ? index_of(items, after) : n;
    size_t next = ascending ? (at < n ? at + 1 : 0) : at;
    json_t *const list = json_array();
    while (json_array_size(list) < limit && (ascending ? next < n : next > 0))
        json_array_append(list, json_array_get(items, ascending ? next++ : --next));
    json_t *const first = json_object_get(json_array_get(list, 0), "id");
    json_t *const last = json_object_get(json_array_get(list, json_array_size(list) - 1), "id");
    return json_pack("{s:s, s:o, s:O, s:O, s:b}", "object", "list", "data", list, "first_id", first ?: json_null(),
                     "last_id", last ?: json_null(), "has_more", ascending ? next < n : next > 0);
}

void responses_input(infer_exchange *x)
{
    char order[8] = "desc", after[80] = "", number[8] = "", *end;
    exchange_query(x, "limit", number, sizeof number);
    const long limit = *number ? strtol(number, &end, 10) : USUAL_LISTED;
    exchange_query(x, "order", order, sizeof order);
    exchange_query(x, "after", after, sizeof after);
    if (limit < 1 || limit > MAX_LISTED || (*number && *end)) {
        exchange_fail(x, 400, "limit", "invalid_value", "limit: expected 1 to %d", MAX_LISTED);
        return;
    }
    if (strcmp(order, "asc") && strcmp(order, "desc")) {
        exchange_fail(x, 400, "order", "invalid_value", "order: expected asc or desc");
        return;
    }
    json_t *const record = find(x);
    if (record)
        exchange_answer_json(x, 200, list_items(json_object_get(record, "input"), !strcmp(order, "asc"), after,
                                                (size_t)limit));
    json_decref(record);
}
