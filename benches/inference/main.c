/* main.c - the suite inference: whole models through the public API. Cases are named model/what/how many/threads.
 * "tiny" is a llama 32 wide with 2 layers, one head and a vocabulary of 100, in floats; "default" the model in the
 * library. */
#include "benches/shim.h"
#include "infer.h"

#include <stdio.h>
#include <stdlib.h>

struct subject {
    const char *name;
    int n_threads;
    bool has_text; /* a vocabulary of words */
    infer_context *context;
    infer_model *model;
    infer_session *session;
    infer_model_info info;
};

struct run {
    struct subject *subject;
    int n;
    infer_sampler_options sampling;
    bool text;
    int n_batch; /* of a session of its own */
};

enum { PROMPT = 256 };

static void must(bool good, const infer_error *err)
{
    if (good)
        return;
    fprintf(stderr, "inference: %s\n", err->message);
    exit(1);
}

static infer_session *open_session(const struct subject *s, int n_ctx, int n_batch)
{
    infer_error err = { 0 };
    infer_session_options options = infer_session_defaults();
    options.n_ctx = n_ctx;
    options.n_batch = n_batch;
    infer_session *session = infer_session_open(s->model, &options, &err);
    must(session, &err);
    return session;
}

static void open_subject(struct subject *s)
{
    infer_error err = { 0 };
    infer_context_options options = infer_context_defaults();
    if (s->session)
        return;
    options.n_threads = s->n_threads;
    options.cpu = getenv("INFER_CPU");
    s->context = infer_context_open(&options, &err);
    must(s->context, &err);
    s->model = strcmp(s->name, "tiny") ? infer_model_open_default(s->context, NULL, &err)
                                       : infer_model_open(s->context, TINY_MODEL, NULL, &err);
    must(s->model, &err);
    s->info.size = sizeof s->info;
    infer_model_get_info(s->model, &s->info);
    s->session = open_session(s, 64, 0);
}

/* Evaluate n tokens from an empty session, logits of the last. */
static void run_forward(struct bench *b, const void *arg)
{
    const struct run *r = arg;
    struct subject *s = r->subject;
    int32_t ids[32];
    bool good = true;
    open_subject(s);
    for (int i = 0; i < r->n; i++)
        ids[i] = (i * 7 + 3) % s->info.n_vocab;
    while (bench_next(b)) {
        good = good && infer_session_rewind(s->session, 0, NULL) == INFER_OK;
        good = good && infer_session_eval(s->session, ids, (size_t)r->n, NULL) == INFER_OK;
    }
    if (!good)
        bench_skip(b, "evaluation fails");
    bench_items(b, r->n);
}

/* A prompt, n_batch tokens at a time, logits of the last. */
static void run_prompt(struct bench *b, const void *arg)
{
    const struct run *r = arg;
    struct subject *s = r->subject;
    int32_t ids[PROMPT];
    bool good = true;
    open_subject(s);
    for (int i = 0; i < PROMPT; i++)
        ids[i] = (i * 7 + 3) % s->info.n_vocab;
    infer_session *session = open_session(s, PROMPT, r->n_batch);
    while (bench_next(b)) {
        good = good && infer_session_rewind(session, 0, NULL) == INFER_OK;
        good = good && infer_session_eval(session, ids, PROMPT, NULL) == INFER_OK;
    }
    if (!good)
        bench_skip(b, "evaluation fails");
    bench_items(b, PROMPT);
    infer_session_close(&session);
}

/* A token to open with, then n times: choose from the logits, evaluate. */
static bool generate(struct subject *s, infer_sampler *sampler, int n)
{
    const int32_t first = 1;
    bool good = infer_session_rewind(s->session, 0, NULL) == INFER_OK &&
                infer_session_eval(s->session, &first, 1, NULL) == INFER_OK;
    for (int i = 0; good && i < n; i++) {
        const int32_t id = infer_sampler_sample(sampler, infer_session_logits(s->session), s->info.n_vocab);
        good = id >= 0 && infer_session_eval(s->session, &id, 1, NULL) == INFER_OK;
    }
    return good;
}

/* The same by the function that writes text. */
static bool write_text(struct subject *s, infer_sampler *sampler, int n)
{
    infer_generate_options options = infer_generate_defaults();
    infer_generate_result result = { .size = sizeof result };
    options.n_predict = n;
    options.ignore_end = true;
    return infer_session_rewind(s->session, 0, NULL) == INFER_OK &&
           infer_generate(s->session, sampler, NULL, 0, &options, &result, NULL) == INFER_OK &&
           result.n_generated == (size_t)n;
}

