/* scheduler.h - any number of requests to one model, computed together. Part of infer.h, which says what holds for all. */
#ifndef INFER_SCHEDULER_H
#define INFER_SCHEDULER_H

#include "adapters.h"
#include "generate.h"
#include "session.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Scheduler ------------------------------------------------------------------------------------------------ */

/** Computes the texts of many requests step by step, some tokens of each in a step, so that weights are read once for
 *  all. Used by any number of threads. */
typedef struct infer_scheduler infer_scheduler;
/** A text, or several from one prompt, that a scheduler is asked for. Used by any number of threads. */
typedef struct infer_request infer_request;

/** Options of infer_scheduler_open(). */
typedef struct infer_scheduler_options {
    size_t size;        /**< sizeof(infer_scheduler_options) */
    const infer_session_options *session; /**< of all texts: n_ctx is the most tokens of each, n_batch the most tokens of
                         *   a step, which should be more than max_running. NULL = the defaults (default). Not kept */
    int32_t max_running; /**< texts that are computed at once, 1 to 4096 (default 32) */
    int32_t max_queue;  /**< requests that may wait for that, 1 or more; the next one is refused (default 1024) */
    uint64_t kv_bytes;  /**< most that the caches of all sessions of the model and these cache types may take, counted as
                         *   infer_kv_bytes() does; no text becomes longer than what fits alone. 0 = what the texts
                         *   need (default) */
    double max_itl_ms;  /**< milliseconds from one token to the next that a text is to wait for the prompts of others: so
                         *   much of these is computed in a step as fits, by what earlier steps took, but 8 tokens at
                         *   least. 0 = any number, up to n_batch tokens (default) */
    bool manual;        /**< nothing is computed but in infer_scheduler_step(), infer_request_next() and
                         *   infer_request_wait(), by who calls them; else by a thread of the scheduler's own
                         *   (default false) */
} infer_scheduler_options;

static inline infer_scheduler_options infer_scheduler_defaults(void)
{
    infer_scheduler_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    o.max_running = 32;
    o.max_queue = 1024;
    return o;
}

/** A request is at its end; infer_request_get_result() tells how. Called once, on the thread that computes. */
typedef void infer_request_end_fn(void *user, infer_request *request);

/** Options of infer_scheduler_submit() and its kind. Nothing of them is kept but the grammar. */
typedef struct infer_request_options {
    size_t size;          /**< sizeof(infer_request_options) */
    const infer_generate_options *generate; /**< NULL = the defaults (default). Its callbacks are called on the thread
                           *   that computes, and must not wait; if on_text or on_part is there, text goes to these and
                           *   not to infer_request_next() */
    const infer_sampler_options *sampler; /**< NULL = the defaults (default). Answer i has the seed + i */
    infer_grammar *grammar; /**< as infer_sampler_set_grammar() has it; NULL = none (default). Retained */
    const char *const *banned; /**< n_banned texts (terminated), as infer_sampler_set_banned() has them */
    size_t n_banned;      /**< 0 = none (default) */
    const char *const *dry_breakers; /**< n_dry_breakers texts (terminated): infer_sampler_set_dry_breakers() */
    size_t n_dry_breakers; /**< 0 = none (default) */
    int32_t priority;     /**< higher ones go first, -1000 to 1000 (default 0) */
    int32_t n;            /**< answers to the prompt, which is computed once, 1 to 256 (default 1) */
    int32_t best_of;      /**< so many are made, of which the n likeliest count: by the mean log-probability of their
                           *   tokens, best first. Their text comes at the end. At most 256; 0 = n (default) */
    void *const *users;   /**< n pointers: the callbacks' `user` of each answer; NULL = generate.user for all
                           *   (default) */
    infer_request_end_fn *on_end; /**< NULL = none (default) */
    void *end_user;       /**< handed to on_end */
    infer_adapter *const *adapters; /**< n_adapters of the model, as infer_session_set_adapters() has them;
                           *   requests with others, or none, are in the same steps. Retained */
    const float *adapter_scales; /**< n_adapters, or NULL: all 1 (default) */
    size_t n_adapters;    /**< 0 = none (default) */
} infer_request_options;

static inline infer_request_options infer_request_defaults(void)
{
    infer_request_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    o.n = 1;
    return o;
}

/** A scheduler of a model, which it keeps open. */
INFER_API infer_scheduler *infer_scheduler_open(infer_model *model, const infer_scheduler_options *options,
                                                infer_error *err);
/** Cancels all requests, which stay valid until they are closed, and ends the thread. Not called in a callback, nor while
 *  another thread uses the scheduler's handle. */
INFER_API void infer_scheduler_close(infer_scheduler **scheduler);

/** Ask for text after a prompt, as infer_generate() writes it into an empty session. From any thread, in callbacks too.
 *
 *  Requests wait in a queue. Those of a higher priority go first, else those that came first; one that was passed over
 *  eight times counts as one priority higher, so none waits for ever. Prompts are computed in pieces, beside the tokens
 *  of other texts: in each step those first that have had least, a page of 64 tokens at a time. A prompt that begins
 *  like one that is being computed waits for that and takes its pages.
 *  Where the cache is out of memory, the texts of lowest priority that came last are put aside: their pages go, and they
 *  are computed anew when there is room, without any of their text coming twice.
 *  With `deterministic` a text is the same as infer_generate() makes in a session of the same n_ctx, whatever else is
 *  computed with it; else they differ as far as rounding makes other tokens the likeliest.
 *  @return NULL if options are refused; with INFER_E_FULL if max_queue requests wait already, or if the prompt does not
 *          fit n_ctx or kv_bytes. */
