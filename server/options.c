/* options.c - what infer-server is told. */
#include "server/options.h"

#include "infer_service.h"
#include "server/config.h"
#include "server/log.h"
#include "tools/common/failure.h"

#include <stdlib.h>

static struct server_options o;
static struct config config;
static char *cache; /* of pulled models, where no directory is said */

static const struct opt rows[] = {
    { OPT_GROUP, NULL, NULL, "Models", NULL, 0, 0 },
    { OPT_TEXT, "-m, --model", "PATH", "GGUF file (of split files any one) or Hugging Face directory, for requests "
      "that name none; default $INFER_MODEL, else the first one found in --model-dirs, else the small story model "
      "inside the program", &o.model, 0, 0 },
    PULL_REPO_ROW(o.pull),
    PULL_ROWS(o.pull),
    { OPT_TEXT, "--alias", "NAME", "what that model is called; default: as its file", &o.alias, 0, 0 },
    { OPT_LIST, "--model-dirs", "DIR", "where further models are found, which are opened when requests name them; may "
      "be given several times", &o.model_dirs, 0, 0 },
    { OPT_INT64, "--cache-bytes", "BYTES", "most that models and their sessions take; those not used for longest are "
      "closed; default 0: no bound", &o.cache_bytes, 0, (double)INT64_MAX },
    { OPT_LIST, "--lora", "PATH", "LoRA adapter for the first model, a GGUF file or a directory of PEFT's; may be "
      "given several times", &o.lora, 0, 0 },
    { OPT_TEXT, "--prefix-store", "DIR", "find here what was computed of the same beginning of a text, and keep it",
      &o.prefix_store, 0, 0 },
    { OPT_INT64, "--prefix-store-size", "BYTES", "of its files, of which those not used for longest go; 0 = no bound",
      &o.prefix_store_bytes, 0, (double)INT64_MAX },
    { OPT_TEXT, "--state-dir", "DIR", "where saved slots are, and answers that later requests name; default: those are "
      "kept in memory, slots are not saved", &o.state_dir, 0, 0 },
    { OPT_TEXT, "--hub", "URL", "where models are pulled from when requests ask for it, such as "
      "https://huggingface.co; they land in the first of --model-dirs, else in the cache of Hugging Face's programs, "
      "which is one then; default: pulling is refused", &o.hub, 0, 0 },

    { OPT_GROUP, NULL, NULL, "Addresses", NULL, 0, 0 },
    { OPT_TEXT, "--host", "ADDRESS", "address to listen at; 0.0.0.0 or :: for all of the machine", &o.host, 0, 0 },
    { OPT_INT, "--port", "N", "port to listen at; 0: any that is free", &o.port, 0, 65535 },
    { OPT_LIST, "--bind", "HOST:PORT", "the same in one, [HOST]:PORT for IPv6, instead of --host and --port; may be "
      "given several times", &o.bind, 0, 0 },
    { OPT_TEXT, "--unix", "PATH", "listen at a socket in the file system; without --bind, there alone", &o.unix_path,
      0, 0 },
    { OPT_TEXT, "--unix-mode", "MODE", "its permissions, octal", &o.unix_mode, 0, 0 },
    { OPT_TEXT, "--tls-cert", "FILE", "certificate and those up to its root, PEM: speak HTTPS", &o.tls_cert, 0, 0 },
    { OPT_TEXT, "--tls-key", "FILE", "its private key, PEM", &o.tls_key, 0, 0 },

    { OPT_GROUP, NULL, NULL, "Who may ask for what", NULL, 0, 0 },
    { OPT_TEXT, "--api-key-file", "FILE", "requests need a key of this file, which has one a line; also those of "
      "$INFER_API_KEYS", &o.api_key_file, 0, 0 },
    { OPT_TEXT, "--cors", "ORIGIN", "let pages of this origin call, * for any; default: none but the server's own",
      &o.cors, 0, 0 },
    { OPT_LIST, "--allow-host", "NAME", "answer programs of this machine that ask for a host of this name, though no "
      "keys are needed; may be given several times; default: localhost and addresses", &o.allow_host, 0, 0 },
    { OPT_FLOAT, "--rate", "N", "requests a minute with one key, or from one address where no keys are needed; default "
      "0: any number", &o.rate, 0, 1e9 },
    { OPT_FLAG, "--read-only", NULL, "no request changes models, adapters or slots", &o.read_only, 0, 0 },

    { OPT_GROUP, NULL, NULL, "Limits", NULL, 0, 0 },
    { OPT_INT64, "--max-body", "BYTES", "of a request", &o.max_body, 1, (double)((int64_t)1 << 40) },
    { OPT_INT, "--max-header", "BYTES", "of a request's line and headers", &o.max_header, 1024, 1 << 20 },
    { OPT_INT, "--max-requests", "N", "worked on at once", &o.max_requests, 1, INT32_MAX },
    { OPT_FLOAT, "--max-seconds", "S", "a request may take, then it ends with what it has; default 0: no bound",
      &o.max_seconds, 0, 1e9 },
    { OPT_INT, "--max-tokens", "N", "an answer may have; default 0: no bound but the context", &o.max_tokens, 0,
      INT32_MAX },
    { OPT_INT, "--max-connections", "N", "open at once", &o.max_connections, 1, 1 << 20 },
    { OPT_INT, "--max-per-address", "N", "of these from one address (IPv6: one /64)", &o.max_per_address, 1, 1 << 20 },
    { OPT_INT, "--header-seconds", "S", "until a request's headers are there", &o.header_seconds, 1, 86400 },
    { OPT_INT, "--request-seconds", "S", "until all of a request is there", &o.request_seconds, 1, 86400 },
    { OPT_INT, "--idle-seconds", "S", "until a connection is closed on which nothing is asked, or an answer not read",
      &o.idle_seconds, 1, 86400 },
    { OPT_INT, "--keep-alive-seconds", "S", "of silence, after which a stream of events gets a comment, so that nobody "
      "in between gives it up", &o.keep_alive_seconds, 1, 86400 },
    { OPT_INT, "--shutdown-seconds", "S", "that answers under way get to end when the server is to",
      &o.shutdown_seconds, 0, 86400 },

    { OPT_GROUP, NULL, NULL, "How it is computed", NULL, 0, 0 },
    { OPT_INT, "-np, --parallel", "N", "texts of a model that are computed at once", &o.parallel, 1, 4096 },
    { OPT_INT, "--queue", "N", "requests to a model that may wait for that", &o.queue, 1, INT32_MAX },
    { OPT_INT, "-c, --ctx-size", "N", "most tokens of prompt and answer together; default 0: as many as the model was "
      "trained on, up to 4096", &o.n_ctx, 0, INT32_MAX },
    { OPT_INT, "-b, --batch-size", "N", "tokens computed in a step", &o.n_batch, 1, 4096 },
    { OPT_INT64, "--kv-bytes", "BYTES", "most that keys and values of a model's texts take; default 0: what they need",
      &o.kv_bytes, 0, (double)INT64_MAX },
    { OPT_FLOAT, "--max-itl-ms", "MS", "that a text waits from one token to the next for the prompts of others; "
      "default 0: as long as they take", &o.max_itl_ms, 0, 1e6 },
    { OPT_CHOICE, "--precision", "fast|exact", "activations as 8-bit blocks where the weights are quantised, or as "
      "floats", &o.precision, 0, 0 },
    { OPT_FLAG, "--deterministic", NULL, "an answer is the same whatever else is computed with it", &o.deterministic,
      0, 0 },
    KV_ROWS(o.kv),
    { OPT_INT, "-t, --threads", "N", "threads that compute; default 0: one per physical core", &o.n_threads, 0, 256 },
    { OPT_INT, "--http-threads", "N", "threads that talk with clients", &o.http_threads, 1, 64 },

    PROGRAM_MACHINE_OPTIONS,

    { OPT_GROUP, NULL, NULL, "What is told, on stderr", NULL, 0, 0 },
    { OPT_CHOICE, "--log-format", "text|json|none", "a line for each request", &o.log_format, 0, 0 },
    { OPT_FLAG, "--log-texts", NULL, "with requests and answers in it", &o.log_texts, 0, 0 },
    { OPT_FLAG, "-v, --verbose", NULL, "more about models, memory and machine", &o.verbose, 0, 0 },

    { OPT_GROUP, NULL, NULL, "Options from a file", NULL, 0, 0 },
    { OPT_TEXT, "--config", "FILE", "lines such as port = 8081, by the long names of the options; the command line "
      "wins", &o.config, 0, 0 },
    OPT_STANDARD,
};
static bool given[sizeof rows / sizeof *rows];

