/* requests.h - a scheduler of the embedded model, and what its texts are to be. Include cmocka.h first. */
#ifndef TESTS_SCHEDULER_REQUESTS_H
#define TESTS_SCHEDULER_REQUESTS_H

#include "tests/reference/reference.h"

#include "tests/common/embedded.h"

enum { TEXT_ROOM = 16384, N_CTX = 512 };

/** A text that is asked for. */
struct wish {
    const char *prompt;
    int32_t n_predict;
    float temperature;
    uint64_t seed;
    const char *stop; /* or NULL */
};

static inline infer_session_options deterministic(int32_t n_ctx)
{
    infer_session_options o = infer_session_defaults();
    o.n_ctx = n_ctx;
    o.n_batch = 128;
    o.deterministic = true;
    return o;
}

static inline infer_sampler_options sampler_of(const struct wish *w)
{
    infer_sampler_options o = infer_sampler_defaults();
    o.temperature = w->temperature;
    o.seed = w->seed;
    o.repeat_penalty = 1.1f; /* what the sampler counts has a say */
    return o;
}

static inline infer_generate_options generate_of(const struct wish *w)
{
    infer_generate_options o = infer_generate_defaults();
    o.n_predict = w->n_predict;
    o.stops = w->stop ? &w->stop : NULL;
    o.n_stops = w->stop != NULL;
    return o;
}

/** Text that comes in pieces. */
struct collected {
    char text[TEXT_ROOM];
    size_t n, n_pieces;
};

static inline bool collect(void *user, const char *text, size_t length)
{
    struct collected *c = user;
    assert_true(c->n + length < TEXT_ROOM);
    memcpy(c->text + c->n, text, length);
    c->n += length;
    c->text[c->n] = 0;
    c->n_pieces++;
    return true;
}

/** What infer_generate() writes. */
static inline infer_generate_result written(const struct wish *w, const infer_session_options *session,
                                            struct collected *out)
{
    infer_error err = { 0 };
    infer_session *s = infer_session_open(model, session, &err);
    const infer_sampler_options so = sampler_of(w);
    infer_sampler *sampler = infer_sampler_open(context, &so, &err);
    infer_generate_options o = generate_of(w);
    infer_generate_result r = { .size = sizeof r };
    *out = (struct collected){ .n = 0 };
    o.on_text = collect;
    o.user = out;
    if (!s || !sampler || infer_generate(s, sampler, w->prompt, strlen(w->prompt), &o, &r, &err) != INFER_OK)
        fail_msg("%s", err.message);
    infer_sampler_close(&sampler);
    infer_session_close(&s);
    return r;
}

static inline infer_request *submit_with(infer_scheduler *s, const struct wish *w, infer_request_options *o,
                                         infer_error *err)
{
    const infer_sampler_options sampler = sampler_of(w);
    infer_generate_options generate = generate_of(w);
    if (o->generate) { /* its callbacks */
        generate.on_text = o->generate->on_text;
        generate.on_prompt = o->generate->on_prompt;
        generate.on_full = o->generate->on_full;
        generate.n_full_keep = o->generate->n_full_keep;
        generate.ignore_end = o->generate->ignore_end;
        generate.user = o->generate->user;
    }
    o->sampler = &sampler;
    o->generate = &generate;
    infer_request *r = infer_scheduler_submit(s, w->prompt, strlen(w->prompt), o, err);
    o->sampler = NULL;
    o->generate = NULL;
    return r;
}

static inline infer_request *submit(infer_scheduler *s, const struct wish *w)
{
    infer_error err = { 0 };
    infer_request_options o = infer_request_defaults();
    infer_request *r = submit_with(s, w, &o, &err);
    if (!r)
        fail_msg("%s", err.message);
    return r;
}

/** All text of its answers, each in its own room; the status at the end. */
static inline infer_status fetch_all(infer_request *r, struct collected *out, infer_error *err)
{
    infer_request_piece piece = { .size = sizeof piece };
    for (;;) {
        const infer_status status = infer_request_next(r, -1, &piece, err);
        if (status != INFER_OK || !piece.text)
            return status;
        collect(&out[piece.answer], piece.text, piece.length);
    }
}

static inline infer_generate_result result_of(infer_request *r, int32_t answer)
{
    infer_error err = { 0 };
    infer_generate_result result = { .size = sizeof result };
    if (infer_request_get_result(r, answer, &result, &err) != INFER_OK)
        fail_msg("%s", err.message);
    return result;
}

static inline infer_scheduler_info info_of(infer_scheduler *s)
{
    infer_scheduler_info info = { .size = sizeof info };
    infer_scheduler_get_info(s, &info);
    return info;
}

#endif
