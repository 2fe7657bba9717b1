/* fake_service.c - a service without models, for tests of the server's shell: the path says what the answer is like.
 *
 *     /echo           the body; /head the request's headers as lines, target and peer among them
 *     /slow?ms=N      an answer after N ms; /huge?n=N one of N bytes
 *     /stream?n=N&ms=M&size=S  N events of S bytes, M ms apart; n=0: none ever comes, though the status does
 *     /silent         no status ever
 *     /breaks?n=N     N events, then it breaks off
 *     /state          {"open": exchanges, "cancelled": so far, "peak": most at once}
 *     /ws/generate    of messages: "N M" makes N messages, M ms apart
 *
 * Every exchange that is not answered at once has a thread. */
#include "infer_service.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct infer_service {
    atomic_int open, busy, cancelled, peak;
    atomic_bool drains;
    char key[128];
};

struct infer_exchange {
    infer_service *service;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bool threaded, cancelled, streams, known, ended, breaks, message;
    int status;
    long n, ms, made, size;
    const char *type;
    char *waiting, *taken; /* chunks */
    size_t n_waiting;
    void (*on_ready)(void *user);
    void *user;
};

infer_service *infer_service_open(infer_context *context, const infer_service_options *options, infer_error *err)
{
    infer_service *s = calloc(1, sizeof *s);
    (void)context, (void)err;
    if (options->model && !strcmp(options->model, "wrong")) {
        err->code = INFER_E_IO;
        snprintf(err->message, sizeof err->message, "wrong: there is no such model");
        free(s);
        return NULL;
    }
    if (options->model && !strcmp(options->model, "slow"))
        nanosleep(&(struct timespec){ 1, 0 }, NULL);
    if (options->n_api_keys)
        snprintf(s->key, sizeof s->key, "Bearer %s", options->api_keys[0]);
    static const char line[] = "{\"time\":\"now\",\"event\":\"open\",\"n\":1,\"s\":\"a b\"}";
    if (options->on_log)
        options->on_log(options->log_user, line, sizeof line - 1);
    return s;
}

void infer_service_drain(infer_service *s)
{
    s->drains = true;
}

size_t infer_service_busy(infer_service *s)
{
    return (size_t)atomic_load(&s->busy);
}

void infer_service_close(infer_service **s)
{
    if (*s && (*s)->open)
        fprintf(stderr, "fake: %d exchanges were not closed\n", (int)(*s)->open);
    free(*s);
    *s = NULL;
}

/* ---- What is made ---- */

static long number(const char *path, const char *name, long otherwise)
{
    char key[16];
    snprintf(key, sizeof key, "%s=", name);
    const char *at = strchr(path, '?');
    at = at ? strstr(at, key) : NULL;
    return at ? atol(at + strlen(key)) : otherwise;
}

static void put(infer_exchange *e, const char *text, size_t n)
{
    e->waiting = realloc(e->waiting, e->n_waiting + n + 1);
    memcpy(e->waiting + e->n_waiting, text, n);
    e->n_waiting += n;
    e->waiting[e->n_waiting] = 0;
}

static void put_event(infer_exchange *e)
{
    char text[64];
    const int n = snprintf(text, sizeof text, e->message ? "message %ld" : "data: %ld ", e->made++);
    put(e, text, (size_t)n);
    char *const rest = e->size > n ? malloc((size_t)(e->size - n)) : NULL;
    if (rest)
        put(e, memset(rest, 'x', (size_t)(e->size - n)), (size_t)(e->size - n));
    free(rest);
    if (!e->message)
        put(e, "\n\n", 2);
}

static void end(infer_exchange *e)
{
    if (!e->ended)
        atomic_fetch_sub(&e->service->busy, 1);
    e->ended = true;
}

/* Waits, in pieces of which a message is one. Returns false if it was cancelled. */
static bool rest(infer_exchange *e, long ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    while (!e->cancelled && pthread_cond_timedwait(&e->changed, &e->lock, &until) != ETIMEDOUT)
        ;
    return !e->cancelled;
}

