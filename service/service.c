/* service.c - opening and closing, and the way of a request to its handler. */
#include "service/service.h"

#include "service/errors.h"
#include "service/route.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_HURRIED = 4096 }; /* bytes of a body that is worked on at once */

void service_random(char *text, size_t n)
{
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    unsigned char random[64] = { 0 };
    if (getentropy(random, sizeof random) != 0)
        memcpy(random, &(struct timespec){ time(NULL), (long)(service_seconds() * 1e9) % 1000000000 }, 16);
    for (size_t i = 0; i < n; i++)
        text[i] = letters[random[i % sizeof random] % (sizeof letters - 1)];
    text[n] = '\0';
}

/* ---- Options ---- */

static void free_texts(const char *const *texts, size_t n)
{
    for (size_t i = 0; texts && i < n; i++)
        free((char *)texts[i]);
    free((void *)texts);
}

/* Copies of n texts. False: memory is out. */
static bool copy_texts(const char *const **texts, size_t *n)
{
    const char *const *const from = *texts;
    const size_t wanted = from ? *n : 0;
    const char **const to = calloc(wanted + 1, sizeof *to);
    *texts = to;
    *n = 0;
    for (size_t i = 0; to && i < wanted; i++, ++*n)
        if (!(to[i] = strdup(from[i])))
            return false;
    return to;
}

static bool copy_text(const char **text)
{
    return !*text || (*text = strdup(*text));
}

/* The service's own copy of all that options point to; what failed to be copied is left NULL. */
static bool copy_options(infer_service *s, const infer_service_options *o)
{
    infer_service_options *const to = &s->options;
    *to = infer_service_defaults();
    if (o)
        memcpy(to, o, o->size < sizeof *to ? o->size : sizeof *to);
    to->size = sizeof *to;
    s->model_options = to->model_options ? *to->model_options : infer_model_defaults();
    s->scheduler = to->scheduler ? *to->scheduler : infer_scheduler_defaults();
    s->session = s->scheduler.session ? *s->scheduler.session : infer_session_defaults();
    s->session.store = to->store;
    s->scheduler.session = &s->session;
    s->scheduler.manual = false;
    const char **const texts[] = { &to->model, &to->alias, &to->state_dir, &to->cors_origin, &to->hub };
    bool good = true;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        good &= copy_text(texts[i]);
    good &= copy_texts(&to->model_dirs, &to->n_model_dirs);
    good &= copy_texts(&to->adapters, &to->n_adapters);
    good &= copy_texts(&to->api_keys, &to->n_api_keys);
    return good;
}

static void free_options(infer_service_options *o)
{
    free((char *)o->model);
    free((char *)o->alias);
    free((char *)o->state_dir);
    free((char *)o->cors_origin);
    free((char *)o->hub);
    free_texts(o->model_dirs, o->n_model_dirs);
    free_texts(o->adapters, o->n_adapters);
    free_texts(o->api_keys, o->n_api_keys);
}

/* ---- Opening and closing ---- */

/* Under the lock: end what takes too long. Cancelling under it is safe: what a cancellation calls takes no lock of the
 * service. Returns when the next one is due. */
static double end_late(infer_service *s)
{
    const double most = s->options.max_seconds, now = service_seconds();
    double next = most > 0 ? now + most : INFINITY; /* of those that are yet to come */
    for (infer_exchange *x = s->exchanges; x && most > 0; x = x->next) {
        if (now - x->began > most)
            exchange_time_out(x);
        else
            next = fmin(next, x->began + most);
    }
    return next;
}

