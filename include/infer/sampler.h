/* sampler.h - tokens from logits. Part of infer.h, which says what holds for all. */
#ifndef INFER_SAMPLER_H
#define INFER_SAMPLER_H

#include "grammar.h"
#include "session.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Sampler -------------------------------------------------------------------------------------------------- */

typedef struct infer_sampler infer_sampler;

/** What a sampler does with the logits, one stage after the other. Each stage sees what the one before it has left, and
 *  leaves at least one token. Probabilities are those of the tokens that are left. Values are for ever. */
typedef enum infer_sampler_stage {
    INFER_STAGE_PENALTIES = 0,   /**< repeat_penalty, frequency_penalty, presence_penalty */
    INFER_STAGE_DRY = 1,         /**< dry_* */
    INFER_STAGE_TOP_N_SIGMA = 2, /**< top_n_sigma */
    INFER_STAGE_TOP_K = 3,       /**< top_k */
    INFER_STAGE_TYPICAL = 4,     /**< typical_p */
    INFER_STAGE_TOP_P = 5,       /**< top_p */
    INFER_STAGE_MIN_P = 6,       /**< min_p */
    INFER_STAGE_XTC = 7,         /**< xtc_* */
    INFER_STAGE_TEMPERATURE = 8  /**< temperature, dynatemp_* */
} infer_sampler_stage;
/** llama.cpp's name of a stage, "top_k"; NULL past the last. */
INFER_API const char *infer_sampler_stage_name(infer_sampler_stage stage);

/** A logit that is changed before all stages; -INFINITY: the token is never chosen. */
typedef struct infer_logit_bias {
    int32_t id; /**< of the token */
    float bias; /**< added */
} infer_logit_bias;

/** Options of infer_sampler_open(). */
typedef struct infer_sampler_options {
    size_t size;             /**< sizeof(infer_sampler_options) */
    uint64_t seed;           /**< same seed, same logits: same tokens (default 0) */
    float temperature;       /**< divides the logits that are left; 0 = always the most likely token; default 0.8 */
    int32_t top_k;           /**< keep the k most likely tokens; 0 = all; default 40 */
    float top_p;             /**< keep the fewest tokens whose probabilities sum to p, 0..1; 1 = all; default 0.95 */
    float min_p;             /**< keep tokens at least min_p times as likely as the best, 0..1; 0 = all; default 0.05 */
    float repeat_penalty;    /**< divides positive and multiplies negative logits of recent tokens; 1 = off (default) */
    int32_t repeat_last_n;   /**< how many tokens count as recent; 0 = none, -1 = all since the sampler was made or
                              *   reset; default 64 */
    float frequency_penalty; /**< taken off once per occurrence among the recent tokens; default 0 */
    float presence_penalty;  /**< taken off once if among the recent tokens; default 0 */
    float typical_p;         /**< locally typical sampling (arXiv 2202.00666): keep the fewest tokens that sum to p,
                              *   those first whose information is next to the entropy; 0..1; 1 = all (default) */
    float top_n_sigma;       /**< keep logits at most n standard deviations below the largest (arXiv 2411.07641);
                              *   0 = all (default) */
    float xtc_probability;   /**< how often the most likely tokens are left out, all but the last one that is at least
                              *   xtc_threshold likely; 0..1; 0 = never (default) */
    float xtc_threshold;     /**< 0..1; above 0.5 there are no two such; default 0.1 */
    float dynatemp_range;    /**< the temperature goes from temperature - range to temperature + range with the entropy;
                              *   0 = it is the same always (default) */
    float dynatemp_exponent; /**< of the entropy's share of the largest there can be; default 1 */
    float dry_multiplier;    /**< a token that would go on with a repetition of n >= dry_allowed_length tokens loses
                              *   dry_multiplier * dry_base ^ (n - dry_allowed_length); 0 = off (default) */
    float dry_base;          /**< default 1.75 */
    int32_t dry_allowed_length; /**< default 2 */
    int32_t dry_last_n;      /**< how many tokens are searched for repetitions; 0 = none, -1 = all
                              *   since the sampler was made or reset (default) */
    int32_t mirostat;        /**< 1 or 2: that version (arXiv 2007.14966), which cuts after all stages;
                              *   unless `stages` says otherwise, temperature is the only one then. 0 = off (default) */
    float mirostat_tau;      /**< the surprise aimed at, bits; default 5 */
    float mirostat_eta;      /**< learning rate; default 0.1 */
    const infer_sampler_stage *stages; /**< n_stages of them, in the order wanted, at most 32; those that are not listed
                              *   are not done. NULL = penalties, dry, top_n_sigma, top_k, typical, top_p, min_p, xtc,
                              *   temperature, as llama.cpp has them (default). Not kept */
    size_t n_stages; /**< counts where stages is not NULL */
    const infer_logit_bias *biases; /**< n_biases of them; NULL = none (default). Not kept */
    size_t n_biases; /**< 0 = none (default) */
} infer_sampler_options;