static void *make(void *user)
{
    infer_exchange *e = user;
    bool goes_on = true;
    pthread_mutex_lock(&e->lock);
    do {
        const bool last = e->streams && e->n && e->made == e->n;
        goes_on = (last || rest(e, e->n || !e->streams ? e->ms : 1000)) && !last;
        if (goes_on && e->streams && e->n) {
            while (e->message && e->n_waiting && !e->cancelled) /* each is one message */
                pthread_cond_wait(&e->changed, &e->lock);
            put_event(e);
            e->known = true;
        } else if (goes_on && !e->streams && e->n >= 0) {
            put(e, "slow", 4);
            e->known = true;
            goes_on = false;
        }
        if (!goes_on)
            end(e);
        pthread_mutex_unlock(&e->lock);
        if (e->on_ready)
            e->on_ready(e->user);
        pthread_mutex_lock(&e->lock);
    } while (goes_on);
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

static void begin_thread(infer_exchange *e)
{
    e->threaded = pthread_create(&e->thread, NULL, make, e) == 0;
}

/* ---- Routes ---- */

static void begin_stream(infer_exchange *e, const char *path)
{
    e->streams = true;
    e->n = number(path, "n", 5);
    e->ms = number(path, "ms", 1);
    e->size = number(path, "size", 0);
    e->type = "text/event-stream";
    e->breaks = !strncmp(path, "/breaks", 7);
    e->known = !e->n;
    begin_thread(e);
}

static void put_head(infer_exchange *e, const infer_service_request *r)
{
    char text[512];
    put(e, text, (size_t)snprintf(text, sizeof text, "%s %.400s\npeer: %s\n", r->method, r->path,
                                  r->peer ? r->peer : ""));
    for (size_t i = 0; i < r->n_headers; i++)
        put(e, text, (size_t)snprintf(text, sizeof text, "%.200s: %.200s\n", r->headers[i].name, r->headers[i].value));
}

static void put_state(infer_exchange *e)
{
    char text[128];
    put(e, text, (size_t)snprintf(text, sizeof text, "{\"open\": %d, \"cancelled\": %d, \"peak\": %d}",
                                  e->service->open - 1, (int)e->service->cancelled, (int)e->service->peak));
}

static bool is_welcome(const infer_service *s, const infer_service_request *r)
{
    for (size_t i = 0; i < r->n_headers; i++)
        if (!strcasecmp(r->headers[i].name, "authorization") && !strcmp(r->headers[i].value, s->key))
            return true;
    return !*s->key;
}

static void refuse(infer_exchange *e, int status)
{
    e->status = status;
    put(e, "{}", 2);
}

static void route(infer_exchange *e, const infer_service_request *r)
{
    const char *path = r->path;
    if (!is_welcome(e->service, r)) {
        refuse(e, 401);
    } else if (!strcmp(r->method, "MESSAGE") && !r->length) {
        refuse(e, 400);
    } else if (!strcmp(r->method, "MESSAGE")) {
        e->message = e->streams = true;
        e->n = 3;
        sscanf(r->body ? r->body : "", "%ld %ld", &e->n, &e->ms);
        begin_thread(e);
    } else if (e->service->drains && strcmp(path, "/state")) {
        refuse(e, 503);
    } else if (!strncmp(path, "/echo", 5)) {
        put(e, r->body ? r->body : "", r->length);
    } else if (!strncmp(path, "/head", 5)) {
        put_head(e, r);
    } else if (!strncmp(path, "/huge", 5)) {
        e->size = number(path, "n", 1 << 20);
        put_event(e);
    } else if (!strncmp(path, "/slow", 5) || !strncmp(path, "/silent", 7)) {
        e->n = path[2] == 'l' ? 1 : -1;
        e->ms = number(path, "ms", 100);
        begin_thread(e);
    } else if (!strncmp(path, "/stream", 7) || !strncmp(path, "/breaks", 7)) {
        begin_stream(e, path);
    } else if (!strncmp(path, "/state", 6)) {
        put_state(e);
    } else {
        refuse(e, 404);
    }
    if (!e->threaded) {
        e->known = true;
        end(e);
    }
}

infer_exchange *infer_service_submit(infer_service *s, const infer_service_request *r, infer_error *err)
{
    infer_exchange *e = calloc(1, sizeof *e);
    (void)err;
    e->service = s;
    e->status = 200;
    e->type = "application/json";
    e->on_ready = r->on_ready;
    e->user = r->user;
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->changed, NULL);
    atomic_fetch_add(&s->busy, 1);
    const int open = atomic_fetch_add(&s->open, 1) + 1;
    for (int peak = s->peak; open > peak && !atomic_compare_exchange_weak(&s->peak, &peak, open);)
        ;
    route(e, r);
    return e;
}

infer_status infer_exchange_next(infer_exchange *e, double seconds, const char **chunk, size_t *length,
                                 infer_error *err)
{
    infer_status status = INFER_OK;
    (void)seconds, (void)err;
    pthread_mutex_lock(&e->lock);
    free(e->taken);
    e->taken = e->waiting;
    *chunk = e->taken;
    *length = e->n_waiting;
    e->waiting = NULL;
    e->n_waiting = 0;
    pthread_cond_signal(&e->changed);
    if (!*chunk && (e->cancelled || (e->ended && e->breaks)))
        status = INFER_E_CANCELLED;
    else if (!*chunk && !e->ended)
        status = INFER_E_TIMEOUT;
    pthread_mutex_unlock(&e->lock);
    return status;
}

int infer_exchange_status(infer_exchange *e)
{
    pthread_mutex_lock(&e->lock);
    const int status = e->known ? e->status : 0;
    pthread_mutex_unlock(&e->lock);
    return status;
}

bool infer_exchange_header(infer_exchange *e, size_t index, infer_header *header)
{
    *header = (infer_header){ index ? "X-Request-Id" : "Content-Type", index ? "7" : e->type };
    return index < 2;
}

bool infer_exchange_streams(infer_exchange *e)
{
    return e->streams;
}

void infer_exchange_cancel(infer_exchange *e)
{
    pthread_mutex_lock(&e->lock);
    if (!e->cancelled && !e->ended)
        atomic_fetch_add(&e->service->cancelled, 1);
    e->cancelled = true;
    pthread_cond_signal(&e->changed);
    pthread_mutex_unlock(&e->lock);
}

void infer_exchange_close(infer_exchange **handle)
{
    infer_exchange *e = *handle;
    *handle = NULL;
    if (!e)
        return;
    infer_exchange_cancel(e);
    if (e->threaded)
        pthread_join(e->thread, NULL);
    atomic_fetch_sub(&e->service->open, 1);
    pthread_cond_destroy(&e->changed);
    pthread_mutex_destroy(&e->lock);
    free(e->waiting);
    free(e->taken);
    free(e);
}
