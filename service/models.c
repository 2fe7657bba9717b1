/* models.c - the models of a service.
 *
 * A model that is being opened or closed is `busy`: who wants it waits, and the lock is free meanwhile. What a request
 * holds (`users`) is neither closed nor changed. */
#include "service/models.h"

#include "service/errors.h"
#include "service/service.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* ---- Finding ---- */

static struct served *find(struct models *m, const char *id)
{
    for (struct served *s = m->all; s; s = s->next)
        if (s->found && !strcmp(s->id, id))
            return s;
    return NULL;
}

/* Name of a model by its path: the part of it behind the directory, without ".gguf"; or, in Hugging Face's cache
 * (models--ORG--NAME/snapshots/REVISION/...), ORG/NAME. */
static char *name_of(const char *path)
{
    const char *const hub = strstr(path, "models--");
    char *name;
    if (hub && (name = strdup(hub + 8))) {
        name[strcspn(name, "/")] = '\0';
        char *const dash = strstr(name, "--");
        if (dash) {
            *dash = '/';
            memmove(dash + 1, dash + 2, strlen(dash + 2) + 1);
        }
        return name;
    }
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    size_t begin = n;
    while (begin && path[begin - 1] != '/')
        begin--;
    name = strndup(path + begin, n - begin);
    n = name ? strlen(name) : 0;
    if (n > 5 && !strcmp(name + n - 5, ".gguf"))
        name[n - 5] = '\0';
    return name;
}

/* Whether a type stands in a path as a word: q4_0 is in a-Q4_0.gguf, but not in a-IQ4_0.gguf. */
static bool has_type(const char *path, const char *type)
{
    const size_t n = strlen(type);
    for (const char *at = path; n && (at = strcasestr(at, type)); at++)
        if ((at == path || !isalnum((unsigned char)at[-1])) && at[n] && strchr("-./", at[n]))
            return true;
    return false;
}

/* Whether it is called so, or is in the cache's folder of that name. */
static bool is_called(const struct served *s, const char *name, size_t n)
{
    char *const own = s->path && strstr(s->path, "models--") ? name_of(s->path) : NULL;
    const bool called = (strlen(s->id) == n && !memcmp(s->id, name, n)) ||
                        (own && strlen(own) == n && !memcmp(own, name, n));
    free(own);
    return called;
}

/* The same by a name that a request has, as Ollama's programs write them: hf.co/ORG/NAME is one of the hub, a :TYPE
 * behind it chooses of its files, and :latest says nothing. */
static struct served *find_named(struct models *m, const char *name)
{
    static const char *const hubs[] = { "hf.co/", "huggingface.co/" };
    struct served *found = find(m, name);
    for (size_t i = 0; i < sizeof hubs / sizeof *hubs; i++)
        if (!strncasecmp(name, hubs[i], strlen(hubs[i])))
            name += strlen(hubs[i]);
    const size_t n = strcspn(name, ":");
    const char *const type = name[n] && strcmp(name + n, ":latest") != 0 ? name + n + 1 : NULL;
    for (struct served *s = m->all; s && !found; s = s->next)
        if (s->found && is_called(s, name, n) && (!type || (s->path && has_type(s->path, type))))
            found = s;
    return found;
}

/* Under the lock: a model more. `name` is taken. If another one is called so, it gets a number. */
static struct served *add(struct models *m, char *name, const char *path)
{
    struct served *const s = name ? calloc(1, sizeof *s) : NULL;
    char *const copy = path ? strdup(path) : NULL;
    if (!s || (path && !copy)) {
        free(copy);
        free(name);
        free(s);
        return NULL;
    }
    s->id = name;
    s->path = copy;
    s->found = true;
    for (int i = 2; find(m, s->id); i++) {
        struct text numbered = { 0 };
        text_printf(&numbered, "%s-%d", name, i);
        if (numbered.failed)
            break;
        if (s->id != name)
            free(s->id);
        s->id = numbered.v;
    }
    if (s->id != name)
        free(name);
    pthread_mutex_init(&s->embedding, NULL);
    pthread_mutex_init(&s->scoring, NULL);
    struct served **last = &m->all;
    while (*last)
        last = &(*last)->next;
    return *last = s;
}

static bool listed(void *user, const infer_listed *found)
{
    struct models *const m = user;
    struct served *s = m->all;
    while (s && !(s->path && !strcmp(s->path, found->path)))
        s = s->next;
    s = s ? s : add(m, name_of(found->path), found->path);
    if (s) {
        s->found = true;
        s->bytes = found->bytes;
    }
    return s;
}

