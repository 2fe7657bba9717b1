/* session.h - what generation asks of a session beyond infer.h. */
#ifndef RUNTIME_SESSION_H
#define RUNTIME_SESSION_H

#include "infer.h"

const infer_model *session_model(const infer_session *session);
/** Most tokens computed at once. */
size_t session_batch(const infer_session *session);
/** Append a token without computing anything: it waits for the next eval, of 0 tokens or more, which does it first.
 *  The session has room and id is below n_vocab. */
void session_append(infer_session *session, int32_t id);

#endif
