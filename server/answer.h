/* answer.h - a request over HTTP, from its first line to the end of its answer.
 *
 * All functions but answer_gone() and answer_tick() are called on the connection's thread of libmicrohttpd. */
#ifndef SERVER_ANSWER_H
#define SERVER_ANSWER_H

#include "server/http.h"

struct websocket;

struct answer {
    struct http *http;
    struct MHD_Connection *mhd;
    struct connection *connection;
    const char *method;
    char *target;           /* path and query, as they are in the request's line */
    bool begun;             /* the headers are there, and good */
    struct websocket *websocket; /* that it is to become */
    bool upgraded;          /* it has become one, and the connection is no longer ours */
    char *body;
    size_t length, room;
    size_t discarded;       /* bytes beyond what a body may have */
    bool crowded;           /* all bodies together take too much */
    infer_exchange *exchange;
    const char *chunk;      /* what of the last chunk is to be sent */
    size_t left;
    bool events;            /* it is text/event-stream */
    atomic_int sleep;       /* enum in answer.c */
    atomic_bool broken;     /* the client has gone */
    atomic_bool comment;    /* it is time for a sign of life */
    _Atomic double last;    /* when something was sent */
};

/** NULL: no memory. */
struct answer *answer_open(struct http *http, struct MHD_Connection *mhd, const char *target);
void answer_close(struct answer *a);

/** Answer with a sentence of ours, as JSON. */
enum MHD_Result answer_refuse(struct answer *a, unsigned status, const char *sentence);
/** Queue a response and let go of it. */
enum MHD_Result answer_send(struct answer *a, unsigned status, struct MHD_Response *response);
/** Sees the headers of a request before the service does. False: no memory. */
typedef bool answer_headers_fn(struct answer *a, const infer_header *headers, size_t n);
/** Ask the service by a method, with a header more if `last` has a name. on_headers may be NULL. False: no memory. */
bool answer_ask(struct answer *a, const char *method, infer_header last, answer_headers_fn *on_headers);
/** Let go of what was asked. */
void answer_forget(struct answer *a);
/** Ask the service what the client does, and answer with what it has. */
enum MHD_Result answer_submit(struct answer *a);
/** Called again after a sleep. */
enum MHD_Result answer_go_on(struct answer *a);

/** For connections_open(). */
connection_gone_fn answer_gone;
connection_tick_fn answer_tick;

#endif
