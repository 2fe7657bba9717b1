/* infer_service.h - an HTTP server without the sockets: requests go in as bytes, answers come out as chunks.
 *
 * infer_service   models, their schedulers, keys, limits and figures; used by any number of threads
 * infer_exchange  one request and its answer; used by one thread at a time, but infer_exchange_cancel() from any
 *
 *     infer_service *service = infer_service_open(ctx, NULL, &err);
 *     infer_service_request request = infer_service_request_defaults();
 *     request.method = "POST", request.path = "/v1/chat/completions", request.body = json, request.length = n;
 *     infer_exchange *exchange = infer_service_submit(service, &request, &err);
 *     while (infer_exchange_next(exchange, -1, &chunk, &length, &err) == INFER_OK && chunk)
 *         fwrite(chunk, 1, length, stdout);
 *     infer_exchange_close(&exchange);
 *
 * infer-server is this behind a socket; docs/server.md has the routes. In libinfer-service.a, over the API of infer.h,
 * whose rules hold here too. */
#ifndef INFER_SERVICE_H
#define INFER_SERVICE_H

#include "infer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct infer_service infer_service;
typedef struct infer_exchange infer_exchange;

/** Receives a line about something that happened, without a newline, from any thread: JSON, an object with "time",
 *  "event" and more. Texts of prompts and answers are not in it, unless log_texts asks for them. */
typedef void infer_service_log_fn(void *user, const char *json, size_t length);

/** How far a model has been fetched, for who waits for it.
 *  @param status what happens, in words
 *  @param digest name of the file at hand; NULL = none
 *  @param done   bytes of it that are there, of size
 *  @return false: nobody waits any more, so the download should end. */
typedef bool infer_pull_progress_fn(void *pull, const char *status, const char *digest, uint64_t done, uint64_t size);
/** Has a model fetched, for POST /api/pull: returns when it is there, in one of model_dirs, or not. Called from a
 *  thread of its own, a few at once.
 *  @param name     what the request calls the model
 *  @param progress to be called with `pull`, at least once a second
 *  @return INFER_OK; INFER_E_ARGUMENT: no model can be called so; INFER_E_UNKNOWN: the hub has not got it; others. */
typedef infer_status infer_pull_fn(void *user, const char *name, infer_pull_progress_fn *progress, void *pull,
                                   infer_error *err);

/** Options of infer_service_open(). Nothing of them is kept but what is said so. */
typedef struct infer_service_options {
    size_t size;              /**< sizeof(infer_service_options) */
    const char *model;        /**< path of the model for requests that name none, opened at once; NULL = the first that
                               *   is found in the directories, else the one inside the library (default) */
    const char *alias;        /**< what this model is called; NULL = its file's name (default) */
    const char *const *model_dirs; /**< n_model_dirs directories in and below which further models are found, which are
                               *   opened when a request names them. NULL = none (default) */
    size_t n_model_dirs;      /**< 0 = none (default) */
    const infer_model_options *model_options;    /**< for all models; NULL = the defaults (default) */
    uint64_t cache_bytes;     /**< most that models and their sessions take: those that wait for nothing and were not
                               *   used for longest are closed. 0 = no bound (default) */
    const infer_scheduler_options *scheduler;    /**< for each model; `session` and all but `manual` count. NULL = the
                               *   defaults (default) */
    const char *const *adapters;     /**< n_adapters LoRA files or directories for the first model, on for all requests
                               *   with the scale 1, until POST /lora-adapters says otherwise; NULL = none (default) */
    size_t n_adapters;        /**< 0 = none (default) */
    infer_store *store;       /**< where all models keep beginnings of texts; kept alive. NULL = nowhere (default) */
    const char *state_dir;    /**< directory for what outlives the process: answers that previous_response_id names,
                               *   slots that were saved. NULL = they are kept in memory, slots are not saved
                               *   (default) */
    const char *const *api_keys; /**< n_api_keys; a request needs one, as "Authorization: Bearer KEY" or "x-api-key:
                               *   KEY", save for /health, / and the files of the page. NULL = none is needed
                               *   (default) */
    size_t n_api_keys;        /**< 0 = none (default) */
    const char *cors_origin;  /**< what Access-Control-Allow-Origin says, "*" or an origin; NULL = browsers may not call
                               *   from other pages (default) */
    const char *hub;          /**< address that models are pulled from, for on_pull; NULL = pulling is refused
                               *   (default) */
    size_t max_body;          /**< bytes of a request's body; more is 413. Default 16 MB */
    int32_t max_requests;     /**< that are worked on at once; more are 503. Default 1024 */
    double max_seconds;       /**< a request may take; then it ends with what it has. 0 = no bound (default) */
    int32_t max_tokens;       /**< that a request may ask for; more is cut to this. 0 = no bound (default) */
    double rate;              /**< requests a minute with one key, or from one peer where no keys are needed; more are
                               *   429. 0 = no bound (default) */
    bool read_only;           /**< no route changes what other requests see: models, adapters, slots (default false) */
    infer_service_log_fn *on_log; /**< NULL = silence (default) */
    void *log_user;           /**< handed to on_log */
    bool log_texts;           /**< bodies and answers are in the log (default false) */
    infer_pull_fn *on_pull;   /**< fetches models from the hub; NULL = pulling is refused (default) */
    void *pull_user;          /**< handed to on_pull */
} infer_service_options;