static void run_generate(struct bench *b, const void *arg)
{
    const struct run *r = arg;
    infer_error err = { 0 };
    bool good = true;
    open_subject(r->subject);
    infer_sampler *sampler = infer_sampler_open(r->subject->context, &r->sampling, &err);
    must(sampler, &err);
    while (bench_next(b))
        good = good && (r->text ? write_text : generate)(r->subject, sampler, r->n);
    if (!good)
        bench_skip(b, "generating fails");
    bench_items(b, r->n);
    infer_sampler_close(&sampler);
}

/* One token of n logits. */
static void run_sample(struct bench *b, const void *arg)
{
    const struct run *r = arg;
    infer_error err = { 0 };
    bool good = true;
    open_subject(r->subject);
    infer_sampler *sampler = infer_sampler_open(r->subject->context, &r->sampling, &err);
    must(sampler, &err);
    float *logits = malloc((size_t)r->n * sizeof *logits);
    for (int i = 0; logits && i < r->n; i++)
        logits[i] = (float)(i * 7919LL % r->n) / (float)r->n * 20; /* each once, in no order */
    while (bench_next(b))
        good = good && logits && infer_sampler_sample(sampler, logits, r->n) >= 0;
    if (!good)
        bench_skip(b, "sampling fails");
    bench_items(b, 1);
    free(logits);
    infer_sampler_close(&sampler);
}

/* ---- Cases ---- */

static const struct sampling {
    const char *name;
    float temperature, top_p;
    int32_t top_k;
} samplings[] = {
    { "greedy", 0, 1, 0 },
    { "top_k", 0.8f, 1, 40 },
    { "top_p", 0.8f, 0.95f, 0 },
};

static infer_sampler_options sampler_options(const struct sampling *s)
{
    infer_sampler_options o = infer_sampler_defaults();
    o.temperature = s->temperature;
    o.top_k = s->top_k;
    o.top_p = s->top_p;
    o.min_p = 0;
    return o;
}

static void add_subject(struct subject *s)
{
    static const int lengths[] = { 1, 5, 10, 20 }, batches[] = { 1, 4, 16, 64, 256 };
    char name[64];
    for (size_t i = 0; i < 5; i++) {
        const struct run r = { .subject = s, .n_batch = batches[i] };
        snprintf(name, sizeof name, "%s/prompt/%d/batch:%d/threads:%d", s->name, PROMPT, r.n_batch, s->n_threads);
        bench_add(name, run_prompt, &r, sizeof r);
    }
    for (size_t i = 0; i < 4; i++) {
        const struct run r = { .subject = s, .n = lengths[i] };
        snprintf(name, sizeof name, "%s/forward/%d/threads:%d", s->name, r.n, s->n_threads);
        bench_add(name, run_forward, &r, sizeof r);
    }
    for (int text = 0; text < (s->has_text ? 2 : 1); text++)
        for (size_t k = 0; k < sizeof samplings / sizeof *samplings; k++)
            for (size_t i = 0; i < 4; i++) {
                const struct run r = { s, lengths[i], sampler_options(&samplings[k]), text, 0 };
                snprintf(name, sizeof name, "%s/%s/%s/%d/threads:%d", s->name, text ? "text" : "generate",
                         samplings[k].name, r.n, s->n_threads);
                bench_add(name, run_generate, &r, sizeof r);
            }
}

static void add_sampling(struct subject *s)
{
    static const int sizes[] = { 100, 32000, 128256 };
    char name[64];
    for (size_t k = 0; k < sizeof samplings / sizeof *samplings; k++)
        for (size_t i = 0; i < 3; i++) {
            const struct run r = { s, sizes[i], sampler_options(&samplings[k]), false, 0 };
            snprintf(name, sizeof name, "sample/%s/%d", samplings[k].name, r.n);
            bench_add(name, run_sample, &r, sizeof r);
        }
}

int main(int argc, char **argv)
{
    static struct subject subjects[] = {
        { .name = "tiny", .n_threads = 1 },
        { .name = "default", .n_threads = 1, .has_text = true },
        { .name = "default", .n_threads = 2, .has_text = true },
    };
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++)
        add_subject(&subjects[i]);
    add_sampling(&subjects[0]);
    return bench_main(argc, argv, NULL, 0);
}
