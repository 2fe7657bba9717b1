/* candidates.c - finding, gathering and cutting down candidates.
 *
 * The pass that finds the best few steps over the tokens whose logits were changed when it meets one that is large
 * enough to matter, and they are offered after it. A mask lets it leave out what cannot be chosen, 32 tokens at a time.
 * Nothing here puts more than FEW tokens in order: a cut by the sum of weights narrows down the score at which the sum
 * is reached, by sums over buckets of scores. */
#include "src/sampler/candidates.h"

#include "src/sampler/elementary.h"

#include <math.h>

enum {
    SCAN = 32,       /* logits compared at once: as many as a word of a mask is for */
    FIRST_LOOK = 256 /* the best of many that a cut looks at before all */
};

/* ---- Memory ---- */

static void free_arrays(struct candidates *c)
{
    mem_free(c->a, c->logit);
    mem_free(c->a, c->ids);
    mem_free(c->a, c->weight);
    mem_free(c->a, c->score);
    c->logit = c->weight = c->score = NULL;
    c->ids = NULL;
    c->room = 0;
}

static bool reserve(struct candidates *c, size_t n)
{
    if (c->room >= n)
        return true;
    free_arrays(c);
    c->logit = mem_raw(c->a, n, sizeof *c->logit);
    c->ids = mem_raw(c->a, n, sizeof *c->ids);
    c->weight = mem_raw(c->a, n, sizeof *c->weight);
    c->score = mem_raw(c->a, n, sizeof *c->score);
    if (!c->logit || !c->ids || !c->weight || !c->score)
        return free_arrays(c), false;
    c->room = n;
    return true;
}

bool candidates_open(struct candidates *c, const infer_allocator *a)
{
    *c = (struct candidates){ .a = a };
    c->key = mem_new(a, FEW, sizeof *c->key);
    if (c->key && id_map_open(&c->changes, a, FEW / 8) && reserve(c, FEW))
        return true;
    candidates_close(c);
    return false;
}

void candidates_close(struct candidates *c)
{
    if (!c->a)
        return;
    free_arrays(c);
    id_map_close(&c->changes);
    mem_free(c->a, c->key);
    *c = (struct candidates){ 0 };
}

void candidates_begin(struct candidates *c, const float *logits, int32_t n_vocab)
{
    id_map_clear(&c->changes);
    c->logits = logits;
    c->n_vocab = n_vocab;
    c->allowed = NULL;
    c->gathered = false;
    c->n = 0;
    c->shift = 0;
}

/* ---- Before they are gathered ---- */

float candidates_logit(const struct candidates *c, int32_t id)
{
    const uint32_t *changed = id_map_find(&c->changes, id);
    return changed ? f32_from_bits(*changed) : c->logits[id];
}

bool candidates_set(struct candidates *c, int32_t id, float logit)
{
    if (id < 0 || id >= c->n_vocab)
        return true;
    uint32_t *const changed = id_map_put(&c->changes, id);
    if (changed)
        *changed = f32_bits(is_finite(logit) ? logit : -INFINITY);
    return changed;
}

static bool is_allowed(const struct candidates *c, int32_t id)
{
    return !c->allowed || c->allowed[id / SCAN] >> (id % SCAN) & 1;
}

static bool any_above(const float *x, float floor)
{
    int any = 0;
    for (int i = 0; i < SCAN; i++)
        any |= x[i] > floor;
    return any;
}

/* Offer all tokens but the changed ones. */
static void scan(const struct candidates *c, struct best *best)
{
    const float *x = c->logits;
    for (int32_t i = 0; i < c->n_vocab;) {
        const bool none = c->allowed && !c->allowed[i / SCAN];
        if (c->n_vocab - i >= SCAN && (none || !any_above(x + i, best_floor(best)))) {
            i += SCAN;
            continue;
        }
        for (const int32_t end = c->n_vocab - i < SCAN ? c->n_vocab : i + SCAN; i < end; i++)
            if (x[i] > best_floor(best) && is_finite(x[i]) && is_allowed(c, i) &&
                !(c->changes.n && id_map_find(&c->changes, i)))
                best_offer(best, key_of(x[i], i));
    }
}

