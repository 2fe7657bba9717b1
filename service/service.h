/* service.h - what a service holds: its models, its threads, its limits and figures. */
#ifndef SERVICE_SERVICE_H
#define SERVICE_SERVICE_H

#include "service/exchange.h"
#include "service/figures.h"
#include "service/guard.h"
#include "service/kept.h"
#include "service/models.h"
#include "service/slots.h"
#include "service/workers.h"

struct infer_service {
    infer_context *context;
    infer_service_options options; /* texts are copies; model_options and scheduler point to those below */
    infer_model_options model_options;
    infer_scheduler_options scheduler;
    infer_session_options session;
    struct guard guard;
    struct models models;
    struct slots slots;
    struct kept kept;
    struct workers workers;   /* for handlers */
    struct workers computing; /* for those that compute on the thread that they are on, which takes long */
    struct figures figures;
    double began;   /* service_seconds() */
    int64_t started; /* the same on the clock, seconds since 1970 */

    atomic_int pulls; /* under way */

    pthread_mutex_t lock;
    pthread_cond_t idle;      /* nothing is under way any more */
    pthread_cond_t closing;   /* wakes the one who looks at the time */
    infer_exchange *exchanges; /* that are not at their end */
    size_t n_exchanges;
    bool draining, closed;
    int owners; /* the handle and every exchange */
    bool watched, look; /* look: there is something new for the watch */
    pthread_t watch;    /* cancels what takes longer than max_seconds, closes models that nobody uses */
};

/** An exchange is at its end. */
void service_ended(infer_exchange *x);
/** An exchange is no more. */
void service_release(infer_service *service);
/** Something has a time of its own from now on. */
void service_look(infer_service *service);
/** A line for the log: the object is released. */
void service_log(infer_service *service, const char *event, json_t *taken);
/** Random letters and digits, terminated: a name that nobody guesses. n at most 63. */
void service_random(char *text, size_t n);

#endif
