/* route.h - which function answers what. */
#ifndef SERVICE_ROUTE_H
#define SERVICE_ROUTE_H

#include "service/exchange.h"

/** In whose form errors are told. */
enum dialect { OWN, OPENAI, ANTHROPIC, OLLAMA, N_DIALECTS };

enum route_flags {
    OPEN = 1,   /* no key is needed */
    QUICK = 2,  /* takes microseconds and never waits: answered on the caller's thread */
    ALWAYS = 4, /* answered also while the service drains */
    CHANGES = 8, /* refused by a service that is read-only */
    SHORT = 16,  /* as QUICK, if the body has few bytes and its model is open: see asked_open() */
    COMPUTES = 32 /* takes long, on the thread that it is called on */
};

struct route {
    const char *method, *path; /* a star in the path, once, stands for one or more characters */
    void (*handle)(infer_exchange *x);
    enum dialect dialect;
    unsigned flags;
};

/** The row of a request; NULL: *status is 404, 405, or 426 for what only a WebSocket's messages ask. Of the path, what
 *  stands for the star begins at *rest and is *length bytes. */
const struct route *route_find(const char *method, const char *path, const char **rest, size_t *length, int *status);
/** Methods that a path takes, with commas between; "": there is no such path. */
void route_methods(const char *path, char *list, size_t max);
/** Rows in their order; NULL past the last. */
const struct route *route_at(size_t index);

#endif
