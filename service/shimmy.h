/* shimmy.h - Shimmy's API. Its POST /api/generate has the path of Ollama's: a body is of its form if one of the fields
 * stands in it that Ollama's request has not, or has among its `options`. */
#ifndef SERVICE_SHIMMY_H
#define SERVICE_SHIMMY_H

#include "service/conversation.h"

/** Whether a body of POST /api/generate is of Shimmy's form: it has max_tokens, messages, temperature, top_p or
 *  top_k. */
bool shimmy_asks(const json_t *body);
/** Answer it; the body is taken. */
void shimmy_generate(infer_exchange *x, json_t *body);
/** A message that came by the WebSocket /ws/generate: each piece of text is a message, the last one {"done":true}. */
void shimmy_message(infer_exchange *x);
/** GET /api/models */
void shimmy_models(infer_exchange *x);
/** GET /diag: the machine. */
void shimmy_machine(infer_exchange *x);

#endif