INFER_API infer_request *infer_scheduler_submit(infer_scheduler *scheduler, const char *prompt, size_t length,
                                                const infer_request_options *options, infer_error *err);
/** The same with a prompt of n ids in [0, n_vocab), at least 1, which are taken as they are. */
INFER_API infer_request *infer_scheduler_submit_ids(infer_scheduler *scheduler, const int32_t *ids, size_t n,
                                                    const infer_request_options *options, infer_error *err);
/** Ask for an answer to a conversation, as infer_generate_chat() makes it.
 *  @param chat     of the scheduler's model; retained.
 *  @param messages JSON array as for infer_chat_render(), n bytes. */
INFER_API infer_request *infer_scheduler_submit_chat(infer_scheduler *scheduler, infer_chat *chat, const char *messages,
                                                     size_t n, const infer_request_options *options, infer_error *err);
/** Compute one step of a manual scheduler. Not called in a callback.
 *  @param busy receives whether there is more to compute; may be NULL.
 *  @return INFER_OK, whatever became of the requests; INFER_E_ARGUMENT if the scheduler is not manual. */
INFER_API infer_status infer_scheduler_step(infer_scheduler *scheduler, bool *busy, infer_error *err);

/** What infer_scheduler_get_info() tells. */
typedef struct infer_scheduler_info {
    size_t size;          /**< in: sizeof(infer_scheduler_info) */
    size_t n_queued;      /**< requests that wait for their first turn */
    size_t n_running;     /**< texts that are being computed */
    size_t n_aside;       /**< texts that wait for memory or for their turn again */
    uint64_t n_steps;     /**< computed so far */
    uint64_t n_prompt;    /**< tokens computed that were there before: of prompts, and of texts that were put aside */
    uint64_t n_generated; /**< tokens chosen */
    uint64_t n_put_aside; /**< how often a text was put aside */
    uint64_t kv_bytes;    /**< what the caches take now, those of other sessions and prefixes that are kept included */
    int32_t n_ctx;        /**< most tokens of a text */
    double step_seconds;  /**< what a step without prompts takes now; 0: not known yet */
    double prompt_token_seconds; /**< what each token of a prompt adds to that; 0: not known yet */
} infer_scheduler_info;
INFER_API void infer_scheduler_get_info(infer_scheduler *scheduler, infer_scheduler_info *info);

/** A part of a request's text. */
typedef struct infer_request_piece {
    size_t size;          /**< in: sizeof(infer_request_piece) */
    int32_t answer;       /**< whose text it is, from 0 */
    infer_chat_part part; /**< INFER_CHAT_CONTENT, unless it is of an answer to a conversation */
    const char *text;     /**< length bytes and a terminator, whole UTF-8 characters, valid until the next call of
                           *   infer_request_next() on the request; NULL: all texts are at their end */
    size_t length;        /**< bytes, without the terminator */
} infer_request_piece;

/** Wait for the next piece of text of any of the answers. Pieces go to one thread at a time, and not into callbacks.
 *  @param seconds how long to wait; negative: as long as it takes, 0: not at all.
 *  @return INFER_OK with a piece, or at the end without; INFER_E_TIMEOUT without a piece. What befell an answer before
 *          its end is told at the end, and again by further calls: the status of the first that failed. */
INFER_API infer_status infer_request_next(infer_request *request, double seconds, infer_request_piece *piece,
                                          infer_error *err);
/** Wait for the end of all answers. Not called in a callback. Parameters and results as those of infer_request_next(). */
INFER_API infer_status infer_request_wait(infer_request *request, double seconds, infer_error *err);
/** End it soon, with INFER_E_CANCELLED and what text there is. From any thread, in callbacks too, at any moment; nothing
 *  happens after the end. */
INFER_API void infer_request_cancel(infer_request *request);
/** What an answer is, when the request is at its end: before that INFER_E_TIMEOUT, with *result untouched.
 *  @param answer from 0 to n - 1.
 *  @param result may be NULL.
 *  @return the answer's status: INFER_OK, INFER_E_CANCELLED ... as infer_generate() returns it. */
INFER_API infer_status infer_request_get_result(infer_request *request, int32_t answer, infer_generate_result *result,
                                                infer_error *err);
/** The message that an answer to a conversation is, when the request is at its end: JSON as infer_chat_parse() makes it,
 *  *length bytes (length may be NULL) and a terminator, valid until the request is closed. NULL if there is none. */
INFER_API const char *infer_request_message(infer_request *request, int32_t answer, size_t *length);
/** Let go of a request, at any time; one that goes on is cancelled. In its on_end too. */
INFER_API void infer_request_close(infer_request **request);

#ifdef __cplusplus
}
#endif
#endif