/* Under the lock: look at the directories, at most once a second. */
static void scan(struct models *m)
{
    const infer_service_options *const o = &m->service->options;
    if (m->scanned && service_seconds() - m->scanned < 1)
        return;
    m->scanned = service_seconds();
    for (struct served *s = m->all; s; s = s->next)
        s->found = s->first || !s->path;
    for (size_t i = 0; i < o->n_model_dirs; i++)
        infer_list_models(m->service->context, o->model_dirs[i], NULL, listed, m, NULL);
}

/* ---- Opening and closing ---- */

/* Under the lock: close a chat that nobody uses, and take it out of the list. */
static void drop_chat(struct chat_entry **at)
{
    struct chat_entry *const c = *at;
    *at = c->next;
    infer_chat_close(&c->chat);
    free(c->key);
    free(c);
}

/* Under the lock: close those that nobody uses, but for the first n_keep. */
static void drop_chats(struct served *s, size_t n_keep)
{
    struct chat_entry **at = &s->chats;
    for (size_t i = 0; *at; i++) {
        if (i < n_keep || (*at)->users)
            at = &(*at)->next;
        else
            drop_chat(at);
    }
}

/* Let go of all that is open of a busy model. */
static void shut(struct models *m, struct served *s)
{
    for (size_t i = 0; i < s->n_adapters; i++) {
        infer_adapter_close(&s->adapters[i].adapter);
        free(s->adapters[i].path);
    }
    free(s->adapters);
    s->adapters = NULL;
    s->n_adapters = 0;
    infer_embedder_close(&s->embedder);
    infer_scheduler_close(&s->scheduler); /* ends those who use what follows */
    pthread_mutex_lock(&m->lock);
    for (struct chat_entry *c = s->chats; c; c = c->next)
        c->gone = true; /* who has got his answer may be about to give it back */
    drop_chats(s, 0);
    pthread_mutex_unlock(&m->lock);
    if (s->path)
        infer_cache_release(m->cache, &s->model);
    infer_model_close(&s->model);
}

/* Under the lock, which is free meanwhile: close a model that nobody opens or closes, and that no request but the
 * caller's holds. */
static void close_idle(struct models *m, struct served *s)
{
    s->busy = true;
    pthread_mutex_unlock(&m->lock);
    shut(m, s);
    pthread_mutex_lock(&m->lock);
    s->busy = false;
    s->until = 0;
    pthread_cond_broadcast(&m->changed);
}

/* Under the lock: close the model that was not used for longest, or wait until one can be. False: none is open, or the
 * time is up. */
static bool make_room(struct models *m, const struct timespec *until)
{
    struct served *oldest = NULL;
    bool any = false;
    for (struct served *s = m->all; s; s = s->next) {
        any |= s->model != NULL;
        if (s->model && !s->users && !s->busy && (!oldest || s->used < oldest->used))
            oldest = s;
    }
    if (!oldest)
        return any && !pthread_cond_timedwait(&m->changed, &m->lock, until);
    close_idle(m, oldest);
    return true;
}

static bool open_adapters(const infer_service_options *o, struct served *s, infer_error *err)
{
    s->adapters = calloc(o->n_adapters + 1, sizeof *s->adapters);
    for (size_t i = 0; s->adapters && i < o->n_adapters; i++) {
        struct adapter_entry *const a = &s->adapters[s->n_adapters];
        a->adapter = infer_adapter_open(s->model, o->adapters[i], NULL, err);
        a->path = strdup(o->adapters[i]);
        a->scale = 1;
        if (!a->adapter)
            free(a->path);
        if (!a->adapter)
            return false;
        s->n_adapters++;
    }
    return s->adapters;
}

/* Of a busy model, without the lock. */
static bool load(struct models *m, struct served *s, infer_error *err)
{
    const infer_service *const service = m->service;
    const double began = service_seconds();
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ROOM_SECONDS;
    for (;;) {
        s->model = s->path ? infer_cache_get(m->cache, s->path, &service->model_options, err)
                           : infer_model_open_default(service->context, NULL, err);
        if (s->model || err->code != INFER_E_FULL)
            break;
        pthread_mutex_lock(&m->lock);
        const bool more = make_room(m, &until);
        pthread_mutex_unlock(&m->lock);
        if (!more)
            break;
    }
    if (s->model && s->first && !open_adapters(&service->options, s, err))
        shut(m, s);
    s->load_seconds = service_seconds() - began;
    return s->model;
}