size_t candidates_best(struct candidates *c, size_t k)
{
    struct best best = { .key = c->key, .k = k };
    scan(c, &best);
    for (size_t i = 0; c->changes.n && i < c->changes.n_slots; i++) {
        const struct id_slot *slot = &c->changes.slots[i];
        const float x = f32_from_bits(slot->value);
        if (slot->tag && is_finite(x) && is_allowed(c, id_slot_id(slot)))
            best_offer(&best, key_of(x, id_slot_id(slot)));
    }
    best_sort(&best);
    return best.n;
}

void candidates_take(struct candidates *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        c->logit[i] = key_logit(c->key[i]);
        c->ids[i] = key_id(c->key[i]);
    }
    c->id = c->ids;
    c->n = n;
    c->gathered = true;
}

bool candidates_gather(struct candidates *c)
{
    if (c->gathered)
        return true;
    const size_t n = (size_t)c->n_vocab;
    if (!reserve(c, n))
        return false;
    size_t n_finite = 0;
    for (size_t i = 0; i < n; i++) {
        const bool good = is_finite(c->logits[i]);
        c->logit[i] = good ? c->logits[i] : -INFINITY;
        n_finite += good;
    }
    for (size_t i = 0; c->changes.n && i < c->changes.n_slots; i++)
        if (c->changes.slots[i].tag)
            c->logit[id_slot_id(&c->changes.slots[i])] = f32_from_bits(c->changes.slots[i].value);
    for (size_t i = 0; i < n && c->allowed; i++)
        c->logit[i] = is_allowed(c, (int32_t)i) ? c->logit[i] : -INFINITY;
    c->n = n;
    c->id = NULL;
    c->gathered = true;
    if (n_finite < n || c->changes.n || c->allowed)
        candidates_cut(c, c->logit, -INFINITY, 0);
    return true;
}

/* ---- Gathered ---- */

float candidates_largest(const struct candidates *c)
{
    enum { LANES = 16 };
    float most[LANES];
    for (int j = 0; j < LANES; j++)
        most[j] = -INFINITY;
    size_t i = 0;
    for (; i + LANES <= c->n; i += LANES)
        for (int j = 0; j < LANES; j++)
            most[j] = c->logit[i + (size_t)j] > most[j] ? c->logit[i + (size_t)j] : most[j];
    for (; i < c->n; i++)
        most[0] = c->logit[i] > most[0] ? c->logit[i] : most[0];
    for (int j = 1; j < LANES; j++)
        most[0] = most[j] > most[0] ? most[j] : most[0];
    return most[0];
}

/* The sum is made of four interleaved parts that do not wait for each other. */
double candidates_weights(struct candidates *c, float largest)
{
    const float *restrict x = c->logit;
    float *restrict w = c->weight;
    for (size_t i = 0; i < c->n; i++)
        w[i] = exp_negative(x[i] - largest);
    double sum[4] = { 0 };
    size_t i = 0;
    for (; i + 4 <= c->n; i += 4)
        for (size_t j = 0; j < 4; j++)
            sum[j] += (double)w[i + j];
    for (; i < c->n; i++)
        sum[0] += (double)w[i];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* Without a branch that depends on the score: there is no guessing it. */
void candidates_cut(struct candidates *c, const float *score, float least, size_t ties)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        const int32_t id = candidates_id(c, i);
        const float x = c->logit[i], value = score[i];
        const bool tie = value == least && ties;
        ties -= tie;
        c->ids[n] = id;
        c->logit[n] = x;
        n += (value > least) | tie;
    }
    c->id = c->ids;
    c->n = n;
}

/* Where in the order of the scores a sum of weights is reached. */
struct place {
    float least; /* the score of the last one that is kept */
    size_t ties; /* how many of this score are */
    bool found;
};

size_t candidates_order(struct candidates *c, const float *score, size_t k)
{
    struct best best = { .key = c->key, .k = k };
    for (size_t i = 0; i < c->n; i++)
        if (score[i] > best_floor(&best))
            best_offer(&best, key_of(score[i], (int32_t)i));
    best_sort(&best);
    return best.n;
}

