/* openai_completions.c - POST /v1/completions
 *
 * With `echo` and `logprobs` the prompts are evaluated in a session first, as a scheduler's requests tell nothing of
 * them; what then follows them is the scheduler's again, which finds the session's work in the model's cache. */
#include "service/errors.h"
#include "service/openai.h"
#include "service/prompts.h"
#include "service/scoring.h"
#include "service/service.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { USUAL_LENGTH = 16, MAX_COMPLETIONS = 1024, MAX_TOLD = 1 << 20 /* log-probabilities of prompts */ };

/* How far the text of an answer is. */
struct place {
    infer_stream stream;
    size_t chars; /* code points */
};

struct completion {
    bool echo, logprobs;
    int n_top, n_prompts;
    struct text *prompts;  /* n_prompts: their text, where it is shown */
    json_t **told;         /* n_prompts: their tokens as entry() has them, where they are shown; or NULL */
    struct place *places;  /* n_prompts: where their text begins; then one for each answer */
};

static void free_completion(void *state)
{
    struct completion *const c = state;
    for (int i = 0; i < c->n_prompts; i++) {
        text_free(&c->prompts[i]);
        json_decref(c->told[i]);
    }
    free(c->prompts);
    free(c->told);
    free(c->places);
    free(c);
}

static const infer_tokenizer *tokenizer_of(const struct job *j)
{
    return infer_model_tokenizer(j->model->model);
}

/* ---- Log-probabilities in the form of this route ---- */

/* A token's text; if that is no UTF-8, its bytes, as OpenAI writes them. */
static void token_name(const infer_tokenizer *tokenizer, int32_t id, struct text *name)
{
    char bytes[512];
    const size_t n = token_bytes(tokenizer, id, bytes, sizeof bytes);
    json_t *const whole = json_stringn(bytes, n);
    json_decref(whole);
    name->n = 0;
    if (whole) {
        text_add(name, bytes, n);
        return;
    }
    text_add_string(name, "bytes:");
    for (size_t i = 0; i < n; i++)
        text_printf(name, "\\x%02x", (unsigned char)bytes[i]);
}

static void go_on(struct place *p, const infer_tokenizer *tokenizer, int32_t id)
{
    char text[2048];
    size_t n = 0;
    infer_tokenizer_stream(tokenizer, &p->stream, id, text, sizeof text, &n, NULL);
    for (size_t i = 0; i < n; i++)
        p->chars += ((unsigned char)text[i] & 0xc0) != 0x80;
}

/* A token at its place, which goes on: {"token", "logprob", "top": {T: number}, "offset"}. */
static json_t *entry(const infer_tokenizer *tokenizer, struct place *place, int32_t id, float logprob,
                     const infer_logprob *top, size_t n_top)
{
    struct text name = { 0 };
    json_t *const others = isnan(logprob) ? json_null() : json_object();
    for (size_t i = n_top; i-- > 0;) /* of two tokens of the same text the likelier one counts */
        if (top[i].id >= 0) {
            token_name(tokenizer, top[i].id, &name);
            json_object_set_new(others, text_string(&name), json_real(finite_logprob(top[i].logprob)));
        }
    token_name(tokenizer, id, &name);
    if (!json_object_get(others, text_string(&name)))
        json_object_set_new(others, text_string(&name), json_real(finite_logprob(logprob)));
    json_t *const all = json_pack("{s:s%, s:o, s:o, s:I}", "token", text_string(&name), name.n, "logprob",
                                  isnan(logprob) ? json_null() : json_real(finite_logprob(logprob)), "top", others,
                                  "offset", (json_int_t)place->chars);
    text_free(&name);
    go_on(place, tokenizer, id);
    return all;
}

static void on_token(void *user, int32_t id, float logprob, const infer_logprob *top, size_t n_top)
{
    struct answer *const a = user;
    const struct completion *const c = a->job->state;
    a->tokens = a->tokens ? a->tokens : json_array();
    json_array_append_new(a->tokens, entry(tokenizer_of(a->job), &c->places[c->n_prompts + a->index], id, logprob, top,
                                           n_top));
}

