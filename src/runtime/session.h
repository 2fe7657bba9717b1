/* session.h - what generation asks of a session beyond infer.h. */
#ifndef RUNTIME_SESSION_H
#define RUNTIME_SESSION_H

#include "src/engine/forward.h"

/** A session of complete options, which were checked: n_ctx may be more than a text can be long where the session is to
 *  hold several. */
infer_session *session_open(infer_model *m, const infer_session_options *o, infer_error *err);
/** Compute n tokens in slots of the cache from `first` on: the texts that `passages` say of each, or with NULL all of one
 *  text from slot 0 on. The last hidden states of the last n_out of them go to out (n_out, n_embd). The session's own
 *  tokens are those of no text then, so this and infer_session_eval do not go together. */
infer_status session_hidden(infer_session *s, const int32_t *ids, const struct segment *where, uint32_t n_out,
                            float *out, infer_error *err);
/** What computes for the session, between its calls. */
struct forward session_forward(infer_session *s);
const infer_model *session_model(const infer_session *session);
/** Most tokens computed at once. */
size_t session_batch(const infer_session *session);
/** Told after each step towards a timeline: its first `end` tokens are there, n_computed of them since the last time. A
 *  failure ends it there. */
typedef infer_status session_step_fn(void *user, size_t end, size_t n_computed, infer_error *err);
/** As infer_session_sync, computing at most `most` tokens at once. After a failure the session has what the last step
 *  left; before the first one it has the tokens and the logits that it had, up to where the timelines part. */
infer_status session_sync(infer_session *session, const int32_t *tokens, size_t n, size_t most,
                          session_step_fn *on_step, void *user, infer_error *err);
/** Evaluate n tokens, at least 1, and tell of each how likely it was after those before it (infer_session_logprobs),
 *  all of a step before on_step, which may be NULL, is told of it. Some may have been told when it fails.
 *  @param tell gets n_top alternatives, at most INFER_MAX_TOP. */
infer_status session_echo(infer_session *session, const int32_t *tokens, size_t n, infer_token_fn *tell, size_t n_top,
                          void *teller, session_step_fn *on_step, void *user, infer_error *err);
/** Where the last token's logits are gone, after a rewind, it waits to be computed again. */
void session_await(infer_session *session);
/** Whether somebody has asked to cancel what runs; that is answered with this. */
bool session_cancelled(infer_session *session);
/** Have the logits after the last token, which may be waiting, or left over from a rewind. An empty session has
 *  none. */
infer_status session_ready(infer_session *session, infer_error *err);
/** Append a token without computing anything: it waits for the next eval, of 0 tokens or more, which does it first.
 *  The session has room and id is below n_vocab. INFER_E_NOMEM: a fork had to be copied, and is as it was. */
infer_status session_append(infer_session *session, int32_t id, infer_error *err);

#endif
