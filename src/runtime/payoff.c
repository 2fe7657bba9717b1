/* payoff.c - running estimates, and the choice by them. */
#include "src/runtime/payoff.h"

#include <math.h>

#define ALLOWANCE 0.015    /* of a step without guesses is put by for trying them */
#define MOST_CREDIT 4.0    /* steps of one column */
#define FIRST_CREDIT 1.25
#define FIRST_DRAFTS 1.75  /* a model that is not used at once falls behind, which makes trying it dear */
#define TRIAL_CREDIT 1.0   /* what does not seem to pay is tried with so much */
#define COLUMN_SHARE 0.3   /* of a step that one column more takes at first */
#define CURIOSITY 1.3      /* so much better a width is thought to be now and then that was seldom seen */
#define DRAFT_SHARE 0.25   /* that a drafted token takes, until it is known */
enum {
    PLAIN_EVERY = 32, /* steps: without guesses, to see what that takes by now */
    TRIAL_WIDTH = 2,
    CURIOUS_EVERY = 8, /* steps with guesses */
    SETTLED = 4, /* steps, after which an estimate is no more off by its beginning */
    MEMORY = 24       /* guesses of a kind, or steps of a width, that count */
};

void payoff_open(struct payoff *p, bool drafts, bool always)
{
    static const double at_first[GUESS_KINDS] = { 0.3, 0.4, 0.5, 0.65, 0.8, 0.9, /* 2, 3, 4.. tokens alike */
                                                  0.15, 0.4, 0.6, 0.75, 0.9, 0.7 };
    *p = (struct payoff){ .always = always, .credit = drafts ? FIRST_DRAFTS : FIRST_CREDIT };
    for (int i = 0; i < GUESS_KINDS; i++) {
        p->kinds[i].often = at_first[i];
        p->kinds[i].n = 2;
    }
}

static enum guess_kind kind_of(double value, const double *from, int n, int first)
{
    int i = 0;
    while (i + 1 < n && value >= from[i + 1])
        i++;
    return (enum guess_kind)(first + i);
}

enum guess_kind payoff_lookup_kind(uint32_t n_alike)
{
    static const double from[] = { 2, 3, 4, 6, 9, 16 };
    return kind_of(n_alike, from, GUESS_DRAFT - GUESS_LOOKUP, GUESS_LOOKUP);
}

enum guess_kind payoff_draft_kind(double likely)
{
    static const double from[] = { 0, 0.3, 0.5, 0.7, 0.9 };
    return kind_of(likely, from, GUESS_DRAFT_ANY - GUESS_DRAFT, GUESS_DRAFT);
}

/* ---- Time ---- */

/* Others on the machine make a step longer, never shorter: what is less counts more. */
static void follow(double *estimate, double seconds)
{
    const double most = 2 * *estimate, seen = seconds < most ? seconds : most;
    if (!(*estimate > 0))
        *estimate = seconds;
    else
        *estimate += (seen - *estimate) * (seen < *estimate ? 0.5 : 0.125);
}

/* Between two widths that are known, on the line through them; past the last one each column takes a share of a step.
 * */
static double step_with(const struct payoff *p, uint32_t n, double share)
{
    uint32_t below = n, above = n;
    while (below > 1 && !(p->step[below] > 0))
        below--;
    while (above < MOST_GUESSES + 1 && !(p->step[above] > 0))
        above++;
    const double low = p->step[below], high = p->step[above];
    if (above > n && high > 0)
        return low + (high - low) * (n - below) / (above - below);
    return low + share * p->step[1] * (n - below);
}

static double step_of(const struct payoff *p, uint32_t n)
{
    return step_with(p, n, COLUMN_SHARE);
}

static double draft_of(const struct payoff *p)
{
    return p->draft > 0 ? p->draft : DRAFT_SHARE * p->step[1];
}

static void credit(struct payoff *p, double steps)
{
    p->credit += steps;
    p->credit = p->credit > MOST_CREDIT ? MOST_CREDIT : p->credit;
}

/* What makes steps of one width longer or shorter, such as others on the machine, does so with all: half of that is
 * believed. */
static void drift(struct payoff *p, uint32_t n_columns, double by)
{
    for (uint32_t i = 1; i < MOST_GUESSES + 2 && p->n_steps[n_columns] > SETTLED; i++)
        p->step[i] *= i == n_columns ? 1 : sqrt(by);
}

void payoff_step(struct payoff *p, uint32_t n_columns, double seconds)
{
    const double before = p->step[n_columns];
    follow(&p->step[n_columns], seconds);
    p->n_steps[n_columns]++;
    drift(p, n_columns, before > 0 ? p->step[n_columns] / before : 1);
    p->since_plain = n_columns == 1 ? 0 : p->since_plain + 1;
    if (n_columns == 1)
        credit(p, ALLOWANCE);
}

