/* session.h - a timeline of tokens, and what a model computes of it. Part of infer.h, which says what holds for all. */
#ifndef INFER_SESSION_H
#define INFER_SESSION_H

#include "model.h"
#include "store.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct infer_session infer_session;

typedef enum infer_precision {
    INFER_FAST = 0, /**< activations as 8-bit blocks where the weights are quantised, with 15 bits for the logits */
    INFER_EXACT = 1 /**< f32 activations for every type of weight */
} infer_precision;

/** How a session stores keys and values. Values are for ever. Those of 8 and 4 bits are blocks of 32 numbers with a
 *  scale, for heads whose width is a multiple of 32. */
typedef enum infer_kv_type {
    INFER_KV_DEFAULT = 0, /**< F16, and F32 at INFER_EXACT */
    INFER_KV_F32 = 1,
    INFER_KV_F16 = 2,
    INFER_KV_BF16 = 3,
    INFER_KV_Q8_0 = 4, /**< 8.5 bits a number */
    INFER_KV_Q4_0 = 5  /**< 4.5 bits a number */
} infer_kv_type;

/** Options of infer_session_open(). */
typedef struct infer_session_options {
    size_t size;               /**< sizeof(infer_session_options) */
    int32_t n_ctx;             /**< most tokens the session can hold; 0 = the smaller of what the model was trained on
                                *   and 4096 (default). A model with a learned vector for each position can hold no more
                                *   than it has, an encoder no more than 16384. A model that rotates otherwise in long
                                *   contexts than in short ones (longrope) does so if more are asked for than its
                                *   short ones have */
    int32_t n_batch;           /**< most tokens computed at once, 1..4096; 0 = 512 (default). More costs memory, not
                                    accuracy. Of an encoder, whose tokens see each other, it is n_ctx in any case */
    infer_precision precision; /**< INFER_FAST (default) */
    infer_kv_type kv_type_k;   /**< of keys; INFER_KV_DEFAULT (default). Types that do not fit the heads are refused */
    infer_kv_type kv_type_v;   /**< of values; INFER_KV_DEFAULT (default). DeepSeek 2 and 3 keep one latent vector for
                                *   keys and values, of which kv_type_k is the type */
    bool deterministic;        /**< a token's logits have the same bits whatever else is computed with it: other
                                *   tokens of a prompt, other sessions of a batch, a shared prefix or a fork. Costs speed
                                *   where many tokens are computed at once. Without it they differ by rounding (default
                                *   false) */
    infer_store *store;        /**< where on disk infer_session_sync() finds beginnings of texts, and keeps them: kept
                                *   alive by the session and its forks. NULL = nowhere (default) */
} infer_session_options;

static inline infer_session_options infer_session_defaults(void)
{
    infer_session_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    return o;
}

INFER_API infer_session *infer_session_open(infer_model *model, const infer_session_options *options, infer_error *err);
INFER_API void infer_session_close(infer_session **session);
/** A session that goes on from the same tokens, with the same logits, for another thread or another continuation. It
 *  costs next to nothing: tokens and cache are shared, and pages of the cache (64 tokens) are copied when one of the
 *  sessions appends to them. So the first evaluation after a fork takes memory. Work buffers stay shared: forks that
 *  compute on several threads at once take turns.
 *  @param session not used by another thread during the call. */
INFER_API infer_session *infer_session_fork(const infer_session *session, infer_error *err);

/** Append tokens and compute the logits that follow the last of them.
 *  @param tokens n ids in [0, n_vocab), n may be 0. Not kept after the call.
 *  @return INFER_OK; INFER_E_FULL, INFER_E_CANCELLED, INFER_E_NOMEM or INFER_E_ARGUMENT with the session as it was
 *          before. An encoder computes a text at once: tokens after some that are there already are
 *          INFER_E_ARGUMENT.
 *  @note The weights are read once for n_batch tokens, so feed a prompt in one call.
 *  @note Results do not depend on the number of threads. */
INFER_API infer_status infer_session_eval(infer_session *session, const int32_t *tokens, size_t n, infer_error *err);
/** As eval, and write the output of every token to out, which the caller owns: logits (n, n_vocab), or for an encoder
 *  its final hidden states (n, n_embd), rows without gaps. */
