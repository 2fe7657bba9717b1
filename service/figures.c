/* figures.c - what is counted for /metrics. */
#include "service/figures.h"

double histogram_bound(size_t i)
{
    static const double steps[] = { 1, 2, 5 };
    double bound = 1e-4 * steps[i % 3];
    for (size_t n = i / 3; n; n--)
        bound *= 10;
    return bound;
}

void histogram_add(struct histogram *h, double seconds)
{
    size_t i = 0;
    while (i < N_BOUNDS && seconds > histogram_bound(i))
        i++;
    atomic_fetch_add_explicit(&h->count[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->nanoseconds, (unsigned long long)(seconds > 0 ? seconds * 1e9 : 0),
                              memory_order_relaxed);
}
