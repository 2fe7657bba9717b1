/* speculate.h - tokens guessed before they are chosen. Part of infer.h, which says what holds for all. */
#ifndef INFER_SPECULATE_H
#define INFER_SPECULATE_H

#include "session.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Speculation ---------------------------------------------------------------------------------------------- */

enum { INFER_MAX_GUESSES = 16 };

/** How generation guesses what comes next, so that several tokens are computed in one step, for which the weights are
 *  read once. Every token is chosen by the sampler, from the model's own logits, as it would be without: guesses that
 *  do not come true are forgotten. So the text, the log-probabilities, and what the session is afterwards are the same,
 *  bit by bit; only the time differs. How many tokens are guessed follows from how long steps take and how often
 *  guesses came true; where they do not pay there are none, but for a trial now and then, so that no more than 2 to 3 %
 *  of the time is lost.
 *  A text is guessed from what it repeats, and by a smaller model; where both are given, the latter where nothing
 *  repeats itself. */
typedef struct infer_speculation {
    size_t size;          /**< sizeof(infer_speculation) */
    bool no_lookup;       /**< do not guess what followed the same tokens earlier in the session (default false) */
    infer_session *draft; /**< session of a smaller model with the same vocabulary, token by token, which guesses; its
                           *   tokens become those of the text, as far as they fit. Not one that another generation uses
                           *   at the time; outlives the generation. NULL = none (default) */
    int32_t n_max;        /**< most tokens guessed at once, 1 to INFER_MAX_GUESSES; 0 = 8 (default) */
    bool as_batch;        /**< round as batches do: more than a few tokens are computed faster then, but logits differ
                           *   in their last digits, and with them a text where two tokens are nearly as likely; from
                           *   run to run too, as the clock says how many are guessed. Without effect on a session with
                           *   `deterministic` (default false) */
    bool always;          /**< n_max tokens are guessed each time, as far as there is something to go by, whether that
                           *   pays or not: for measuring it (default false) */
} infer_speculation;

static inline infer_speculation infer_speculation_defaults(void)
{
    infer_speculation o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    return o;
}

#ifdef __cplusplus
}
#endif
#endif
