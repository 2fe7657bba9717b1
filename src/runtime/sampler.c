/* sampler.c - from logits to a token.
 *
 * The stages penalties, top-k, top-p, min-p, temperature are those of llama.cpp's default chain, in its order. Three
 * things make one pass of them cheap for large vocabularies:
 * - Each filter keeps a prefix of the tokens in order of their logits, so the filters together keep the shortest of the
 *   prefixes, and only that much needs to be in order.
 * - The logits are the caller's and are not copied. Few of them are changed by penalties or banned, so the pass over
 *   the vocabulary steps over these exceptions when it meets one that is large enough to matter, and they are offered
 *   after it.
 * - Soft-max needs no more than exp(logit - largest) and its sum.
 * A grammar comes before all stages. Its mask lets the pass leave out what cannot be chosen, 32 tokens at a time. Where
 * the mask is not known so far, the best tokens are tried one by one instead: if as many as top-k keeps are allowed,
 * they are the ones that it would have kept with a mask.
 * All arithmetic is IEEE addition, multiplication, division and comparison in a fixed order: the same tokens
 * everywhere. */
#include "src/runtime/sampler.h"

#include "src/base/context.h"
#include "src/base/error.h"
#include "src/base/memory.h"
#include "src/grammar/grammar.h"
#include "src/runtime/random.h"
#include "src/runtime/recent.h"
#include "src/runtime/select.h"

#include <math.h>

enum {
    FEW = 1024,        /* up to so many tokens are kept by a heap, more by sorting all */
    FIRST_LOOK = 256,  /* tokens put in order before top-p sorts all of them */
    SCAN = 32,         /* logits compared at once: as many as a word of a mask is for */
    SPARE = 64         /* tokens tried beyond top-k where a grammar's mask is not known */
};

struct infer_sampler {
    infer_context *context;
    const infer_allocator *a;
    infer_sampler_options o;
    bool penalizes;
    bool lost_count; /* memory was out when a token was to be counted */
    infer_matcher *matcher; /* NULL without a grammar */
    bool left_grammar;      /* a token was accepted that it does not allow, or memory was out */
    struct random random;
    struct recent recent;
    uint64_t *best; /* FEW keys */
    struct whole {  /* for choices from more than FEW tokens: arrays over the vocabulary, NULL until they are needed */
        size_t room;
        float *logit;  /* penalties taken off, -INFINITY for what cannot be chosen */
        float *weight;
        uint64_t *key, *spare;
    } whole;
};

struct banned {
    const int32_t *id;
    size_t n;
    const uint32_t *allowed; /* bits of those that a grammar allows, or NULL: all */
};

/* Tokens that may be chosen, the best first. */
struct candidates {
    const uint64_t *key;
    size_t n;
};

/* ---- Options ---- */

static infer_status check_options(const infer_sampler_options *o, infer_error *err)
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
    };
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        if (!(reals[i].value >= reals[i].least && reals[i].value <= reals[i].most)) /* a NaN too */
            return fail(err, INFER_E_ARGUMENT, "sampler option %s is %g, expected %g to %g", reals[i].name,
                        reals[i].value, reals[i].least, reals[i].most);
    if (o->top_k < 0)
        return fail(err, INFER_E_ARGUMENT, "sampler option top_k is %d, expected 0 (all tokens) or more", o->top_k);
    if (o->repeat_last_n < -1)
        return fail(err, INFER_E_ARGUMENT, "sampler option repeat_last_n is %d, expected -1 (all tokens) or more",
                    o->repeat_last_n);
    return INFER_OK;
}

infer_sampler *infer_sampler_open(infer_context *context, const infer_sampler_options *options, infer_error *err)
{
    if (!context)
        return fail_null(err, INFER_E_ARGUMENT, "infer_sampler_open needs a context, found NULL");
    infer_sampler_options o = infer_sampler_defaults();
    if (options && options->size < sizeof options->size)
        return fail_null(err, INFER_E_ARGUMENT, "sampler option size is %zu; start from infer_sampler_defaults()",
                         options->size);
    if (options)
        memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    if (check_options(&o, err) != INFER_OK)
        return NULL;
    const infer_allocator *a = context_allocator(context);
    infer_sampler *s = mem_new(a, 1, sizeof *s);
    if (!s)
        return fail_memory(err, "a sampler"), NULL;
    s->context = context_retain(context);
    s->a = a;
    s->o = o;
    s->penalizes = o.repeat_last_n && (o.repeat_penalty != 1 || o.frequency_penalty != 0 || o.presence_penalty != 0);
    s->best = mem_new(a, FEW, sizeof *s->best);
    if (!s->best || !recent_open(&s->recent, a, s->penalizes ? o.repeat_last_n : 0)) {
        infer_sampler_close(&s);
        return fail_memory(err, "a sampler"), NULL;
    }
    infer_sampler_reset(s);
    return s;
}

