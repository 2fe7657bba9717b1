/* slots.h - texts that were computed, kept by number: a request that has "id_slot" leaves its text there, from where it
 * can be saved to a file and restored later, by another process too. What is restored stays in memory, and requests
 * that begin alike use it. */
#ifndef SERVICE_SLOTS_H
#define SERVICE_SLOTS_H

#include "service/exchange.h"

struct job;

struct slot {
    char *model;      /* name of the text's model; NULL: the slot is empty */
    char *text;       /* prompt and answer; or else */
    json_t *messages; /* the conversation with its answer */
    infer_session *session; /* what was saved or restored; or NULL */
    size_t n_tokens;  /* of the session */
};

struct slots {
    pthread_mutex_t acting; /* held by who saves, restores or erases */
    pthread_mutex_t lock;   /* held for moments only: what is worked on is taken out */
    struct slot *v;       /* as many as texts are computed at once */
    size_t n;
};

bool slots_open(struct slots *s, size_t n);
void slots_close(struct slots *s);
/** Keep a job's text that has come to its end, if it asks for that. */
void slots_keep(struct slots *s, const struct job *job);

/* routes */
void slots_list(infer_exchange *x);
void slots_act(infer_exchange *x);

#endif
