/* exchange.c - a request and its answer: chunks go in on the threads that compute, and come out where they are
 * fetched. */
#include "service/exchange.h"

#include "service/errors.h"
#include "service/route.h"
#include "service/service.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { MAX_WAITING = 8 << 20 }; /* bytes that a client leaves unfetched before its answer is cancelled */

struct chunk {
    struct chunk *next;
    size_t length;
    char bytes[];
};

double service_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- The request ---- */

static size_t sizeof_text(const char *text)
{
    return text ? strlen(text) + 1 : 1;
}

/* Copy a text to where *at points, and go on behind it. */
static const char *put(char **at, const char *text, size_t n)
{
    char *const begin = *at;
    if (n)
        memcpy(begin, text, n);
    begin[n] = '\0';
    *at = begin + n + 1;
    return begin;
}

static bool copy_request(infer_exchange *x, const infer_service_request *r)
{
    size_t size = sizeof_text(r->method) + 2 * sizeof_text(r->path) + sizeof_text(r->peer);
    for (size_t i = 0; i < r->n_headers; i++)
        size += sizeof_text(r->headers[i].name) + sizeof_text(r->headers[i].value);
    if (r->length >= SIZE_MAX / 2 - size)
        return false;
    x->copy = malloc(size + r->length + 1);
    x->headers = calloc(r->n_headers + 1, sizeof *x->headers);
    if (!x->copy || !x->headers)
        return false;

    char *at = x->copy;
    const char *const path = r->path ? r->path : "/";
    const size_t n_path = strcspn(path, "?");
    x->method = put(&at, r->method ? r->method : "GET", strlen(r->method ? r->method : "GET"));
    x->path = put(&at, path, n_path);
    x->query = put(&at, path + n_path + (path[n_path] == '?'), strlen(path + n_path + (path[n_path] == '?')));
    x->peer = r->peer ? put(&at, r->peer, strlen(r->peer)) : NULL;
    for (size_t i = 0; i < r->n_headers; i++) {
        const infer_header h = r->headers[i];
        x->headers[i].name = put(&at, h.name ? h.name : "", h.name ? strlen(h.name) : 0);
        x->headers[i].value = put(&at, h.value ? h.value : "", h.value ? strlen(h.value) : 0);
    }
    x->n_headers = r->n_headers;
    x->body = put(&at, r->body, r->body ? r->length : 0);
    x->length = r->body ? r->length : 0;
    return true;
}

