/* beam.c - beam search (B. Lowerre, The Harpy Speech Recognition System, 1976): of all continuations of all beams the
 * best go on.
 *
 * A beam is a fork of the session, which has its tokens, and a fork of the sampler, which knows what may follow. Of
 * each so many continuations are looked at that n_beams are left when all end tokens are among them. A beam with
 * several continuations is forked, one with none is closed, before all of them advance in one step. */
#include "src/base/context.h"
#include "src/base/error.h"
#include "src/model/model.h"
#include "src/runtime/beams.h"
#include "src/runtime/logprobs.h"
#include "src/runtime/prompt.h"
#include "src/runtime/session.h"
#include "src/sampler/candidates.h"
#include "src/sampler/elementary.h"
#include "src/sampler/sampler.h"

#include <math.h>
#include <stdlib.h>

enum { END_ROOM = 16 }; /* what a stream may hold back at its end */

/* A text in the making. */
struct beam {
    infer_session *session;
    infer_sampler *sampler;
    infer_stream stream;
    char *text; /* n_text bytes, and room for a piece more */
    size_t n_text, room;
    double sum; /* of log-probabilities */
};

/* A beam and a token that may follow it. */
struct choice {
    double sum;
    size_t beam;
    int32_t id;
};

struct search {
    const infer_allocator *a;
    infer_session *session;
    infer_sampler *plain; /* where the caller has none */
    infer_beam_options o;
    struct generation g;
    struct prompt prompt;
    int32_t n_vocab;
    size_t n_prompt, n_written, most; /* tokens: of the session, of each beam behind them, of a text at most */
    bool fills;                       /* a text of `most` fills the context */
    size_t n_wide;                    /* continuations looked at */
    struct beam *beams, *next;        /* (n_beams); NULL sessions: none */
    size_t n_beams;
    struct choice *choices, *chosen; /* (n_beams, n_wide), (n_beams) */
    infer_logprob *best;             /* (n_wide) */
    float *scores;                   /* (n_vocab) */
    infer_batch_item *items;         /* (n_beams) */
    infer_beams *found;
};

/* ---- Beams ---- */

static void close_beam(const infer_allocator *a, struct beam *b)
{
    infer_session_close(&b->session);
    infer_sampler_close(&b->sampler);
    mem_free(a, b->text);
    *b = (struct beam){ 0 };
}

/* Goes on from the same tokens. */
static infer_status fork_beam(struct search *x, struct beam *to, const struct beam *from, infer_error *err)
{
    *to = (struct beam){ .stream = from->stream, .n_text = from->n_text, .sum = from->sum };
    to->session = infer_session_fork(from->session, err);
    to->sampler = to->session ? sampler_fork(from->sampler, err) : NULL;
    if (!to->sampler)
        return INFER_E_NOMEM;
    if (!mem_grow(x->a, &to->text, &to->room, from->n_text + 1, 1))
        return fail_memory(err, "a beam's text");
    if (from->n_text)
        memcpy(to->text, from->text, from->n_text);
    return INFER_OK;
}

/* The text that a token completes, behind the beam's; the stream goes on. */
static infer_status write_piece(const struct search *x, struct beam *b, int32_t id, infer_stream *stream, size_t *n,
                                infer_error *err)
{
    if (!mem_grow(x->a, &b->text, &b->room, b->n_text + x->g.max_piece, 1))
        return fail_memory(err, "a beam's text");
    return infer_tokenizer_stream(x->g.tokenizer, stream, id, b->text + b->n_text, x->g.max_piece, n, err);
}

/* ---- Ends ---- */

struct ending {
    bool ends;
    infer_stop_reason reason;
    size_t n_text;       /* of beam and token */
    infer_stream stream; /* after it */
};

/* Whether nothing but its end may follow a token in the grammar. */
static infer_status must_end(const struct beam *b, int32_t id, bool *ends, infer_error *err)
{
    infer_matcher *m = infer_sampler_matcher(b->sampler);
    const size_t n = m ? infer_matcher_length(m) : 0;
    *ends = false;
    if (!m)
        return INFER_OK;
    const infer_status status = infer_matcher_accept(m, id, err);
    *ends = status == INFER_OK && infer_matcher_must_end(m);
    return status == INFER_OK ? infer_matcher_rewind(m, n, err) : status;
}

