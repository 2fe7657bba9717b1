/* generate.c - from a prompt to text: evaluate, sample, stream, until there is a reason to stop.
 *
 * A token that was sampled is appended to the session at once, but evaluated only when the logits after it are needed:
 * the last one of a text costs no forward pass, and whatever is fed next evaluates it along. */
#include "src/base/error.h"
#include "src/base/memory.h"
#include "src/engine/context.h"
#include "src/model/model.h"
#include "src/runtime/sampler.h"
#include "src/runtime/session.h"
#include "src/runtime/stops.h"

#include <time.h>

enum {
    PRIMING = 64,  /* tokens before the text that the stream is shown: more than a character has */
    END_ROOM = 16  /* what a stream may hold back at its end */
};

struct run {
    infer_session *session;
    infer_sampler *sampler;
    const infer_allocator *a;
    const infer_tokenizer *tokenizer;
    infer_generate_options o;
    infer_generate_result r;
    int32_t n_choices; /* ids below this have text */
    int32_t *banned;
    size_t n_banned;
    int32_t *prompt;
    infer_stream stream;
    struct stops stops;
    char *piece;
    size_t max_piece;
};

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- Setting up: all that may fail for want of memory or a wrong option comes before the session changes ---- */

static infer_status read_options(struct run *g, const infer_generate_options *options, infer_error *err)
{
    g->o = infer_generate_defaults();
    if (options && options->size < sizeof options->size)
        return fail(err, INFER_E_ARGUMENT, "generate options: size is %zu; start from infer_generate_defaults()",
                    options->size);
    if (options)
        memcpy(&g->o, options, options->size < sizeof g->o ? options->size : sizeof g->o);
    if (g->o.n_predict < -1)
        return fail(err, INFER_E_ARGUMENT, "generate options: n_predict is %d, expected -1 (no limit) or more",
                    g->o.n_predict);
    return INFER_OK;
}

static infer_status find_banned(struct run *g, infer_error *err)
{
    size_t n = 0;
    for (int32_t id = 0; id < g->n_choices; id++)
        n += infer_tokenizer_is_end(g->tokenizer, id);
    g->banned = mem_new(g->a, n, sizeof *g->banned);
    if (!g->banned)
        return fail_memory(err, "the tokens that are not to be chosen");
    for (int32_t id = 0; id < g->n_choices; id++)
        if (infer_tokenizer_is_end(g->tokenizer, id))
            g->banned[g->n_banned++] = id;
    return INFER_OK;
}

static infer_status set_up(struct run *g, const infer_generate_options *options, infer_error *err)
{
    const infer_model *model = session_model(g->session);
    g->a = context_allocator(model->context);
    g->tokenizer = infer_model_tokenizer(model);
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(model, &info);
    if (!g->tokenizer)
        return fail(err, INFER_E_ARGUMENT, "%s: the model has no tokenizer for generating text", info.name);
    if (info.encoder)
        return fail(err, INFER_E_ARGUMENT, "%s: the model is an encoder, which generates no text", info.name);
    infer_status status = read_options(g, options, err);
    if (status != INFER_OK)
        return status;
    const int32_t n_tokens = infer_tokenizer_size(g->tokenizer);
    g->n_choices = n_tokens < info.n_vocab ? n_tokens : info.n_vocab; /* padding has no text */
    g->stream.flags = g->o.unparse_special ? INFER_UNPARSE_SPECIAL : 0;
    g->max_piece = infer_tokenizer_max_piece(g->tokenizer);
    if (g->max_piece < END_ROOM)
        g->max_piece = END_ROOM;
    g->piece = mem_new(g->a, g->max_piece, 1);
    if (!g->piece)
        return fail_memory(err, "a piece of text");
    status = stops_open(&g->stops, g->a, g->o.stops, g->o.n_stops, g->max_piece, err);
    return status == INFER_OK && g->o.ignore_end ? find_banned(g, err) : status;
}

static void tear_down(struct run *g)
{
    if (!g->a)
        return;
    stops_close(&g->stops);
    mem_free(g->a, g->piece);
    mem_free(g->a, g->prompt);
    mem_free(g->a, g->banned);
}

/* ---- The prompt ---- */

