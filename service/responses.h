/* responses.h - what the files of /v1/responses share. */
#ifndef SERVICE_RESPONSES_H
#define SERVICE_RESPONSES_H

#include "service/items.h"

enum open_item { NO_ITEM, REASONING_ITEM, MESSAGE_ITEM };

/** The state of a job that makes a response. */
struct response {
    json_t *object;  /* the response, as it is told */
    json_t *output;  /* its items; all but the last one are complete */
    json_t *input;   /* items of the request */
    json_t *history; /* those before them */
    bool kept;       /* for later requests, when it is complete */
    bool logprobs;   /* the text's tokens are told */

    enum open_item open; /* what the last item is, if it is not complete */
    struct text text;    /* of that item so far */
    json_t *tokens;      /* likewise, or NULL */
    json_int_t sequence; /* number of the next event */
};

/** Writes items and events. */
extern const struct writer response_writer;

/** A response's status, "in_progress" and so on, with its output so far: a new object. */
json_t *response_object(const struct job *job, const char *status);

void responses_create(infer_exchange *x);
void responses_get(infer_exchange *x);
void responses_delete(infer_exchange *x);
void responses_input(infer_exchange *x);

#endif
