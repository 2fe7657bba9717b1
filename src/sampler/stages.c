/* stages.c - the stages, and how one of the tokens that are left is drawn.
 *
 * The filters keep the better part of the candidates by some score, so each is a score and a place to cut at. Those
 * that change the logits of few tokens go through a map of these. */
#include "src/sampler/stages.h"

#include "src/grammar/grammar.h"
#include "src/sampler/elementary.h"

#include <math.h>

enum { SPARE = 64 }; /* tokens tried beyond top-k where a grammar's mask is not known */

#define LN2 0.693147180559945309417

/* Of any x; infinite where it is larger than a float. */
static double exponential(double x)
{
    return x <= 0 ? (double)exp_negative((float)x) : 1 / (double)exp_negative((float)-x);
}

/* ---- The grammar's mask ---- */

static bool have_mask(struct infer_sampler *s, struct candidates *c)
{
    int32_t n_ids;
    if (!s->matcher || c->allowed)
        return true;
    c->allowed = matcher_mask(s->matcher, &n_ids);
    return c->allowed && n_ids >= c->n_vocab;
}

bool stages_gather(struct infer_sampler *s, struct candidates *c)
{
    return c->gathered || (have_mask(s, c) && candidates_gather(c));
}

/* ---- Changes of few logits ---- */

typedef float change_fn(const struct infer_sampler *s, float logit, uint32_t value);

/* Change the logits of the tokens in a map. */
static bool change(struct infer_sampler *s, struct candidates *c, const struct id_map *map, change_fn *fn)
{
    for (size_t i = 0; !c->gathered && map->n && i < map->n_slots; i++) {
        const int32_t id = id_slot_id(&map->slots[i]);
        if (map->slots[i].tag && id < c->n_vocab &&
            !candidates_set(c, id, fn(s, candidates_logit(c, id), map->slots[i].value)))
            return false;
    }
    if (!c->gathered || !map->n)
        return true;
    for (size_t i = 0; i < c->n; i++) {
        const uint32_t *value = id_map_find(map, candidates_id(c, i));
        if (!value)
            continue;
        const float x = fn(s, c->logit[i] + c->shift, *value) - c->shift;
        c->logit[i] = is_finite(x) ? x : -INFINITY;
    }
    candidates_cut(c, c->logit, -INFINITY, 0);
    return true;
}

static float penalized(const struct infer_sampler *s, float x, uint32_t count)
{
    x = x > 0 ? x / s->o.repeat_penalty : x * s->o.repeat_penalty;
    return x - ((float)count * s->o.frequency_penalty + s->o.presence_penalty);
}

static bool penalties_on(const infer_sampler_options *o)
{
    return o->repeat_last_n && (o->repeat_penalty != 1 || o->frequency_penalty != 0 || o->presence_penalty != 0);
}

static bool penalties(struct infer_sampler *s, struct candidates *c)
{
    return change(s, c, &s->recent.counts, penalized);
}

static float repeated(const struct infer_sampler *s, float x, uint32_t length)
{
    const float most = 1e30f; /* so that the token can still be chosen where there is no other */
    float penalty = s->o.dry_multiplier;
    for (uint32_t i = (uint32_t)s->o.dry_allowed_length; i < length && penalty < most; i++) {
        if (s->o.dry_base == 1 || penalty == 0)
            break;
        penalty *= s->o.dry_base;
    }
    return x - (penalty < most ? penalty : most);
}

static bool dry_on(const infer_sampler_options *o)
{
    return o->dry_multiplier != 0 && o->dry_last_n != 0;
}

static bool dry(struct infer_sampler *s, struct candidates *c)
{
    return dry_find(&s->dry, (size_t)s->o.dry_allowed_length) && change(s, c, &s->dry.lengths, repeated);
}

/* ---- Filters ---- */

static bool top_n_sigma_on(const infer_sampler_options *o)
{
    return o->top_n_sigma > 0;
}

