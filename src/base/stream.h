/* stream.h - bytes written to, or read from, a file or memory from the beginning to the end, and hashed on the way. */
#ifndef BASE_STREAM_H
#define BASE_STREAM_H

#include "src/base/hash.h"
#include "src/base/memory.h"

/** Where bytes go. A file is written beside the one it will replace, so that whoever looks, also after a crash, finds
 *  the old one or the new one whole. */
struct sink {
    const infer_allocator *a;
    const char *path; /* NULL: memory */
    char *beside;     /* name of the file that is written; NULL: none */
    int fd;
    bool fleeting;   /* set it: sink_finish() does not wait for the disk. If the system crashes the file may be there and
                      * hold anything, which is for its readers to find out */
    uint8_t *memory; /* room for what is left */
    size_t left;
    struct hash hash; /* of all so far */
};

/** The path outlives the sink. Nobody but the user may read the file. */
infer_status sink_open_file(struct sink *s, const infer_allocator *a, const char *path, infer_error *err);
void sink_open_memory(struct sink *s, void *memory, size_t room);
infer_status sink_put(struct sink *s, const void *data, size_t n, infer_error *err);
/** The file is in its place, and on the disk unless it is fleeting. */
infer_status sink_finish(struct sink *s, infer_error *err);
/** Undoes all that was not finished. */
void sink_close(struct sink *s);

/** Where bytes come from. */
struct source {
    const char *name; /* for errors */
    int fd;           /* -1: memory */
    const uint8_t *memory;
    uint64_t size, at;
    struct hash hash; /* of all so far */
};

/** The path outlives the source. Only a regular file will do. */
infer_status source_open_file(struct source *s, const char *path, infer_error *err);
void source_open_memory(struct source *s, const void *data, size_t size, const char *name);
/** The next n bytes; INFER_E_FORMAT if there are not so many. */
infer_status source_get(struct source *s, void *data, size_t n, infer_error *err);
void source_close(struct source *s);

#endif
