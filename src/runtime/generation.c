/* generation.c - from logits to tokens and text, until there is a reason to stop. */
#include "src/runtime/generation.h"

#include "src/base/context.h"
#include "src/base/error.h"
#include "src/base/seconds.h"
#include "src/model/model.h"
#include "src/sampler/sampler.h"

#include <stdlib.h>

enum {
    PRIMING = 64, /* tokens before the text that the stream is shown: more than a character has */
    END_ROOM = 16 /* what a stream may hold back at its end */
};

/* ---- Setting up: all that may fail for want of memory or a wrong option comes before a session changes ---- */

static infer_status read_options(struct generation *g, const infer_generate_options *options, infer_error *err)
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
    if (g->o.n_top > INFER_MAX_TOP)
        return fail(err, INFER_E_ARGUMENT, "generate options: n_top is %zu, expected at most %d", g->o.n_top,
                    INFER_MAX_TOP);
    if (g->o.on_full < INFER_FULL_STOP || g->o.on_full > INFER_FULL_SHIFT)
        return fail(err, INFER_E_ARGUMENT, "generate options: on_full is %d, expected an infer_full, 0 to %d",
                    (int)g->o.on_full, INFER_FULL_SHIFT);
    return INFER_OK;
}

static infer_status find_banned(struct generation *g, infer_error *err)
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

