/* store.h - computed beginnings of texts on disk. Part of infer.h, which says what holds for all. */
#ifndef INFER_STORE_H
#define INFER_STORE_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Prefix store --------------------------------------------------------------------------------------------- */

/** A directory with what sessions have computed of the beginnings of texts: keys and values, page by page (64 tokens).
 *  It outlives the process, so that a system prompt, a long document or a conversation is computed once. Sessions
 *  that are given a store (infer_session_options) use it by themselves: infer_session_sync(), and all that goes by
 *  it, takes from the directory what no session of the model has in memory, and what it computes is written there. Any
 *  number of sessions, models, threads and processes may use a directory at once.
 *
 *  What is found was computed in the same way: by the same model, known as infer_session_load() knows it, with the
 *  same cache types, precision and `deterministic` (then also n_ctx), the same kernels and the same version of the
 *  library. So results are those of infer_session_sync(): with `deterministic` the same bits as if all was computed.
 *
 *  Each page is a file that only its user may read; texts with the same beginning have the files of it in common. A
 *  file is checked before it is used: its size, the tokens of the whole text up to there, a checksum. One that is
 *  damaged, cut off, or was taken away meanwhile is as if it were not there, and is removed. Checksums are against
 *  accidents: whoever else can write to the directory can make the model say anything. No failure of the store is an
 *  error of a session: log lines tell.
 *
 *  Files are written by a thread of the store, from the pages themselves, after a sync and when a session is closed;
 *  sessions do not wait for it. The disk is not waited for either: a file that a crash of the system has damaged will
 *  be found out. Where the directory takes more than its budget, the files that were not used for longest go, those
 *  behind the others of their text first; only files whose names are the store's own are ever touched. */
typedef struct infer_store infer_store;

/** Options of infer_store_open(). */
typedef struct infer_store_options {
    size_t size;        /**< sizeof(infer_store_options) */
    uint64_t max_bytes; /**< of the files, as far as one process can tell: others' are counted anew when a sixteenth of
                         *   this was written; 0 = no bound. Default 4 GB */
    int32_t min_tokens; /**< texts of which less was computed are not written; default 128 */
    bool read_only;     /**< nothing is written or removed (default false: only where the directory does not allow it,
                         *   which a log line tells) */
} infer_store_options;

static inline infer_store_options infer_store_defaults(void)
{
    infer_store_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    o.max_bytes = (uint64_t)4 << 30;
    o.min_tokens = 128;
    return o;
}

/** Open a store; starts a thread unless it is read-only.
 *  @param directory made if it is not there and its parent is.
 *  @return NULL: INFER_E_IO if there is no such directory, or it cannot be read. */
INFER_API infer_store *infer_store_open(infer_context *context, const char *directory,
                                        const infer_store_options *options, infer_error *err);
/** Close it. When no session has it any more, what waits is written. */
INFER_API void infer_store_close(infer_store **store);
/** Wait until everything that sessions have handed over is written. Thread safe. */
INFER_API void infer_store_flush(infer_store *store);

/** What infer_store_get_stats() tells. All but the last four counts since the store was opened. */
typedef struct infer_store_stats {
    size_t size;        /**< in: sizeof(infer_store_stats) */
    uint64_t hits;      /**< syncs that found something here which was nowhere in memory */
    uint64_t misses;    /**< those that looked for it and found nothing */
    uint64_t tokens;    /**< that need not be computed for that */
    uint64_t written;   /**< files */
    uint64_t evictions; /**< files that went to make room */
    uint64_t damaged;   /**< files that were no good */
    uint64_t failures;  /**< texts that could not be written as far as they should: no memory, a full disk, or more
                         *   waiting than 256 MB */
    uint64_t files;     /**< in the directory, as last counted and written since */
    uint64_t bytes;     /**< of these */
    uint64_t max_bytes; /**< of the options */
    bool read_only;     /**< by the options or by what the directory allows */
} infer_store_stats;
/** Thread safe. */
INFER_API void infer_store_get_stats(infer_store *store, infer_store_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