static void exchange_free(infer_exchange *x)
{
    for (struct chunk *c = x->first, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    for (size_t i = 0; i < x->n_answer; i++)
        free(x->answer[i].value);
    pthread_mutex_destroy(&x->lock);
    pthread_cond_destroy(&x->changed);
    free(x->taken);
    free(x->model);
    free(x->headers);
    free(x->copy);
    free(x);
}

infer_exchange *exchange_new(infer_service *service, const infer_service_request *request)
{
    infer_exchange *const x = calloc(1, sizeof *x);
    pthread_condattr_t attributes;
    if (!x)
        return NULL;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    x->service = service;
    x->owners = 1;
    x->began = service_seconds();
    x->rest = "";
    x->on_ready = request->on_ready;
    x->user = request->user;
    if (!copy_request(x, request)) {
        exchange_free(x);
        return NULL;
    }
    return x;
}

const char *exchange_header(const infer_exchange *x, const char *name)
{
    for (size_t i = 0; i < x->n_headers; i++)
        if (!strcasecmp(x->headers[i].name, name))
            return x->headers[i].value;
    return NULL;
}

static int hex(char c)
{
    const int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
    return digit >= 0 && digit < 16 && c > ' ' ? digit : -1;
}

/* The character that stands there as %XX; -1: none does. */
static int coded(const char *at)
{
    return *at == '%' && hex(at[1]) >= 0 && hex(at[2]) >= 0 ? 16 * hex(at[1]) + hex(at[2]) : -1;
}

void exchange_decode(char *path)
{
    char *to = path;
    for (const char *at = path; *at; at++) {
        const int c = coded(at);
        *to++ = (char)(c > 0 ? c : *at);
        at += c > 0 ? 2 : 0;
    }
    *to = '\0';
}

bool exchange_query(const infer_exchange *x, const char *name, char *value, size_t max)
{
    const size_t n = strlen(name);
    for (const char *at = x->query; *at; at += strcspn(at, "&"), at += *at == '&') {
        if (strncmp(at, name, n) || at[n] != '=')
            continue;
        size_t length = 0;
        for (at += n + 1; *at && *at != '&' && length + 1 < max; at++) {
            const int c = coded(at);
            value[length++] = (char)(c >= 0 ? c : *at == '+' ? ' ' : *at);
            at += c >= 0 ? 2 : 0;
        }
        value[length] = '\0';
        return !*at || *at == '&';
    }
    return false;
}

json_t *exchange_json(infer_exchange *x)
{
    json_error_t why;
    json_t *const body = json_loadb(x->body, x->length, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &why);
    if (!body)
        exchange_fail(x, 400, NULL, "invalid_json", "the body is no JSON: %s (line %d, column %d)", why.text, why.line,
                      why.column);
    else if (!json_is_object(body))
        exchange_fail(x, 400, NULL, "invalid_json", "the body is expected to be a JSON object");
    else
        return body;
    json_decref(body);
    return NULL;
}

/* ---- The answer ---- */

/* Under the lock. */
static void tell(infer_exchange *x)
{
    pthread_cond_broadcast(&x->changed);
    if (x->on_ready && !x->closed)
        x->on_ready(x->user);
}

void exchange_set_header(infer_exchange *x, const char *name, const char *value)
{
    char *const copy = strdup(value);
    pthread_mutex_lock(&x->lock);
    if (copy && x->n_answer < MAX_ANSWER_HEADERS && !x->status) {
        x->answer[x->n_answer].name = name;
        x->answer[x->n_answer++].value = copy;
    } else {
        free(copy);
    }
    pthread_mutex_unlock(&x->lock);
}

/* Under the lock: a chunk more. False: memory is out, or too much waits. */
static bool append(infer_exchange *x, const char *bytes, size_t n, bool bounded)
{
    struct chunk *const c = n < SIZE_MAX - sizeof *c && !(bounded && x->waiting + n > MAX_WAITING)
                                ? malloc(sizeof *c + n) : NULL;
    if (!c)
        return false;
    c->next = NULL;
    c->length = n;
    memcpy(c->bytes, bytes, n);
    *(x->last ? &x->last->next : &x->first) = c;
    x->last = c;
    x->waiting += n;
    x->n_sent += n;
    return true;
}

static void cancel_locked(infer_exchange *x)
{
    void (*const on_cancel)(void *) = x->on_cancel;
    x->cancelled = true;
    x->on_cancel = NULL;
    if (on_cancel)
        on_cancel(x->work);
}

void exchange_stream(infer_exchange *x, const char *type)
{
    exchange_set_header(x, "Content-Type", type);
    exchange_set_header(x, "Cache-Control", "no-cache");
    pthread_mutex_lock(&x->lock);
    if (!x->status) {
        x->status = 200;
        x->streams = true;
        tell(x);
    }
    pthread_mutex_unlock(&x->lock);
}

void exchange_write(infer_exchange *x, const char *bytes, size_t n)
{
    pthread_mutex_lock(&x->lock);
    if (n && !x->cancelled && !x->closed) {
        if (append(x, bytes, n, true)) {
            tell(x);
        } else {
            x->broken = true;
            cancel_locked(x);
        }
    }
    pthread_mutex_unlock(&x->lock);
}

void exchange_release(infer_exchange *x)
{
    infer_service *const service = x->service;
    pthread_mutex_lock(&x->lock);
    const bool last = --x->owners == 0;
    pthread_mutex_unlock(&x->lock);
    if (last) {
        exchange_free(x);
        service_release(service);
    }
}

static void end(infer_exchange *x, bool broken)
{
    pthread_mutex_lock(&x->lock);
    x->on_cancel = NULL;
    x->broken = x->broken || broken;
    if (!x->status)
        x->status = 500; /* a handler that said nothing: memory was out */
    pthread_mutex_unlock(&x->lock);
    /* Before the client knows: its next request finds the model and the figures as this one left them. */
    models_give(&x->service->models, x->held);
    service_ended(x);
    pthread_mutex_lock(&x->lock);
    x->ended = true;
    tell(x);
    pthread_mutex_unlock(&x->lock);
    exchange_release(x);
}

void exchange_end(infer_exchange *x)
{
    end(x, false);
}

void exchange_break(infer_exchange *x)
{
    end(x, true);
}

void exchange_answer(infer_exchange *x, int status, const char *type, const char *body, size_t length)
{
    if (type)
        exchange_set_header(x, "Content-Type", type);
    pthread_mutex_lock(&x->lock);
    x->status = status;
    if (length && !append(x, body, length, false))
        x->status = 500;
    pthread_mutex_unlock(&x->lock);
    end(x, false);
}

void exchange_answer_json(infer_exchange *x, int status, json_t *taken)
{
    char *const body = taken ? json_dumps(taken, JSON_COMPACT) : NULL;
    json_decref(taken);
    if (body)
        exchange_answer(x, status, "application/json", body, strlen(body));
    else
        exchange_fail(x, 500, NULL, NULL, "no memory for the answer");
    free(body);
}

void exchange_fail(infer_exchange *x, int status, const char *param, const char *code, const char *format, ...)
{
    char message[600];
    struct text body = { 0 };
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    write_error(&body, x->route ? x->route->dialect : OPENAI, status, param, code, message);
    exchange_answer(x, status, "application/json", text_string(&body), body.n);
    text_free(&body);
}

int http_status(infer_status status)
{
    switch (status) {
    case INFER_OK: return 200;
    case INFER_E_FORMAT: /* a conversation that the template cannot write, a saved file that is another model's */
    case INFER_E_ARGUMENT: return 400;
    case INFER_E_FULL: return 503;
    case INFER_E_CANCELLED: return 499;
    case INFER_E_TIMEOUT: return 504;
    default: return 500;
    }
}

void exchange_fail_by(infer_exchange *x, const char *param, const infer_error *err)
{
    exchange_fail(x, http_status(err->code), param, NULL, "%s", err->message);
}

bool exchange_on_cancel(infer_exchange *x, void (*on_cancel)(void *work), void *work)
{
    pthread_mutex_lock(&x->lock);
    const bool cancelled = x->cancelled || x->late;
    x->on_cancel = x->cancelled ? NULL : on_cancel;
    x->work = work;
    if (cancelled && on_cancel)
        on_cancel(work);
    pthread_mutex_unlock(&x->lock);
    return !cancelled;
}

bool exchange_cancelled(infer_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    const bool cancelled = x->cancelled;
    pthread_mutex_unlock(&x->lock);
    return cancelled;
}

bool exchange_late(infer_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    const bool late = x->late;
    pthread_mutex_unlock(&x->lock);
    return late;
}

void exchange_time_out(infer_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    if (!x->late && !x->cancelled && !x->ended) {
        x->late = true;
        if (x->on_cancel)
            x->on_cancel(x->work);
    }
    pthread_mutex_unlock(&x->lock);
}

/* ---- The public side ---- */

/* Under the lock: wait until there is a chunk, or the end. */
static bool wait_chunk(infer_exchange *x, double seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    const double end = (double)until.tv_nsec * 1e-9 + (seconds < 1e9 ? seconds : 1e9);
    if (seconds > 0) {
        until.tv_sec += (time_t)floor(end);
        until.tv_nsec = (long)((end - floor(end)) * 1e9);
    }
    while (!x->first && !x->ended) {
        if (seconds == 0)
            return false;
        if (seconds < 0)
            pthread_cond_wait(&x->changed, &x->lock);
        else if (pthread_cond_timedwait(&x->changed, &x->lock, &until) == ETIMEDOUT)
            return x->first || x->ended;
    }
    return true;
}

infer_status infer_exchange_next(infer_exchange *x, double seconds, const char **chunk, size_t *length,
                                 infer_error *err)
{
    *chunk = NULL;
    *length = 0;
    pthread_mutex_lock(&x->lock);
    free(x->taken);
    x->taken = NULL;
    infer_status status = INFER_OK;
    if (!wait_chunk(x, seconds)) {
        status = service_error(err, INFER_E_TIMEOUT, "nothing more of the answer is there yet");
    } else if (x->first) {
        x->taken = x->first;
        x->first = x->taken->next;
        x->last = x->first ? x->last : NULL;
        x->waiting -= x->taken->length;
        *chunk = x->taken->bytes;
        *length = x->taken->length;
    } else if (x->broken) {
        status = service_error(err, INFER_E_CANCELLED, "the answer breaks off here");
    }
    pthread_mutex_unlock(&x->lock);
    return status;
}

int infer_exchange_status(infer_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    const int status = x->status;
    pthread_mutex_unlock(&x->lock);
    return status;
}

bool infer_exchange_header(infer_exchange *x, size_t index, infer_header *header)
{
    pthread_mutex_lock(&x->lock);
    const bool there = x->status && index < x->n_answer;
    if (there)
        *header = (infer_header){ x->answer[index].name, x->answer[index].value };
    pthread_mutex_unlock(&x->lock);
    return there;
}

bool infer_exchange_streams(infer_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    const bool streams = x->streams;
    pthread_mutex_unlock(&x->lock);
    return streams;
}

void infer_exchange_cancel(infer_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    if (!x->ended)
        cancel_locked(x);
    pthread_mutex_unlock(&x->lock);
}

void infer_exchange_close(infer_exchange **exchange)
{
    infer_exchange *const x = *exchange;
    *exchange = NULL;
    if (!x)
        return;
    pthread_mutex_lock(&x->lock);
    x->closed = true;
    if (!x->ended)
        cancel_locked(x);
    pthread_mutex_unlock(&x->lock);
    exchange_release(x);
}