static const struct command command = {
    .name = "infer-server",
    .about = "serve language models over HTTP",
    .usage = "[options]",
    .examples = "  infer-server                              the model inside the program, at http://127.0.0.1:8080\n"
                "  infer-server -m model.gguf --port 8081\n"
                "  infer-server --model-dirs /srv/models --cache-bytes 16000000000\n"
                "  infer-server -m model.gguf --bind 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem "
                "--api-key-file keys\n"
                "  infer-server -m model.gguf --unix /run/infer/socket\n"
                "  curl http://127.0.0.1:8080/v1/chat/completions -d '{\"messages\":[{\"role\":\"user\","
                "\"content\":\"Hello\"}]}'\n",
    .notes = PROGRAM_ENVIRONMENT PULL_ENVIRONMENT
             "  INFER_API_KEY             a key that requests may have\n"
             "  INFER_API_KEYS            several, with commas between\n"
             "\nSignals: SIGTERM and SIGINT let answers under way end, a second one does not.\n"
             "Exit codes: 0 ended by a signal, 1 failure, 2 wrong options.\n",
    .rows = rows,
    .n_rows = sizeof rows / sizeof *rows,
    .given = given,
};

static void set_defaults(void)
{
    const infer_service_options service = infer_service_defaults();
    const infer_scheduler_options scheduler = infer_scheduler_defaults();
    o.prefix_store_bytes = (int64_t)infer_store_defaults().max_bytes;
    o.host = "127.0.0.1";
    o.port = 8080;
    o.unix_mode = "600";
    o.max_body = (int64_t)service.max_body;
    o.max_requests = service.max_requests;
    o.max_header = 16 << 10;
    o.max_connections = 4096;
    o.max_per_address = 2048;
    o.header_seconds = 20;
    o.request_seconds = 120;
    o.idle_seconds = 120;
    o.keep_alive_seconds = 15;
    o.shutdown_seconds = 30;
    o.parallel = scheduler.max_running;
    o.queue = scheduler.max_queue;
    o.n_batch = 512;
    o.http_threads = 4;
}

