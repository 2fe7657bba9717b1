/* pull.h - models from a hub, kept in the cache that Hugging Face's own programs keep theirs in.
 *
 *     struct pull_options o = { .cache = "/home/me/.cache/huggingface/hub" };
 *     struct pull_result r = { 0 };
 *     if (pull_model("ORG/REPO:q8_0", &o, &r, &err) == INFER_OK)
 *         infer_model_open(context, r.path, NULL, &err);
 *     pull_free(&r);
 *
 * What is there and complete is not fetched again, what was broken off is gone on with, and what came is held against
 * its checksum before it has a name. Nothing here prints or reads the environment: settings.h does the latter, bar.h
 * shows progress. Several threads and processes may pull at once, also the same model. */
#ifndef TOOLS_PULL_PULL_H
#define TOOLS_PULL_PULL_H

#include "infer.h"

enum { PULL_MOST_URL = 2048, PULL_MOST_PATH = 1024, PULL_MOST_NAME = 200 }; /* bytes, with the 0 at the end */

enum pull_state {
    PULL_LISTING,  /* the hub is asked what there is */
    PULL_WAITING,  /* before asking again, because of `trouble` */
    PULL_LOCKED,   /* another process fetches this file */
    PULL_CHECKING, /* what is there of the file is read for its checksum */
    PULL_FETCHING,
    PULL_FETCHED   /* the file is there and sound */
};

struct pull_progress {
    enum pull_state state;
    const char *file, *blob;     /* its path in the repository, its name in the cache; NULL while listing */
    size_t index, n_files;       /* of the files that have to be fetched */
    uint64_t done, size;         /* bytes of the file */
    uint64_t all_done, all_size; /* of all that have to be fetched */
    const char *trouble;         /* of PULL_WAITING, else NULL */
};
/** Called at least once a second. Return false to stop: pull_model() then fails with INFER_E_CANCELLED, and what has
 *  come stays to be gone on with. */
typedef bool pull_progress_fn(void *user, const struct pull_progress *progress);

struct pull_options {
    const char *cache;    /* directory; made if it is not there */
    const char *endpoint; /* of the hub; NULL: https://huggingface.co */
    const char *token;    /* sent to the endpoint alone; NULL: none */
    const char *ca_file;  /* certificates to trust; NULL: the system's */
    const char *file;     /* take this file of the repository; NULL: choose one */
    bool offline;         /* only what is in the cache */
    bool dry;             /* say what would be fetched, and fetch nothing */
    int retries;          /* how often in a row something is asked for again, 0..100 */
    double delay;         /* seconds before the first time; each further one twice as long, up to a minute */
    int patience;         /* seconds without a byte after which a connection counts as lost; 0: 30 */
    pull_progress_fn *on_progress;
    void *user;
};

struct pull_result {
    char *path;                  /* what to open: a GGUF file (of split ones the first), or a directory; of
                                  * pull_options.dry NULL if it is not all there */
    char **files;                /* paths in the repository of all that belong to it */
    uint64_t *sizes;             /* of each, bytes */
    bool *present;               /* whether it was there before */
    size_t n_files;
    char commit[PULL_MOST_NAME]; /* the version, as the hub names it */
    uint64_t fetched;            /* bytes that came over the net */
    infer_error trouble;         /* why the hub was not asked though it should have been; code INFER_OK: it was */
};

/** Have a model in the cache. `what` is one of
 *    ORG/REPO                      its GGUF file, preferably Q4_K_M, then Q8_0, then the first; all of a split one. If
 *                                  it has none, the directory of SafeTensors with configuration and tokenizer
 *    ORG/REPO:TYPE                 the GGUF file of that type, in any case
 *    ORG/REPO[:TYPE]@REVISION      of a branch, tag or commit
 *    hf.co/..., the hub's URL/...  the same, also as /resolve/REVISION/FILE
 *    http(s)://HOST/FILE.gguf      a file from anywhere
 *  Fails with INFER_E_ARGUMENT (no such thing can be meant), INFER_E_UNKNOWN (the hub has not got it, or does not hand
 *  it out), INFER_E_FORMAT (what came is not what was announced), INFER_E_IO, INFER_E_NOMEM, INFER_E_CANCELLED. */
infer_status pull_model(const char *what, const struct pull_options *options, struct pull_result *result,
                        infer_error *err);
/** Free what pull_model() stored, also where it failed. */
void pull_free(struct pull_result *result);

#endif