static bool top_n_sigma(struct infer_sampler *s, struct candidates *c)
{
    if (!stages_gather(s, c))
        return false;
    double sum = 0, squares = 0;
    for (size_t i = 0; i < c->n; i++)
        sum += (double)c->logit[i];
    const double mean = c->n ? sum / (double)c->n : 0;
    for (size_t i = 0; i < c->n; i++)
        squares += ((double)c->logit[i] - mean) * ((double)c->logit[i] - mean);
    const double sigma = c->n ? sqrt(squares / (double)c->n) : 0;
    const float largest = candidates_largest(c), least = (float)((double)largest - (double)s->o.top_n_sigma * sigma);
    candidates_cut(c, c->logit, least, SIZE_MAX);
    return true;
}

/* Keep those of the k + SPARE best that the grammar allows, asked for one by one; false if they are fewer than k. */
static bool try_best(struct infer_sampler *s, struct candidates *c, size_t k)
{
    const size_t all = candidates_best(c, k + SPARE);
    size_t n = 0;
    for (size_t i = 0; i < all && n < k; i++)
        if (infer_matcher_allows(s->matcher, key_id(c->key[i])))
            c->key[n++] = c->key[i];
    if (n == k)
        candidates_take(c, n);
    return n == k;
}

static bool take_best(struct infer_sampler *s, struct candidates *c, size_t k)
{
    int32_t n_ids;
    if (s->matcher)
        c->allowed = matcher_mask_known(s->matcher, &n_ids);
    if (s->matcher && !c->allowed && k + SPARE <= FEW && try_best(s, c, k))
        return true;
    if (!have_mask(s, c))
        return false;
    candidates_take(c, candidates_best(c, k));
    return true;
}

static bool keep_best(struct infer_sampler *s, struct candidates *c, size_t k)
{
    if (!c->gathered && k <= FEW)
        return take_best(s, c, k);
    if (!stages_gather(s, c))
        return false;
    if (k < c->n)
        candidates_keep(c, c->logit, NULL, (double)k);
    return true;
}

static bool top_k_on(const infer_sampler_options *o)
{
    return o->top_k > 0;
}

static bool top_k(struct infer_sampler *s, struct candidates *c)
{
    return keep_best(s, c, (size_t)s->o.top_k);
}

static bool typical_on(const infer_sampler_options *o)
{
    return o->typical_p < 1;
}

/* With d the distance of a logit from the largest, the information of a token is ln(total) - d. */
static bool typical(struct infer_sampler *s, struct candidates *c)
{
    if (!stages_gather(s, c))
        return false;
    const float largest = candidates_largest(c);
    const double total = candidates_weights(c, largest);
    double mean = 0; /* of d */
    for (size_t i = 0; i < c->n; i++)
        mean += c->weight[i] > 0 ? (double)c->weight[i] * (double)(c->logit[i] - largest) : 0;
    mean /= total;
    for (size_t i = 0; i < c->n; i++) /* ln(total) is part of the entropy too */
        c->score[i] = -fabsf((float)((double)(c->logit[i] - largest) - mean));
    candidates_keep(c, c->score, c->weight, (double)s->o.typical_p * total);
    return true;
}

static bool top_p_on(const infer_sampler_options *o)
{
    return o->top_p < 1;
}

static bool top_p(struct infer_sampler *s, struct candidates *c)
{
    if (!stages_gather(s, c))
        return false;
    const double total = candidates_weights(c, candidates_largest(c));
    candidates_keep(c, c->logit, c->weight, (double)s->o.top_p * total);
    return true;
}

static bool min_p_on(const infer_sampler_options *o)
{
    return o->min_p > 0;
}

static bool min_p(struct infer_sampler *s, struct candidates *c)
{
    if (!stages_gather(s, c))
        return false;
    candidates_weights(c, candidates_largest(c));
    candidates_cut(c, c->weight, s->o.min_p, SIZE_MAX);
    return true;
}

static bool xtc_on(const infer_sampler_options *o)
{
    return o->xtc_probability > 0 && o->xtc_threshold <= 0.5f;
}

/* Of those at least xtc_threshold likely, only the least likely one stays. */
static bool xtc(struct infer_sampler *s, struct candidates *c)
{
    if (!stages_gather(s, c))
        return false;
    if (c->n < 2 || random_uniform(&s->random) >= (double)s->o.xtc_probability)
        return true;
    const double enough = candidates_weights(c, candidates_largest(c)) * (double)s->o.xtc_threshold;
    float least = INFINITY;
    for (size_t i = 0; i < c->n; i++) {
        const float w = c->weight[i];
        least = (double)w >= enough && w < least ? w : least;
        c->score[i] = -w;
    }
    if (is_finite(least))
        candidates_cut(c, c->score, -least, 1);
    return true;
}

