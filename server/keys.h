/* keys.h - the keys that requests may have: from a file and the environment, never from the command line, which other
 * users of the machine see. */
#ifndef SERVER_KEYS_H
#define SERVER_KEYS_H

#include "infer.h"

struct keys {
    char **item;
    size_t n;
};

/** Add the keys of a file (one a line; # begins a comment), if there is one, of $INFER_API_KEY and $INFER_API_KEYS.
 *  A file without keys is a mistake, as is a key with spaces in it. */
bool keys_read(struct keys *keys, const char *path, infer_error *err);
void keys_free(struct keys *keys);

#endif
