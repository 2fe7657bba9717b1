/* kept.h - answers of /v1/responses that later requests go on from: in files, where the service has a directory for
 * what outlives it, else in memory. What was not used for longest goes when there are too many. */
#ifndef SERVICE_KEPT_H
#define SERVICE_KEPT_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum { KEPT_ID_LENGTH = 29 }; /* "resp_" and 24 letters and digits */

struct kept_record;

struct kept {
    pthread_mutex_t lock;
    char *folder; /* NULL: in memory */
    size_t max, max_bytes;
    struct kept_record *first, *last; /* the one used last comes first */
    size_t n, bytes;
};

/** state_dir: a directory, which is made if it is not there, and "responses" in it; NULL: none. Files there are found
 *  again. False: no memory. */
bool kept_open(struct kept *k, const char *state_dir);
/** Files stay. */
void kept_close(struct kept *k);
/** Whether a text is an id, so that it may name a file. */
bool kept_is_id(const char *id);
/** Keep a record. False: it is too large, or could not be written. */
bool kept_put(struct kept *k, const char *id, const json_t *record);
/** A record, which the caller releases; NULL: there is none of this id. */
json_t *kept_get(struct kept *k, const char *id);
/** False: there is none. */
bool kept_remove(struct kept *k, const char *id);

#endif
