/* reference.h - what a user writes to name a model on a hub. */
#ifndef TOOLS_PULL_REFERENCE_H
#define TOOLS_PULL_REFERENCE_H

#include "tools/pull/pull.h"

struct reference {
    char repo[PULL_MOST_NAME];     /* "ORG/NAME"; "" if it is a URL */
    char revision[PULL_MOST_NAME]; /* "main" if none is said */
    char type[64];                 /* of the GGUF file, "" if none is said */
    char file[PULL_MOST_PATH];     /* path in the repository, "" if none is said; of a URL its last part */
    char url[PULL_MOST_URL];       /* of a file anywhere, else "" */
};

/** Take apart what was written (pull.h says what that may be). */
infer_status reference_read(struct reference *r, const char *what, const char *endpoint, infer_error *err);
/** The folder of the cache that it lies in, "models--ORG--NAME"; for free(), NULL: memory is out. */
char *reference_folder(const struct reference *r);

/** Whether a path leads to somewhere below where it begins: not absolute, no "..", no control characters or
 *  backslashes, parts of at most 255 bytes. */
bool path_is_plain(const char *path);

#endif
