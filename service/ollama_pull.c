/* ollama_pull.c - POST /api/pull: a model is fetched on a thread of its own, as that may take hours. */
#include "service/errors.h"
#include "service/ollama.h"
#include "service/service.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PULLS = 4 }; /* at once */

struct pull {
    infer_exchange *x;
    json_t *body;
    const char *name;
    bool stream, begun;
};

static void tell(struct pull *p, json_t *taken)
{
    if (p->stream) {
        if (!p->begun)
            exchange_stream(p->x, "application/x-ndjson");
        p->begun = true;
        write_line(p->x, taken);
    } else {
        json_decref(taken);
    }
}

static bool on_progress(void *user, const char *status, const char *digest, uint64_t done, uint64_t size)
{
    struct pull *const p = user;
    json_t *const line = json_pack("{s:s, s:s*}", "status", status, "digest", digest);
    if (line && size) {
        json_object_set_new(line, "total", json_integer((json_int_t)size));
        json_object_set_new(line, "completed", json_integer((json_int_t)done));
    }
    tell(p, line);
    return !exchange_cancelled(p->x);
}

static void end(struct pull *p, infer_status status, const infer_error *err)
{
    infer_exchange *const x = p->x;
    if (status == INFER_OK && !p->stream) {
        exchange_answer_json(x, 200, json_pack("{s:s}", "status", "success"));
    } else if (status == INFER_OK) {
        tell(p, json_pack("{s:s}", "status", "success"));
        exchange_end(x);
    } else if (!p->begun) {
        exchange_fail(x, status == INFER_E_UNKNOWN ? 404 : http_status(status), "model", NULL, "%s", err->message);
    } else if (status == INFER_E_CANCELLED) {
        exchange_break(x);
    } else {
        tell(p, json_pack("{s:s}", "error", err->message));
        exchange_end(x);
    }
}

static void *fetch(void *user)
{
    struct pull p = *(struct pull *)user;
    infer_service *const s = p.x->service;
    infer_error err = { 0 };
    free(user);
    tell(&p, json_pack("{s:s}", "status", "pulling manifest"));
    const infer_status status = s->options.on_pull(s->options.pull_user, p.name, on_progress, &p, &err);
    atomic_fetch_sub(&s->pulls, 1);
    json_decref(p.body);
    if (status == INFER_OK)
        models_look_anew(&s->models);
    end(&p, status, &err); /* from here on the service may be closed */
    return NULL;
}

/* On a thread of its own, which nobody waits for: the service does for its exchange. */
static bool begin(struct pull *p)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    const bool begun = !pthread_create(&thread, &attributes, fetch, p);
    pthread_attr_destroy(&attributes);
    return begun;
}

void ollama_pull(infer_exchange *x)
{
    infer_service *const s = x->service;
    json_t *const body = exchange_json(x);
    struct fields f = fields_of(body);
    if (!body)
        return;
    const char *const old = field_text(&f, "name", ""), *const name = field_text(&f, "model", old);
    const bool stream = field_flag(&f, "stream", true);
    if (!*name)
        field_wrong(&f, "model", "expected the name of a model");
    struct pull *const p = calloc(1, sizeof *p);
    bool begun = false;
    if (fields_fail(&f, x)) {
        ;
    } else if (!s->options.on_pull || !s->options.hub) {
        exchange_fail(x, 403, NULL, NULL, "this server fetches no models: it was started without a hub to pull from");
    } else if (!p) {
        exchange_fail(x, 500, NULL, NULL, "no memory for a request");
    } else if (atomic_fetch_add(&s->pulls, 1) >= MAX_PULLS) {
        atomic_fetch_sub(&s->pulls, 1);
        exchange_fail(x, 503, NULL, NULL, "%d models are being fetched already", MAX_PULLS);
    } else {
        *p = (struct pull){ x, body, name, stream, false };
        begun = begin(p);
        if (!begun) {
            atomic_fetch_sub(&s->pulls, 1);
            exchange_fail(x, 500, NULL, NULL, "no thread can be started");
        }
    }
    if (!begun) {
        json_decref(body);
        free(p);
    }
}