static inline infer_service_options infer_service_defaults(void)
{
    infer_service_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    o.max_body = (size_t)16 << 20;
    o.max_requests = 1024;
    return o;
}

/** Open a service, with its first model. Starts threads, which sleep when there is nothing to do. */
INFER_API infer_service *infer_service_open(infer_context *context, const infer_service_options *options,
                                            infer_error *err);
/** Refuse new requests with 503 from now on, save /health, which tells it, and /metrics. What is under way goes on. */
INFER_API void infer_service_drain(infer_service *service);
/** Requests that are not at their end. Thread safe. */
INFER_API size_t infer_service_busy(infer_service *service);
/** Cancel all that is under way and close. Exchanges stay valid until they are closed. */
INFER_API void infer_service_close(infer_service **service);

/** A header of a request. */
typedef struct infer_header {
    const char *name;  /**< terminated, in any case */
    const char *value; /**< terminated */
} infer_header;

/** A request, as it came. Nothing of it is kept. */
typedef struct infer_service_request {
    size_t size;           /**< sizeof(infer_service_request) */
    const char *method;    /**< "GET" (default), "POST", "DELETE", "OPTIONS" ...; of a message that came by a WebSocket
                            *   "MESSAGE": each chunk of the answer is then a message of its own */
    const char *path;      /**< with what follows a "?", as it was in the request's line: "/v1/models" */
    const infer_header *headers; /**< n_headers of them; NULL = none (default) */
    size_t n_headers;      /**< 0 = none (default) */
    const char *body;      /**< length bytes; NULL = none (default) */
    size_t length;         /**< 0 (default) */
    const char *peer;      /**< who asks, an address, for limits and the log; NULL = not known (default) */
    void (*on_ready)(void *user); /**< called from any thread when infer_exchange_next() has something new, so that it
                            *   need not be waited for; must not wait, nor call anything of this API. NULL = none
                            *   (default) */
    void *user;            /**< handed to on_ready */
} infer_service_request;

static inline infer_service_request infer_service_request_defaults(void)
{
    infer_service_request o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    o.method = "GET";
    return o;
}

/** Begin to answer a request. Never waits for a model. Whatever is wrong with the request is an answer too, with a
 *  status of 400 and more.
 *  @return NULL only where memory is out. */
INFER_API infer_exchange *infer_service_submit(infer_service *service, const infer_service_request *request,
                                               infer_error *err);
/** The next chunk of the answer's body, as it comes: an event of a stream, or all of an answer that is none.
 *  @param seconds how long to wait; negative: as long as it takes, 0: not at all.
 *  @param chunk   receives *length bytes, valid until the next call; NULL: the answer is at its end.
 *  @return INFER_OK; INFER_E_TIMEOUT: nothing yet; INFER_E_CANCELLED: the answer breaks off here. */
INFER_API infer_status infer_exchange_next(infer_exchange *exchange, double seconds, const char **chunk, size_t *length,
                                           infer_error *err);
/** Status of HTTP, 200 and so on; 0 as long as it is not known, which it is with the first chunk. */
INFER_API int infer_exchange_status(infer_exchange *exchange);
/** Headers of the answer in their order, Content-Type among them, valid as long as the exchange. Returns false past the
 *  last, and as long as there is no status. */
INFER_API bool infer_exchange_header(infer_exchange *exchange, size_t index, infer_header *header);
/** Whether the answer is a stream, of which more may come later; if not, its first chunk is all of it. Counts when
 *  there is a status. */
INFER_API bool infer_exchange_streams(infer_exchange *exchange);
/** Nobody wants the answer any more: what computes it stops within a step. From any thread. */
INFER_API void infer_exchange_cancel(infer_exchange *exchange);
/** Close, at any time; an answer that goes on is cancelled. No on_ready is called from then on. */
INFER_API void infer_exchange_close(infer_exchange **exchange);

#ifdef __cplusplus
}
#endif
#endif