static void free_whole(infer_sampler *s)
{
    struct whole *w = &s->whole;
    mem_free(s->a, w->logit);
    mem_free(s->a, w->weight);
    mem_free(s->a, w->key);
    mem_free(s->a, w->spare);
    *w = (struct whole){ 0 };
}

void infer_sampler_close(infer_sampler **sampler)
{
    infer_sampler *s = sampler ? *sampler : NULL;
    if (!s)
        return;
    infer_context *context = s->context;
    if (s->recent.a)
        recent_close(&s->recent);
    infer_matcher_close(&s->matcher);
    free_whole(s);
    mem_free(s->a, s->best);
    mem_free(s->a, s);
    infer_context_close(&context);
    *sampler = NULL;
}

void infer_sampler_reset(infer_sampler *s)
{
    recent_clear(&s->recent);
    random_seed(&s->random, s->o.seed);
    s->lost_count = false;
    sampler_begin(s);
}

void sampler_count(infer_sampler *s, int32_t id)
{
    if (s->penalizes && id >= 0 && !recent_add(&s->recent, id))
        s->lost_count = true;
}

void infer_sampler_accept(infer_sampler *s, int32_t id)
{
    sampler_count(s, id);
    if (s->matcher && infer_matcher_accept(s->matcher, id, NULL) != INFER_OK)
        s->left_grammar = true;
}

/* ---- The grammar ---- */

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
    s->left_grammar = false;
    return INFER_OK;
}

infer_matcher *infer_sampler_matcher(infer_sampler *s)
{
    return s->matcher;
}

void sampler_begin(infer_sampler *s)
{
    if (s->matcher)
        infer_matcher_rewind(s->matcher, 0, NULL);
    s->left_grammar = false;
}

/* ---- Exceptions: tokens whose logits are not the caller's ---- */

