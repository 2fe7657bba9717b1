/* figures.h - what is counted for /metrics, by any number of threads. */
#ifndef SERVICE_FIGURES_H
#define SERVICE_FIGURES_H

#include <stdatomic.h>
#include <stddef.h>

enum { N_BOUNDS = 20, N_ROUTES_MAX = 96, N_CLASSES = 6 };

/** How often something took how long: bucket i counts what took at most histogram_bound(i), the last one all. */
struct histogram {
    atomic_ullong count[N_BOUNDS + 1];
    atomic_ullong nanoseconds; /* in all */
};

struct figures {
    struct histogram queue, first_token, inter_token, request;
    atomic_ullong requests[N_ROUTES_MAX][N_CLASSES]; /* by row of the table of routes and first digit of the status */
    atomic_ullong refused;                           /* that have no row */
    atomic_ullong n_prompt, n_cached, n_generated;   /* tokens */
    atomic_ullong cancelled;                         /* answers that broke off */
};

/** Seconds, 1-2-5 steps from 100 us on. */
double histogram_bound(size_t i);
void histogram_add(struct histogram *h, double seconds);

#endif