/* Under the lock: what can be had of a held model only when nobody opens or closes it. */
static void wait_busy(struct models *m, struct served *s)
{
    while (s->busy)
        pthread_cond_wait(&m->changed, &m->lock);
}

static bool ensure_loaded(struct models *m, struct served *s, infer_error *err)
{
    wait_busy(m, s);
    if (s->model)
        return true;
    s->busy = true;
    pthread_mutex_unlock(&m->lock);
    const bool loaded = load(m, s, err);
    service_log(m->service, loaded ? "model_opened" : "model_failed",
                json_pack("{s:s, s:f, s:s*}", "model", s->id, "seconds", s->load_seconds, "reason",
                          loaded ? NULL : err->message));
    pthread_mutex_lock(&m->lock);
    s->busy = false;
    pthread_cond_broadcast(&m->changed);
    return loaded;
}

bool models_open(struct models *m, infer_service *service, infer_error *err)
{
    const infer_service_options *const o = &service->options;
    infer_cache_options cache = infer_cache_defaults();
    infer_error mine;
    cache.max_bytes = o->cache_bytes;
    m->service = service;
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->changed, NULL);
    m->cache = infer_cache_open(service->context, &cache, err);
    if (!m->cache)
        return false;
    pthread_mutex_lock(&m->lock);
    if (!o->model)
        scan(m);
    struct served *first = m->all;
    if (!first)
        first = add(m, o->alias ? strdup(o->alias) : o->model ? name_of(o->model) : strdup("stories"), o->model);
    if (first)
        first->first = true;
    scan(m);
    const bool loaded = first && ensure_loaded(m, first, err ? err : &mine);
    pthread_mutex_unlock(&m->lock);
    return loaded;
}

void models_close(struct models *m)
{
    for (struct served *s = m->all, *next; s; s = next) {
        next = s->next;
        shut(m, s);
        pthread_mutex_destroy(&s->embedding);
        pthread_mutex_destroy(&s->scoring);
        free(s->id);
        free(s->path);
        free(s);
    }
    if (!m->service)
        return;
    infer_cache_close(&m->cache);
    pthread_mutex_destroy(&m->lock);
    pthread_cond_destroy(&m->changed);
}

/* ---- Taking and giving ---- */

/* Under the lock: the model that a name stands for, as far as is known. */
static struct served *look_up(struct models *m, const char *name)
{
    struct served *s = name && *name ? find_named(m, name) : NULL;
    if (!s && (!name || !*name || !m->service->options.n_model_dirs))
        for (s = m->all; !s->first;)
            s = s->next;
    return s;
}

/* The same after another look at the directories, if need be; held, not opened. */
static struct served *hold(struct models *m, const char *name)
{
    struct served *s = look_up(m, name);
    if (!s) {
        scan(m);
        s = look_up(m, name);
    }
    if (s)
        s->users++;
    return s;
}

bool models_ready(struct models *m, const char *name)
{
    pthread_mutex_lock(&m->lock);
    const struct served *const s = look_up(m, name);
    const bool ready = s && s->model && !s->busy;
    pthread_mutex_unlock(&m->lock);
    return ready;
}

struct served *models_find(struct models *m, const char *name)
{
    pthread_mutex_lock(&m->lock);
    struct served *const s = hold(m, name);
    pthread_mutex_unlock(&m->lock);
    return s;
}

struct served *models_take(struct models *m, const char *name, int *status, infer_error *err)
{
    pthread_mutex_lock(&m->lock);
    struct served *s = hold(m, name);
    if (!s) {
        *status = 404;
        service_error(err, INFER_E_ARGUMENT, "no model is called \"%s\"; GET /v1/models lists those there are", name);
    } else if (!ensure_loaded(m, s, err)) {
        *status = err->code == INFER_E_FULL || err->code == INFER_E_NOMEM ? 503 : 500;
        s->users--;
        pthread_cond_broadcast(&m->changed);
        s = NULL;
    } else {
        s->used = service_seconds();
    }
    pthread_mutex_unlock(&m->lock);
    return s;
}

void models_give(struct models *m, struct served *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&m->lock);
    if (--s->users == 0)
        pthread_cond_broadcast(&m->changed);
    s->used = service_seconds();
    const bool expires = !s->users && s->until;
    pthread_mutex_unlock(&m->lock);
    if (expires)
        service_look(m->service);
}