infer_status generation_open(struct generation *g, const infer_model *model, infer_sampler *sampler,
                             const infer_generate_options *options, infer_error *err)
{
    *g = (struct generation){ .a = context_allocator(model->context), .model = model, .sampler = sampler,
                              .tokenizer = infer_model_tokenizer(model), .opened = monotonic_seconds() };
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

void generation_close(struct generation *g)
{
    if (!g->a)
        return;
    turn_close(&g->turn);
    stops_close(&g->stops);
    mem_free(g->a, g->piece);
    mem_free(g->a, g->banned);
    pieces_close(&g->pieces, g->a);
    mem_free(g->a, g->token_seconds);
    *g = (struct generation){ 0 };
}

/* ---- The prompt ---- */

bool generation_echoes(const struct generation *g)
{
    return g->o.echo && g->o.on_token;
}

infer_status generation_encode(const struct generation *g, const char *text, size_t length, bool begins, int32_t **ids,
                               size_t *n, infer_error *err)
{
    const unsigned flags = g->o.raw_prompt ? 0 : INFER_PARSE_SPECIAL | (begins ? INFER_ADD_SPECIAL : 0);
    size_t room = 0;
    infer_status status = INFER_OK;
    *ids = NULL;
    if (!add_size(length, 8, &room))
        return fail(err, INFER_E_ARGUMENT, "a prompt of %zu bytes", length);
    while (status == INFER_OK) {
        mem_free(g->a, *ids);
        *ids = mem_new(g->a, room, sizeof **ids);
        if (!*ids)
            return fail_memory(err, "the prompt's tokens");
        status = infer_tokenizer_encode(g->tokenizer, text, length, flags, *ids, room, n, err);
        if (*n <= room)
            break;
        room = *n;
    }
    if (status != INFER_OK || *n || !begins)
        return status;
    **ids = infer_tokenizer_bos(g->tokenizer);
    if (**ids < 0)
        return fail(err, INFER_E_ARGUMENT, "the prompt is empty, and the model has no token that begins a text");
    *n = 1;
    return INFER_OK;
}

void generation_queued(struct generation *g)
{
    g->r.queue_seconds = monotonic_seconds() - g->opened;
}

void generation_count(struct generation *g, const int32_t *ids, size_t n, size_t n_computed)
{
    for (size_t i = 0; i < n; i++)
        sampler_count(g->sampler, ids[i]);
    g->r.n_prompt += n_computed;
    g->r.n_cached += n - n_computed;
    g->r.prompt_seconds = monotonic_seconds() - g->opened - g->r.queue_seconds;
}

/* The stream is shown what precedes the text, so that a first token keeps its leading space. */
infer_status generation_begin(struct generation *g, const int32_t *timeline, size_t n, bool anew, infer_error *err)
{
    g->begun = g->last = monotonic_seconds();
    g->r.prompt_seconds = g->begun - g->opened - g->r.queue_seconds;
    if (anew)
        sampler_begin(g->sampler);
    for (size_t i = n > PRIMING ? n - PRIMING : 0; i < n; i++) {
        size_t length;
        if (timeline[i] >= g->n_choices)
            continue;
        const infer_status status = infer_tokenizer_stream(g->tokenizer, &g->stream, timeline[i], g->piece,
                                                           g->max_piece, &length, err);
        if (status != INFER_OK)
            return status;
    }
    return INFER_OK;
}

/* ---- Text ---- */

static infer_status show(struct generation *g, infer_chat_part part, const char *text, size_t n, infer_error *err)
{
    return pieces_add(&g->pieces, g->a, &(struct piece){ part, 0, { text, n } }, err);
}

bool generation_piece(struct generation *g, struct piece *piece)
{
    return pieces_next(&g->pieces, piece);
}

bool generation_tell(const struct generation *g, const struct piece *piece)
{
    const infer_generate_options *o = &g->o;
    const struct text text = piece->text;
    if (o->on_part && !o->on_part(o->user, piece->part, text.p, text.n))
        return false;
    return piece->part != INFER_CHAT_CONTENT || !o->on_text || o->on_text(o->user, text.p, text.n);
}

/* A part of an answer. */
static void on_part(void *user, infer_chat_part part, const char *text, size_t n)
{
    struct generation *g = user;
    message_add(&g->turn.message, part, text, n);
    g->r.n_calls += part == INFER_CHAT_CALL;
    g->truncated |= show(g, part, text, n, NULL) != INFER_OK;
}

infer_status generation_answer(struct generation *g, infer_chat *chat, const char *prompt, infer_error *err)
{
    g->stream.flags = INFER_UNPARSE_SPECIAL; /* names of control tokens are the marks of many formats */
    return turn_open(&g->turn, chat, g->sampler, prompt, on_part, g, err);
}

static infer_status give_text(struct generation *g, const char *text, size_t n, infer_error *err)
{
    if (!g->turn.chat)
        return show(g, INFER_CHAT_CONTENT, text, n, err);
    const infer_status status = turn_feed(&g->turn, (struct text){ text, n }, err);
    return g->truncated ? fail_memory(err, "text") : status;
}

static void end_answer(struct generation *g, infer_stop_reason reason)
{
    g->ended = true;
    g->last = monotonic_seconds();
    g->r.reason = reason;
    g->r.stop = reason == INFER_STOP_STRING ? g->stops.which : 0;
    if (g->turn.chat)
        g->truncated |= infer_chat_parser_end(g->turn.parser, NULL) != INFER_OK;
}

static infer_status take_token(struct generation *g, int32_t id, infer_error *err)
{
    size_t length, n;
    bool found;
    const infer_status status = infer_tokenizer_stream(g->tokenizer, &g->stream, id, g->piece, g->max_piece, &length,
                                                       err);
    if (status != INFER_OK)
        return status;
    const char *text = stops_take(&g->stops, g->piece, length, &n, &found);
    const infer_status given = give_text(g, text, n, err);
    if (given == INFER_OK && found)
        end_answer(g, INFER_STOP_STRING);
    return given;
}

/* The text ends by itself: what is held back comes out. An unfinished character may complete a stop string. */
void generation_stop(struct generation *g, infer_stop_reason reason)
{
    size_t n, held = 0;
    bool found;
    if (g->ended)
        return;
    const size_t length = infer_tokenizer_stream_end(&g->stream, g->piece, g->max_piece);
    const char *text = stops_take(&g->stops, g->piece, length, &n, &found);
    if (!found)
        stops_end(&g->stops, &held); /* follows the text shown */
    g->truncated |= give_text(g, text, n + held, NULL) != INFER_OK;
    end_answer(g, found ? INFER_STOP_STRING : reason);
}

/* ---- Tokens ---- */

bool generation_wants(struct generation *g, size_t room)
{
    const infer_matcher *m = infer_sampler_matcher(g->sampler);
    if (m && infer_matcher_must_end(m))
        generation_stop(g, INFER_STOP_GRAMMAR);
    else if (g->o.n_predict >= 0 && g->r.n_generated == (size_t)g->o.n_predict)
        generation_stop(g, INFER_STOP_LENGTH);
    else if (!room)
        generation_stop(g, INFER_STOP_FULL);
    return !g->ended;
}

/* Which tokens a grammar allows, NULL without one; *status if that cannot be told. */
static uint32_t *allowed_tokens(const struct generation *g, infer_status *status, infer_error *err)
{
    infer_matcher *m = infer_sampler_matcher(g->sampler);
    const size_t n = ((size_t)infer_tokenizer_size(g->tokenizer) + 31) / 32;
    uint32_t *bits = m ? mem_new(g->a, n, sizeof *bits) : NULL;
    if (m)
        *status = bits ? infer_matcher_mask(m, bits, n, err) : fail_memory(err, "the tokens that a grammar allows");
    return bits;
}

/* Why no token was chosen: if there is one that could have been, memory was out. */
static infer_status fail_choice(const struct generation *g, const float *logits, infer_error *err)
{
    infer_status status = INFER_OK;
    uint32_t *allowed = allowed_tokens(g, &status, err);
    bool finite = false, possible = false;
    for (int32_t i = 0, banned = 0; i < g->n_choices && status == INFER_OK; i++) {
        const bool is_banned = (size_t)banned < g->n_banned && g->banned[banned] == i;
        const bool good = logits[i] - logits[i] == 0;
        banned += is_banned;
        finite |= good;
        possible |= good && !is_banned && (!allowed || allowed[i / 32] >> i % 32 & 1);
    }
    const bool held = allowed != NULL;
    mem_free(g->a, allowed);
    if (status != INFER_OK)
        return status;
    if (possible)
        return fail_memory(err, "choosing a token");
    if (finite && held)
        return fail(err, INFER_E_ARGUMENT, "after %zu tokens of text no token can be chosen that the grammar allows",
                    g->r.n_generated);
    return fail(err, INFER_E_FORMAT, "after %zu tokens of text no logit is finite: the model's weights are damaged",
                g->r.n_generated);
}

static void note_time(struct generation *g)
{
    const double now = monotonic_seconds();
    if (g->r.n_generated == 1)
        g->r.first_token_seconds = now - g->opened;
    else
        g->token_seconds[g->n_times++] = (float)(now - g->last);
    g->last = now;
}

/* What a token would add to the text. */
static infer_status peek(const struct generation *g, int32_t id, struct text *text, infer_error *err)
{
    infer_stream stream = g->stream;
    *text = (struct text){ g->piece, 0 };
    return infer_tokenizer_stream(g->tokenizer, &stream, id, g->piece, g->max_piece, &text->n, err);
}

/* Of an answer some tokens come by force, and one that is chosen may turn out to be not allowed. */
static infer_status choose(struct generation *g, const float *logits, int32_t *id, bool *forced, infer_error *err)
{
    struct turn *t = g->turn.chat ? &g->turn : NULL;
    infer_status status = INFER_OK;
    for (bool takes = false; !takes && status == INFER_OK;) {
        *forced = false;
        if (t && ((status = turn_forced(t, g->r.n_reasoning, id, err)) != INFER_OK || *id >= 0)) {
            *forced = true;
            return status;
        }
        *id = sampler_sample_except(g->sampler, logits, g->n_choices, g->banned, g->n_banned);
        if (*id < 0)
            return fail_choice(g, logits, err);
        struct text text;
        takes = !t;
        status = t ? peek(g, *id, &text, err) : INFER_OK;
        if (t && status == INFER_OK)
            status = turn_takes(t, infer_tokenizer_is_end(g->tokenizer, *id), text, &takes, err);
    }
    return status;
}

static void tell_token(struct generation *g, const float *logits, int32_t id)
{
    infer_logprob top[INFER_MAX_TOP];
    float logprob;
    if ((!g->o.on_token && !g->ranked) ||
        infer_logprobs(logits, (int32_t)g->model->net.h.n_vocab, id, &logprob, top, g->o.n_top, NULL) != INFER_OK)
        return;
    g->logprobs += (double)logprob;
    g->n_logprobs++;
    if (g->o.on_token)
        g->o.on_token(g->o.user, id, logprob, top, g->o.n_top);
}

infer_status generation_step(struct generation *g, const float *logits, int32_t *id, infer_error *err)
{
    int32_t chosen;
    bool forced;
    *id = -1;
    if (!mem_grow(g->a, &g->token_seconds, &g->time_room, g->n_times + 1, sizeof *g->token_seconds))
        return fail_memory(err, "the times of tokens");
    const infer_status status = choose(g, logits, &chosen, &forced, err);
    if (status != INFER_OK)
        return status;
    tell_token(g, logits, chosen);
    if (!forced && infer_tokenizer_is_end(g->tokenizer, chosen)) {
        generation_stop(g, INFER_STOP_END);
        return INFER_OK;
    }
    *id = chosen;
    infer_sampler_accept(g->sampler, chosen);
    g->r.n_generated++;
    g->r.n_reasoning += !forced && g->turn.chat && turn_reasons(&g->turn);
    note_time(g);
    return take_token(g, chosen, err);
}

/* ---- The result ---- */

static int compare_times(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The least time that at least so many per cent of the times, which are in order, are not above. */
static double percentile(const float *times, size_t n, size_t percent)
{
    return n ? (double)times[(n * percent + 99) / 100 - 1] : 0;
}

void generation_result(struct generation *g, infer_generate_result *result)
{
    if (g->n_times) /* their order is of no use to anybody else */
        qsort(g->token_seconds, g->n_times, sizeof *g->token_seconds, compare_times);
    g->r.size = result->size;
    g->r.generate_seconds = g->begun > 0 ? (g->ended ? g->last : monotonic_seconds()) - g->begun : 0;
    g->r.mean_logprob = g->n_logprobs ? g->logprobs / (double)g->n_logprobs : 0;
    g->r.token_p50 = percentile(g->token_seconds, g->n_times, 50);
    g->r.token_p95 = percentile(g->token_seconds, g->n_times, 95);
    g->r.token_p99 = percentile(g->token_seconds, g->n_times, 99);
    memcpy(result, &g->r, result->size < sizeof g->r ? result->size : sizeof g->r);
}