static void add_entries(json_t *lists, const json_t *entries, size_t from)
{
    for (size_t i = from; i < json_array_size(entries); i++) {
        json_t *const one = json_array_get(entries, i);
        json_array_append(json_object_get(lists, "tokens"), json_object_get(one, "token"));
        json_array_append(json_object_get(lists, "token_logprobs"), json_object_get(one, "logprob"));
        json_array_append(json_object_get(lists, "top_logprobs"), json_object_get(one, "top"));
        json_array_append(json_object_get(lists, "text_offset"), json_object_get(one, "offset"));
    }
}

/* Those of a prompt, if there are any, and of an answer from one on. */
static json_t *logprobs(const struct completion *c, const json_t *prompt, const json_t *tokens, size_t from)
{
    if (!c->logprobs)
        return json_null();
    json_t *const lists =
        json_pack("{s:[], s:[], s:[], s:[]}", "tokens", "token_logprobs", "top_logprobs", "text_offset");
    add_entries(lists, prompt, 0);
    add_entries(lists, tokens, from);
    return lists;
}

/* ---- Answers ---- */

static int prompt_of(const struct answer *a)
{
    return a->index / a->job->request.n;
}

/* reason NULL: it goes on. */
static json_t *choice(const struct answer *a, const char *text, size_t length, json_t *taken, const char *reason)
{
    return json_pack("{s:s%, s:i, s:o, s:s?}", "text", text, length, "index", a->index, "logprobs", taken,
                     "finish_reason", reason);
}

static void write_chunk(const struct answer *a, const char *text, size_t length, json_t *taken, const char *reason)
{
    json_t *const chunk = openai_head(a->job, "text_completion");
    json_object_set_new(chunk, "choices", json_pack("[o]", choice(a, text, length, taken, reason)));
    write_event(a->job->x, NULL, chunk);
}

static void begin(struct job *j)
{
    const struct completion *const c = j->state;
    openai_stream_begin(j);
    for (int i = 0; i < j->n_answers && c->echo; i++) {
        const struct answer *const a = &j->answers[i];
        const struct text *const prompt = &c->prompts[prompt_of(a)];
        write_chunk(a, text_string(prompt), prompt->n, logprobs(c, c->told[prompt_of(a)], NULL, 0), NULL);
    }
}

static void piece(struct job *j, struct answer *a, infer_chat_part part, const char *text, size_t length)
{
    (void)part;
    write_chunk(a, text, length, logprobs(j->state, NULL, a->tokens, a->n_shown), NULL);
}

static json_t *whole_choice(const struct answer *a)
{
    const struct completion *const c = a->job->state;
    struct text all = { 0 };
    if (c->echo)
        text_add(&all, text_string(&c->prompts[prompt_of(a)]), c->prompts[prompt_of(a)].n);
    text_add(&all, text_string(&a->content), a->content.n);
    json_t *const whole = choice(a, text_string(&all), all.n, logprobs(c, c->told[prompt_of(a)], a->tokens, 0),
                                 finish_reason(a));
    text_free(&all);
    return whole;
}

static void end(struct job *j)
{
    if (j->stream) {
        for (int i = 0; i < j->n_answers; i++) {
            const struct answer *const a = &j->answers[i];
            write_chunk(a, "", 0, logprobs(j->state, NULL, a->tokens, a->n_shown), finish_reason(a));
        }
        openai_stream_end(j, "text_completion");
        return;
    }
    json_t *const answer = openai_head(j, "text_completion"), *const choices = json_array();
    for (int i = 0; i < j->n_answers; i++)
        json_array_append_new(choices, whole_choice(&j->answers[i]));
    json_object_set_new(answer, "choices", choices);
    json_object_set_new(answer, "usage", openai_usage(j));
    json_object_set_new(answer, "timings", openai_timings(j));
    exchange_answer_json(j->x, 200, answer);
}

static const struct writer writer = { begin, piece, end, openai_stream_fail };

/* ---- The request ---- */

