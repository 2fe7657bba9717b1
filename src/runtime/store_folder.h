/* store_folder.h - the files of a prefix store. Other processes may use the same directory. What counts them is for one
 * thread at a time. */
#ifndef RUNTIME_STORE_FOLDER_H
#define RUNTIME_STORE_FOLDER_H

#include "src/base/memory.h"
#include "src/runtime/store_page.h"

struct folder {
    infer_context *context; /* for log lines; outlives it */
    const infer_allocator *a;
    char *path; /* absolute */
    int fd;
    uint64_t max_bytes;    /* 0: no bound */
    size_t files;
    uint64_t bytes; /* of them, as last counted and added since */
    uint64_t added;        /* bytes since then */
    uint64_t n_evicted;
};

/** Makes the directory, if *read_only is false; that becomes true where it cannot be written to. */
infer_status folder_open(struct folder *f, infer_context *context, const char *path, bool *read_only,
                         infer_error *err);
void folder_close(struct folder *f);
/** path/name, to be mem_free()d; NULL if memory is out. */
char *folder_file(const struct folder *f, const char *name);
bool folder_has(const struct folder *f, const char *name);
void folder_remove(const struct folder *f, const char *name);
/** The file, if it is there, was used at a time. */
bool folder_touch(const struct folder *f, const char *name, const struct timespec *when);
/** A file is written, of so many bytes: what is too much goes. */
void folder_added(struct folder *f, uint64_t bytes);
/** Count the files, clear away what was left half written, let go of what is more than max_bytes. */
void folder_count(struct folder *f, bool read_only);

#endif
