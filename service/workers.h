/* workers.h - threads for what may wait: for a model to be opened, a prompt to be written, a file. */
#ifndef SERVICE_WORKERS_H
#define SERVICE_WORKERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum { N_WORKERS = 8, N_COMPUTING = 2 };

/** Something to be done. */
struct work {
    void (*fn)(void *user);
    void *user;
};

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct work *queue; /* a ring of `max` */
    size_t first, n, max;
    bool stop;
    int n_threads;
    pthread_t threads[N_WORKERS];
};

/** n threads, at most N_WORKERS. max: most that waits. False: no memory, or no thread. */
bool workers_start(struct workers *w, int n, size_t max);
/** When all that waits is done. */
void workers_stop(struct workers *w);
/** Have fn(user) called. False: too much waits. */
bool workers_add(struct workers *w, void (*fn)(void *user), void *user);

#endif
