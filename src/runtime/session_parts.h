/* session_parts.h - what a session is made of, for those that advance several at once. */
#ifndef RUNTIME_SESSION_PARTS_H
#define RUNTIME_SESSION_PARTS_H

#include "src/base/memory.h"
#include "src/runtime/adapters.h"
#include "src/runtime/history.h"
#include "src/runtime/session.h"
#include "src/runtime/workspace.h"

/** What comes out for a session's last token; forks share it until one of them computes. */
struct output {
    atomic_uint refs;
    _Alignas(CACHE_LINE) float values[]; /* n_out */
};

/** Tokens that may follow a session's, computed before that is known: ahead.h. */
struct ahead {
    uint32_t n;     /* whose keys and values are in the cache, behind n_done; they stand in the history */
    uint32_t first; /* token whose output is row 0 */
    uint32_t room;  /* rows */
    float rows[];   /* (room, n_out) */
};

struct infer_session {
    infer_model *model;
    infer_kv_type kv_type_k, kv_type_v;
    struct workspace *workspace;
    struct history *history;
    struct output *output;
    struct adapter_set *adapters; /* or NULL */
    uint32_t n_ctx;
    uint32_t n_tokens;
    uint32_t n_done; /* tokens whose keys and values are in the cache; the others wait for the next eval */
    uint32_t n_out;  /* width of what comes out for a token */
    struct ahead *ahead; /* NULL: nothing is ever computed ahead */
    bool has_logits;
    bool synced;   /* its pages are made known to the others */
    infer_store *store; /* where they are kept on disk; or NULL */
    uint32_t n_offered; /* of its first pages, which the store has been given since the last rewind */
    bool in_batch; /* an item of the batch that is being checked */
    atomic_bool cancel;
};

/** An output of the session's width, held once; NULL if memory is out. */
struct output *output_open(const infer_session *s, infer_error *err);
void output_release(const infer_allocator *a, struct output *o);
/** Become a session of these tokens, of which n_done are computed: history and output, held once, are its own from now on.
 *  What it had goes. */
void session_replace(infer_session *s, struct history *history, struct output *output, uint32_t n_tokens,
                     uint32_t n_done, bool has_logits);
/** Have an output that may be written to. */
infer_status session_own_output(infer_session *s, infer_error *err);
/** Whether n tokens may be appended. */
infer_status session_check(const infer_session *s, const int32_t *tokens, size_t n, infer_error *err);
/** Write n tokens behind those there are, which they may be some of, where nobody else reads them; the session's length
 *  stays. */
infer_status session_write(infer_session *s, const int32_t *tokens, size_t n, infer_error *err);
/** Aim at a timeline of n tokens, at least 1, that fit and are in the vocabulary: what the session shares with it is
 *  kept, the rest written; the pages of what others have computed are taken. Then the tokens from s->n_done on are to be
 *  computed, at least one unless all is there with its logits. If that comes to nothing, n_done may be more than
 *  n_tokens: rewind to these. On failure the session has some of the tokens that it shares with these. */
infer_status session_aim(infer_session *s, const int32_t *tokens, size_t n, infer_error *err);
/** Tokens stay, but what was computed of them does not count: the next evaluation computes them. */
void session_forget(infer_session *s);
/** INFER_E_IO if a file was cut off that the session computes with. */
infer_status session_intact(const infer_session *s, infer_error *err);
/** Let the others know what has been computed. */
void session_publish(infer_session *s);
/** The same of the first n tokens, within the computing of a prompt, if the next step lets go of some of their pages:
 *  those that are behind a window then. Others may go on from there. */
void session_publish_step(infer_session *s, uint32_t n);
/** A number for the way in which the session computes: what one has computed is good for another one of the model, with
 *  the same types of keys and values, that has the same number. */
uint64_t session_variant(const infer_session *s);
/** The first `n_tokens`, some of them written, are computed. */
void session_advanced(infer_session *s, uint32_t n_tokens);

#endif