static infer_status encode_prompt(struct run *g, const char *text, size_t length, size_t *n, infer_error *err)
{
    const bool begins = infer_session_length(g->session) == 0;
    const unsigned flags = g->o.raw_prompt ? 0 : INFER_PARSE_SPECIAL | (begins ? INFER_ADD_SPECIAL : 0);
    size_t room = 0;
    infer_status status = INFER_OK;
    if (!add_size(length, 8, &room))
        return fail(err, INFER_E_ARGUMENT, "a prompt of %zu bytes", length);
    while (status == INFER_OK) {
        mem_free(g->a, g->prompt);
        g->prompt = mem_new(g->a, room, sizeof *g->prompt);
        if (!g->prompt)
            return fail_memory(err, "the prompt's tokens");
        status = infer_tokenizer_encode(g->tokenizer, text, length, flags, g->prompt, room, n, err);
        if (*n <= room)
            break;
        room = *n;
    }
    if (status != INFER_OK || *n || !begins)
        return status;
    g->prompt[0] = infer_tokenizer_bos(g->tokenizer);
    if (g->prompt[0] < 0)
        return fail(err, INFER_E_ARGUMENT, "the prompt is empty, and the model has no token that begins a text");
    *n = 1;
    return INFER_OK;
}

/* In steps of as many tokens as the session computes at once, where somebody wants to know how far it is. */
static infer_status eval_prompt(struct run *g, size_t n, infer_error *err)
{
    const size_t step = g->o.on_prompt ? session_batch(g->session) : n;
    for (size_t done = 0; done < n;) {
        const size_t now = n - done < step ? n - done : step;
        const infer_status status = infer_session_eval(g->session, g->prompt + done, now, err);
        if (status != INFER_OK)
            return status;
        for (size_t i = 0; i < now; i++)
            sampler_count(g->sampler, g->prompt[done + i]);
        g->r.n_prompt = done += now;
        if (g->o.on_prompt && !g->o.on_prompt(g->o.user, (float)done / (float)n))
            return fail(err, INFER_E_CANCELLED, "cancelled after %zu of %zu tokens of the prompt", done, n);
    }
    return INFER_OK;
}

static infer_status feed_prompt(struct run *g, const char *text, size_t length, infer_error *err)
{
    size_t n = 0;
    const infer_status status = encode_prompt(g, text, length, &n, err);
    if (status != INFER_OK)
        return status;
    const size_t there = infer_session_length(g->session), capacity = infer_session_capacity(g->session);
    if (n > capacity - there)
        return fail(err, INFER_E_FULL, "the prompt has %zu tokens, but the context of %zu has room for %zu", n,
                    capacity, capacity - there);
    return eval_prompt(g, n, err);
}

/* ---- Text ---- */

static bool show(struct run *g, const char *text, size_t n)
{
    return !n || !g->o.on_text || g->o.on_text(g->o.user, text, n);
}

/* Show the stream what precedes the text, so that a first token keeps its leading space. */
static infer_status prime_stream(struct run *g, infer_error *err)
{
    const size_t n = infer_session_length(g->session);
    const int32_t *tokens = infer_session_tokens(g->session);
    for (size_t i = n > PRIMING ? n - PRIMING : 0; i < n; i++) {
        size_t length;
        if (tokens[i] >= g->n_choices)
            continue;
        const infer_status status = infer_tokenizer_stream(g->tokenizer, &g->stream, tokens[i], g->piece, g->max_piece,
                                                           &length, err);
        if (status != INFER_OK)
            return status;
    }
    return INFER_OK;
}

/* *done: a stop string came up or the callback has had enough. */
static infer_status take_token(struct run *g, int32_t id, bool *done, infer_error *err)
{
    size_t length, n;
    bool found;
    const infer_status status = infer_tokenizer_stream(g->tokenizer, &g->stream, id, g->piece, g->max_piece, &length,
                                                       err);
    if (status != INFER_OK)
        return status;
    const char *text = stops_take(&g->stops, g->piece, length, &n, &found);
    const bool more = show(g, text, n);
    *done = found || !more;
    g->r.reason = found ? INFER_STOP_STRING : more ? g->r.reason : INFER_STOP_CALLBACK;
    return INFER_OK;
}

