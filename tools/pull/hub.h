/* hub.h - what a hub says of a repository and its files. */
#ifndef TOOLS_PULL_HUB_H
#define TOOLS_PULL_HUB_H

#include "tools/pull/web.h"
#include "tools/pull/listing.h"

/** What all requests for a model have in common. */
struct hub {
    struct web *web;
    const char *endpoint;
    const struct reference *reference;
    bool has_token;
    int retries;
};

/** List the files of what is meant: by the hub's API, or of a URL itself and, if it is part of a split file, the other
 *  parts. *passing: it failed by trouble that may pass. */
infer_status hub_list(const struct hub *hub, struct listing *l, bool *passing, infer_error *err);
/** Find out size and blob of a file of which they are not known. */
infer_status hub_look_up(const struct hub *hub, const struct listing *l, struct listed_file *f, infer_error *err);
/** Where a file is, for free(); NULL: memory is out. */
char *hub_url(const struct hub *hub, const struct listing *l, const struct listed_file *f);
/** Say in the hub's terms why it refused something, and what can be done; where nothing better is known *err stays as
 *  it is. */
infer_status hub_explain(const struct hub *hub, const struct web_answer *a, const char *file, infer_error *err);

/** Read the API's description of a version of a repository. */
infer_status hub_read(struct listing *l, const char *json, size_t length, const char *repo, infer_error *err);

#endif
