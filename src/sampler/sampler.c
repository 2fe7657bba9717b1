/* sampler.c - from logits to a token: what comes before the stages (biases, bans, the grammar), and what is remembered
 * from token to token.
 *
 * All arithmetic is IEEE addition, multiplication, division and comparison in a fixed order: the same tokens
 * everywhere. */
#include "src/sampler/sampler.h"

#include "src/base/context.h"
#include "src/base/error.h"
#include "src/sampler/stages.h"

#include <math.h>

/* ---- Options ---- */

static infer_status check_reals(const infer_sampler_options *o, infer_error *err)
{
    const float most = 3.4e38f;
    const struct {
        const char *name;
        float value, least, most;
    } reals[] = {
        { "temperature", o->temperature, 0, most },
        { "top_p", o->top_p, 0, 1 },
        { "min_p", o->min_p, 0, 1 },
        { "repeat_penalty", o->repeat_penalty, 1e-6f, most },
        { "frequency_penalty", o->frequency_penalty, -most, most },
        { "presence_penalty", o->presence_penalty, -most, most },
        { "typical_p", o->typical_p, 0, 1 },
        { "top_n_sigma", o->top_n_sigma, 0, most },
        { "xtc_probability", o->xtc_probability, 0, 1 },
        { "xtc_threshold", o->xtc_threshold, 0, 1 },
        { "dynatemp_range", o->dynatemp_range, 0, most },
        { "dynatemp_exponent", o->dynatemp_exponent, 0, 1e6f },
        { "dry_multiplier", o->dry_multiplier, 0, most },
        { "dry_base", o->dry_base, 1, 1e6f },
        { "mirostat_tau", o->mirostat_tau, 0, 1e6f },
        { "mirostat_eta", o->mirostat_eta, 0, 1e6f },
    };
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        if (!(reals[i].value >= reals[i].least && reals[i].value <= reals[i].most)) /* a NaN too */
            return fail(err, INFER_E_ARGUMENT, "sampler option %s is %g, expected %g to %g", reals[i].name,
                        reals[i].value, reals[i].least, reals[i].most);
    return INFER_OK;
}

static infer_status check_options(const infer_sampler_options *o, infer_error *err)
{
    const struct {
        const char *name;
        int32_t value, least, most;
        const char *expected;
    } whole[] = {
        { "top_k", o->top_k, 0, INT32_MAX, "0 (all tokens) or more" },
        { "repeat_last_n", o->repeat_last_n, -1, INT32_MAX, "-1 (all tokens) or more" },
        { "dry_last_n", o->dry_last_n, -1, INT32_MAX, "-1 (all tokens) or more" },
        { "dry_allowed_length", o->dry_allowed_length, 0, INT32_MAX, "0 or more" },
        { "mirostat", o->mirostat, 0, 2, "0 (off), 1 or 2" },
    };
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (whole[i].value < whole[i].least || whole[i].value > whole[i].most)
            return fail(err, INFER_E_ARGUMENT, "sampler option %s is %d, expected %s", whole[i].name, whole[i].value,
                        whole[i].expected);
    if (o->n_biases && !o->biases)
        return fail(err, INFER_E_ARGUMENT, "sampler option n_biases is %zu, but biases is NULL", o->n_biases);
    for (size_t i = 0; i < o->n_biases; i++)
        if (!(o->biases[i].bias < INFINITY) || o->biases[i].id < 0)
            return fail(err, INFER_E_ARGUMENT, "sampler option biases: %g for token %d, expected a number or -infinity, "
                        "and an id", o->biases[i].bias, o->biases[i].id);
    return check_reals(o, err);
}

static infer_status read_options(infer_sampler_options *o, const infer_sampler_options *given, infer_error *err)
{
    *o = infer_sampler_defaults();
    if (given && given->size < sizeof given->size)
        return fail(err, INFER_E_ARGUMENT, "sampler option size is %zu; start from infer_sampler_defaults()",
                    given->size);
    if (given)
        memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    return check_options(o, err);
}

/* ---- Opening and closing ---- */

static infer_status set_up(infer_sampler *s, infer_error *err)
{
    if (!stages_list(s))
        return fail(err, INFER_E_ARGUMENT, "sampler option stages: %zu of them, expected at most %d of "
                    "infer_sampler_stage", s->o.n_stages, MAX_STAGES);
    bool penalizes = false, dries = false;
    for (size_t i = 0; i < s->n_stages; i++) {
        penalizes |= !strcmp(s->stages[i]->name, infer_sampler_stage_name(INFER_STAGE_PENALTIES));
        dries |= !strcmp(s->stages[i]->name, infer_sampler_stage_name(INFER_STAGE_DRY));
    }
    s->biases = mem_new(s->a, s->o.n_biases, sizeof *s->biases);
    if (!s->biases || !recent_open(&s->recent, s->a, penalizes ? s->o.repeat_last_n : 0) ||
        !dry_open(&s->dry, s->a, dries ? s->o.dry_last_n : 0) || !candidates_open(&s->candidates, s->a))
        return fail_memory(err, "a sampler");
    if (s->o.n_biases)
        memcpy(s->biases, s->o.biases, s->o.n_biases * sizeof *s->biases);
    s->o.biases = NULL; /* the caller's */
    s->o.stages = NULL;
    return INFER_OK;
}