void models_each(struct models *m, void (*fn)(void *user, const struct served *s), void *user)
{
    pthread_mutex_lock(&m->lock);
    scan(m);
    for (const struct served *s = m->all; s; s = s->next)
        if (s->found)
            fn(user, s);
    pthread_mutex_unlock(&m->lock);
}

void models_look_anew(struct models *m)
{
    pthread_mutex_lock(&m->lock);
    m->scanned = 0;
    pthread_mutex_unlock(&m->lock);
}

bool models_unload(struct models *m, struct served *s)
{
    pthread_mutex_lock(&m->lock);
    wait_busy(m, s);
    const bool alone = s->users == 1;
    if (alone && s->model)
        close_idle(m, s);
    pthread_mutex_unlock(&m->lock);
    if (alone)
        infer_cache_trim(m->cache, 0);
    return alone;
}

void models_keep(struct models *m, struct served *s, double seconds)
{
    pthread_mutex_lock(&m->lock);
    s->until = seconds < 0 ? 0 : service_seconds() + seconds;
    pthread_mutex_unlock(&m->lock);
}

double models_expire(struct models *m)
{
    double next = INFINITY;
    bool closed = false;
    pthread_mutex_lock(&m->lock);
    for (struct served *s = m->all; s; s = s->next) {
        if (!s->until || !s->model || s->users || s->busy)
            continue;
        if (s->until <= service_seconds()) {
            close_idle(m, s);
            closed = true;
        } else {
            next = s->until < next ? s->until : next;
        }
    }
    pthread_mutex_unlock(&m->lock);
    if (closed)
        infer_cache_trim(m->cache, 0);
    return next;
}

/* ---- What a model is used by ---- */

infer_scheduler *served_scheduler(struct models *m, struct served *s, infer_error *err)
{
    pthread_mutex_lock(&m->lock);
    if (!s->scheduler)
        s->scheduler = infer_scheduler_open(s->model, &m->service->scheduler, err);
    infer_scheduler *const scheduler = s->scheduler;
    pthread_mutex_unlock(&m->lock);
    return scheduler;
}

infer_embedder *served_embedder(struct models *m, struct served *s, infer_error *err)
{
    infer_embedder_options options = infer_embedder_defaults();
    options.precision = m->service->session.precision;
    pthread_mutex_lock(&s->embedding);
    if (!s->embedder)
        s->embedder = infer_embedder_open(s->model, &options, err);
    if (!s->embedder)
        pthread_mutex_unlock(&s->embedding);
    return s->embedder;
}

/* Under the lock: the chat of a key, moved to the front and held; or NULL. */
static struct chat_entry *find_chat(struct served *s, const char *key)
{
    for (struct chat_entry **at = &s->chats; *at; at = &(*at)->next) {
        struct chat_entry *const c = *at;
        if (c->gone || strcmp(c->key, key))
            continue;
        *at = c->next;
        c->next = s->chats;
        c->users++;
        return s->chats = c;
    }
    return NULL;
}

struct chat_entry *served_chat(struct models *m, struct served *s, const char *key, const infer_chat_setup *setup,
                               infer_error *err)
{
    pthread_mutex_lock(&m->lock);
    struct chat_entry *c = find_chat(s, key);
    pthread_mutex_unlock(&m->lock);
    if (c)
        return c;
    /* Compiling takes its time: others go on meanwhile, and may make the same. */
    c = calloc(1, sizeof *c);
    if (!c || !(c->key = strdup(key))) {
        service_error(err, INFER_E_NOMEM, "no memory for a conversation");
    } else if ((c->chat = infer_chat_open(s->model, setup, err))) {
        pthread_mutex_lock(&m->lock);
        c->of = s;
        c->users = 1;
        c->next = s->chats;
        s->chats = c;
        drop_chats(s, N_CHATS);
        pthread_mutex_unlock(&m->lock);
        return c;
    }
    if (c)
        free(c->key);
    free(c);
    return NULL;
}

void served_chat_give(struct models *m, struct chat_entry *entry)
{
    if (!entry)
        return;
    pthread_mutex_lock(&m->lock);
    if (--entry->users == 0 && entry->gone) {
        struct chat_entry **at = &entry->of->chats;
        while (*at != entry)
            at = &(*at)->next;
        drop_chat(at);
    }
    pthread_mutex_unlock(&m->lock);
}
