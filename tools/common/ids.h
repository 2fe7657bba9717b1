/* ids.h - token ids as people and scripts give them: a JSON list in a file, or "1,2,3". */
#ifndef TOOLS_COMMON_IDS_H
#define TOOLS_COMMON_IDS_H

#include "infer.h"

struct ids {
    int32_t *v; /* free() it */
    size_t n;
};

/** `source` is "1,2,3", the name of a file that holds a JSON list, or "-": such a list on stdin. */
infer_status ids_read(struct ids *ids, const char *source, infer_error *err);
/** Write a JSON list to a file, "-" is stdout. */
infer_status ids_write(const int32_t *ids, size_t n, const char *path, infer_error *err);

#endif
