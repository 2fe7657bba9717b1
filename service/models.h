/* models.h - the models of a service: found in directories, opened when they are asked for, closed when others need the
 * room. */
#ifndef SERVICE_MODELS_H
#define SERVICE_MODELS_H

#include "service/exchange.h"

enum {
    N_CHATS = 16,     /* kept for the next request like it, for each model */
    ROOM_SECONDS = 30 /* that a request waits for models in use to make room for another */
};

/** A conversation's template, tools and answers' form, compiled: requests often have the same ones. */
struct chat_entry {
    struct chat_entry *next;
    struct served *of;
    infer_chat *chat;
    char *key; /* all that it was made of */
    int users; /* requests that use it */
    bool gone; /* its model was closed: nobody else gets it */
};

/** An adapter of the first model, and how strong it is for requests that say nothing. */
struct adapter_entry {
    infer_adapter *adapter;
    char *path;
    float scale;
};

/** A model that requests may name. */
struct served {
    struct served *next;
    char *id;   /* its name */
    char *path; /* NULL: the one inside the library */
    bool first; /* for requests that name none */
    bool found; /* it is still there */
    uint64_t bytes; /* of its files; 0: not known */

    /* under the models' lock */
    int users;    /* requests that hold it */
    bool busy;    /* being opened or closed */
    double used;  /* last: service_seconds() */
    double until; /* service_seconds() at which it is closed, if nobody holds it; 0: at no time */
    double load_seconds;
    infer_model *model; /* NULL: it is not open */
    infer_scheduler *scheduler; /* NULL until a text is asked for */
    infer_embedder *embedder;   /* NULL until a vector is asked for */
    struct chat_entry *chats;   /* the one used last comes first */
    struct adapter_entry *adapters; /* n_adapters, constant but for their scales */
    size_t n_adapters;

    pthread_mutex_t embedding; /* who uses the embedder */
    pthread_mutex_t scoring;   /* who evaluates texts in a session of its own */
};

struct models {
    infer_service *service;
    infer_cache *cache;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* one is no longer busy, or no longer held */
    struct served *all;
    double scanned; /* service_seconds() of the last look at the directories */
};

bool models_open(struct models *m, infer_service *service, infer_error *err);
void models_close(struct models *m);

/** The model of this name, opened if it is not, and held; NULL name: the first. A service that has one model alone
 *  gives that for any name.
 *  NULL: there is none (*status 404), or it cannot be opened. */
struct served *models_take(struct models *m, const char *name, int *status, infer_error *err);
/** Whether models_take() would not wait for this one. */
bool models_ready(struct models *m, const char *name);
/** The same without opening it: its model may be NULL. */
struct served *models_find(struct models *m, const char *name);
void models_give(struct models *m, struct served *s);
/** Look at the directories again, then call fn for each model, under the lock. */
void models_each(struct models *m, void (*fn)(void *user, const struct served *s), void *user);
/** Have the directories looked at again, though that was done a moment ago. */
void models_look_anew(struct models *m);
/** Close a model that is held by the caller alone. False: others use it. */
bool models_unload(struct models *m, struct served *s);
/** Have a held model closed so long after nobody holds it any more; negative: not for that. */
void models_keep(struct models *m, struct served *s, double seconds);
/** Close those whose time is over. Returns service_seconds() of the next one's. */
double models_expire(struct models *m);

/** Of a model that is held. The scheduler of encoders is NULL: err says why. */
infer_scheduler *served_scheduler(struct models *m, struct served *s, infer_error *err);
/** Locks `embedding`, which the caller unlocks, unless it is NULL. */
infer_embedder *served_embedder(struct models *m, struct served *s, infer_error *err);
/** The chat for a setup. What its pointers point to, `response` besides, must be told by the key. */
struct chat_entry *served_chat(struct models *m, struct served *s, const char *key, const infer_chat_setup *setup,
                               infer_error *err);
void served_chat_give(struct models *m, struct chat_entry *entry);

#endif
