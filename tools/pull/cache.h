/* cache.h - the directory that Hugging Face's programs keep repositories in, and this one too.
 *
 *     .locks/models--ORG--NAME/BLOB.lock             held (flock) by who writes a blob
 *     models--ORG--NAME/blobs/BLOB                   files, named by their checksums; BLOB.incomplete while they come
 *     models--ORG--NAME/snapshots/COMMIT/PATH        links to these, as the repository had them
 *     models--ORG--NAME/refs/REVISION                the commit that a branch or tag was seen at */
#ifndef TOOLS_PULL_CACHE_H
#define TOOLS_PULL_CACHE_H

#include "tools/pull/listing.h"
#include "tools/pull/progress.h"

struct cache {
    const char *root;
    char *folder; /* of a repository within it: "models--ORG--NAME" */
};

/** Nothing is made yet. */
infer_status cache_open(struct cache *c, const char *root, const struct reference *r, infer_error *err);
void cache_close(struct cache *c);
/** Make the folders for what is to come. */
infer_status cache_make(const struct cache *c, infer_error *err);

/** Paths, for free(); NULL: memory is out. */
char *cache_blob(const struct cache *c, const struct listed_file *f, const char *end);
char *cache_file(const struct cache *c, const char *commit, const char *path);

/** List what is there of a version, complete files only. */
infer_status cache_list(const struct cache *c, const struct reference *r, struct listing *l, infer_error *err);
/** Whether a file whose size and blob are known is there: under its path in a version, or as a blob. */
bool cache_has_file(const struct cache *c, const struct listing *l, const struct listed_file *f);
bool cache_has_blob(const struct cache *c, const struct listed_file *f);
/** Whether the version is what a revision is known to be. */
bool cache_refers(const struct cache *c, const struct reference *r, const char *commit);
/** Bytes that have come of a file that is not complete. */
uint64_t cache_begun(const struct cache *c, const struct listed_file *f);
/** Bytes that are free where the cache is, or will be; UINT64_MAX if that is not known. */
uint64_t cache_room(const struct cache *c);

/** Give a blob its path in a version. */
infer_status cache_link(const struct cache *c, const struct listing *l, const struct listed_file *f, infer_error *err);
/** Remember which commit a branch or tag was seen at. */
infer_status cache_refer(const struct cache *c, const struct reference *r, const char *commit, infer_error *err);

/** Be the only one who writes a blob; waits for others, which is told as PULL_LOCKED. A descriptor to close, -1 on
 *  failure. */
int cache_lock(const struct cache *c, const struct listed_file *f, struct progress *p, infer_error *err);

#endif
