/* listing.h - the files of one version of a repository, and which of them make a model. */
#ifndef TOOLS_PULL_LISTING_H
#define TOOLS_PULL_LISTING_H

#include "tools/pull/reference.h"

enum { MOST_FILES = 100000 };

struct listed_file {
    char *path;    /* in the repository; as the server says, so not to be used before path_is_plain() */
    char *url;     /* where it is if it is not in the repository; else NULL */
    uint64_t size; /* bytes */
    char blob[PULL_MOST_NAME]; /* its name in the cache: a checksum, or whatever the server has for it */
    bool known;    /* size and blob are */
    bool present;  /* it is in the cache */
};

struct listing {
    char commit[PULL_MOST_NAME]; /* the version: the hub's checksum, or what a server calls its file */
    struct listed_file *v;
    size_t n, room;
};

/** Add a file of which nothing but its path is known yet. NULL: memory is out, or there are MOST_FILES. */
struct listed_file *listing_add(struct listing *l, const char *path);
void listing_close(struct listing *l);

/** Files of a listing, by their places in it. */
struct choice {
    size_t *v, n;
    bool directory; /* what to open is the directory that they are in, else the first of them */
};
/** Choose what makes the model that is meant, as llama.cpp does: see pull.h. All paths are plain then. */
infer_status listing_choose(const struct listing *l, const struct reference *r, struct choice *c, infer_error *err);
void choice_close(struct choice *c);

/** A name such as model-00002-of-00003.gguf. */
struct part {
    size_t stem; /* bytes before "-00002-of-" */
    unsigned index, count;
};
bool part_read(struct part *p, const char *path);

#endif