static void read_prompt_or_hole(struct job *j, struct fields *f)
{
    if (!field_any(f, "prompt"))
        json_object_set_new(j->body, "prompt", json_string(""));
    json_t *const prompt = field_any(f, "prompt"), *const suffix = field_any(f, "suffix");
    const struct hole hole = { .prefix = prompt, .suffix = suffix };
    if (suffix && !json_is_string(suffix))
        field_wrong(f, "suffix", "expected a string, found %s", json_kind(suffix));
    else if (suffix && *json_string_value(suffix) && field_flag(f, "echo", false))
        field_wrong(f, "echo", "a text with a hole is not shown");
    else if (suffix && *json_string_value(suffix))
        job_read_hole(j, f, "suffix", &hole);
    else
        job_read_prompts(j, f, "prompt", prompt);
}

static void read_options(struct job *j, struct fields *f)
{
    struct completion *const c = j->state;
    const bool told = field_any(f, "logprobs");
    openai_read(j, f);
    if (!field_any(f, "max_tokens") && !field_any(f, "max_completion_tokens") && !field_any(f, "n_predict"))
        job_set_length(j, USUAL_LENGTH);
    c->echo = field_flag(f, "echo", false);
    c->n_top = (int)field_integer(f, "logprobs", 0, 0, INFER_MAX_TOP);
    c->logprobs = told;
    j->generate.on_token = told ? on_token : NULL;
    j->generate.n_top = (size_t)c->n_top;
    j->request.best_of = (int32_t)field_integer(f, "best_of", j->request.n, j->request.n, MAX_ANSWERS);
    if (j->stream && j->request.best_of > j->request.n)
        field_wrong(f, "best_of", "the best are known at the end only, so that they cannot be streamed");
}

/* Text of a prompt as it was sent. Ids that stand for no text are written by name. */
static void show_prompt(struct job *j, int i)
{
    const struct completion *const c = j->state;
    const json_t *const sent = json_object_get(j->body, "prompt");
    const json_t *const one = json_is_array(sent) && json_is_string(json_array_get(sent, (size_t)i)) &&
                              (size_t)j->n_prompts == json_array_size(sent) ? json_array_get(sent, (size_t)i) : sent;
    if (json_is_string(one)) {
        text_add(&c->prompts[i], json_string_value(one), json_string_length(one));
        return;
    }
    size_t n_ids, n = 0;
    const int32_t *const ids = job_prompt(j, i, &n_ids);
    infer_tokenizer_decode(tokenizer_of(j), ids, n_ids, INFER_UNPARSE_SPECIAL, NULL, 0, &n, NULL);
    char *const text = malloc(n + 1);
    if (text)
        infer_tokenizer_decode(tokenizer_of(j), ids, n_ids, INFER_UNPARSE_SPECIAL, text, n, &n, NULL);
    text_add(&c->prompts[i], text ? text : "", text ? n : 0);
    free(text);
}

/* How many of a prompt's first ids are not of its text, but were put before it. */
static size_t n_before(const struct job *j, int i)
{
    const struct completion *const c = j->state;
    const json_t *const sent = json_object_get(j->body, "prompt");
    size_t n;
    const int32_t *const ids = job_prompt(j, i, &n);
    const int32_t bos = infer_tokenizer_bos(tokenizer_of(j));
    size_t length = 0;
    const char *const name = bos >= 0 ? infer_tokenizer_token(tokenizer_of(j), bos, &length) : NULL;
    const bool text = !json_is_array(sent) || json_is_string(json_array_get(sent, (size_t)i));
    const struct text *const prompt = &c->prompts[i];
    const bool written = name && prompt->n >= length && !memcmp(text_string(prompt), name, length);
    return text && !written && ids[0] == bos;
}

