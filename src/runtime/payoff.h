/* payoff.h - whether guessing tokens pays, and how many of them: estimates that every step corrects.
 *
 * A step of n columns takes as long as it did the last times; a guess comes true as often as others of its kind did.
 * The width with the most tokens a second is the one chosen. What guessing may lose is bounded by a credit: a hundredth
 * or two of the time without it, and what it has won lately. Out of that, kinds of guesses that did not pay are tried
 * again now and then. All this decides about time alone, never about tokens. */
#ifndef RUNTIME_PAYOFF_H
#define RUNTIME_PAYOFF_H

#include <stdbool.h>
#include <stdint.h>

enum { MOST_GUESSES = 16 };

/** Kinds of guesses. */
enum guess_kind {
    GUESS_LOOKUP,    /* by how many tokens were alike */
    GUESS_DRAFT = 6, /* by how likely the draft model found it */
    GUESS_DRAFT_ANY = 11,
    GUESS_KINDS
};

struct payoff {
    double step[MOST_GUESSES + 2]; /* seconds of a step of so many columns; 0: not known */
    uint32_t n_steps[MOST_GUESSES + 2]; /* that were of so many columns */
    double draft, draft_many;      /* seconds of the draft's one token, and of each of many at once; 0: not known */
    struct {
        double often;
        uint32_t n; /* seen */
    } kinds[GUESS_KINDS];
    bool always;          /* all guesses are wanted, whether they pay or not */
    double credit;        /* in steps of one column */
    uint32_t since_plain; /* steps */
};

/** `drafts`: there is a draft model. */
void payoff_open(struct payoff *p, bool drafts, bool always);
/** The kind of a guess behind so many tokens alike; of one that the draft model finds so likely. */
enum guess_kind payoff_lookup_kind(uint32_t n_alike);
enum guess_kind payoff_draft_kind(double likely);
/** How many of n guesses to compute; `paid`: seconds spent on making them. */
uint32_t payoff_width(const struct payoff *p, const uint8_t *kinds, uint32_t n, double paid);
/** How many of at most n tokens to draft, where the draft model lacks n_behind tokens of the text. */
uint32_t payoff_drafts(const struct payoff *p, uint32_t n, uint32_t n_behind);
/** Whether to draft another one, behind n with these kinds. */
bool payoff_goes_on(const struct payoff *p, const uint8_t *kinds, uint32_t n);
/** A step of n columns took so long. */
void payoff_step(struct payoff *p, uint32_t n_columns, double seconds);
/** n tokens drafted one by one, or all at once, took so long. */
void payoff_drafted(struct payoff *p, uint32_t n, bool at_once, double seconds);
/** So long went on guesses that were not even computed. */
void payoff_lose(struct payoff *p, double seconds);
/** Of n guesses the first n_true came true; they and their step took so long. */
void payoff_learn(struct payoff *p, const uint8_t *kinds, uint32_t n, uint32_t n_true, double seconds);

#endif
