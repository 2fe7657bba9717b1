/* exchange.h - a request and its answer, as handlers see them.
 *
 * A handler reads the request, and answers once: by exchange_answer(), or by exchange_stream(), any number of
 * exchange_write() and exchange_end(). It may do so later, on another thread; the exchange is there until then, and
 * until the handler has returned. */
#ifndef SERVICE_EXCHANGE_H
#define SERVICE_EXCHANGE_H

#include "infer_service.h"
#include "service/text.h"

#include <jansson.h>
#include <pthread.h>

enum { MAX_ANSWER_HEADERS = 12, ID_LENGTH = 24 };

struct chunk;
struct route;
struct served;

struct infer_exchange {
    infer_service *service;
    infer_exchange *next, *previous; /* of the service's, under its lock */
    char id[ID_LENGTH + 1];          /* of the request: letters and digits */
    double began;                    /* service_seconds() */

    /* the request, constant */
    char *copy; /* memory of all of it */
    const char *method, *path, *query, *peer; /* path without the query; query "" if there is none; peer or NULL */
    infer_header *headers;
    size_t n_headers;
    const char *body; /* length bytes and a terminator */
    size_t length;
    const struct route *route; /* NULL: there is none */
    const char *rest;          /* of the path, what stands where the route has a star; "" */

    /* the answer, under the lock */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int owners; /* the handle's holder; until the end, who answers; a worker */
    int status; /* 0: not known yet */
    bool streams, ended, broken, cancelled, closed, late; /* late: timed out */
    bool hurried; /* the handler is on the caller's thread, and has to return if it would wait, */
    bool later;   /* having set this: it is called again by a worker */
    struct {
        const char *name;
        char *value;
    } answer[MAX_ANSWER_HEADERS];
    size_t n_answer;
    struct chunk *first, *last, *taken; /* taken: was handed out last */
    size_t waiting;                     /* bytes in chunks that nobody has fetched */
    void (*on_ready)(void *user);
    void *user;
    void (*on_cancel)(void *work); /* called under the lock, once; or NULL */
    void *work;

    struct served *held; /* the request's model, given back at the end; or NULL */

    /* for the log */
    char *model;
    size_t n_prompt, n_cached, n_generated, n_sent;
    double queue_seconds, first_token_seconds;
};

/** One owner less. */
void exchange_release(infer_exchange *x);
/** A copy of the request. NULL: memory is out. */
infer_exchange *exchange_new(infer_service *service, const infer_service_request *request);

/** Value of a header of the request, NULL if there is none. */
const char *exchange_header(const infer_exchange *x, const char *name);
/** Value of "name=..." in the query, decoded into `value`; false if there is none or it is too long. */
bool exchange_query(const infer_exchange *x, const char *name, char *value, size_t max);
/** A path's characters that are written as %XX, but for NUL, in place. */
void exchange_decode(char *path);
/** The body as a JSON object, which the caller releases. NULL: what is wrong has been answered. */
json_t *exchange_json(infer_exchange *x);

/** A header of the answer, before it is begun. The name is not copied. */
void exchange_set_header(infer_exchange *x, const char *name, const char *value);
/** The whole answer. */
void exchange_answer(infer_exchange *x, int status, const char *type, const char *body, size_t length);
/** The same of JSON, which is released. NULL: memory was out. */
void exchange_answer_json(infer_exchange *x, int status, json_t *taken);
/** An error, in the form of the route's dialect.
 *  @param param the field that is wrong, or NULL.
 *  @param code  OpenAI's word for it, or NULL. */
void exchange_fail(infer_exchange *x, int status, const char *param, const char *code, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/** The same for a failure of the library: its status gives that of HTTP. */
void exchange_fail_by(infer_exchange *x, const char *param, const infer_error *err);
int http_status(infer_status status);

/** Begin a stream, with status 200. */
void exchange_stream(infer_exchange *x, const char *type);
/** A chunk of it. What a client does not fetch is bounded: then the answer is cancelled. */
void exchange_write(infer_exchange *x, const char *bytes, size_t n);
/** Its end. No more of the exchange is the handler's. */
void exchange_end(infer_exchange *x);
/** An end before the end. */
void exchange_break(infer_exchange *x);

/** From now on a cancellation calls on_cancel(work), at once if it was before, or the time was up; NULL: no longer.
 *  Returns false if it was. */
bool exchange_on_cancel(infer_exchange *x, void (*on_cancel)(void *work), void *work);
bool exchange_cancelled(infer_exchange *x);
/** Whether exchange_time_out() was called. */
bool exchange_late(infer_exchange *x);
/** As a cancellation, but the answer is to end well, with what there is. */
void exchange_time_out(infer_exchange *x);

double service_seconds(void);

#endif