/* Whether a text ends with this token. What it would write stands behind the beam's text then. */
static infer_status find_end(const struct search *x, struct beam *b, int32_t id, struct ending *e, infer_error *err)
{
    const size_t n = x->n_written + 1;
    bool ends;
    *e = (struct ending){ true, INFER_STOP_END, b->n_text, b->stream };
    if (infer_tokenizer_is_end(x->g.tokenizer, id))
        return INFER_OK;
    size_t length;
    infer_status status = write_piece(x, b, id, &e->stream, &length, err);
    if (status == INFER_OK)
        status = must_end(b, id, &ends, err);
    if (status != INFER_OK)
        return status;
    const struct text text = { b->text, b->n_text + length };
    const size_t stop = stops_find(&x->g.stops, text, b->n_text);
    e->n_text = stop < text.n ? stop : text.n;
    e->reason = stop < text.n ? INFER_STOP_STRING : ends ? INFER_STOP_GRAMMAR : x->fills ? INFER_STOP_FULL
                                                                                         : INFER_STOP_LENGTH;
    e->ends = stop < text.n || ends || n == x->most;
    return INFER_OK;
}

static double score_of(const struct search *x, double sum, size_t n)
{
    return sum / pow((double)n, (double)x->o.length_penalty);
}

static infer_status add_found(struct search *x, const struct choice *c, struct ending *e, infer_error *err)
{
    const struct beam *b = &x->beams[c->beam];
    char end[END_ROOM];
    const size_t held = e->reason == INFER_STOP_STRING ? 0 : infer_tokenizer_stream_end(&e->stream, end, sizeof end);
    const infer_beam beam = { .size = sizeof beam, .logprob = c->sum, .score = score_of(x, c->sum, x->n_written + 1),
                              .reason = e->reason };
    return beams_add(x->found, &beam, (struct text){ b->text, e->n_text }, (struct text){ end, held },
                     infer_session_tokens(b->session) + x->n_prompt, x->n_written,
                     e->reason == INFER_STOP_END ? -1 : c->id, err);
}

/* No beam can become one of the best, as far as the caller wants to know. `best`: the sum of the best one. */
static bool is_over(const struct search *x, double best)
{
    if (infer_beams_count(x->found) < (size_t)x->o.n_beams)
        return false;
    const bool grows = x->o.end == INFER_BEAM_END_SURE && x->o.length_penalty > 0;
    return x->o.end == INFER_BEAM_END_FIRST ||
           score_of(x, best, grows ? x->most : x->n_written + 1) <= x->found->item[x->found->n - 1].beam.score;
}

/* ---- A step ---- */