/* ---- Temperature ---- */

static bool temperature_on(const infer_sampler_options *o)
{
    return o->temperature != 1 || o->dynatemp_range > 0;
}

/* From temperature - range to temperature + range, as the entropy is to that of equal probabilities. */
static float dynamic_temperature(struct infer_sampler *s, struct candidates *c, float largest)
{
    const double low = s->o.temperature > s->o.dynatemp_range ? (double)(s->o.temperature - s->o.dynatemp_range) : 0;
    const double high = (double)s->o.temperature + (double)s->o.dynatemp_range;
    const double total = candidates_weights(c, largest);
    double sum = 0;
    for (size_t i = 0; i < c->n; i++)
        sum += c->weight[i] > 0 ? (double)c->weight[i] * (double)(c->logit[i] - largest) : 0;
    const double share = (log_positive(total) - sum / total) / log_positive((double)c->n);
    const double part = share <= 0 ? s->o.dynatemp_exponent == 0 :
                        share >= 1 ? 1 : exponential((double)s->o.dynatemp_exponent * log_positive(share));
    return (float)(low + (high - low) * part);
}

static bool temperature(struct infer_sampler *s, struct candidates *c)
{
    if (!stages_gather(s, c))
        return false;
    const float largest = candidates_largest(c);
    const bool dynamic = s->o.dynatemp_range > 0 && c->n > 1;
    const float t = dynamic ? dynamic_temperature(s, c, largest) : s->o.temperature;
    if (t == 0) {
        candidates_cut(c, c->logit, largest, 1);
        return true;
    }
    for (size_t i = 0; i < c->n; i++) /* differences first: they do not overflow where it matters, and lose no digits */
        c->logit[i] = (c->logit[i] - largest) / t;
    const float shift = (c->shift + largest) / t;
    c->shift = is_finite(shift) ? shift : 0;
    return true;
}

/* ---- Mirostat: Basu et al., arXiv 2007.14966 ---- */

/* The number of tokens that give a surprise of mu bits if the best of them follow Zipf's law, by its exponent. */
static double zipf_count(const struct infer_sampler *s, struct candidates *c)
{
    enum { MOST = 100 };
    const size_t n = candidates_order(c, c->logit, MOST);
    double products = 0, squares = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        const double t = log_positive((double)(i + 2) / (double)(i + 1));
        products += t * (double)(key_logit(c->key[i]) - key_logit(c->key[i + 1]));
        squares += t * t;
    }
    const double exponent = products / squares, beyond = exponent - 1, vocabulary = log_positive((double)c->n_vocab);
    if (!(exponent > 0)) /* all alike, or one alone */
        return HUGE_VAL;
    const double tail = beyond == 0 ? vocabulary : (1 - exponential(-beyond * vocabulary)) / beyond;
    return exponential((s->mirostat_mu * LN2 - log_positive(tail)) / exponent);
}

static void mirostat_cut(struct infer_sampler *s, struct candidates *c)
{
    if (s->o.mirostat == 1) {
        const double k = zipf_count(s, c);
        if (k < (double)c->n)
            candidates_keep(c, c->logit, NULL, k < 1 ? 1 : floor(k));
        return;
    }
    const double total = candidates_weights(c, candidates_largest(c));
    const double least = total * exponential(s->mirostat_mu > 0 ? -s->mirostat_mu * LN2 : 0);
    /* the best one's weight is 1 */
    candidates_cut(c, c->weight, least < 1 ? (float)least : 1, least < 1 ? SIZE_MAX : 1);
}

/* ---- Drawing ---- */

/* The candidate at which the running sum of the weights exceeds a random share of their total. The last one takes what
 * rounding leaves over. */
static size_t draw(struct infer_sampler *s, struct candidates *c, double total)
{
    if (c->n == 1)
        return 0;
    const double aim = random_uniform(&s->random) * total;
    double sum = 0;
    size_t last = 0;
    for (size_t i = 0; i < c->n; i++) {
        sum += (double)c->weight[i];
        last = c->weight[i] > 0 ? i : last;
        if (sum > aim)
            break;
    }
    return last;
}

