/* base.h - errors, and the context that everything else belongs to. Part of infer.h, which says what holds for all. */
#ifndef INFER_BASE_H
#define INFER_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define INFER_API __attribute__((visibility("default")))
#else
#define INFER_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Errors --------------------------------------------------------------------------------------------------- */

/** What went wrong. Values are for ever: never renumbered, never reused. */
typedef enum infer_status {
    INFER_OK = 0,
    INFER_E_NOMEM = 1,     /**< the allocator returned NULL */
    INFER_E_IO = 2,        /**< the system could not open, read or map a file */
    INFER_E_ARGUMENT = 3,  /**< the caller's value is outside its documented range */
    INFER_E_FORMAT = 10,   /**< the file contradicts itself or its specification */
    INFER_E_UNKNOWN = 11,  /**< a sound file, but of a kind that this version does not run */
    INFER_E_FULL = 20,     /**< no room: a session holds no more tokens and is unchanged, a cache no more models, a
                            *   listing no more entries */
    INFER_E_CANCELLED = 21, /**< infer_session_cancel(), infer_request_cancel() or a callback asked to stop */
    INFER_E_TIMEOUT = 22   /**< it is not there yet; nothing has changed */
} infer_status;

/** A code and one sentence naming the file, the field, what was found and what was expected. */
typedef struct infer_error {
    infer_status code; /**< never INFER_OK after a failure */
    char message[508]; /**< terminated; long ones are cut */
} infer_error;

/** Name of a status, such as "INFER_E_NOMEM"; never NULL. */
INFER_API const char *infer_status_name(infer_status status);

/* ---- Context -------------------------------------------------------------------------------------------------- */

typedef struct infer_context infer_context;

/** Where all memory of a context comes from, save weights, which are mapped, and what the libraries for JSON and
 *  regular expressions take while a file is being opened or JSON is read. Both functions are called from several
 *  threads at once. `alloc` returns memory aligned to 64 bytes, or NULL; `free` takes what alloc gave, never NULL. */
typedef struct infer_allocator {
    void *user;                              /**< handed to both */
    void *(*alloc)(void *user, size_t size); /**< NULL: memory is out */
    void (*free)(void *user, void *memory);  /**< never fails */
} infer_allocator;

typedef enum infer_log_level {
    INFER_LOG_ERROR = 1,
    INFER_LOG_WARN = 2,
    INFER_LOG_INFO = 3,
    INFER_LOG_DEBUG = 4
} infer_log_level;

/** Receives one line without a newline; called from any thread that uses the context. */
typedef void infer_log_fn(void *user, infer_log_level level, const char *line);

/** Progress of something long, 0..1. Return false to cancel it. */
typedef bool infer_progress_fn(void *user, float done);

/** What to do where memory belongs to several nodes, each near to some of the cores. Every machine's results are the
 *  same. */
typedef enum infer_numa {
    INFER_NUMA_NONE = 0,       /**< nothing (default) */
    INFER_NUMA_DISTRIBUTE = 1, /**< threads spread over all nodes, each kept on its node; weights that are read in
                                *   (infer_model_options.no_mmap) lie near the threads that compute with them */
    INFER_NUMA_ISOLATE = 2     /**< all threads kept on the node where the context is opened */
} infer_numa;

/** Options of infer_context_open(). */
typedef struct infer_context_options {
    size_t size;               /**< sizeof(infer_context_options) */
    int n_threads;             /**< threads that compute, 1..256; 0 = as many as affinity lists, else one per physical
                                *   core that the process may use, and no more than the CPU limit of its control group,
                                *   rounded up (default) */
    const char *cpu;           /**< best instruction set to use: "scalar", "avx2", "avx512", "amx";
                                *   on ARM "scalar", "neon", "dotprod", "i8mm"; NULL = all there is (default) */
    infer_allocator allocator; /**< all zero = malloc and free (default) */
    infer_log_fn *log;         /**< NULL = silence (default) */
    void *log_user;            /**< handed to log */
    const char *affinity;      /**< where the threads that the context starts run: NULL or "none" = where the system
                                *   puts them, but not on efficiency cores if there are performance cores for all
                                *   (default); "compact" = each on a physical core of its own, the fastest first, node
                                *   by node; a list such as "0,2,4-7" = thread i on the i-th of these CPUs. Thread 0 is
                                *   the program's own, the one that calls: it is left where it is */
    infer_numa numa;           /**< INFER_NUMA_NONE (default) */
    bool huge_pages;           /**< ask the system for huge pages (Linux' transparent ones): for weights that are read
                                *   in and, unless there is an allocator, for caches and work buffers. It gives what it
                                *   can (default false) */
} infer_context_options;

static inline infer_context_options infer_context_defaults(void)
{
    infer_context_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    return o;
}

/** Make a context: starts n_threads - 1 threads, which sleep when there is nothing to do. Thread safe. */
INFER_API infer_context *infer_context_open(const infer_context_options *options, infer_error *err);
INFER_API void infer_context_close(infer_context **context);
/** Name of the kernel table in use, such as "avx512"; valid as long as the context. */
INFER_API const char *infer_context_cpu(const infer_context *context);
INFER_API int infer_context_threads(const infer_context *context);

#ifdef __cplusplus
}
#endif
#endif
