/* workers.h - threads on which handlers run that may wait: for a model to be opened, a prompt to be written. */
#ifndef SERVICE_WORKERS_H
#define SERVICE_WORKERS_H

#include "service/exchange.h"

enum { N_WORKERS = 8 };

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t more;
    infer_exchange **queue; /* a ring of `max` */
    size_t first, n, max;
    bool stop;
    int n_threads;
    pthread_t threads[N_WORKERS];
};

/** max: most exchanges that wait. False: no memory, or no thread. */
bool workers_start(struct workers *w, size_t max);
/** When all that waits is done. */
void workers_stop(struct workers *w);
/** Have the route's handler called. False: too many wait. */
bool workers_add(struct workers *w, infer_exchange *x);

#endif
