/* llama_completion.c - POST /completion and POST /infill, in the form of llama.cpp's server. */
#include "service/llama.h"

#include "service/openai.h"
#include "service/prompts.h"
#include "service/service.h"

#include <stdlib.h>
#include <string.h>

struct completion {
    int64_t n_probs;
    bool return_tokens;
};

/* ---- Answers ---- */

/* Ids of the tokens of an answer from one on, where they were asked for. */
static json_t *token_ids(const struct answer *a, size_t from)
{
    const struct completion *const c = a->job->state;
    json_t *const list = json_array();
    for (size_t i = from; c->return_tokens && i < json_array_size(a->tokens); i++)
        json_array_append(list, json_object_get(json_array_get(a->tokens, i), "id"));
    return list;
}

static void add_probabilities(const struct answer *a, json_t *to, size_t from)
{
    const struct completion *const c = a->job->state;
    json_t *const list = c->n_probs ? json_array() : NULL;
    for (size_t i = from; i < json_array_size(a->tokens); i++)
        json_array_append(list, json_array_get(a->tokens, i));
    if (list)
        json_object_set_new(to, "completion_probabilities", list);
}

static json_t *settings(const struct job *j)
{
    const struct completion *const c = j->state;
    json_t *const stops = json_array();
    for (size_t i = 0; i < j->generate.n_stops; i++)
        json_array_append_new(stops, json_string(j->stops[i]));
    return json_pack("{s:i, s:I, s:f, s:i, s:f, s:f, s:f, s:b, s:b, s:I, s:o}", "n_predict", (int)j->generate.n_predict,
                     "seed", (json_int_t)j->sampler.seed, "temperature", (double)j->sampler.temperature, "top_k",
                     (int)j->sampler.top_k, "top_p", (double)j->sampler.top_p, "min_p", (double)j->sampler.min_p,
                     "repeat_penalty", (double)j->sampler.repeat_penalty, "stream", (int)j->stream, "ignore_eos",
                     (int)j->generate.ignore_end, "n_probs", (json_int_t)c->n_probs, "stop", stops);
}

static const char *stop_type(infer_stop_reason reason)
{
    switch (reason) {
    case INFER_STOP_STRING: return "word";
    case INFER_STOP_LENGTH:
    case INFER_STOP_FULL: return "limit";
    default: return "eos";
    }
}

static const char *stop_word(const struct answer *a)
{
    return a->result.reason == INFER_STOP_STRING && a->result.stop < a->job->generate.n_stops
               ? a->job->stops[a->result.stop] : "";
}

/* The end of an answer, with its text or, in a stream, without. */
static json_t *last(const struct answer *a, const char *text, size_t length, size_t from)
{
    const struct job *const j = a->job;
    const infer_generate_result *const r = &a->result;
    const json_int_t n = (json_int_t)(r->n_prompt + r->n_cached);
    json_t *const all = json_pack("{s:i, s:s%, s:o, s:i, s:s, s:s, s:b, s:I, s:I, s:o, s:O, s:b, s:s, s:s, s:b, s:I}",
                                  "index", a->index, "content", text, length, "tokens", token_ids(a, from), "id_slot",
                                  -1, "model", j->model->id, "object", "text_completion", "stop", 1, "tokens_predicted",
                                  (json_int_t)r->n_generated, "tokens_evaluated", n, "generation_settings", settings(j),
                                  "prompt", json_object_get(j->body, "prompt") ?: json_null(), "has_new_line",
                                  a->content.v && strchr(a->content.v, '\n'), "stop_type", stop_type(r->reason),
                                  "stopping_word", stop_word(a), "truncated", 0, "tokens_cached", (json_int_t)r->n_cached);
    json_object_set_new(all, "timings", openai_timings(j));
    add_probabilities(a, all, from);
    return all;
}

static void piece(struct job *j, struct answer *a, infer_chat_part part, const char *text, size_t length)
{
    (void)part;
    json_t *const all = json_pack("{s:i, s:s%, s:o, s:i, s:b}", "index", a->index, "content", text, length, "tokens",
                                  token_ids(a, a->n_shown), "id_slot", -1, "stop", 0);
    add_probabilities(a, all, a->n_shown);
    write_event(j->x, NULL, all);
}

static void end(struct job *j)
{
    json_t *const all = json_array();
    for (int i = 0; i < j->n_answers; i++) {
        const struct answer *const a = &j->answers[i];
        if (j->stream)
            write_event(j->x, NULL, last(a, "", 0, a->n_shown));
        else
            json_array_append_new(all, last(a, text_string(&a->content), a->content.n, 0));
    }
    if (j->stream)
        exchange_end(j->x);
    else if (j->n_answers == 1)
        exchange_answer_json(j->x, 200, json_incref(json_array_get(all, 0)));
    else
        exchange_answer_json(j->x, 200, json_incref(all));
    json_decref(all);
}

static const struct writer writer = { openai_stream_begin, piece, end, openai_stream_fail };

/* ---- Requests ---- */

static struct job *open_job(infer_exchange *x, struct fields *f)
{
    json_t *const body = exchange_json(x);
    struct job *const j = body ? job_open(x, body, &writer) : NULL;
    struct completion *const c = j ? calloc(1, sizeof *c) : NULL;
    if (j && !c)
        job_fail(j, 500, NULL, NULL, "no memory for a request");
    if (!c)
        return NULL;
    *f = fields_of(j->body);
    j->state = c;
    openai_id(j, "cmpl-");
    openai_read(j, f);
    openai_read_format(j, f);
    c->n_probs = field_integer(f, "n_probs", 0, 0, INFER_MAX_TOP);
    c->return_tokens = field_flag(f, "return_tokens", false);
    if (field_flag(f, "post_sampling_probs", false))
        field_wrong(f, "post_sampling_probs", "probabilities are those of the model, before any sampling");
    if (c->n_probs || c->return_tokens)
        j->generate.on_token = job_on_token;
    j->generate.n_top = (size_t)c->n_probs;
    return j;
}

/* A job that has been read. */
static void start(struct job *j, struct fields *f)
{
    if ((int64_t)j->n_prompts * j->request.n > MAX_PROMPTS)
        field_wrong(f, "n", "expected at most %d answers to all prompts", MAX_PROMPTS);
    if (fields_fail(f, j->x))
        job_free(j);
    else if (j->generate.n_predict)
        job_start(j);
    else
        job_end_empty(j);
}

void completion(infer_exchange *x)
{
    struct fields f;
    struct job *const j = open_job(x, &f);
    if (!j)
        return;
    job_read_prompts(j, &f, "prompt", field_any(&f, "prompt"));
    start(j, &f);
}

void infill(infer_exchange *x)
{
    struct fields f;
    struct job *const j = open_job(x, &f);
    if (!j)
        return;
    const struct hole hole = { .prefix = field_any(&f, "input_prefix"), .suffix = field_any(&f, "input_suffix"),
                               .prompt = field_any(&f, "prompt"), .extra = field_any(&f, "input_extra") };
    if (!hole.prefix && !hole.suffix)
        field_wrong(&f, "input_prefix", "expected input_prefix, input_suffix or both");
    job_read_hole(j, &f, "input_prefix", &hole);
    start(j, &f);
}
