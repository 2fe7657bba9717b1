/* prompt.h - a prompt on its way into a session: what is there already is found, the rest evaluated. */
#ifndef RUNTIME_PROMPT_H
#define RUNTIME_PROMPT_H

#include "src/runtime/generation.h"

struct prompt {
    infer_session *session;
    struct generation *g; /* it is the prompt of; both outlive it */
    int32_t *ids;         /* n ids: the session's tokens as they are to be */
    size_t n, n_keep;     /* the first n_keep the session has */
    bool anew;            /* a sampler's grammar begins after it */
};

/** A text that goes on from the session's tokens, or opens it. g is open. On failure too prompt_close is due. */
infer_status prompt_read(struct prompt *p, struct generation *g, infer_session *session, const char *text,
                         size_t length, infer_error *err);
/** A whole conversation, of which the session may hold a beginning. */
infer_status prompt_read_conversation(struct prompt *p, struct generation *g, infer_session *session, const char *text,
                                      infer_error *err);
/** Evaluate it, and begin the generation. If it is cancelled the session has what was evaluated until then, after
 *  another failure no more than it had. */
infer_status prompt_eval(struct prompt *p, infer_error *err);
void prompt_close(struct prompt *p);

#endif