/* The text ended by itself: what is held back comes out. An unfinished character may complete a stop string. */
static void end_text(struct run *g)
{
    size_t n;
    bool found;
    const size_t length = infer_tokenizer_stream_end(&g->stream, g->piece, g->max_piece);
    const char *text = stops_take(&g->stops, g->piece, length, &n, &found);
    if (found)
        g->r.reason = INFER_STOP_STRING;
    if (!show(g, text, n) || found)
        return;
    text = stops_end(&g->stops, &n);
    show(g, text, n);
}

/* ---- Tokens ---- */

/* Have the logits after the last token, which may be waiting, or be left over from a rewind. */
static infer_status logits_ready(struct run *g, infer_error *err)
{
    if (infer_session_logits(g->session))
        return INFER_OK;
    const size_t n = infer_session_length(g->session);
    const int32_t last = infer_session_tokens(g->session)[n - 1];
    const infer_status status = infer_session_rewind(g->session, n - 1, err);
    if (status != INFER_OK)
        return status;
    session_append(g->session, last); /* stays even if eval fails */
    return infer_session_eval(g->session, NULL, 0, err);
}

static infer_status fail_choice(const struct run *g, const float *logits, infer_error *err)
{
    if (infer_sampler_matcher(g->sampler))
        return fail(err, INFER_E_ARGUMENT, "after %zu tokens no token can be chosen that the grammar allows, or memory is "
                    "out for its state", infer_session_length(g->session));
    for (int32_t i = 0; i < g->n_choices; i++)
        if (logits[i] - logits[i] == 0)
            return fail_memory(err, "choosing a token");
    return fail(err, INFER_E_FORMAT, "after %zu tokens no logit is finite: the model's weights are damaged",
                infer_session_length(g->session));
}

/* Sample one token. *ended: there is none, for g->r.reason. */
static infer_status next_token(struct run *g, int32_t *id, bool *ended, infer_error *err)
{
    const infer_matcher *m = infer_sampler_matcher(g->sampler);
    *ended = true;
    g->r.reason = INFER_STOP_GRAMMAR;
    if (m && infer_matcher_must_end(m))
        return INFER_OK;
    g->r.reason = INFER_STOP_LENGTH;
    if (g->o.n_predict >= 0 && g->r.n_generated == (size_t)g->o.n_predict)
        return INFER_OK;
    g->r.reason = INFER_STOP_FULL;
    if (infer_session_length(g->session) == infer_session_capacity(g->session))
        return INFER_OK;
    const infer_status status = logits_ready(g, err);
    if (status != INFER_OK)
        return status;
    const float *logits = infer_session_logits(g->session);
    *id = sampler_sample_except(g->sampler, logits, g->n_choices, g->banned, g->n_banned);
    if (*id < 0)
        return fail_choice(g, logits, err);
    g->r.reason = INFER_STOP_END;
    *ended = infer_tokenizer_is_end(g->tokenizer, *id);
    return INFER_OK;
}

static infer_status generate(struct run *g, infer_error *err)
{
    infer_status status = prime_stream(g, err);
    while (status == INFER_OK) {
        int32_t id;
        bool ended, done = false;
        status = next_token(g, &id, &ended, err);
        if (status != INFER_OK || ended)
            break;
        session_append(g->session, id);
        infer_sampler_accept(g->sampler, id);
        g->r.n_generated++;
        status = take_token(g, id, &done, err);
        if (done)
            return status;
    }
    if (status == INFER_OK || status == INFER_E_CANCELLED)
        end_text(g);
    return status;
}

infer_status infer_generate(infer_session *session, infer_sampler *sampler, const char *prompt, size_t length,
                            const infer_generate_options *options, infer_generate_result *result, infer_error *err)
{
    if (!session || !sampler || (!prompt && length))
        return fail(err, INFER_E_ARGUMENT, "infer_generate needs a session, a sampler and a prompt; found NULL");
    struct run g = { .session = session, .sampler = sampler };
    const double begin = seconds();
    double between = begin;
    infer_status status = set_up(&g, options, err);
    if (status == INFER_OK) {
        status = feed_prompt(&g, prompt, length, err);
        between = seconds();
    }
    if (status == INFER_OK && length)
        sampler_begin(sampler);
    if (status == INFER_OK)
        status = generate(&g, err);
    g.r.prompt_seconds = between - begin;
    g.r.generate_seconds = seconds() - between;
    tear_down(&g);
    if (result) {
        g.r.size = result->size;
        memcpy(result, &g.r, result->size < sizeof g.r ? result->size : sizeof g.r);
    }
    return status;
}
