/* handshake.h - how a WebSocket begins (RFC 6455, section 4.2). */
#ifndef SERVER_HANDSHAKE_H
#define SERVER_HANDSHAKE_H

#include "server/answer.h"

/** Whether a request asks to become a WebSocket. */
bool handshake_wanted(const struct answer *a);
/** Status and sentence of why it cannot; 0: it can. */
unsigned handshake_check(const struct answer *a, const char **sentence);
/** Headers of the answer. False: no memory. */
bool handshake_headers(const struct answer *a, struct MHD_Response *response);
/** The key among the protocols that are offered, as a header; no name: there is none. The caller frees the value. */
infer_header handshake_key(const struct answer *a);

#endif
