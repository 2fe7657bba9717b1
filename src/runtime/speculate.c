/* speculate.c - guesses from the text itself and from a draft model, as far as they pay. */
#include "src/runtime/speculate.h"

#include "src/base/error.h"
#include "src/base/seconds.h"
#include "src/sampler/sampler.h"

enum {
    USUAL_GUESSES = 8,
    FEW_BEHIND = 16 /* tokens: so few say little about how long many take */
};
_Static_assert((int)MOST_GUESSES == (int)INFER_MAX_GUESSES, "as infer.h says");

/* ---- Opening and closing ---- */

static infer_status read_options(infer_speculation *o, const infer_session *s, const infer_speculation *given,
                                 infer_error *err)
{
    *o = infer_speculation_defaults();
    if (given->size < sizeof given->size)
        return fail(err, INFER_E_ARGUMENT, "speculation: size is %zu; start from infer_speculation_defaults()",
                    given->size);
    memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    if (o->n_max < 0 || o->n_max > MOST_GUESSES)
        return fail(err, INFER_E_ARGUMENT, "speculation: n_max is %d, expected 0 (as usual) to %d", o->n_max,
                    MOST_GUESSES);
    if (o->draft == s)
        return fail(err, INFER_E_ARGUMENT, "speculation: the draft is the session itself, expected one of a smaller "
                    "model");
    o->n_max = o->n_max ? o->n_max : USUAL_GUESSES;
    return INFER_OK;
}

infer_status speculator_open(struct speculator *p, infer_session *s, infer_sampler *sampler,
                             const infer_speculation *given, infer_error *err)
{
    infer_speculation o;
    *p = (struct speculator){ .sampler = sampler };
    infer_status status = given ? read_options(&o, s, given, err) : INFER_OK;
    if (status != INFER_OK || !given || (o.no_lookup && !o.draft))
        return status;
    p->as_batch = o.as_batch;
    payoff_open(&p->payoff, o.draft, o.always);
    if (o.draft)
        status = draft_open(&p->draft, o.draft, s->model, sampler, err);
    if (status == INFER_OK && !o.no_lookup && !lookup_open(&p->lookup, &s->model->context->a, s->n_ctx))
        status = fail_memory(err, "guesses");
    if (status == INFER_OK)
        status = ahead_open(s, (uint32_t)o.n_max, err);
    if (status == INFER_OK)
        p->s = s;
    else
        speculator_close(p);
    return status;
}

void speculator_close(struct speculator *p)
{
    if (p->s)
        ahead_close(p->s);
    lookup_close(&p->lookup);
    draft_close(&p->draft);
    *p = (struct speculator){ 0 };
}

void speculator_begin(struct speculator *p)
{
    if (!p->s || !p->draft.s || !p->s->n_tokens)
        return;
    const int32_t *const tokens = p->s->history->tokens;
    const uint32_t n = p->s->n_tokens, n_behind = n > 1 ? draft_behind(&p->draft, tokens, n - 1) : 1;
    const double start = monotonic_seconds();
    if (n > 1 && !draft_follow(&p->draft, tokens, n - 1, &p->s->cancel))
        return;
    const double last = monotonic_seconds();
    if (n_behind > FEW_BEHIND)
        payoff_drafted(&p->payoff, n_behind, true, last - start);
    if (draft_follow(&p->draft, tokens, n, &p->s->cancel)) /* apart, to see how long one takes */
        payoff_drafted(&p->payoff, 1, false, monotonic_seconds() - last);
}

/* ---- What came true ---- */

/* The tokens chosen since the last step with guesses are those guessed, or the first of them is not. */
static void learn(struct speculator *p)
{
    const infer_session *s = p->s;
    uint32_t n_true = 0;
    while (n_true < p->n && p->n_before + n_true < s->n_tokens &&
           s->history->tokens[p->n_before + n_true] == p->guesses[n_true])
        n_true++;
    if (p->n && p->n_before + n_true < s->n_tokens) /* one more was chosen */
        payoff_learn(&p->payoff, p->kinds, p->n, n_true, p->seconds);
    p->n = 0;
}

/* ---- Guessing ---- */

/* How many guesses, from the first on, the text may go on with: none behind its end, and what the grammar allows. */
static uint32_t sift(struct speculator *p, uint32_t n)
{
    const infer_tokenizer *tokenizer = infer_model_tokenizer(p->s->model);
    infer_matcher *const m = infer_sampler_matcher(p->sampler);
    const size_t length = m ? infer_matcher_length(m) : 0;
    uint32_t i = 0;
    while (i < n && !infer_tokenizer_is_end(tokenizer, p->guesses[i]) &&
           (!m || infer_matcher_accept(m, p->guesses[i], NULL) == INFER_OK))
        i++;
    if (m)
        infer_matcher_rewind(m, length, NULL);
    return i;
}