static int compare_choices(const void *a, const void *b)
{
    const struct choice *x = a, *y = b;
    if (x->sum != y->sum)
        return x->sum < y->sum ? 1 : -1;
    if (x->beam != y->beam)
        return x->beam < y->beam ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* The best continuations of all beams, in order, at x->choices. */
static infer_status find_choices(struct search *x, size_t *n, infer_error *err)
{
    *n = 0;
    for (size_t i = 0; i < x->n_beams; i++) {
        const struct beam *b = &x->beams[i];
        logprobs_all(infer_session_logits(b->session), x->n_vocab, x->scores);
        const size_t k = sampler_best(b->sampler, x->scores, x->g.n_choices, x->g.banned, x->g.n_banned, x->best,
                                      x->n_wide);
        if (k == SIZE_MAX)
            return fail_memory(err, "choosing tokens");
        for (size_t j = 0; j < k; j++)
            x->choices[(*n)++] = (struct choice){ b->sum + (double)x->best[j].logprob, i, x->best[j].id };
    }
    if (!*n && !infer_beams_count(x->found))
        return fail(err, INFER_E_ARGUMENT, "after %zu tokens of text none can be chosen: no logit is finite, or the "
                    "grammar and what is banned allow none", x->n_written);
    qsort(x->choices, *n, sizeof *x->choices, compare_choices);
    *n = *n < x->n_wide ? *n : x->n_wide;
    return INFER_OK;
}

/* Those that go on, at x->chosen; those that end are found, if they are among the best. */
static infer_status part(struct search *x, size_t n, size_t *n_chosen, infer_error *err)
{
    const size_t n_beams = (size_t)x->o.n_beams;
    infer_status status = INFER_OK;
    *n_chosen = 0;
    for (size_t rank = 0; rank < n && *n_chosen < n_beams && status == INFER_OK; rank++) {
        struct ending e;
        const struct choice *c = &x->choices[rank];
        status = find_end(x, &x->beams[c->beam], c->id, &e, err);
        if (status == INFER_OK && !e.ends)
            x->chosen[(*n_chosen)++] = *c;
        else if (status == INFER_OK && rank < n_beams)
            status = add_found(x, c, &e, err);
    }
    return status;
}

/* The beams that go on: the last continuation of a beam is the beam itself, the others are forks. */
static infer_status branch(struct search *x, size_t n, infer_error *err)
{
    size_t uses[INFER_MAX_BEAMS] = { 0 };
    infer_status status = INFER_OK;
    for (size_t i = 0; i < n; i++)
        uses[x->chosen[i].beam]++;
    for (size_t i = 0; i < x->n_beams; i++)
        if (!uses[i])
            close_beam(x->a, &x->beams[i]);
    for (size_t i = 0; i < n && status == INFER_OK; i++) {
        struct beam *from = &x->beams[x->chosen[i].beam];
        if (--uses[x->chosen[i].beam]) {
            status = fork_beam(x, &x->next[i], from, err);
        } else {
            x->next[i] = *from;
            *from = (struct beam){ 0 };
        }
        x->next[i].sum = x->chosen[i].sum;
    }
    struct beam *const old = x->beams;
    x->beams = x->next;
    x->next = old;
    x->n_beams = n;
    return status;
}

static infer_status advance(struct search *x, infer_error *err)
{
    for (size_t i = 0; i < x->n_beams; i++) {
        struct beam *b = &x->beams[i];
        const int32_t id = x->chosen[i].id;
        size_t length;
        const infer_status status = write_piece(x, b, id, &b->stream, &length, err);
        if (status != INFER_OK)
            return status;
        b->n_text += length;
        infer_sampler_accept(b->sampler, id);
        x->items[i] = (infer_batch_item){ .session = b->session, .tokens = &x->chosen[i].id, .n_tokens = 1 };
    }
    x->n_written++;
    return infer_batch_eval(x->items, x->n_beams, err);
}

static infer_status run(struct search *x, infer_error *err)
{
    for (size_t n;;) {
        if (session_cancelled(x->session))
            return fail(err, INFER_E_CANCELLED, "cancelled after %zu tokens of text", x->n_written);
        infer_status status = find_choices(x, &n, err);
        if (status == INFER_OK)
            status = part(x, n, &n, err);
        if (status != INFER_OK || !n || is_over(x, x->chosen[0].sum))
            return status;
        status = branch(x, n, err);
        if (status == INFER_OK)
            status = advance(x, err);
        if (status != INFER_OK)
            return status;
    }
}

/* ---- Setting up ---- */

static infer_status read_options(struct search *x, const infer_beam_options *given, infer_error *err)
{
    x->o = infer_beam_defaults();
    if (given && given->size < sizeof given->size)
        return fail(err, INFER_E_ARGUMENT, "beam options: size is %zu; start from infer_beam_defaults()", given->size);
    if (given)
        memcpy(&x->o, given, given->size < sizeof x->o ? given->size : sizeof x->o);
    if (x->o.n_beams < 1 || x->o.n_beams > INFER_MAX_BEAMS)
        return fail(err, INFER_E_ARGUMENT, "beam options: n_beams is %d, expected 1 to %d", x->o.n_beams,
                    INFER_MAX_BEAMS);
    if (!(x->o.length_penalty >= -100 && x->o.length_penalty <= 100))
        return fail(err, INFER_E_ARGUMENT, "beam options: length_penalty is %g, expected -100 to 100",
                    (double)x->o.length_penalty);
    if (x->o.end < INFER_BEAM_END_LIKELY || x->o.end > INFER_BEAM_END_SURE)
        return fail(err, INFER_E_ARGUMENT, "beam options: end is %d, expected an infer_beam_end, 0 to %d",
                    (int)x->o.end, INFER_BEAM_END_SURE);
    if (x->o.generate && x->o.generate->size >= sizeof x->o.generate->size + sizeof x->o.generate->n_predict &&
        !x->o.generate->n_predict)
        return fail(err, INFER_E_ARGUMENT, "generate options: n_predict is 0, but a search needs tokens");
    return INFER_OK;
}

static infer_status open_search(struct search *x, infer_sampler *sampler, const char *prompt, size_t length,
                                infer_error *err)
{
    infer_context *context = session_model(x->session)->context;
    x->a = context_allocator(context);
    if (!sampler)
        sampler = x->plain = infer_sampler_open(context, NULL, err);
    if (!sampler)
        return INFER_E_NOMEM;
    infer_status status = generation_open(&x->g, session_model(x->session), sampler, x->o.generate, err);
    if (status != INFER_OK)
        return status;
    x->g.o.on_token = NULL; /* no token is chosen before the end */
    status = prompt_read(&x->prompt, &x->g, x->session, prompt, length, err);
    if (status != INFER_OK)
        return status;
    const size_t room = infer_session_capacity(x->session) - x->prompt.n;
    if (!room)
        return fail(err, INFER_E_FULL, "the context of %zu tokens has no room for a token after the prompt",
                    x->prompt.n);
    x->n_prompt = x->prompt.n;
    x->fills = x->g.o.n_predict < 0 || (size_t)x->g.o.n_predict > room;
    x->most = x->fills ? room : (size_t)x->g.o.n_predict;
    return INFER_OK;
}

static infer_status take_memory(struct search *x, infer_error *err)
{
    const size_t n = (size_t)x->o.n_beams;
    size_t n_ends = 0;
    for (int32_t id = 0; id < x->g.n_choices; id++)
        n_ends += infer_tokenizer_is_end(x->g.tokenizer, id);
    x->n_vocab = (int32_t)session_model(x->session)->net.h.n_vocab;
    x->n_wide = n * (n_ends > 1 ? 1 + n_ends : 2);
    x->n_wide = x->n_wide < FEW ? x->n_wide : FEW;
    x->beams = mem_new(x->a, n, sizeof *x->beams);
    x->next = mem_new(x->a, n, sizeof *x->next);
    x->choices = mem_new(x->a, n * x->n_wide, sizeof *x->choices);
    x->chosen = mem_new(x->a, n, sizeof *x->chosen);
    x->best = mem_new(x->a, x->n_wide, sizeof *x->best);
    x->scores = mem_raw(x->a, (size_t)x->n_vocab, sizeof *x->scores);
    x->items = mem_new(x->a, n, sizeof *x->items);
    x->found = beams_open(session_model(x->session)->context, n, err);
    return x->beams && x->next && x->choices && x->chosen && x->best && x->scores && x->items && x->found
               ? INFER_OK
               : fail_memory(err, "a search");
}

/* The first beam: the session after its prompt. */
static infer_status begin(struct search *x, infer_error *err)
{
    infer_status status = prompt_eval(&x->prompt, err);
    if (status == INFER_OK)
        status = session_ready(x->session, err);
    if (status != INFER_OK)
        return status;
    const struct beam root = { .session = x->session, .sampler = x->g.sampler, .stream = x->g.stream };
    x->n_beams = 1;
    return fork_beam(x, &x->beams[0], &root, err);
}

static void close_search(struct search *x)
{
    for (size_t i = 0; i < (size_t)x->o.n_beams && x->beams && x->next; i++) {
        close_beam(x->a, &x->beams[i]);
        close_beam(x->a, &x->next[i]);
    }
    if (x->a) {
        mem_free(x->a, x->beams);
        mem_free(x->a, x->next);
        mem_free(x->a, x->choices);
        mem_free(x->a, x->chosen);
        mem_free(x->a, x->best);
        mem_free(x->a, x->scores);
        mem_free(x->a, x->items);
    }
    prompt_close(&x->prompt);
    generation_close(&x->g);
    infer_sampler_close(&x->plain);
}

static void fill_result(struct search *x)
{
    const infer_beam *best = &x->found->item[0].beam;
    generation_stop(&x->g, best->reason);
    x->g.r.n_generated = best->n_tokens;
    x->g.r.reason = best->reason;
    x->found->result.size = sizeof x->found->result;
    generation_result(&x->g, &x->found->result);
}

infer_beams *infer_beam_search(infer_session *session, infer_sampler *sampler, const char *prompt, size_t length,
                               const infer_beam_options *options, infer_error *err)
{
    struct search x = { .session = session };
    if (!session || (!prompt && length))
        return fail_null(err, INFER_E_ARGUMENT, "a search needs a session and a prompt; found NULL");
    infer_status status = read_options(&x, options, err);
    if (status == INFER_OK)
        status = open_search(&x, sampler, prompt, length, err);
    if (status == INFER_OK)
        status = take_memory(&x, err);
    if (status == INFER_OK)
        status = begin(&x, err);
    if (status == INFER_OK)
        status = run(&x, err);
    if (status == INFER_OK)
        fill_result(&x);
    else
        infer_beams_close(&x.found);
    infer_session_uncancel(session); /* came too late */
    close_search(&x);
    return x.found;
}
