/* parts.h - what a scheduler and its requests are made of.
 *
 *   submit.c     requests are made, on the thread that submits them
 *   request.c    what becomes of them: text, ends, results
 *   queue.c      which texts have a place, and how much of each is computed in a step
 *   scheduler.c  the step, and the thread that makes one after the other
 *
 * Two locks. `turn` is held by who computes a step: texts and their order belong to it. `lock` is held for moments and
 * guards what other threads see; it is taken under `turn`, never the other way round. */
#ifndef SCHEDULER_PARTS_H
#define SCHEDULER_PARTS_H

#include "src/scheduler/group.h"
#include "src/scheduler/pace.h"

/** One text of a request. */
struct answer {
    struct member m; /* the first: a group's members are answers */
    infer_request *request;
    int32_t index;       /* in the request */
    struct answer *next; /* of those that wait */
    uint64_t order;      /* in which they came */
    int32_t priority;
    uint32_t n_passed; /* how often others that came later went first */
    uint64_t served;   /* tokens of its prompt that it was given */
    bool listed;       /* it waits, or has a place; else it waits for the prompt of the request's first one */
    bool held_up;      /* its prompt waited for that of another one, of which it can have pages now */
    bool had_turn;     /* it had a place before */
    bool ended, told; /* told: its text is handed out */
    infer_status status;
    infer_error error;
    infer_generate_result result;
    char *message;
    size_t n_message;
};

struct infer_request {
    const infer_allocator *a;
    infer_scheduler *scheduler; /* it owns a part of it */
    infer_request *next, **link; /* of all that go on */
    atomic_uint owners;         /* the caller, and the scheduler as long as it goes on */
    atomic_bool cancel;
    infer_request_end_fn *on_end;
    void *end_user;
    int32_t n, n_answers; /* wanted; made */
    char **stops; /* n_stops copies */
    size_t n_stops;
    void **users; /* n, or NULL */
    int32_t n_ended;
    struct answer *answers;
    struct adapter_set *adapters; /* or NULL */
    /* under the lock */
    pthread_cond_t changed;
    struct pieces come; /* to be fetched; `taken` is what is being fetched of */
    struct pieces taken;
    bool queued; /* it counts as one that waits */
    bool ended;
    infer_status status;
    infer_error error;
    int32_t *ranks; /* n: which of those made */
};

struct infer_scheduler {
    const infer_allocator *a;
    infer_model *model;
    atomic_uint owners; /* the caller, and each request */
    bool manual;
    uint32_t n_batch, max_running, capacity; /* capacity: most tokens of a text */
    uint64_t max_kv_bytes;                   /* 0: any */
    size_t max_queue;
    pthread_t thread;
    bool has_thread;
    /* under turn */
    pthread_mutex_t turn;
    infer_session *root;     /* empty, of which all others are forks */
    infer_request *requests; /* that go on */
    struct answer *waiting;  /* by their order */
    struct answer **running; /* n_running */
    uint32_t n_running;
    struct member **group; /* max_running */
    struct advance *advances; /* max_running */
    bool tight; /* memory was out: nobody gets a place until somebody has ended */
    uint64_t n_orders;
    infer_scheduler_info info; /* what is counted from step to step */
    struct pace pace;
    /* under lock */
    pthread_mutex_t lock;
    pthread_cond_t wake; /* for the thread */
    infer_request *come, **come_end; /* submitted since the last step */
    size_t n_queued;
    bool closing, called; /* called: something was cancelled */
    infer_scheduler_info told; /* as of the last step */
};

/* ---- request.c ---- */

void request_release(infer_request *r);
/** It waits no longer. */
void request_has_turn(infer_request *r);
/** Give what text has come to whom it goes. The text ends where that one wants no more of it. */
infer_status answer_deliver(struct answer *x, infer_error *err);
/** It has ended: what it has come to is kept, the rest goes. So do those that wait for its prompt, if that failed, and
 *  with the last of all the request. */
void answer_end(struct answer *x, infer_status status, const infer_error *why);

/* ---- queue.c ---- */

/** Have it wait for a place. */
void queue_add(infer_scheduler *s, struct answer *x);
/** Take it from where it is. */
void queue_remove(infer_scheduler *s, struct answer *x);
/** Give places, as far as there are any. */
void queue_admit(infer_scheduler *s);
/** The prompt of x is computed: the other texts of its request follow. */
void queue_follow(infer_scheduler *s, struct answer *x);
/** Say how much of each is computed next: m.n_now of all that have a place; s->group has those that get some.
 *  Returns how many; *n_prompt: tokens of prompts, *n_texts: texts that go on by a token. */
uint32_t queue_share(infer_scheduler *s, uint32_t *n_prompt, uint32_t *n_texts);
/** Memory was out for a text: another one makes room. false: there is none. */
bool queue_make_room(infer_scheduler *s);

/* ---- scheduler.c ---- */

void scheduler_release(infer_scheduler *s);
/** One step, under turn. Whether there is more to do. */
bool scheduler_advance(infer_scheduler *s);

#endif
