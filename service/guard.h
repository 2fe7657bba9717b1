/* guard.h - who may ask, and how often. */
#ifndef SERVICE_GUARD_H
#define SERVICE_GUARD_H

#include "service/exchange.h"

enum { N_CALLERS = 1024 };

/** A caller's allowance: a bucket that fills with `rate` requests a minute. */
struct caller {
    uint64_t name; /* hash of its key or address; 0: none */
    double left;   /* requests */
    double when;   /* it was counted */
};

struct guard {
    const char *const *keys;
    size_t n_keys;
    double rate; /* requests a minute; 0 = no bound */
    pthread_mutex_t lock;
    struct caller callers[N_CALLERS];
};

void guard_init(struct guard *g, const infer_service_options *options);
void guard_free(struct guard *g);
/** Whether the request may be answered; if not, that has been answered. */
bool guard_allows(struct guard *g, infer_exchange *x);

#endif