static uint32_t look_up(struct speculator *p, uint32_t most)
{
    const infer_session *s = p->s;
    if (!p->lookup.a || !most)
        return 0;
    const uint32_t n_alike = lookup_guess(&p->lookup, s->history->tokens, s->n_tokens, p->guesses, most);
    const uint32_t n = n_alike ? sift(p, most) : 0;
    for (uint32_t i = 0; i < n; i++)
        p->kinds[i] = (uint8_t)payoff_lookup_kind(n_alike + i);
    return payoff_width(&p->payoff, p->kinds, n, 0);
}

/* The draft goes on token by token, with the random numbers that the text's sampler draws next: both then tend to
 * choose alike. */
static uint32_t write_draft(struct speculator *p, uint32_t most)
{
    struct draft *const d = &p->draft;
    const infer_tokenizer *tokenizer = infer_model_tokenizer(p->s->model);
    infer_matcher *const m = infer_sampler_matcher(p->sampler);
    const size_t length = m ? infer_matcher_length(m) : 0;
    uint32_t n = 0;
    double likely;
    const double start = monotonic_seconds();
    sampler_couple(d->sampler, p->sampler);
    while (n < most && (!n || draft_take(d, p->guesses[n - 1]))) {
        const int32_t id = draft_choose(d, &likely);
        if (id < 0 || infer_tokenizer_is_end(tokenizer, id) || (m && infer_matcher_accept(m, id, NULL) != INFER_OK))
            break;
        p->guesses[n] = id;
        p->kinds[n++] = (uint8_t)payoff_draft_kind(likely);
        if (!payoff_goes_on(&p->payoff, p->kinds, n))
            break;
    }
    sampler_couple(d->sampler, NULL);
    if (m)
        infer_matcher_rewind(m, length, NULL);
    if (n > 1)
        payoff_drafted(&p->payoff, n - 1, false, monotonic_seconds() - start);
    return n;
}

static uint32_t draft_some(struct speculator *p, uint32_t most)
{
    const infer_session *s = p->s;
    const int32_t *const tokens = s->history->tokens;
    if (!p->draft.s || !most)
        return 0;
    const uint32_t n_behind = draft_behind(&p->draft, tokens, s->n_tokens);
    const uint32_t n = n_behind == UINT32_MAX ? 0 : payoff_drafts(&p->payoff, most, n_behind);
    const double start = monotonic_seconds();
    if (!n || !draft_follow(&p->draft, tokens, s->n_tokens, &s->cancel))
        return 0;
    if (n_behind == 1 || n_behind > FEW_BEHIND)
        payoff_drafted(&p->payoff, n_behind, n_behind > 1, monotonic_seconds() - start);
    const uint32_t n_drafted = write_draft(p, n);
    p->seconds = monotonic_seconds() - start;
    const uint32_t n_paying = payoff_width(&p->payoff, p->kinds, n_drafted, p->seconds);
    if (!n_paying)
        payoff_lose(&p->payoff, p->seconds);
    return n_paying;
}

bool speculator_prepare(struct speculator *p, struct advance *a)
{
    infer_session *const s = p->s;
    learn(p);
    p->seconds = 0;
    const uint32_t most = ahead_room(s);
    uint32_t n = look_up(p, most);
    if (!n)
        n = draft_some(p, most);
    if (!n || ahead_prepare(s, p->guesses, n, a, NULL) != INFER_OK)
        return false;
    a->alone = !p->as_batch;
    p->n = n;
    return true;
}

void speculator_computed(struct speculator *p, const struct advance *a, double seconds)
{
    p->n_before = p->s->n_tokens;
    p->n_drafted += p->n;
    p->seconds += seconds;
    payoff_step(&p->payoff, p->n + 1, seconds);
    ahead_computed(p->s, a);
}

void speculator_plain(struct speculator *p, double seconds)
{
    payoff_step(&p->payoff, 1, seconds);
}

/* ---- A step of one text ---- */

infer_status speculator_advance(struct speculator *p, infer_error *err)
{
    struct advance a;
    infer_status status;
    if (ahead_take(p->s, &status, err)) {
        p->n_accepted += status == INFER_OK;
        return status;
    }
    const bool one = p->s->n_done + 1 == p->s->n_tokens, guessed = speculator_prepare(p, &a);
    double start = monotonic_seconds();
    if (guessed) {
        status = advance_all(&a, 1, err);
        if (status == INFER_OK)
            speculator_computed(p, &a, monotonic_seconds() - start);
        else
            p->n = 0;
        if (status != INFER_E_NOMEM)
            return status;
        start = monotonic_seconds(); /* the token alone needs less */
    }
    status = infer_session_eval(p->s, NULL, 0, err);
    if (status == INFER_OK && one)
        speculator_plain(p, monotonic_seconds() - start);
    return status;
}