INFER_API infer_status infer_session_eval_all(infer_session *session, const int32_t *tokens, size_t n, float *out,
                                              infer_error *err);
/** A session's part of a batch. */
typedef struct infer_batch_item {
    infer_session *session; /**< of the same model as the others */
    const int32_t *tokens; /**< n_tokens ids in [0, n_vocab) to be appended, not kept; may be NULL if there are none:
                            *   those that wait are computed then, as by infer_session_eval() */
    size_t n_tokens;       /**< may be 0 */
    infer_status status;   /**< out: of this session */
} infer_batch_item;

/** Append tokens to n sessions of one model and compute the logits that follow the last of each. The weights are read
 *  once for the tokens of all sessions, up to n_batch of the first one, so this is many times as fast as one by one.
 *  Sessions may differ in n_ctx, n_batch and adapters, but not in precision, `deterministic` or cache types. Those that will be
 *  batched are best made by infer_session_fork() from one of them: then they have one set of work buffers together.
 *  @param items No session twice. None is used by another thread during the call, but infer_session_cancel() is allowed:
 *         that one's item is INFER_E_CANCELLED, the others go on.
 *  @return INFER_OK if all items are; INFER_E_ARGUMENT or INFER_E_FULL with nothing changed; else the status of the
 *          first item that failed. Each session whose item failed is as it was before. */
INFER_API infer_status infer_batch_eval(infer_batch_item *items, size_t n, infer_error *err);
/** Logits after the last token, n_vocab floats, valid until the next call on the session; NULL if there are none (an
 *  encoder; no token yet; rewound, until a token is evaluated; or infer_generate appended the last token, which
 *  infer_session_eval of 0 tokens computes). */
INFER_API const float *infer_session_logits(const infer_session *session);
/** Forget all tokens but the first n_keep, a cheap operation. n_keep above the length is INFER_E_ARGUMENT.
 *  @note Layers with a sliding window keep no more of the cache than the window and 64 tokens. After a rewind by more
 *        than 64 tokens in a model that has such layers, the next evaluation computes the tokens that were kept anew.
 *        */
INFER_API infer_status infer_session_rewind(infer_session *session, size_t n_keep, infer_error *err);
/** Make the session's timeline these n tokens, and compute the logits that follow the last of them, by the least work:
 *  what the session has in common with them is kept, and of the rest, page by page (64 tokens), what any session of the
 *  model has computed for the same beginning that was synced or closed since (with the same precision, `deterministic`,
 *  cache types and adapters). With `deterministic` the logits have the same bits as if all was computed, else they differ by rounding.
 *  @param tokens n ids; may be the session's own. n 0: forget all.
 *  @param n_computed how many tokens had to be computed; may be NULL.
 *  @return INFER_OK; INFER_E_FULL or INFER_E_ARGUMENT with the session as it was before; other failures leave it with
 *          tokens that are a beginning of both. */
INFER_API infer_status infer_session_sync(infer_session *session, const int32_t *tokens, size_t n, size_t *n_computed,
                                          infer_error *err);
/** Pages that infer_session_sync() may find stay when their sessions are closed: those used last, up to so many bytes for
 *  each choice of cache types (default 256 MB). 0: none are kept or found. Thread safe. */
INFER_API void infer_model_set_prefix_bytes(infer_model *model, uint64_t bytes);
/** Make room in a full context: forget n_forget tokens behind the first n_keep, and compute those after them anew, for
 *  what the cache holds of a token depends on all before it. (Moving it by rotating the keys would be cheaper, but is what
 *  no model was trained on: it would go on with traces of what was forgotten.) The library never does this by itself.
 *  @return as infer_session_eval(); after a failure the session has its first n_keep tokens. INFER_E_ARGUMENT if there are
 *          fewer tokens, with nothing changed. */
INFER_API infer_status infer_session_shift(infer_session *session, size_t n_keep, size_t n_forget, infer_error *err);
INFER_API size_t infer_session_length(const infer_session *session);
INFER_API size_t infer_session_capacity(const infer_session *session);
INFER_API const int32_t *infer_session_tokens(const infer_session *session); /**< infer_session_length() ids */
INFER_API size_t infer_session_bytes(const infer_session *session); /**< memory taken: cache and work buffers */

