/* map.h - files mapped read-only. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "infer.h"

struct mapping {
    const uint8_t *data; /* NULL if size is 0 */
    size_t size;
};

/** Map a whole file. A directory, a pipe or a device is INFER_E_IO with a sentence. */
infer_status map_open(struct mapping *m, const char *path, infer_error *err);
void map_close(struct mapping *m);
/** What the path is: 'f' a regular file, 'd' a directory, 0 nothing that can be opened. */
char path_kind(const char *path);

#endif
