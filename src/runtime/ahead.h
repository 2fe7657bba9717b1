/* ahead.h - tokens of a session computed before they are chosen.
 *
 * Where a token waits for its logits, others that may follow it are computed in the same step. Then the session stands
 * as if the one alone had been computed. As long as the tokens appended are those foreseen, they cost no step: their
 * keys and values are in the cache already, their logits in a row. With the first one that is not, the rest is
 * forgotten, as with whatever else changes the session. */
#ifndef RUNTIME_AHEAD_H
#define RUNTIME_AHEAD_H

#include "src/runtime/steps.h"

/** Have room for n guesses at once. INFER_E_NOMEM: the session is as it was. */
infer_status ahead_open(infer_session *s, uint32_t n, infer_error *err);
/** Forget all that, and give the room back. */
void ahead_close(infer_session *s);
/** How many guesses may be computed with what waits: none unless that is one token. */
uint32_t ahead_room(const infer_session *s);
/** Make *a the computing of the token that waits and of n guesses in [0, n_vocab), at most ahead_room(). */
infer_status ahead_prepare(infer_session *s, const int32_t *guesses, uint32_t n, struct advance *a, infer_error *err);
/** It has been computed without a failure. */
void ahead_computed(infer_session *s, const struct advance *a);
/** Whether the token that waits was foreseen: then, with *status INFER_OK, its logits are there, else the session was
 *  cancelled, or memory is out. */
bool ahead_take(infer_session *s, infer_status *status, infer_error *err);
/** Whether `id`, appended now, was foreseen. */
bool ahead_foresees(const infer_session *s, int32_t id);
/** What was computed ahead does not follow any more. */
void ahead_forget(infer_session *s);

#endif