static bool is_banned(const struct banned *b, int32_t id)
{
    if (b->allowed && !(b->allowed[id / SCAN] >> (id % SCAN) & 1))
        return true;
    size_t low = 0, high = b->n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (b->id[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < b->n && b->id[low] == id;
}

static bool is_exception(const infer_sampler *s, const struct banned *b, int32_t id)
{
    return (s->penalizes && recent_count(&s->recent, id)) || is_banned(b, id);
}

/* The logit of a recent token, -INFINITY if it cannot be chosen. */
static float penalized(const infer_sampler *s, const float *logits, const struct banned *b,
                       const struct recent_slot *slot)
{
    float x = logits[slot->id];
    x = x > 0 ? x / s->o.repeat_penalty : x * s->o.repeat_penalty;
    x -= (float)slot->count * s->o.frequency_penalty + s->o.presence_penalty;
    return is_finite(x) && !is_banned(b, slot->id) ? x : -INFINITY;
}

/* ---- The best few ---- */

static bool any_above(const float *x, float floor)
{
    int any = 0;
    for (int i = 0; i < SCAN; i++)
        any |= x[i] > floor;
    return any;
}

/* Offer all tokens but the exceptions. */
static void scan(const infer_sampler *s, struct best *best, const float *logits, int32_t n_vocab,
                 const struct banned *b)
{
    for (int32_t i = 0; i < n_vocab;) {
        const bool none = b->allowed && !b->allowed[i / SCAN];
        if (n_vocab - i >= SCAN && (none || !any_above(logits + i, best_floor(best)))) {
            i += SCAN;
            continue;
        }
        for (const int32_t end = n_vocab - i < SCAN ? n_vocab : i + SCAN; i < end; i++)
            if (logits[i] > best_floor(best) && is_finite(logits[i]) && !is_exception(s, b, i))
                best_offer(best, key_of(logits[i], i));
    }
}

/* The k <= FEW best tokens. */
static struct candidates take_best(infer_sampler *s, const float *logits, int32_t n_vocab, const struct banned *b,
                                   size_t k)
{
    struct best best = { .key = s->best, .k = k };
    scan(s, &best, logits, n_vocab, b);
    for (size_t i = 0; s->penalizes && i < s->recent.n_slots; i++) {
        const struct recent_slot *slot = &s->recent.slots[i];
        const float x = slot->count && slot->id < n_vocab ? penalized(s, logits, b, slot) : -INFINITY;
        if (is_finite(x))
            best_offer(&best, key_of(x, slot->id));
    }
    best_sort(&best);
    return (struct candidates){ s->best, best.n };
}

/* ---- Weights: what soft-max makes of the logits, before division by their sum ---- */

static float weight(uint64_t key, float largest, float temperature)
{
    return exp_negative((key_logit(key) - largest) / temperature);
}

static double total_weight(const struct candidates *c, float temperature)
{
    double sum = 0;
    for (size_t i = 0; i < c->n; i++)
        sum += (double)weight(c->key[i], key_logit(c->key[0]), temperature);
    return sum;
}

/* How many of the candidates top-p and min-p keep; top-p keeps its share of `total`. *ended says whether one of them
 * ended the walk: if not, candidates that follow might be kept too. */
static size_t cut(const infer_sampler *s, const struct candidates *c, double total, bool *ended)
{
    const float largest = c->n ? key_logit(c->key[0]) : 0;
    const double enough = s->o.top_p < 1 ? (double)s->o.top_p * total : HUGE_VAL;
    double sum = 0;
    *ended = true;
    for (size_t i = 0; i < c->n; i++) {
        const float w = weight(c->key[i], largest, 1);
        if (w < s->o.min_p)
            return i;
        sum += (double)w;
        if (sum >= enough)
            return i + 1;
    }
    *ended = false;
    return c->n;
}

/* The candidate at which the running sum of the weights exceeds a random share of their total. */
static int32_t draw(infer_sampler *s, const struct candidates *c)
{
    if (!c->n)
        return -1;
    if (s->o.temperature == 0)
        return key_id(c->key[0]);
    const double aim = random_uniform(&s->random) * total_weight(c, s->o.temperature);
    double sum = 0;
    size_t i = 0;
    for (; i < c->n - 1; i++) { /* the last one takes what rounding leaves over */
        sum += (double)weight(c->key[i], key_logit(c->key[0]), s->o.temperature);
        if (sum > aim)
            break;
    }
    return key_id(c->key[i]);
}

/* ---- The whole vocabulary ---- */

static bool whole_reserve(infer_sampler *s, size_t n)
{
    struct whole *w = &s->whole;
    if (w->room >= n)
        return true;
    free_whole(s);
    w->logit = mem_new(s->a, n, sizeof *w->logit);
    w->weight = mem_new(s->a, n, sizeof *w->weight);
    w->key = mem_new(s->a, n, sizeof *w->key);
    w->spare = mem_new(s->a, n, sizeof *w->spare);
    w->room = n;
    if (w->logit && w->weight && w->key && w->spare)
        return true;
    free_whole(s);
    return false;
}

/* Fill whole.logit and return the largest, -INFINITY if no token can be chosen. */
static float whole_logits(infer_sampler *s, const float *logits, int32_t n_vocab, const struct banned *b)
{
    float *own = s->whole.logit;
    for (int32_t i = 0; i < n_vocab; i++)
        own[i] = is_finite(logits[i]) ? logits[i] : -INFINITY;
    for (size_t i = 0; s->penalizes && i < s->recent.n_slots; i++) {
        const struct recent_slot *slot = &s->recent.slots[i];
        if (slot->count && slot->id < n_vocab)
            own[slot->id] = penalized(s, logits, b, slot);
    }
    for (size_t i = 0; i < b->n; i++)
        if (b->id[i] >= 0 && b->id[i] < n_vocab)
            own[b->id[i]] = -INFINITY;
    for (int32_t i = 0; i < n_vocab && b->allowed; i++)
        own[i] = b->allowed[i / SCAN] >> (i % SCAN) & 1 ? own[i] : -INFINITY;
    float largest = -INFINITY;
    for (int32_t i = 0; i < n_vocab; i++)
        largest = own[i] > largest ? own[i] : largest;
    return largest;
}

/* Fill whole.weight and return the sum, made of four interleaved parts that do not wait for each other. */
static double whole_weights(infer_sampler *s, int32_t n_vocab, float largest, float temperature)
{
    const float *logit = s->whole.logit;
    float *restrict w = s->whole.weight;
    for (int32_t i = 0; i < n_vocab; i++)
        w[i] = exp_negative((logit[i] - largest) / temperature);
    double sum[4] = { 0 };
    int32_t i = 0;
    for (; i + 4 <= n_vocab; i += 4)
        for (int j = 0; j < 4; j++)
            sum[j] += (double)w[i + j];
    for (; i < n_vocab; i++)
        sum[0] += (double)w[i];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* As draw, among all tokens that min-p keeps: nothing has to be in order. */
static int32_t whole_draw(infer_sampler *s, int32_t n_vocab, float largest)
{
    if (s->o.min_p > 0) {
        whole_weights(s, n_vocab, largest, 1);
        for (int32_t i = 0; i < n_vocab; i++)
            s->whole.logit[i] = s->whole.weight[i] < s->o.min_p ? -INFINITY : s->whole.logit[i];
    }
    const double aim = whole_weights(s, n_vocab, largest, s->o.temperature) * random_uniform(&s->random);
    double sum = 0;
    int32_t last = -1; /* takes what rounding leaves over */
    for (int32_t i = 0; i < n_vocab; i++) {
        sum += (double)s->whole.weight[i];
        last = s->whole.weight[i] > 0 ? i : last;
        if (sum > aim)
            break;
    }
    return last;
}

/* All tokens in order of their logits. */
static struct candidates whole_sorted(infer_sampler *s, int32_t n_vocab)
{
    size_t n = 0;
    for (int32_t i = 0; i < n_vocab; i++)
        if (is_finite(s->whole.logit[i]))
            s->whole.key[n++] = key_of(s->whole.logit[i], i);
    sort_keys(s->whole.key, s->whole.spare, n);
    return (struct candidates){ s->whole.key, n };
}

/* The choice where top-k keeps more than FEW tokens (all of them: k is 0). */
static int32_t whole_sample(infer_sampler *s, const float *logits, int32_t n_vocab, const struct banned *b, size_t k)
{
    if (!whole_reserve(s, (size_t)n_vocab))
        return -1;
    const float largest = whole_logits(s, logits, n_vocab, b);
    if (!is_finite(largest))
        return -1;
    const bool all = !k || k >= (size_t)n_vocab;
    if (all && s->o.top_p >= 1)
        return whole_draw(s, n_vocab, largest);
    const double total = all ? whole_weights(s, n_vocab, largest, 1) : 0;
    bool ended = false;
    if (all) { /* mostly top-p keeps few of them */
        struct best best = { .key = s->best, .k = FIRST_LOOK };
        for (int32_t i = 0; i < n_vocab; i++)
            if (s->whole.logit[i] > best_floor(&best))
                best_offer(&best, key_of(s->whole.logit[i], i));
        best_sort(&best);
        struct candidates few = { s->best, best.n };
        few.n = cut(s, &few, total, &ended);
        if (ended)
            return draw(s, &few);
    }
    struct candidates c = whole_sorted(s, n_vocab);
    if (!all && c.n > k)
        c.n = k;
    c.n = cut(s, &c, all ? total : total_weight(&c, 1), &ended);
    return draw(s, &c);
}

static int32_t choose_few(infer_sampler *s, struct candidates c)
{
    bool ended;
    c.n = cut(s, &c, s->o.top_p < 1 ? total_weight(&c, 1) : 0, &ended);
    return draw(s, &c);
}

static int32_t choose(infer_sampler *s, const float *logits, int32_t n_vocab, const struct banned *b, size_t k)
{
    if (!k || k > FEW)
        return whole_sample(s, logits, n_vocab, b, k);
    return choose_few(s, take_best(s, logits, n_vocab, b, k));
}

/* The k best tokens that the grammar allows, asked for one by one; none if there are not so many among the best. */
static struct candidates try_best(infer_sampler *s, const float *logits, int32_t n_vocab, const struct banned *b,
                                  size_t k)
{
    const struct candidates all = take_best(s, logits, n_vocab, b, k + SPARE);
    size_t n = 0;
    for (size_t i = 0; i < all.n && n < k; i++)
        if (infer_matcher_allows(s->matcher, key_id(all.key[i])))
            s->best[n++] = all.key[i];
    return (struct candidates){ s->best, n == k ? n : 0 };
}

static int32_t choose_allowed(infer_sampler *s, const float *logits, int32_t n_vocab, struct banned *b, size_t k)
{
    int32_t n_ids;
    if (s->left_grammar)
        return -1;
    b->allowed = matcher_mask_known(s->matcher, &n_ids);
    if (!b->allowed && k && k + SPARE <= FEW) {
        const struct candidates c = try_best(s, logits, n_vocab, b, k);
        if (c.n)
            return choose_few(s, c);
    }
    if (!b->allowed && !(b->allowed = matcher_mask(s->matcher, &n_ids)))
        return -1;
    return choose(s, logits, n_vocab < n_ids ? n_vocab : n_ids, b, k);
}

int32_t sampler_sample_except(infer_sampler *s, const float *logits, int32_t n_vocab, const int32_t *banned,
                              size_t n_banned)
{
    if (!logits || n_vocab <= 0 || s->lost_count)
        return -1;
    struct banned b = { .id = banned, .n = n_banned };
    const size_t k = s->o.temperature == 0 ? 1 : (size_t)s->o.top_k;
    return s->matcher ? choose_allowed(s, logits, n_vocab, &b, k) : choose(s, logits, n_vocab, &b, k);
}

int32_t infer_sampler_sample(infer_sampler *s, const float *logits, int32_t n_vocab)
{
    return sampler_sample_except(s, logits, n_vocab, NULL, 0);
}