static inline infer_sampler_options infer_sampler_defaults(void)
{
    infer_sampler_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    o.temperature = 0.8f;
    o.top_k = 40;
    o.top_p = 0.95f;
    o.min_p = 0.05f;
    o.repeat_penalty = 1.0f;
    o.repeat_last_n = 64;
    o.typical_p = 1.0f;
    o.xtc_threshold = 0.1f;
    o.dynatemp_exponent = 1.0f;
    o.dry_base = 1.75f;
    o.dry_allowed_length = 2;
    o.dry_last_n = -1;
    o.mirostat_tau = 5.0f;
    o.mirostat_eta = 0.1f;
    return o;
}

INFER_API infer_sampler *infer_sampler_open(infer_context *context, const infer_sampler_options *options,
                                            infer_error *err);
INFER_API void infer_sampler_close(infer_sampler **sampler);
/** Choose a token from n_vocab logits, which are left unchanged: biases, the stages, then one of the tokens that are
 *  left is drawn. Logits that are not finite are never chosen. Equal logits: the lower id comes first. Where one token
 *  is left no random number is taken. The arithmetic is the same on every machine: same options and logits, same
 *  tokens.
 *  @return the id, or -1 if no logit is finite or memory is out.
 *  @note Memory over the vocabulary is taken at the first call, and when n_vocab grows, where anything but penalties
 *        comes before a top-k of 1 to 1024. */
INFER_API int32_t infer_sampler_sample(infer_sampler *sampler, const float *logits, int32_t n_vocab);
/** Count a token as recent, for the penalties: those of the prompt and those that were sampled. With a grammar, which
 *  is about what was sampled alone, count those of the prompt before it is set. */
INFER_API void infer_sampler_accept(infer_sampler *sampler, int32_t id);
/** Forget the recent tokens, start the random numbers anew from the seed, and begin the grammar anew. */
INFER_API void infer_sampler_reset(infer_sampler *sampler);
/** Texts over which DRY's repetitions do not go: they begin anew after each. llama.cpp has newline, colon, quotation
 *  mark and asterisk.
 *  @param texts n of them, terminated, copied, at most 4096 bytes in all; n = 0: none any more.
 *  @param tokenizer whose ids are sampled; outlives the sampler. */
INFER_API infer_status infer_sampler_set_dry_breakers(infer_sampler *sampler, const infer_tokenizer *tokenizer,
                                                      const char *const *texts, size_t n, infer_error *err);
/** Texts that never come up in what is sampled, in whatever tokens: one that would complete such a text is not chosen.
 *  Parameters as those of infer_sampler_set_dry_breakers(). */
INFER_API infer_status infer_sampler_set_banned(infer_sampler *sampler, const infer_tokenizer *tokenizer,
                                                const char *const *texts, size_t n, infer_error *err);
/** Let only tokens be chosen that a grammar allows next, those that end a text only where it may end. That comes before
 *  all other stages: top-k keeps the k most likely tokens of these, and the probabilities of what is left add up to
 *  one. A token that infer_sampler_accept is given and that the grammar does not allow makes infer_sampler_sample
 *  return -1 until the sampler is reset.
 *  @param grammar retained; begins anew. NULL: none any more.
 *  @param tokenizer whose ids are sampled; outlives the grammar. */
INFER_API infer_status infer_sampler_set_grammar(infer_sampler *sampler, infer_grammar *grammar,
                                                 const infer_tokenizer *tokenizer, infer_error *err);
/** Where the sampler's text is in its grammar: the sampler's own, valid until the grammar is set again; NULL without
 *  one. */
INFER_API infer_matcher *infer_sampler_matcher(infer_sampler *sampler);

/* ---- Log-probabilities ---------------------------------------------------------------------------------------- */

/** A token and the natural logarithm of its probability as the model has it: soft-max of all logits, before any
 *  stage of a sampler. */
typedef struct infer_logprob {
    int32_t id;    /**< of the token */
    float logprob; /**< at most 0 */
} infer_logprob;

enum { INFER_MAX_TOP = 256 };

/** The log-probability of a token, and the most likely ones. Thread safe; takes no memory.
 *  @param logits  n_vocab of them; those that are not finite have no share.
 *  @param logprob of token id; -INFINITY if its logit is not finite.
 *  @param top     room for n_top, at most INFER_MAX_TOP: the most likely first, of equal ones the lower id; where
 *                 there are not so many, id is -1. May be NULL if n_top is 0. */
INFER_API infer_status infer_logprobs(const float *logits, int32_t n_vocab, int32_t id, float *logprob,
                                      infer_logprob *top, size_t n_top, infer_error *err);
/** As infer_session_eval(), and tell how likely each of the tokens was after those before it: what an echo of a prompt
 *  shows.
 *  @param logprobs n of them; NAN for the first token of a session.
 *  @param top      (n, n_top) most likely ones at the place of each token, rows as infer_logprobs() fills them; id is
 *                  -1 at the first token of a session. May be NULL if n_top is 0.
 *  @return as infer_session_eval(); after an error the session is as it was. */
INFER_API infer_status infer_session_logprobs(infer_session *session, const int32_t *tokens, size_t n, float *logprobs,
                                              infer_logprob *top, size_t n_top, infer_error *err);

#ifdef __cplusplus
}
#endif
#endif
