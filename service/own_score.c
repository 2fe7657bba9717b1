/* own_score.c - POST /score: how likely texts are, to a model that writes none. */
#include "service/own.h"
#include "service/prompts.h"
#include "service/scoring.h"
#include "service/service.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TEXTS = 1024, MAX_SCORED = 1 << 20 /* tokens of all texts */ };

/* What texts come behind. */
struct context {
    const json_t *sent; /* NULL: nothing */
    struct ids ids;     /* of nothing: the token that begins a text */
};

/* Tokens that two texts begin with. */
static size_t common(const struct ids *a, const struct ids *b)
{
    size_t n = 0;
    while (n < a->n && n < b->n && a->v[n] == b->v[n])
        n++;
    return n;
}

/* A text behind a context. Two strings are read as one, as a token may reach over the seam: what counts begins where
 * the whole is no longer as the context is by itself. Returns how many tokens do not count. */
static size_t read_text(struct ids *whole, const infer_tokenizer *tokenizer, struct fields *f,
                        const struct context *context, const json_t *text)
{
    infer_error err = { 0 };
    if (json_is_string(text) && json_string_length(context->sent)) {
        struct text both = { 0 };
        text_add(&both, json_string_value(context->sent), json_string_length(context->sent));
        text_add(&both, json_string_value(text), json_string_length(text));
        if (both.failed || !ids_add_prompt(whole, tokenizer, both.v, both.n, &err))
            field_wrong(f, "continuations", "%s", both.failed ? "no memory for a text" : err.message);
        text_free(&both);
        return common(&context->ids, whole);
    }
    if (context->sent || json_is_string(text))
        ids_add(whole, context->ids.v, context->ids.n);
    const size_t from = whole->n;
    if (!json_is_string(text))
        read_prompt(whole, tokenizer, f, "continuations", text);
    else if (!ids_add_text(whole, tokenizer, json_string_value(text), json_string_length(text), INFER_PARSE_SPECIAL,
                           &err))
        field_wrong(f, "continuations", "%s", err.message);
    return from;
}

/* Tokens with their log-probabilities, from one on. */
static json_t *score_json(const infer_tokenizer *tokenizer, size_t index, const struct ids *ids, size_t from,
                          const float *logprobs, const infer_logprob *top)
{
    json_t *const tokens = json_array();
    double sum = 0;
    bool greedy = true;
    for (size_t i = 0; i < ids->n - from; i++) {
        char bytes[512];
        const size_t n = token_bytes(tokenizer, ids->v[from + i], bytes, sizeof bytes);
        const bool known = !isnan(logprobs[i]);
        sum += known ? finite_logprob(logprobs[i]) : 0;
        greedy &= !known || top[i].id == ids->v[from + i];
        json_array_append_new(tokens, json_pack("{s:i, s:o, s:o}", "id", (int)ids->v[from + i], "token",
                                                token_string(bytes, n), "logprob",
                                                known ? json_real(finite_logprob(logprobs[i])) : json_null()));
    }
    return json_pack("{s:I, s:f, s:b, s:o}", "index", (json_int_t)index, "logprob", sum, "greedy", (int)greedy,
                     "tokens", tokens);
}

static json_t *score_text(struct scorer *s, size_t index, const struct ids *ids, size_t from, infer_error *err)
{
    const size_t n = ids->n - from;
    float *const logprobs = malloc((n + 1) * sizeof *logprobs);
    infer_logprob *const top = malloc((n + 1) * sizeof *top);
    json_t *all = NULL;
    if (logprobs && top && scorer_tell(s, ids->v, from, ids->n, logprobs, top, 1, err))
        all = score_json(infer_model_tokenizer(s->model->model), index, ids, from, logprobs, top);
    free(logprobs);
    free(top);
    return all;
}

static json_t *score_all(struct scorer *s, struct fields *f, const struct context *context, const json_t *texts,
                         infer_error *err)
{
    const infer_tokenizer *const tokenizer = infer_model_tokenizer(s->model->model);
    json_t *const all = json_array(), *text;
    size_t i, n_tokens = context->ids.n;
    json_array_foreach(texts, i, text) {
        struct ids ids = { 0 };
        const size_t from = read_text(&ids, tokenizer, f, context, text);
        n_tokens += ids.n - from;
        if (ids.failed)
            field_wrong(f, "continuations", "no memory for a text");
        if (n_tokens > MAX_SCORED)
            field_wrong(f, "continuations", "expected at most %d tokens in all", MAX_SCORED);
        json_t *const one = f->param ? NULL : score_text(s, i, &ids, from, err);
        ids_free(&ids);
        if (!one) {
            json_decref(all);
            return NULL;
        }
        json_array_append_new(all, one);
    }
    atomic_fetch_add(&s->x->service->figures.n_prompt, n_tokens);
    s->x->n_prompt = n_tokens;
    return all;
}

static void answer(struct job *j, struct fields *f, const struct context *context, const json_t *texts)
{
    infer_error err = { 0 };
    struct scorer s;
    json_t *all = NULL;
    if (scorer_open(&s, j, &err)) {
        all = score_all(&s, f, context, texts, &err);
        scorer_close(&s);
    }
    if (all)
        exchange_answer_json(j->x, 200,
                             json_pack("{s:s, s:s, s:o, s:{s:I, s:I}}", "object", "scores", "model", j->model->id,
                                       "scores", all, "usage", "prompt_tokens", (json_int_t)j->x->n_prompt,
                                       "total_tokens", (json_int_t)j->x->n_prompt));
    else if (!fields_fail(f, j->x))
        scorer_fail(j->x, NULL, &err);
}

void score(infer_exchange *x)
{
    json_t *const body = exchange_json(x);
    struct job *const j = body ? job_open(x, body, NULL) : NULL;
    if (!j)
        return;
    const infer_tokenizer *const tokenizer = infer_model_tokenizer(j->model->model);
    struct fields f = fields_of(body);
    json_t *const list = field_array(&f, "texts"), *const behind = field_array(&f, "continuations");
    const json_t *const texts = list ? list : behind, *const sent = field_any(&f, "context");
    struct context context = { .sent = sent };
    infer_error err = { 0 };
    job_read_adapters(j, &f);
    if (!list == !behind || (list && sent))
        field_wrong(&f, list ? "texts" : "continuations", "expected a context and continuations to it, or texts alone");
    if (json_array_size(texts) < 1 || json_array_size(texts) > MAX_TEXTS)
        field_wrong(&f, list ? "texts" : "continuations", "expected 1 to %d texts, found %zu", MAX_TEXTS,
                    json_array_size(texts));
    if (sent)
        read_prompt(&context.ids, tokenizer, &f, "context", sent);
    else if (!ids_add_prompt(&context.ids, tokenizer, "", 0, &err))
        context.ids.n = 0; /* there is no such token: the first one of a text follows nothing */
    if (!fields_fail(&f, x))
        answer(j, &f, &context, texts);
    ids_free(&context.ids);
    job_free(j);
}
