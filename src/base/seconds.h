/* seconds.h - a clock that only goes forward. */
#ifndef BASE_SECONDS_H
#define BASE_SECONDS_H

#include <time.h>

static inline double monotonic_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
