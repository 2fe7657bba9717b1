/* websocket.h - requests as messages: /ws/generate, by RFC 6455, framed by wslay.
 *
 * Each message in is a request to the service, whose chunks are the messages out. One is answered at a time; while one
 * waits, no more are read. A thread of their own serves all WebSockets, asleep where nothing happens. */
#ifndef SERVER_WEBSOCKET_H
#define SERVER_WEBSOCKET_H

#include "server/answer.h"

struct websockets;

/** Starts the thread. NULL: out of memory or of files. */
struct websockets *websockets_open(struct http *http);
/** Close those that wait for nothing, and the others behind their answers. */
void websockets_drain(struct websockets *all);
/** Messages that are being answered. */
size_t websockets_busy(struct websockets *all);
/** Break off what is being answered and end the thread; before libmicrohttpd stops, which owns the sockets ... */
void websockets_stop(struct websockets *all);
/** ... and this after that. */
void websockets_close(struct websockets **all);

/** Take over a connection that asks for /ws/generate, or refuse it; *result then is what the handler returns. False: it
 *  asks for something else.
 *
 *  A page of another origin is refused unless --cors names it. Keys come in headers, as elsewhere; a page cannot set
 *  these and offers the protocols "infer" and "infer-key.KEY" instead. */
bool websocket_answer(struct answer *a, enum MHD_Result *result);
/** Let go of one that came to nothing; NULL is allowed. */
void websocket_free(struct websocket *ws);

#endif