static bool make_state(struct job *j, struct fields *f)
{
    struct completion *const c = j->state;
    const size_t n = (size_t)j->n_prompts, n_answers = n * (size_t)j->request.n;
    if (n_answers > MAX_COMPLETIONS)
        field_wrong(f, "n", "expected at most %d answers to all prompts, found %zu", MAX_COMPLETIONS, n_answers);
    if (c->echo && c->logprobs && j->n_ids * (size_t)(c->n_top + 1) > MAX_TOLD)
        field_wrong(f, "logprobs", "%zu tokens with %d others each are more than %d numbers", j->n_ids, c->n_top,
                    MAX_TOLD);
    if (f->param)
        return false;
    c->prompts = calloc(n, sizeof *c->prompts);
    c->told = calloc(n, sizeof *c->told);
    c->places = calloc(n + n_answers, sizeof *c->places);
    c->n_prompts = c->prompts && c->told ? j->n_prompts : 0;
    if (!c->n_prompts || !c->places)
        field_wrong(f, "prompt", "no memory for %zu prompts", n);
    for (int i = 0; i < j->n_prompts && !f->param; i++) {
        if (c->echo || c->logprobs)
            show_prompt(j, i);
        c->places[i].stream.flags = INFER_UNPARSE_SPECIAL;
    }
    return !f->param;
}

/* The answers' texts begin where those of their prompts end. */
static void start(struct job *j)
{
    struct completion *const c = j->state;
    for (int i = 0; i < j->n_prompts && c->logprobs; i++) {
        size_t n;
        const int32_t *const ids = job_prompt(j, i, &n);
        for (size_t k = n_before(j, i); k < n && !c->told[i]; k++)
            go_on(&c->places[i], tokenizer_of(j), ids[k]);
        for (int k = 0; k < j->request.n; k++)
            c->places[c->n_prompts + i * j->request.n + k] = c->places[i];
    }
    if (j->generate.n_predict)
        job_start(j);
    else
        job_end_empty(j);
}

static bool tell_prompt(struct job *j, struct scorer *s, int i, infer_error *err)
{
    struct completion *const c = j->state;
    size_t n;
    const int32_t *const ids = job_prompt(j, i, &n);
    const size_t n_top = (size_t)c->n_top;
    float *const logprobs = malloc(n * sizeof *logprobs);
    infer_logprob *const top = calloc(n * n_top + 1, sizeof *top);
    bool good = logprobs && top;
    if (!good)
        service_error(err, INFER_E_NOMEM, "no memory for the log-probabilities of %zu tokens", n);
    good = good && scorer_tell(s, ids, 0, n, logprobs, top, n_top, err);
    c->told[i] = json_array();
    for (size_t k = n_before(j, i); k < n && good; k++)
        json_array_append_new(c->told[i], entry(tokenizer_of(j), &c->places[i], ids[k], logprobs[k], top + k * n_top,
                                                n_top));
    free(logprobs);
    free(top);
    return good;
}

static void tell_prompts(void *user)
{
    struct job *const j = user;
    infer_exchange *const x = j->x;
    infer_error err = { 0 };
    struct scorer s;
    bool good = scorer_open(&s, j, &err);
    if (good) {
        for (int i = 0; i < j->n_prompts && good; i++)
            good = tell_prompt(j, &s, i, &err);
        scorer_close(&s);
    }
    if (good) {
        start(j);
    } else {
        scorer_fail(x, "prompt", &err);
        job_free(j);
    }
}

void completions(infer_exchange *x)
{
    json_t *const body = exchange_json(x);
    struct job *const j = body ? job_open(x, body, &writer) : NULL;
    if (!j)
        return;
    struct fields f = fields_of(j->body);
    struct completion *const c = calloc(1, sizeof *c);
    j->state = c;
    j->free_state = free_completion;
    openai_id(j, "cmpl-");
    if (!c) {
        job_fail(j, 500, NULL, NULL, "no memory for a request");
        return;
    }
    read_options(j, &f);
    openai_read_format(j, &f);
    read_prompt_or_hole(j, &f);
    if (fields_fail(&f, x) || (!make_state(j, &f) && fields_fail(&f, x)))
        job_free(j);
    else if (!c->echo || !c->logprobs)
        start(j);
    else if (!workers_add(&x->service->computing, tell_prompts, j))
        job_fail(j, 503, NULL, NULL, "too many requests wait already");
}
