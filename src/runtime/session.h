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
/** Append a token without computing anything: it waits for the next eval, of 0 tokens or more, which does it first.
 *  The session has room and id is below n_vocab. INFER_E_NOMEM: a fork had to be copied, and is as it was. */
infer_status session_append(infer_session *session, int32_t id, infer_error *err);

#endif
