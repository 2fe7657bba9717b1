/* map.h - files mapped read-only, and files read into memory at the place where they were mapped. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "infer.h"

struct mapping {
    const uint8_t *data; /* NULL if size is 0 */
    size_t size;
    int fd; /* the file, as long as the mapping is of it and map_close_file has not been called; else -1 */
};

/** Map a whole file. A directory, a pipe or a device is INFER_E_IO with a sentence. */
infer_status map_open(struct mapping *m, const char *path, infer_error *err);
void map_close(struct mapping *m);
/** Close the file; the mapping stays. */
void map_close_file(struct mapping *m);
/** Whether the file is still as long as its mapping: pages beyond its end cannot be looked at, that would end the
 *  process. True without a file. *size: what is left. */
bool map_intact(const struct mapping *m, size_t *size);
/** What the path is: 'f' a regular file, 'd' a directory, 0 nothing that can be opened. */
char path_kind(const char *path);

/* From mapped to read in, at the same addresses, so that pointers into the mapping stay good. Nobody may look at the
 * data between the first and the last of these calls. Which thread calls map_read decides where on a machine of several
 * nodes the piece lies. */

/** Put memory in place of the file; with huge_pages the system is asked for such. */
infer_status map_begin_read(struct mapping *m, bool huge_pages, infer_error *err);
/** Fill the bytes from offset on, at most n of them; several threads may do so at once. */
infer_status map_read(const struct mapping *m, size_t offset, size_t n, infer_error *err);
/** All has been read: nobody can write to it any more. */
void map_end_read(struct mapping *m);

/** The pages that lie wholly within n bytes from p on need not stay in memory. Those of a file are read again if need be;
 *  what else stood there is lost. */
void map_forget(const void *p, size_t n);
/** Keep what is mapped in physical memory; false and errno if the system refuses. */
bool map_lock(const struct mapping *m);
/** Bytes from p on, of n, that lie in huge pages, as the system says. */
size_t map_huge_bytes(const void *p, size_t n);

#endif
