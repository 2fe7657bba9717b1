/* search.h - the likeliest texts after a prompt, searched for. Part of infer.h, which says what holds for all. */
#ifndef INFER_SEARCH_H
#define INFER_SEARCH_H

#include "generate.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Beam search ---------------------------------------------------------------------------------------------- */

/** When a search ends, if not for want of room or tokens. Values are for ever. */
typedef enum infer_beam_end {
    INFER_BEAM_END_LIKELY = 0, /**< n_beams texts are whole, and the best beam, were it whole now, would not be one of
                                *   them (default). A longer text may yet have become better, with a length_penalty
                                *   above 0 */
    INFER_BEAM_END_FIRST = 1,  /**< n_beams texts are whole */
    INFER_BEAM_END_SURE = 2    /**< n_beams texts are whole, and no beam can become better than they are, whatever its
                                *   tokens. With a length_penalty above 0 that may take as long as n_predict allows */
} infer_beam_end;

enum { INFER_MAX_BEAMS = 64 };

/** How to search. */
typedef struct infer_beam_options {
    size_t size;          /**< sizeof(infer_beam_options) */
    int32_t n_beams;      /**< texts that are followed at once, 1..INFER_MAX_BEAMS; default 4 */
    float length_penalty; /**< the score of a text is the sum of its tokens' log-probabilities, divided by their number
                           *   to the power of this: 0 = the sum, 1 = the mean (default), more = longer texts; -100 to
                           *   100 */
    infer_beam_end end;   /**< INFER_BEAM_END_LIKELY (default) */
    const infer_generate_options *generate; /**< of these n_predict (not 0), ignore_end, unparse_special, raw_prompt,
                           *   stops, on_prompt and user count; NULL = their defaults (default). Not kept */
} infer_beam_options;

static inline infer_beam_options infer_beam_defaults(void)
{
    infer_beam_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    o.n_beams = 4;
    o.length_penalty = 1.0f;
    return o;
}

/** Texts that a search has found, the best first. Constant, used by any number of threads. */
typedef struct infer_beams infer_beams;

/** One of them. Pointers are valid until the infer_beams are closed. */
typedef struct infer_beam {
    size_t size;              /**< in: sizeof(infer_beam) */
    const char *text;         /**< length bytes and a terminator */
    size_t length;            /**< bytes, without the terminator */
    const int32_t *tokens;    /**< n_tokens ids, without the one that ended the text */
    size_t n_tokens;          /**< may be 0 */
    double logprob;           /**< the sum of the log-probabilities, that of the token which ended the text included */
    double score;             /**< by which texts are compared: see length_penalty; the token that ended it counts */
    infer_stop_reason reason; /**< INFER_STOP_END, _STRING, _GRAMMAR, _LENGTH or _FULL */
} infer_beam;

/** Append a prompt to the session as infer_generate() does, and search for the likeliest texts after it.
 *  At each step every beam (Lowerre 1976) is a fork of the session, and all of them advance together; the n_beams best
 *  continuations of all go on. A text ends as one that is generated does; only one that ends among the n_beams best of
 *  its step is whole. The results are those of transformers' generate(num_beams=...), ties aside.
 *  Log-probabilities are the model's, as infer_logprobs() tells them, but as the sampler changes them: its biases are
 *  added, its penalties and DRY count, and what its grammar and its banned texts forbid is left out, each beam with a
 *  state of its own. Its other stages and its chance mean nothing here.
 *  The same options, logits and tokens give the same texts, whatever the number of threads; with a `deterministic`
 *  session the same scores, too, whatever n_batch.
 *  The session is left with the prompt and its logits, the sampler with the prompt counted: to go on with a text,
 *  evaluate its tokens. Memory is that of n_beams sessions which share all pages but those that differ, and of one set
 *  of work buffers. infer_session_cancel() ends the search with INFER_E_CANCELLED.
 *  @param sampler NULL = none.
 *  @param prompt length bytes; may be NULL if length is 0.
 *  @return NULL on failure: as infer_generate(); INFER_E_FULL too if the context has no room for a token after the
 *          prompt. */
INFER_API infer_beams *infer_beam_search(infer_session *session, infer_sampler *sampler, const char *prompt,
                                         size_t length, const infer_beam_options *options, infer_error *err);
INFER_API void infer_beams_close(infer_beams **beams);
/** How many there are: n_beams, or fewer where fewer were found. */
INFER_API size_t infer_beams_count(const infer_beams *beams);
/** Text number `index`, 0 being the best.
 *  @return INFER_OK; INFER_E_ARGUMENT if there is none. */
INFER_API infer_status infer_beams_get(const infer_beams *beams, size_t index, infer_beam *beam, infer_error *err);
/** What the search took: the tokens and the reason are those of the best text. */
INFER_API void infer_beams_get_result(const infer_beams *beams, infer_generate_result *result);

#ifdef __cplusplus
}
#endif
#endif
