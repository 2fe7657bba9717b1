/* options.h - what infer-server is told: its command line, its file of options, its environment. */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include "server/keys.h"
#include "tools/common/adapters.h"
#include "tools/common/options.h"
#include "tools/common/program.h"
#include "tools/pull/settings.h"

struct server_options {
    const char *config;
    /* models */
    const char *model, *alias, *prefix_store, *state_dir, *hub;
    struct pull_settings pull; /* its repo: the model; its endpoint is hub */
    struct opt_list model_dirs, lora;
    int64_t cache_bytes, prefix_store_bytes;
    /* addresses */
    struct opt_list bind, allow_host;
    const char *host, *unix_path, *unix_mode, *tls_cert, *tls_key;
    int32_t port;
    /* who may ask for what */
    const char *api_key_file, *cors;
    float rate;
    bool read_only;
    /* limits; times in seconds */
    int64_t max_body;
    int32_t max_requests, max_tokens, max_connections, max_per_address, max_header, header_seconds, request_seconds,
        idle_seconds, keep_alive_seconds, shutdown_seconds;
    float max_seconds;
    /* computing */
    int32_t parallel, queue, n_ctx, n_batch, n_threads, http_threads;
    int64_t kv_bytes;
    float max_itl_ms;
    int precision;
    bool deterministic;
    struct kv_options kv;
    /* log */
    int log_format; /* enum log_format */
    bool log_texts, verbose;

    struct keys keys; /* of --api-key-file and the environment */
};

/** Fill *o; what it points to lives until options_free(). Complaints go to stderr. */
enum options_result server_options_read(struct server_options **o, int argc, char *const *argv);
/** Tell a mistake that was found later, as those of the command line are told. Returns EXIT_USAGE. */
int server_complain(const char *sentence);
void server_options_free(void);

#endif
