/* speculate.h - guesses what follows a session's text, so that several tokens are computed in one step.
 *
 * Who drives one text asks speculator_advance() for the logits of a token that waits. Who computes many texts at once
 * does its parts himself:
 *
 *     if (!ahead_take(s, &status, err))         the token was not foreseen
 *         if (speculator_prepare(p, &a))        it and guesses
 *             ... advance_all() with a among others ...
 *             if (a.status == INFER_OK)
 *                 speculator_computed(p, &a, seconds)
 *         else                                  it alone
 *             ... then speculator_plain(p, seconds) */
#ifndef RUNTIME_SPECULATE_H
#define RUNTIME_SPECULATE_H

#include "src/runtime/ahead.h"
#include "src/runtime/draft.h"
#include "src/runtime/lookup.h"
#include "src/runtime/payoff.h"

struct speculator {
    infer_session *s;       /* NULL: nothing is guessed */
    infer_sampler *sampler; /* of the text; its grammar is looked at */
    bool as_batch;
    struct lookup lookup; /* lookup.a NULL: none */
    struct draft draft;
    struct payoff payoff;
    /* The last step with guesses, of which n_done had been chosen before: */
    uint32_t n, n_before; /* n 0: none, or it has been learned from */
    int32_t guesses[MOST_GUESSES];
    uint8_t kinds[MOST_GUESSES];
    double seconds; /* that guesses, and then the step, took */
    size_t n_drafted, n_accepted; /* of the text */
};

/** For the text of this session that this sampler chooses. o: NULL = nothing is guessed. On failure there is nothing to
 *  close. */
infer_status speculator_open(struct speculator *p, infer_session *s, infer_sampler *sampler, const infer_speculation *o,
                             infer_error *err);
void speculator_close(struct speculator *p);
/** The prompt is evaluated: the draft model reads it too. */
void speculator_begin(struct speculator *p);
/** Have the logits of the session's last token, which waits; as infer_session_eval() of no tokens. */
infer_status speculator_advance(struct speculator *p, infer_error *err);

/** Guess, where it pays, and make *a the step of the token that waits with what was guessed. False: the token is
 *  computed as it would be without. */
bool speculator_prepare(struct speculator *p, struct advance *a);
/** That step took so long. */
void speculator_computed(struct speculator *p, const struct advance *a, double seconds);
/** The token that waited was computed without guesses, which took so long. */
void speculator_plain(struct speculator *p, double seconds);

#endif