void payoff_drafted(struct payoff *p, uint32_t n, bool at_once, double seconds)
{
    if (n)
        follow(at_once ? &p->draft_many : &p->draft, seconds / n);
}

/* ---- Luck ---- */

static void see(struct payoff *p, int kind, bool came_true)
{
    p->kinds[kind].n += p->kinds[kind].n < MEMORY;
    p->kinds[kind].often += ((double)came_true - p->kinds[kind].often) / p->kinds[kind].n;
}

void payoff_learn(struct payoff *p, const uint8_t *kinds, uint32_t n, uint32_t n_true, double seconds)
{
    for (uint32_t i = 0; i < n && i <= n_true; i++) {
        see(p, kinds[i], i < n_true);
        if (kinds[i] >= GUESS_DRAFT)
            see(p, GUESS_DRAFT_ANY, i < n_true);
    }
    if (n && p->step[1] > 0)
        credit(p, 1 + n_true - seconds / p->step[1]);
}

void payoff_lose(struct payoff *p, double seconds)
{
    if (p->step[1] > 0)
        credit(p, -seconds / p->step[1]);
}

/* ---- The choice ---- */

/* Steps of one column that are lost if nothing comes true. No column takes longer than a step of its own. */
static double risk(const struct payoff *p, uint32_t n, double paid)
{
    return (paid + step_with(p, n + 1, 1)) / p->step[1] - 1;
}

/* Whether it is time to see how long a step takes without guesses. */
static bool is_plain(const struct payoff *p)
{
    return !(p->step[1] > 0) || p->since_plain >= PLAIN_EVERY;
}

/* Of `best`, or to try again of fewer, what the credit allows. */
static uint32_t allowed(const struct payoff *p, uint32_t best, uint32_t n, double paid, double each)
{
    if (!best && p->credit < TRIAL_CREDIT)
        return 0;
    uint32_t width = best ? best : n < TRIAL_WIDTH ? n : TRIAL_WIDTH;
    while (width && risk(p, width, paid + width * each) > p->credit)
        width--;
    return width;
}

uint32_t payoff_width(const struct payoff *p, const uint8_t *kinds, uint32_t n, double paid)
{
    if (p->always || !n || is_plain(p))
        return p->always ? n : 0;
    const bool curious = p->since_plain % CURIOUS_EVERY == CURIOUS_EVERY - 1;
    double alive = 1, tokens = 1, most = 1 / (paid + p->step[1]);
    uint32_t best = 0;
    for (uint32_t i = 0; i < n; i++) {
        alive *= p->kinds[kinds[i]].often;
        tokens += alive;
        const bool seldom = p->n_steps[i + 2] <= SETTLED;
        const double rate = tokens / (paid + step_of(p, i + 2)) * (curious && seldom ? CURIOSITY : 1);
        best = rate > most ? i + 1 : best;
        most = rate > most ? rate : most;
    }
    return allowed(p, best, n, 0, 0); /* what is paid is lost in any case */
}

uint32_t payoff_drafts(const struct payoff *p, uint32_t n, uint32_t n_behind)
{
    if (p->always || !n || is_plain(p))
        return p->always ? n : 0;
    const double paid = n_behind > 1 ? (n_behind - 1) * (p->draft_many > 0 ? p->draft_many : draft_of(p)) : 0;
    double alive = 1, tokens = 1, most = 1 / p->step[1];
    uint32_t best = 0;
    for (uint32_t i = 0; i < n; i++) {
        alive *= p->kinds[GUESS_DRAFT_ANY].often;
        tokens += alive;
        const double rate = tokens / (paid + (i + 1) * draft_of(p) + step_of(p, i + 2));
        best = rate > most ? i + 1 : best;
        most = rate > most ? rate : most;
    }
    /* Which of them are sure shows as they come: what is drafted may be more than what pays on average. */
    return allowed(p, best ? n : 0, n, paid, draft_of(p));
}

bool payoff_goes_on(const struct payoff *p, const uint8_t *kinds, uint32_t n)
{
    double alive = 1, tokens = 1;
    if (p->always)
        return true;
    for (uint32_t i = 0; i < n; i++) {
        alive *= p->kinds[kinds[i]].often;
        tokens += alive;
    }
    const double now = tokens / (n * draft_of(p) + step_of(p, n + 1));
    for (uint32_t i = n; i < MOST_GUESSES; i++) { /* one more may not pay where some more do */
        alive *= p->kinds[GUESS_DRAFT_ANY].often;
        tokens += alive;
        if (tokens / ((i + 1) * draft_of(p) + step_of(p, i + 2)) > now)
            return true;
    }
    return false;
}