/* Looks at the time: requests have so much of it, and models that nobody asks for. */
static void *watch(void *user)
{
    infer_service *const s = user;
    pthread_mutex_lock(&s->lock);
    while (!s->closed) {
        struct timespec until;
        s->look = false;
        pthread_mutex_unlock(&s->lock);
        const double expires = models_expire(&s->models);
        pthread_mutex_lock(&s->lock);
        const double wait = fmin(fmin(end_late(s), expires) - service_seconds(), 3600) + 1e-3;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += (time_t)wait;
        until.tv_nsec += (long)((wait - floor(wait)) * 1e9);
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (!s->look && !s->closed && wait > 0)
            pthread_cond_timedwait(&s->closing, &s->lock, &until);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

void service_look(infer_service *s)
{
    pthread_mutex_lock(&s->lock);
    s->look = true;
    pthread_cond_signal(&s->closing);
    pthread_mutex_unlock(&s->lock);
}

infer_service *infer_service_open(infer_context *context, const infer_service_options *options, infer_error *err)
{
    infer_service *s = calloc(1, sizeof *s);
    if (!s || !copy_options(s, options)) {
        service_error(err, INFER_E_NOMEM, "no memory for a service");
        if (s)
            free_options(&s->options);
        free(s);
        return NULL;
    }
    s->context = context;
    s->owners = 1;
    s->began = service_seconds();
    s->started = time(NULL);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->idle, NULL);
    pthread_cond_init(&s->closing, NULL);
    guard_init(&s->guard, &s->options);
    const infer_service_options *const o = &s->options;
    if (o->max_requests < 1)
        service_error(err, INFER_E_ARGUMENT, "max_requests is %d, expected 1 or more", (int)o->max_requests);
    else if (!workers_start(&s->workers, N_WORKERS, (size_t)o->max_requests) ||
             !workers_start(&s->computing, N_COMPUTING, (size_t)o->max_requests))
        service_error(err, INFER_E_NOMEM, "no thread can be started");
    else if (!slots_open(&s->slots, (size_t)(s->scheduler.max_running > 0 ? s->scheduler.max_running : 1)))
        service_error(err, INFER_E_NOMEM, "no memory for slots");
    else if (!kept_open(&s->kept, o->state_dir))
        service_error(err, INFER_E_NOMEM, "no memory for what is kept");
    else if (models_open(&s->models, s, err)) {
        s->watched = !pthread_create(&s->watch, NULL, watch, s);
        return s;
    }
    infer_service_close(&s);
    return NULL;
}

void infer_service_drain(infer_service *s)
{
    pthread_mutex_lock(&s->lock);
    s->draining = true;
    pthread_mutex_unlock(&s->lock);
}

size_t infer_service_busy(infer_service *s)
{
    pthread_mutex_lock(&s->lock);
    const size_t n = s->n_exchanges;
    pthread_mutex_unlock(&s->lock);
    return n;
}

void service_release(infer_service *s)
{
    pthread_mutex_lock(&s->lock);
    const bool last = --s->owners == 0;
    pthread_mutex_unlock(&s->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->idle);
    pthread_cond_destroy(&s->closing);
    guard_free(&s->guard);
    free_options(&s->options);
    free(s);
}

void infer_service_close(infer_service **service)
{
    infer_service *const s = *service;
    *service = NULL;
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->draining = s->closed = true;
    pthread_cond_broadcast(&s->closing);
    for (infer_exchange *x = s->exchanges; x; x = x->next)
        infer_exchange_cancel(x);
    while (s->n_exchanges)
        pthread_cond_wait(&s->idle, &s->lock);
    pthread_mutex_unlock(&s->lock);
    if (s->watched)
        pthread_join(s->watch, NULL);
    workers_stop(&s->workers);
    workers_stop(&s->computing);
    if (s->slots.n)
        slots_close(&s->slots);
    kept_close(&s->kept);
    models_close(&s->models);
    service_release(s);
}

/* ---- Requests ---- */

void service_log(infer_service *s, const char *event, json_t *taken)
{
    struct timespec now;
    struct tm utc;
    char when[40];
    if (s->options.on_log && taken) {
        clock_gettime(CLOCK_REALTIME, &now);
        gmtime_r(&now.tv_sec, &utc);
        const size_t n = strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
        snprintf(when + n, sizeof when - n, ".%03ldZ", now.tv_nsec / 1000000);
        json_t *const line = json_pack("{s:s, s:s}", "time", when, "event", event);
        if (line && !json_object_update(line, taken)) {
            char *const text = json_dumps(line, JSON_COMPACT);
            if (text)
                s->options.on_log(s->options.log_user, text, strlen(text));
            free(text);
        }
        json_decref(line);
    }
    json_decref(taken);
}

static void log_request(infer_exchange *x, double seconds)
{
    infer_service *const s = x->service;
    if (!s->options.on_log)
        return;
    json_t *const line =
        json_pack("{s:s, s:s*, s:s*, s:s*, s:i, s:f, s:I}", "id", x->id, "method", x->method, "path", x->path, "peer",
                  x->peer, "status", x->status, "ms", seconds * 1e3, "bytes", (json_int_t)x->n_sent);
    if (line && x->model)
        json_object_set_new(line, "model", json_string(x->model));
    if (line && x->n_prompt + x->n_cached + x->n_generated)
        json_object_update_new(line, json_pack("{s:I, s:I, s:I, s:f, s:f}", "prompt_tokens", (json_int_t)x->n_prompt,
                                               "cached_tokens", (json_int_t)x->n_cached, "tokens",
                                               (json_int_t)x->n_generated, "queue_ms", x->queue_seconds * 1e3,
                                               "first_token_ms", x->first_token_seconds * 1e3));
    if (line && (x->broken || x->cancelled))
        json_object_set_new(line, "cancelled", json_true());
    if (line && s->options.log_texts)
        json_object_set_new(line, "body", json_stringn(x->body, x->length));
    service_log(s, "request", line);
}

void service_ended(infer_exchange *x)
{
    infer_service *const s = x->service;
    const double seconds = service_seconds() - x->began;
    const int class = x->status / 100 < N_CLASSES ? x->status / 100 : 5;
    histogram_add(&s->figures.request, seconds);
    if (x->route)
        atomic_fetch_add(&s->figures.requests[x->route - route_at(0)][class], 1);
    else
        atomic_fetch_add(&s->figures.refused, 1);
    if (x->broken || x->cancelled)
        atomic_fetch_add(&s->figures.cancelled, 1);
    log_request(x, seconds);
    pthread_mutex_lock(&s->lock);
    *(x->previous ? &x->previous->next : &s->exchanges) = x->next;
    if (x->next)
        x->next->previous = x->previous;
    if (--s->n_exchanges == 0)
        pthread_cond_broadcast(&s->idle);
    pthread_mutex_unlock(&s->lock);
}

/* Count it in. Returns whether it may be worked on; *draining tells why not. */
static bool enter(infer_service *s, infer_exchange *x, bool *draining)
{
    pthread_mutex_lock(&s->lock);
    *draining = s->draining;
    const bool room = s->n_exchanges < (size_t)s->options.max_requests;
    x->next = s->exchanges;
    if (x->next)
        x->next->previous = x;
    s->exchanges = x;
    s->n_exchanges++;
    s->owners++;
    pthread_mutex_unlock(&s->lock);
    return room;
}

static void allow_origin(infer_exchange *x)
{
    const char *const origin = x->service->options.cors_origin;
    if (!origin)
        return;
    exchange_set_header(x, "Access-Control-Allow-Origin", origin);
    if (strcmp(x->method, "OPTIONS"))
        return;
    exchange_set_header(x, "Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS");
    exchange_set_header(x, "Access-Control-Allow-Headers", "Authorization, Content-Type, x-api-key, anthropic-version");
    exchange_set_header(x, "Access-Control-Max-Age", "86400");
}

/* There is no such route, or only for other methods. */
static void refuse_route(infer_exchange *x, int status)
{
    char methods[64];
    route_methods(x->path, methods, sizeof methods);
    if (status == 405)
        exchange_set_header(x, "Allow", methods);
    if (status == 426)
        exchange_set_header(x, "Upgrade", "websocket");
    exchange_fail(x, status, NULL, NULL,
                  status == 404   ? "%s %s: no such route"
                  : status == 405 ? "%s is not what %s takes" : "%s %s: this is for WebSockets",
                  x->method, x->path);
}

/* What is refused before a handler sees it. */
static bool refused(infer_exchange *x, int status, bool draining, bool room)
{
    const infer_service_options *const o = &x->service->options;
    if (!x->route && !strcmp(x->method, "OPTIONS") && o->cors_origin)
        exchange_answer(x, 204, NULL, NULL, 0);
    else if (!x->route)
        refuse_route(x, status);
    else if (draining && !(x->route->flags & ALWAYS))
        exchange_fail(x, 503, NULL, NULL, "the server is about to stop");
    else if (!room && !(x->route->flags & ALWAYS))
        exchange_fail(x, 503, NULL, NULL, "the server is working on %d requests already", (int)o->max_requests);
    else if (x->length > o->max_body)
        exchange_fail(x, 413, NULL, NULL, "the body has %zu bytes; at most %zu are taken", x->length, o->max_body);
    else if (x->route->flags & CHANGES && o->read_only)
        exchange_fail(x, 403, NULL, NULL, "this server does not let requests change anything");
    else
        return !guard_allows(&x->service->guard, x);
    return true;
}

static void handle(void *user)
{
    infer_exchange *const x = user;
    x->route->handle(x);
    exchange_release(x);
}

infer_exchange *infer_service_submit(infer_service *s, const infer_service_request *request, infer_error *err)
{
    infer_service_request r = infer_service_request_defaults();
    size_t n_rest = 0;
    int status = 404;
    bool draining = false;
    memcpy(&r, request, request->size < sizeof r ? request->size : sizeof r);
    infer_exchange *const x = exchange_new(s, &r);
    if (!x) {
        service_error(err, INFER_E_NOMEM, "no memory for a request of %zu bytes", r.length);
        return NULL;
    }
    service_random(x->id, ID_LENGTH);
    x->route = route_find(x->method, x->path, &x->rest, &n_rest, &status);
    if (x->route && strchr(x->route->path, '*')) { /* x->rest lies in the exchange's own copy */
        ((char *)x->rest)[n_rest] = '\0';
        exchange_decode((char *)x->rest);
    }
    x->owners = 2;
    const bool room = enter(s, x, &draining);
    exchange_set_header(x, "X-Request-Id", x->id);
    allow_origin(x);
    if (refused(x, status, draining, room))
        return x;
    x->hurried = x->route->flags & QUICK || (x->route->flags & SHORT && x->length <= MAX_HURRIED);
    if (x->hurried)
        x->route->handle(x);
    if (x->hurried && !x->later)
        return x;
    x->hurried = false;
    x->owners++; /* the worker; nobody else knows it yet */
    if (workers_add(x->route->flags & COMPUTES ? &s->computing : &s->workers, handle, x))
        return x;
    x->owners--;
    exchange_fail(x, 503, NULL, NULL, "too many requests wait already");
    return x;
}
