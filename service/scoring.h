/* scoring.h - how likely the tokens of texts are: what the scheduler, whose requests tell nothing of their prompts,
 * does not compute. For handlers on the service's `computing` threads. */
#ifndef SERVICE_SCORING_H
#define SERVICE_SCORING_H

#include "service/job.h"

struct scorer {
    infer_exchange *x;
    struct served *model;
    infer_session *session;
};

/** A session for the texts of a job's model, with the adapters that the job has. Waits for who has one of the model
 *  already. False: err tells why. */
bool scorer_open(struct scorer *s, struct job *job, infer_error *err);
void scorer_close(struct scorer *s);
/** Log-probabilities of the tokens ids[from..n), each after those before it; NAN for the first of a text. What stands
 *  before `from` is computed once for texts in a row that have it in common.
 *  @param logprobs n - from of them.
 *  @param top      (n - from, n_top) likeliest ones. */
bool scorer_tell(struct scorer *s, const int32_t *ids, size_t from, size_t n, float *logprobs, infer_logprob *top,
                 size_t n_top, infer_error *err);
/** Answer with an error of these. */
void scorer_fail(infer_exchange *x, const char *param, const infer_error *err);

#endif
