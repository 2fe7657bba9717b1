/* fetch.h - one file from a hub into the cache. */
#ifndef TOOLS_PULL_FETCH_H
#define TOOLS_PULL_FETCH_H

#include "tools/pull/cache.h"
#include "tools/pull/hub.h"

/** Have a file's blob in the cache: go on with what has come of it before, ask again after trouble, compare its
 *  checksum. p->now has file, blob and size; p->now.done and all_done are kept up. *fetched grows by what comes. */
infer_status fetch_blob(const struct hub *hub, const struct cache *c, const struct listing *l,
                        const struct listed_file *f, struct progress *p, uint64_t *fetched, infer_error *err);

/** "1.50 GB" into a buffer of FETCH_TEXT bytes, which is also what is returned. */
enum { FETCH_TEXT = 32 };
char *fetch_text(char *text, uint64_t bytes);

#endif