infer_sampler *infer_sampler_open(infer_context *context, const infer_sampler_options *options, infer_error *err)
{
    infer_sampler_options o;
    if (!context)
        return fail_null(err, INFER_E_ARGUMENT, "infer_sampler_open needs a context, found NULL");
    if (read_options(&o, options, err) != INFER_OK)
        return NULL;
    const infer_allocator *a = context_allocator(context);
    infer_sampler *s = mem_new(a, 1, sizeof *s);
    if (!s)
        return fail_memory(err, "a sampler"), NULL;
    s->context = context_retain(context);
    s->a = a;
    s->o = o;
    if (set_up(s, err) == INFER_OK)
        infer_sampler_reset(s);
    else
        infer_sampler_close(&s);
    return s;
}

static bool copy_state(infer_sampler *s, const infer_sampler *from, infer_error *err)
{
    s->biases = mem_new(s->a, s->o.n_biases, sizeof *s->biases);
    if (!s->biases || !candidates_open(&s->candidates, s->a) || !recent_fork(&s->recent, &from->recent) ||
        !dry_fork(&s->dry, &from->dry) || !phrases_fork(&s->banned, &from->banned))
        return fail_memory(err, "a sampler"), false;
    if (s->o.n_biases)
        memcpy(s->biases, from->biases, s->o.n_biases * sizeof *s->biases);
    s->matcher = from->matcher ? infer_matcher_fork(from->matcher, err) : NULL;
    return s->matcher || !from->matcher;
}

infer_sampler *sampler_fork(const infer_sampler *from, infer_error *err)
{
    infer_sampler *s = mem_new(from->a, 1, sizeof *s);
    if (!s)
        return fail_memory(err, "a sampler"), NULL;
    *s = (infer_sampler){ .context = context_retain(from->context), .a = from->a, .o = from->o,
                          .n_stages = from->n_stages, .lost_count = from->lost_count, .n_ids = from->n_ids,
                          .left_grammar = from->left_grammar, .random = from->random,
                          .mirostat_mu = from->mirostat_mu };
    memcpy(s->stages, from->stages, sizeof s->stages);
    if (!copy_state(s, from, err))
        infer_sampler_close(&s);
    return s;
}

void infer_sampler_close(infer_sampler **sampler)
{
    infer_sampler *s = sampler ? *sampler : NULL;
    if (!s)
        return;
    infer_context *context = s->context;
    recent_close(&s->recent);
    dry_close(&s->dry);
    phrases_close(&s->banned);
    candidates_close(&s->candidates);
    infer_matcher_close(&s->matcher);
    mem_free(s->a, s->biases);
    mem_free(s->a, s);
    infer_context_close(&context);
    *sampler = NULL;
}

/* ---- From token to token ---- */

void infer_sampler_reset(infer_sampler *s)
{
    recent_clear(&s->recent);
    dry_clear(&s->dry);
    random_seed(&s->random, s->o.seed);
    s->mirostat_mu = 2 * (double)s->o.mirostat_tau;
    s->lost_count = false;
    sampler_begin(s);
}

void sampler_count(infer_sampler *s, int32_t id)
{
    if (id >= 0 && !(recent_add(&s->recent, id) && dry_add(&s->dry, id)))
        s->lost_count = true;
}

void infer_sampler_accept(infer_sampler *s, int32_t id)
{
    sampler_count(s, id);
    if (id >= 0)
        phrases_take(&s->banned, id);
    if (s->matcher && infer_matcher_accept(s->matcher, id, NULL) != INFER_OK)
        s->left_grammar = true;
}

void sampler_begin(infer_sampler *s)
{
    phrases_begin(&s->banned);
    if (s->matcher)
        infer_matcher_rewind(s->matcher, 0, NULL);
    s->left_grammar = false;
}

/* ---- Sketches ---- */

