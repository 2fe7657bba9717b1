/* cache.h - models by their paths. Part of infer.h, which says what holds for all. */
#ifndef INFER_CACHE_H
#define INFER_CACHE_H

#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Model cache ---------------------------------------------------------------------------------------------- */

/** Models by their paths, kept open as long as there is room: a program that serves many asks for one where it needs
 *  it. Any number of threads may use a cache at once. */
typedef struct infer_cache infer_cache;

/** Options of infer_cache_open(). */
typedef struct infer_cache_options {
    size_t size;        /**< sizeof(infer_cache_options) */
    uint64_t max_bytes; /**< of models and what their sessions take: files as far as they are mapped or read in, keys
                         *   and values, work buffers; 0 = no bound (default) */
} infer_cache_options;

static inline infer_cache_options infer_cache_defaults(void)
{
    infer_cache_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    return o;
}

INFER_API infer_cache *infer_cache_open(infer_context *context, const infer_cache_options *options, infer_error *err);
/** Close it while no other thread is in a call on it. Models that are still held stay until they are released, for
 *  which the handle may be used that infer_cache_open() returned; sessions keep their models as ever. */
INFER_API void infer_cache_close(infer_cache **cache);
/** A model, opened now or kept from before; held until infer_cache_release(). Requests at once for what is not there
 *  are one load, which the others wait for. To make room, models are closed that nobody holds, has a session of, or has
 *  pinned, in the order of their last infer_cache_get(). While a model is being opened it may come on top of max_bytes.
 *  @param path as for infer_model_open(). Links are followed when a path is new; one that leads elsewhere later is
 *              noticed when the model has gone. The same files under other names are the same model, but with other options
 *              (inspect, no_mmap, lock, quantize, requantize) another one. With an importance matrix it is not kept:
 *              INFER_E_ARGUMENT.
 *  @return NULL: as infer_model_open() fails, and the next request tries again; INFER_E_FULL if the model does not fit
 *          beside those in use.
 *  @note A model that is there costs some 20 ns if the path is absolute, on any number of threads. */
INFER_API infer_model *infer_cache_get(infer_cache *cache, const char *path, const infer_model_options *options,
                                       infer_error *err);
/** Give back what infer_cache_get() returned; *model becomes NULL. NULL is allowed. */
INFER_API void infer_cache_release(infer_cache *cache, infer_model **model);
/** Keep a model that is held, also when it no longer is; or, with false, no longer. */
INFER_API void infer_cache_pin(infer_cache *cache, infer_model *model, bool pinned);
/** Close models as if max_bytes were this, because their sessions have grown, or to let go of all that are not in use:
 *  0. Returns the bytes that are taken then. */
INFER_API uint64_t infer_cache_trim(infer_cache *cache, uint64_t max_bytes);

/** What infer_cache_get_stats() tells. */
typedef struct infer_cache_stats {
    size_t size;        /**< in: sizeof(infer_cache_stats) */
    uint64_t hits;      /**< requests for models that were there */
    uint64_t misses;    /**< others */
    uint64_t loads;     /**< models opened */
    uint64_t failures;  /**< models that could not be opened, or did not fit */
    uint64_t evictions; /**< models closed to make room */
    uint64_t models;    /**< there now */
    uint64_t held;      /**< of these, how many somebody holds, has a session of or has pinned */
    uint64_t bytes;     /**< taken now */
    uint64_t max_bytes; /**< of the options */
} infer_cache_stats;
INFER_API void infer_cache_get_stats(infer_cache *cache, infer_cache_stats *stats);

/* ---- Listing models ------------------------------------------------------------------------------------------- */

/** Something below a directory. Strings are valid within the callback. */
typedef struct infer_listed {
    size_t size;        /**< sizeof(infer_listed) */
    const char *path;   /**< what infer_model_open() takes: a GGUF file (of split files the first), or a directory */
    const char *format; /**< "GGUF" or "SafeTensors"; NULL if it is no model */
    uint64_t bytes;     /**< of its GGUF or SafeTensors files */
    uint32_t n_files;   /**< such files */
    const char *reason; /**< why it is no model; NULL if it is one */
} infer_listed;

/** Return false to stop. */
typedef bool infer_list_fn(void *user, const infer_listed *found);

/** Options of infer_list_models(). */
typedef struct infer_list_options {
    size_t size;         /**< sizeof(infer_list_options) */
    int32_t max_depth;   /**< directories below the one given, 0..64; default 8 */
    int32_t max_entries; /**< names looked at, in all; default 100000 */
    bool others;         /**< tell of what is no model too, with the reason (default false) */
} infer_list_options;

static inline infer_list_options infer_list_defaults(void)
{
    infer_list_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    o.max_depth = 8;
    o.max_entries = 100000;
    return o;
}

/** The models in a directory and below it, by their names and first bytes alone: GGUF files, split ones as one, and
 *  Hugging Face directories (config.json beside .safetensors files). In the order of their paths, what stands in a
 *  directory together. Names that begin with a dot are passed over, links followed. Thread safe.
 *  @return INFER_OK; INFER_E_IO if the directory cannot be read, INFER_E_FULL for more than max_entries,
 *          INFER_E_CANCELLED if the callback has stopped it. */
INFER_API infer_status infer_list_models(infer_context *context, const char *directory,
                                         const infer_list_options *options, infer_list_fn *fn, void *user,
                                         infer_error *err);

#ifdef __cplusplus
}
#endif
#endif
