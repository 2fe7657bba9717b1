/* http.h - requests of HTTP, read and written by libmicrohttpd, answered by a service.
 *
 * A few threads of that library take turns at all connections; none of them waits for a model. Where the service has
 * nothing to say yet, the connection sleeps, until the service calls back from a thread of its own. */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

#include "infer_service.h"
#include "server/connections.h"
#include "server/listen.h"
#include "server/log.h"

#include <microhttpd.h>
#include <stdatomic.h>

struct websockets;

struct http_options {
    struct connection_limits limits;
    size_t max_body, max_header;
    double sign_seconds;         /* of silence, after which a stream of events gets a comment */
    int threads;
    const char *cors;            /* origin whose pages may open WebSockets, "*" for any, NULL for none but our own */
    bool any_host;               /* whatever host is asked for, by name; else addresses, localhost, and these: */
    const char *const *hosts;
    size_t n_hosts;
    const char *tls_cert, *tls_key; /* PEM texts, or NULL */
    enum log_format *log;        /* of what is refused here */
};

struct http {
    struct http_options options;
    struct MHD_Daemon *daemons[MAX_LISTENERS];
    size_t n_daemons;
    struct connections *connections;
    struct websockets *websockets;
    _Atomic(infer_service *) service; /* NULL: not there yet, requests are answered with 503 */
    atomic_size_t body_bytes;         /* of requests that are being read */
    atomic_size_t n_answers;          /* requests that are being answered */
    atomic_bool drains;               /* connections close behind their answers */
    atomic_bool stops;                /* answers break off */
};

/** Begin to answer who connects to the listeners, which stay the caller's, as do the strings of the options. */
struct http *http_open(const struct http_options *options, const struct listener *listeners, size_t n,
                       infer_error *err);
/** Answer by this from now on; it is there until http_close(). */
void http_serve(struct http *http, infer_service *service);
/** Close connections behind their answers. */
void http_drain(struct http *http);
/** Requests and WebSockets' messages that are being answered. */
size_t http_busy(struct http *http);
/** Break off what is being answered and close. */
void http_close(struct http **http);

#endif