int32_t stages_draw(struct infer_sampler *s, struct candidates *c)
{
    if (!c->n)
        return -1;
    if (s->o.mirostat)
        mirostat_cut(s, c);
    const double total = candidates_weights(c, candidates_largest(c));
    const size_t i = draw(s, c, total);
    if (s->o.mirostat && c->weight[i] > 0) {
        const double surprise = log_positive(total / (double)c->weight[i]) / LN2;
        s->mirostat_mu -= (double)s->o.mirostat_eta * (surprise - (double)s->o.mirostat_tau);
    }
    return candidates_id(c, i);
}

bool stages_best(struct infer_sampler *s, struct candidates *c, size_t k)
{
    for (size_t i = 0; i < s->n_stages; i++)
        if (s->stages[i]->few && !s->stages[i]->run(s, c))
            return false;
    return take_best(s, c, k);
}

/* ---- The list ---- */

static const struct stage rows[] = {
    [INFER_STAGE_PENALTIES] = { "penalties", true, false, penalties_on, penalties },
    [INFER_STAGE_DRY] = { "dry", true, false, dry_on, dry },
    [INFER_STAGE_TOP_N_SIGMA] = { "top_n_sigma", false, false, top_n_sigma_on, top_n_sigma },
    [INFER_STAGE_TOP_K] = { "top_k", false, false, top_k_on, top_k },
    [INFER_STAGE_TYPICAL] = { "typ_p", false, true, typical_on, typical },
    [INFER_STAGE_TOP_P] = { "top_p", false, false, top_p_on, top_p },
    [INFER_STAGE_MIN_P] = { "min_p", false, false, min_p_on, min_p },
    [INFER_STAGE_XTC] = { "xtc", false, true, xtc_on, xtc },
    [INFER_STAGE_TEMPERATURE] = { "temperature", false, false, temperature_on, temperature },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

const char *infer_sampler_stage_name(infer_sampler_stage stage)
{
    return (unsigned)stage < N_ROWS ? rows[stage].name : NULL;
}

static bool greedy(struct infer_sampler *s, struct candidates *c)
{
    return keep_best(s, c, 1);
}

static const struct stage greedy_row = { "greedy", false, false, NULL, greedy };

/* If the most likely token is taken, and no filter can have dropped it, filters need not be computed. */
static void shorten(struct infer_sampler *s)
{
    bool filtered = false, takes_best = false;
    size_t n_few = 0;
    for (size_t i = 0; i < s->n_stages; i++) {
        const struct stage *stage = s->stages[i];
        if (stage->may_drop_best || (stage->few && filtered))
            return;
        takes_best |= stage == &rows[INFER_STAGE_TEMPERATURE] && s->o.temperature == 0 && !(s->o.dynatemp_range > 0);
        filtered |= !stage->few;
        n_few += stage->few;
    }
    if (!takes_best)
        return;
    s->stages[n_few] = &greedy_row;
    s->n_stages = n_few + 1;
}

bool stages_list(struct infer_sampler *s)
{
    static const infer_sampler_stage common[] = { INFER_STAGE_PENALTIES, INFER_STAGE_DRY, INFER_STAGE_TOP_N_SIGMA,
                                                 INFER_STAGE_TOP_K, INFER_STAGE_TYPICAL, INFER_STAGE_TOP_P,
                                                 INFER_STAGE_MIN_P, INFER_STAGE_XTC, INFER_STAGE_TEMPERATURE };
    static const infer_sampler_stage mirostat[] = { INFER_STAGE_TEMPERATURE };
    const infer_sampler_stage *list = s->o.stages ? s->o.stages : s->o.mirostat ? mirostat : common;
    const size_t n = s->o.stages ? s->o.n_stages : s->o.mirostat ? 1 : N_ROWS;
    if (n > MAX_STAGES)
        return false;
    for (size_t i = 0; i < n; i++) {
        const struct stage *row = (unsigned)list[i] < N_ROWS ? &rows[list[i]] : NULL;
        if (!row)
            return false;
        if (row->is_on(&s->o))
            s->stages[s->n_stages++] = row;
    }
    shorten(s);
    return true;
}
