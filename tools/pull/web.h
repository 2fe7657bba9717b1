/* web.h - one connection to a hub: requests, redirections, and asking again after trouble that may pass. */
#ifndef TOOLS_PULL_WEB_H
#define TOOLS_PULL_WEB_H

#include "tools/pull/pull.h"

struct web;

struct web_options {
    const char *endpoint; /* whose scheme, host and port alone get the token */
    const char *token, *ca_file;
    int patience, retries; /* see pull_options */
    double delay;
    /* Asked often; false stops. `trouble` is why it waits, NULL while it does not. */
    bool (*go_on)(void *user, const char *trouble);
    void *user;
};

/** What a server says besides a body. Texts are "" and sizes -1 where it does not. */
struct web_answer {
    long status; /* 0: there was none */
    char etag[PULL_MOST_NAME], linked_etag[PULL_MOST_NAME]; /* etags without their quotation marks */
    char code[64], message[200];                   /* a hub's reason for a refusal */
    int64_t length;                                /* of the body */
    int64_t linked_size;                           /* of the file that was asked for */
    int64_t from, total;                           /* of a part: where it begins, and how long the whole is */
    bool passing;                                  /* the trouble may pass */
    int64_t wait;                                  /* seconds to let pass before, as the server wants it; -1 */
};

/** Takes a piece of a body that comes with a status of 200 to 299; false ends the transfer with *err, which it sets. */
typedef bool web_body_fn(void *user, const struct web_answer *answer, const void *data, size_t n, infer_error *err);

struct web *web_open(const struct web_options *options, infer_error *err);
void web_close(struct web **h);

enum web_method { WEB_GET, WEB_HEAD };
/** Ask once. From byte `from` on, if it is not 0; a server may send all nevertheless, with status 200. HEAD ends at the
 *  first answer that says what the file is, though it were one to look elsewhere. Any status but 200 to 299 is a
 *  failure whose sentence names the URL's host. */
infer_status web_ask(struct web *h, enum web_method method, const char *url, uint64_t from, web_body_fn *body,
                      void *user, struct web_answer *answer, infer_error *err);

/** After web_ask() has failed for the `failures`-th time in a row: wait a while, if it was trouble that may pass and
 *  was not yet met too often. False: it is final, as *err says it, or it was cancelled, which *err says then. */
bool web_wait(struct web *h, const struct web_answer *answer, int failures, infer_error *err);

/** Ask, and again while trouble may pass, for a body of `most` bytes at most; for free(), terminated. NULL: failed. */
char *web_text(struct web *h, const char *url, size_t most, int retries, size_t *length, struct web_answer *answer,
                infer_error *err);

#endif
