/* openai_chat.c - POST /v1/chat/completions */
#include "service/conversation.h"
#include "service/openai.h"
#include "service/service.h"

#include <stdlib.h>
#include <string.h>

/* The tokens of an answer from one on; null where nobody asked for them. */
static json_t *logprobs(const struct answer *a, size_t from)
{
    if (!a->job->generate.on_token)
        return json_null();
    json_t *const list = json_array();
    for (size_t i = from; i < json_array_size(a->tokens); i++)
        json_array_append(list, json_array_get(a->tokens, i));
    return json_pack("{s:o, s:o}", "content", list, "refusal", json_null());
}

/* ---- A stream ---- */

/* An event; the delta is released. reason NULL: the answer goes on. */
static void write_chunk(const struct answer *a, json_t *delta, const char *reason)
{
    json_t *const chunk = openai_head(a->job, "chat.completion.chunk");
    json_object_set_new(chunk, "choices",
                        json_pack("[{s:i, s:o, s:o, s:s?}]", "index", a->index, "delta", delta, "logprobs",
                                  logprobs(a, a->n_shown), "finish_reason", reason));
    write_event(a->job->x, NULL, chunk);
}

static void begin(struct job *j)
{
    openai_stream_begin(j);
    for (int i = 0; i < j->request.n; i++)
        write_chunk(&j->answers[i], json_pack("{s:s, s:s}", "role", "assistant", "content", ""), NULL);
}

static void piece(struct job *j, struct answer *a, infer_chat_part part, const char *text, size_t length)
{
    const int call = (int)json_array_size(a->calls) - 1;
    (void)j;
    switch (part) {
    case INFER_CHAT_CONTENT:
        write_chunk(a, json_pack("{s:s%}", "content", text, length), NULL);
        break;
    case INFER_CHAT_REASONING:
        write_chunk(a, json_pack("{s:s%}", "reasoning_content", text, length), NULL);
        break;
    case INFER_CHAT_CALL: {
        json_t *const whole = answer_call(a, (size_t)call);
        json_object_set_new(whole, "index", json_integer(call));
        write_chunk(a, json_pack("{s:[o]}", "tool_calls", whole), NULL);
        break;
    }
    default:
        write_chunk(
            a, json_pack("{s:[{s:i, s:{s:s%}}]}", "tool_calls", "index", call, "function", "arguments", text, length),
            NULL);
    }
}

static void end_stream(struct job *j)
{
    for (int i = 0; i < j->request.n; i++)
        write_chunk(&j->answers[i], json_object(), finish_reason(&j->answers[i]));
    openai_stream_end(j, "chat.completion.chunk");
}

/* ---- A whole answer ---- */

static json_t *choice(const struct answer *a)
{
    json_t *const message = json_pack("{s:s, s:s%, s:n}", "role", "assistant", "content", text_string(&a->content),
                                      a->content.n, "refusal");
    if (a->reasoning.n)
        json_object_set_new(message, "reasoning_content", json_stringn(a->reasoning.v, a->reasoning.n));
    if (a->calls) {
        json_object_set(message, "tool_calls", a->calls);
        if (!a->content.n)
            json_object_set_new(message, "content", json_null());
    }
    return json_pack("{s:i, s:o, s:o, s:s}", "index", a->index, "message", message, "logprobs", logprobs(a, 0),
                     "finish_reason", finish_reason(a));
}

static void end(struct job *j)
{
    if (j->stream) {
        end_stream(j);
        return;
    }
    json_t *const answer = openai_head(j, "chat.completion"), *const choices = json_array();
    for (int i = 0; i < j->request.n; i++)
        json_array_append_new(choices, choice(&j->answers[i]));
    json_object_set_new(answer, "choices", choices);
    json_object_set_new(answer, "usage", openai_usage(j));
    json_object_set_new(answer, "timings", openai_timings(j));
    exchange_answer_json(j->x, 200, answer);
}

static const struct writer writer = { begin, piece, end, openai_stream_fail };

/* ---- The request ---- */

static void read_logprobs(struct job *j, struct fields *f)
{
    const int64_t top = field_integer(f, "top_logprobs", 0, 0, INFER_MAX_TOP);
    if (field_flag(f, "logprobs", false))
        j->generate.on_token = job_on_token;
    else if (top)
        field_wrong(f, "top_logprobs", "needs logprobs to be true");
    j->generate.n_top = (size_t)top;
}

void chat_completions(infer_exchange *x)
{
    json_t *const body = exchange_json(x);
    struct job *const j = body ? job_open(x, body, &writer) : NULL;
    if (!j)
        return;
    struct fields f = fields_of(j->body);
    openai_id(j, "chatcmpl-");
    j->messages = conversation_messages(&f, "messages", field_any(&f, "messages"));
    openai_read(j, &f);
    openai_read_format(j, &f);
    read_logprobs(j, &f);
    job_set_tools(j, &f, "tools", field_array(&f, "tools"));
    job_set_tool_choice(j, &f, "tool_choice", field_any(&f, "tool_choice"));
    job_set_variables(j, &f, "chat_template_kwargs", field_any(&f, "chat_template_kwargs"));
    openai_read_effort(j, &f, "reasoning_effort", field_any(&f, "reasoning_effort"));
    j->setup.single_call = !field_flag(&f, "parallel_tool_calls", true);
    j->setup.reasoning_budget = (int32_t)field_integer(&f, "reasoning_budget", j->setup.reasoning_budget, -1,
                                                       INT32_MAX);
    if (fields_fail(&f, x))
        job_free(j);
    else
        job_start(j);
}