/* Where `enough` is reached along n keys in order, if the sum before them is `sum`. */
static struct place walk(const struct candidates *c, size_t n, const float *weight, double sum, double enough)
{
    struct place p = { 0 };
    for (size_t i = 0; i < n && !p.found; i++) {
        const float value = key_logit(c->key[i]);
        p.ties = i && value == p.least ? p.ties + 1 : 1;
        p.least = value;
        sum += weight ? (double)weight[key_id(c->key[i])] : 1;
        p.found = sum >= enough;
    }
    return p;
}

/* Scores from `low` to `high`, in buckets of equal width, the highest first. Equal scores share a bucket, and a higher
 * one is never in a later bucket than a lower one. */
enum { BUCKETS = 2048 };
struct buckets {
    float low, high;
    double per_unit;
};

static int bucket_of(const struct buckets *b, float score)
{
    const int i = (int)(((double)b->high - (double)score) * b->per_unit);
    return i < BUCKETS ? i : BUCKETS - 1;
}

/* The bucket in which `enough` is reached; where rounding keeps that from happening, the last that is not empty. *sum
 * grows by what comes before it. */
static int find_bucket(const struct candidates *c, const struct buckets *b, const float *score, const float *weight,
                       double *sum, double enough)
{
    double share[BUCKETS] = { 0 };
    for (size_t i = 0; i < c->n; i++)
        if (score[i] >= b->low && score[i] <= b->high)
            share[bucket_of(b, score[i])] += weight ? (double)weight[i] : 1;
    const int last = bucket_of(b, b->low);
    for (int i = 0; i < last; i++) {
        if (*sum + share[i] >= enough)
            return i;
        *sum += share[i];
    }
    return last;
}

/* Narrow the scores down to those of one bucket. Puts the keys of the first FEW of them into c->key and returns how
 * many there are. */
static size_t narrow(struct candidates *c, struct buckets *b, const float *score, int bucket)
{
    float low = INFINITY, high = -INFINITY;
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        const float x = score[i];
        if (!(x >= b->low && x <= b->high) || bucket_of(b, x) != bucket)
            continue;
        low = x < low ? x : low;
        high = x > high ? x : high;
        if (n < FEW)
            c->key[n] = key_of(x, (int32_t)i);
        n++;
    }
    b->low = low;
    b->high = high;
    return n;
}

/* The place among many: in the bucket in which the sum is reached, in one of its buckets, and so on until they are few,
 * or all the same. */
static struct place place_among_all(struct candidates *c, const float *score, const float *weight, double enough)
{
    struct buckets b = { .low = INFINITY, .high = -INFINITY };
    double sum = 0;
    size_t n = c->n;
    for (size_t i = 0; i < c->n; i++) {
        b.low = score[i] < b.low ? score[i] : b.low;
        b.high = score[i] > b.high ? score[i] : b.high;
    }
    while (n > FEW && b.low < b.high) {
        b.per_unit = BUCKETS / ((double)b.high - (double)b.low);
        n = narrow(c, &b, score, find_bucket(c, &b, score, weight, &sum, enough));
    }
    struct place p = { 0 };
    if (n <= FEW) {
        struct best best = { .key = c->key, .n = n, .k = n + 1 };
        best_sort(&best);
        p = walk(c, n, weight, sum, enough);
    } else {
        p.least = b.low;
        for (size_t i = 0; i < c->n && (!p.ties || sum < enough); i++)
            if (score[i] == b.low) {
                sum += weight ? (double)weight[i] : 1;
                p.ties++;
            }
    }
    p.found = true;
    return p;
}

void candidates_keep(struct candidates *c, const float *score, const float *weight, double enough)
{
    struct place p = { 0 };
    if (c->n <= FEW || weight) /* mostly few have nearly all of the weight */
        p = walk(c, candidates_order(c, score, c->n <= FEW ? FEW : FIRST_LOOK), weight, 0, enough);
    if (!p.found && c->n > FEW)
        p = place_among_all(c, score, weight, enough);
    if (p.found)
        candidates_cut(c, score, p.least, p.ties);
}