infer_sampler *sampler_sketch(const infer_sampler *s, infer_error *err)
{
    infer_sampler_options o = s->o;
    o.biases = s->biases;
    o.repeat_last_n = o.dry_last_n = 0;
    infer_sampler *x = infer_sampler_open(s->context, &o, err);
    if (!x)
        return NULL;
    x->n_stages = 0;
    for (size_t i = 0; i < s->n_stages; i++)
        if (!s->stages[i]->few) /* those that look at tokens before */
            x->stages[x->n_stages++] = s->stages[i];
    return x;
}

void sampler_couple(infer_sampler *sketch, infer_sampler *s)
{
    sketch->matcher = s ? s->matcher : NULL;
    sketch->n_ids = s ? s->n_ids : 0;
    if (!s)
        return;
    sketch->random = s->random;
    sketch->mirostat_mu = s->mirostat_mu;
}

/* ---- The grammar, and texts ---- */

infer_status infer_sampler_set_grammar(infer_sampler *s, infer_grammar *grammar, const infer_tokenizer *tokenizer,
                                       infer_error *err)
{
    if (grammar && !tokenizer)
        return fail(err, INFER_E_ARGUMENT, "a sampler's grammar needs a tokenizer, found NULL");
    infer_error own = { INFER_OK, "" };
    infer_matcher *m = grammar ? infer_matcher_open(grammar, tokenizer, &own) : NULL;
    if (grammar && !m)
        return fail(err, own.code, "%s", own.message);
    infer_matcher_close(&s->matcher);
    s->matcher = m;
    s->n_ids = grammar ? infer_tokenizer_size(tokenizer) : 0;
    s->left_grammar = false;
    return INFER_OK;
}

infer_matcher *infer_sampler_matcher(infer_sampler *s)
{
    return s->matcher;
}

static infer_status set_phrases(infer_sampler *s, struct phrases *p, const infer_tokenizer *tokenizer,
                                const char *const *texts, size_t n, bool with_tokens, infer_error *err)
{
    struct phrases new;
    const infer_status status = phrases_open(&new, s->a, tokenizer, texts, n, with_tokens, err);
    if (status != INFER_OK)
        return status;
    phrases_close(p);
    *p = new;
    return INFER_OK;
}

infer_status infer_sampler_set_dry_breakers(infer_sampler *s, const infer_tokenizer *tokenizer,
                                            const char *const *texts, size_t n, infer_error *err)
{
    return set_phrases(s, &s->dry.breakers, tokenizer, texts, n, false, err);
}

infer_status infer_sampler_set_banned(infer_sampler *s, const infer_tokenizer *tokenizer, const char *const *texts,
                                      size_t n, infer_error *err)
{
    return set_phrases(s, &s->banned, tokenizer, texts, n, true, err);
}

/* ---- Choosing ---- */

/* What is not for the stages to decide. */
static bool prepare(infer_sampler *s, struct candidates *c, const int32_t *banned, size_t n_banned)
{
    for (size_t i = 0; i < s->o.n_biases; i++) {
        const infer_logit_bias b = s->biases[i];
        if (b.id < c->n_vocab && !candidates_set(c, b.id, candidates_logit(c, b.id) + b.bias))
            return false;
    }
    for (size_t i = 0; i < n_banned; i++)
        if (!candidates_set(c, banned[i], -INFINITY))
            return false;
    return phrases_ban(&s->banned, c);
}

int32_t sampler_sample_except(infer_sampler *s, const float *logits, int32_t n_vocab, const int32_t *banned,
                              size_t n_banned)
{
    if (!logits || n_vocab <= 0 || s->lost_count || s->left_grammar)
        return -1;
    struct candidates *c = &s->candidates;
    candidates_begin(c, logits, s->matcher && n_vocab > s->n_ids ? s->n_ids : n_vocab);
    bool good = prepare(s, c, banned, n_banned);
    for (size_t i = 0; i < s->n_stages && good; i++)
        good = s->stages[i]->run(s, c);
    return good && stages_gather(s, c) ? stages_draw(s, c) : -1;
}

size_t sampler_best(infer_sampler *s, const float *scores, int32_t n_vocab, const int32_t *banned, size_t n_banned,
                    infer_logprob *best, size_t k)
{
    struct candidates *c = &s->candidates;
    if (s->lost_count || s->left_grammar)
        return SIZE_MAX;
    candidates_begin(c, scores, s->matcher && n_vocab > s->n_ids ? s->n_ids : n_vocab);
    if (!prepare(s, c, banned, n_banned) || !stages_best(s, c, k))
        return SIZE_MAX;
    for (size_t i = 0; i < c->n; i++)
        best[i] = (infer_logprob){ candidates_id(c, i), c->logit[i] };
    return c->n;
}

int32_t infer_sampler_sample(infer_sampler *s, const float *logits, int32_t n_vocab)
{
    return sampler_sample_except(s, logits, n_vocab, NULL, 0);
}
