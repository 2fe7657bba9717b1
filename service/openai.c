/* openai.c - what the routes of OpenAI's API have in common. */
#include "service/openai.h"

#include "service/conversation.h"
#include "service/errors.h"
#include "service/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void openai_read(struct job *j, struct fields *f)
{
    static const char *const lengths[] = { "max_tokens", "n_predict", "max_completion_tokens" }; /* the last counts */
    int64_t length = -1;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        length = field_integer(f, lengths[i], length, -1, INT32_MAX);
    j->stream = field_flag(f, "stream", false);
    job_set_length(j, length);
    job_read_sampling(j, f);
    job_read_stops(j, f, "stop");
    j->request.n = (int32_t)field_integer(f, "n", 1, 1, MAX_ANSWERS);
    struct fields stream = fields_of(field_object(f, "stream_options"));
    field_flag(&stream, "include_usage", false);
    if (stream.param)
        field_wrong(f, "stream_options", "%s: %s", stream.param, stream.why);
}

bool openai_wants_usage(const struct job *j)
{
    return json_is_true(json_object_get(json_object_get(j->body, "stream_options"), "include_usage"));
}

void openai_read_format(struct job *j, struct fields *f)
{
    json_t *const format = field_object(f, "response_format");
    json_t *const schema = field_any(f, "json_schema"); /* llama.cpp's own */
    const char *const type = json_string_value(json_object_get(format, "type"));
    if (schema) {
        job_set_schema(j, f, "json_schema", schema);
    } else if (!format || (type && !strcmp(type, "text"))) {
        return;
    } else if (type && !strcmp(type, "json_object")) {
        job_set_schema(j, f, "response_format", json_object_get(format, "schema"));
    } else if (type && !strcmp(type, "json_schema")) {
        json_t *const inner = json_object_get(json_object_get(format, "json_schema"), "schema");
        if (inner)
            job_set_schema(j, f, "response_format", inner);
        else
            field_wrong(f, "response_format", "json_schema is expected to have a schema");
    } else {
        field_wrong(f, "response_format", "type is expected to be text, json_object or json_schema");
    }
}

void openai_read_effort(struct job *j, struct fields *f, const char *param, const json_t *effort)
{
    static const char *const known[] = { "none", "minimal", "low", "medium", "high", "xhigh" };
    const char *const word = json_string_value(effort);
    bool found = false;
    if (!effort || json_is_null(effort))
        return;
    for (size_t i = 0; word && i < sizeof known / sizeof *known; i++)
        found |= !strcmp(word, known[i]);
    if (!found) {
        field_wrong(f, param, "an effort is expected to be none, minimal, low, medium, high or xhigh, found %s",
                    word ? word : json_kind(effort));
        return;
    }
    const bool none = !strcmp(word, "none");
    json_t *const variables = j->variables ? json_loads(j->variables, 0, NULL) : json_object();
    if (none)
        json_object_set_new(variables, "enable_thinking", json_false());
    else
        json_object_set_new(variables, "reasoning_effort", json_string(word));
    j->setup.reasoning_budget = none ? 0 : j->setup.reasoning_budget;
    job_set_variables(j, f, param, variables);
    json_decref(variables);
}

json_t *openai_usage(const struct job *j)
{
    const json_int_t prompt = (json_int_t)job_prompt_tokens(j), answer = (json_int_t)job_answer_tokens(j);
    json_int_t reasoning = 0;
    for (int i = 0; i < j->n_answers; i++)
        reasoning += (json_int_t)j->answers[i].result.n_reasoning;
    return json_pack("{s:I, s:I, s:I, s:{s:I}, s:{s:I}}", "prompt_tokens", prompt, "completion_tokens", answer,
                     "total_tokens", prompt + answer, "prompt_tokens_details", "cached_tokens",
                     (json_int_t)job_cached_tokens(j), "completion_tokens_details", "reasoning_tokens", reasoning);
}

json_t *openai_timings(const struct job *j)
{
    const infer_generate_result *const r = &j->answers[0].result;
    const double prompt = r->prompt_seconds, text = r->generate_seconds;
    return json_pack("{s:I, s:I, s:f, s:f, s:I, s:f, s:f, s:f}", "cache_n", (json_int_t)r->n_cached, "prompt_n",
                     (json_int_t)r->n_prompt, "prompt_ms", prompt * 1e3, "prompt_per_second",
                     prompt > 0 ? (double)r->n_prompt / prompt : 0.0, "predicted_n", (json_int_t)r->n_generated,
                     "predicted_ms", text * 1e3, "predicted_per_second", text > 0 ? (double)r->n_generated / text : 0.0,
                     "queue_ms", r->queue_seconds * 1e3);
}

void openai_id(struct job *j, const char *prefix)
{
    snprintf(j->id, sizeof j->id, "%s%s", prefix, j->x->id);
}

void openai_stream_begin(struct job *j)
{
    exchange_stream(j->x, "text/event-stream");
}

void openai_stream_fail(struct job *j, const infer_error *err)
{
    struct text body = { 0 };
    write_error(&body, OPENAI, http_status(err->code), NULL, NULL, err->message);
    write_event(j->x, NULL, json_loads(text_string(&body), 0, NULL));
    text_free(&body);
}

json_t *openai_head(const struct job *j, const char *object)
{
    return json_pack("{s:s, s:s, s:I, s:s, s:s}", "id", j->id, "object", object, "created", (json_int_t)j->created,
                     "model", j->model->id, "system_fingerprint", "libinfer");
}

void openai_stream_end(struct job *j, const char *object)
{
    if (openai_wants_usage(j)) {
        json_t *const last = openai_head(j, object);
        json_object_update_new(last, json_pack("{s:[], s:o, s:o}", "choices", "usage", openai_usage(j), "timings",
                                               openai_timings(j)));
        write_event(j->x, NULL, last);
    }
    openai_stream_done(j);
}

void openai_stream_done(struct job *j)
{
    static const char done[] = "data: [DONE]\n\n";
    exchange_write(j->x, done, sizeof done - 1);
    exchange_end(j->x);
}