int server_complain(const char *sentence)
{
    return options_complain(&command, "%s", sentence);
}

static enum options_result check(void)
{
    infer_error err = { 0 };
    o.pull.endpoint = o.hub;
    if (o.hub && !o.model_dirs.n && (cache = pull_cache(&o.pull)))
        o.model_dirs.item[o.model_dirs.n++] = cache;
    if (o.model && o.pull.repo)
        server_complain("--model and --hf-repo both name a model; use one of them");
    else if (o.pull.file && !o.pull.repo)
        server_complain("--hf-file goes with --hf-repo");
    else if (!o.tls_cert != !o.tls_key)
        server_complain("--tls-cert and --tls-key go together");
    else if (!keys_read(&o.keys, o.api_key_file, &err))
        report_failure(command.name, &err);
    else
        return OPTIONS_RUN;
    return OPTIONS_WRONG;
}

enum options_result server_options_read(struct server_options **options, int argc, char *const *argv)
{
    *options = &o;
    set_defaults();
    enum options_result result = options_parse(&command, argc, argv);
    if (result == OPTIONS_RUN && o.config)
        result = config_read(&config, o.config, &command);
    if (result == OPTIONS_RUN && (!o.model || !*o.model) && !o.pull.repo)
        o.model = getenv("INFER_MODEL");
    if (o.model && !*o.model)
        o.model = NULL;
    return result == OPTIONS_RUN ? check() : result;
}

void server_options_free(void)
{
    keys_free(&o.keys);
    config_free(&config);
    free(cache);
}