/** What infer_session_get_info() tells. */
typedef struct infer_session_info {
    size_t size;                 /**< in: sizeof(infer_session_info) */
    infer_kv_type kv_type_k;     /**< never INFER_KV_DEFAULT */
    infer_kv_type kv_type_v;     /**< never INFER_KV_DEFAULT */
    uint64_t kv_bytes;           /**< of the cache as it is now, with what is shared; it grows by 64 tokens at a time */
    uint64_t kv_bytes_per_token; /**< at the types of this session */
} infer_session_info;
INFER_API void infer_session_get_info(const infer_session *session, infer_session_info *info);
/** Bytes of the cache of a session with these options once it has evaluated n_tokens in one call: infer_session_info's
 *  kv_bytes then will be exactly this. Pages are taken from the allocator some at a time, for all sessions of a model
 *  and cache types together: 128 KB for each layer and KV head, in which other sessions' pages have room too. What is
 *  empty goes back, but for one such piece (two in a model of which some layers have a window).
 *  @return 0 with err filled if the options are refused or n_tokens do not fit n_ctx; 0 for 0 tokens. */
INFER_API uint64_t infer_kv_bytes(const infer_model *model, const infer_session_options *options, size_t n_tokens,
                                  infer_error *err);
/** Stop what the session computes: the call that is running or, between two calls, the next one that computes returns
 *  INFER_E_CANCELLED soon, and with that it is over. So none is lost that comes just before a call. infer_generate(),
 *  infer_generate_chat(), infer_beam_search() and a generation that is fetched are one call each, from beginning to end:
 *  one that came too late for it is forgotten at its end. After single evaluations infer_session_uncancel() forgets it. May be called from any
 *  thread and from a signal handler. */
INFER_API void infer_session_cancel(infer_session *session);
/** Forget a cancellation that no call has heeded: to be called where something new begins, if one that was meant for what
 *  was before may still have come. From any thread. */
INFER_API void infer_session_uncancel(infer_session *session);

/** Write the session to a file: its tokens, what its cache holds of them, its logits if there are any. Of layers with
 *  a sliding window that is what the window sees, and a little more. Tokens that wait are saved as such; work buffers
 *  and options are not. The file is written beside `path`, brought to the disk and then renamed, so that `path` is at
 *  any moment the old file or the new one, whole. Only its user may read it. It has infer_session_info's kv_bytes and 4
 *  bytes for each token and logit, little-endian.
 *  @return INFER_OK; INFER_E_IO or INFER_E_NOMEM with `path` as it was. */
INFER_API infer_status infer_session_save(const infer_session *session, const char *path, infer_error *err);
/** Become what was saved: tokens, cache and logits, instead of what the session has. What follows has the same bits as
 *  if the session had not been saved, with the same options and instruction set; n_ctx need only have room (but bits
 *  of a `deterministic` session follow from its n_ctx too).
 *  Everything is checked before the session changes: checksums of header and contents find damage, sizes are held
 *  against the file's and the session's, and what the cache was made with has to be alike: cache types, precision,
 *  `deterministic`, the adapters that are set with their scales, and the model, known by a hash of its architecture's numbers, of the role, type and shape of every
 *  tensor, and of 2 KB of each one's data, which is made once for a model. Checksums are against accidents: a file made
 *  up by somebody cannot do harm, but can make the model say anything.
 *  @return INFER_OK; INFER_E_IO; INFER_E_FORMAT if the file is damaged or no saved session; INFER_E_UNKNOWN if it is of
 *          another version of the format; INFER_E_ARGUMENT if it is of another model or other options; INFER_E_FULL if
 *          the session has no room for it; INFER_E_NOMEM. After a failure the session is as it was. */
INFER_API infer_status infer_session_load(infer_session *session, const char *path, infer_error *err);
/** As infer_session_save(), to memory.
 *  @param data room for max bytes; nothing is written if that is not enough. May be NULL if max is 0.
 *  @param size receives how many bytes there are, also when that is more than max. */
INFER_API infer_status infer_session_save_bytes(const infer_session *session, void *data, size_t max, size_t *size,
                                                infer_error *err);
/** As infer_session_load(), from `size` bytes of memory, which are not kept. */
INFER_API infer_status infer_session_load_bytes(infer_session *session, const void *data, size_t size,
                                                infer_error *err);

#ifdef __cplusplus
}
#endif
#endif
