/* infer-server.c - a service of language models (infer_service.h) behind sockets.
 *
 * The main thread opens everything, in the order in which it can fail soonest, and then waits for signals. Clients may
 * connect while the model is being read; they are told to come again. */
#include "infer_service.h"
#include "server/http.h"
#include "server/log.h"
#include "server/notify.h"
#include "server/options.h"
#include "server/pull.h"
#include "tools/common/failure.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { FILES_EXTRA = 128 };

struct server {
    struct server_options *o;
    struct listener listeners[MAX_LISTENERS];
    size_t n_listeners;
    char *tls_cert, *tls_key;
    char *pulled; /* path of the model that the hub has; or NULL */
    struct http *http;
    infer_context *context;
    infer_store *store;
    infer_service *service;
    enum log_format format;
};

/* A signal, or 0 after so many milliseconds; -1: as long as it takes. */
static int wait_signal(int milliseconds)
{
    const struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000L };
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    const int signal_number = milliseconds < 0 ? sigwaitinfo(&set, NULL) : sigtimedwait(&set, NULL, &time);
    return signal_number > 0 ? signal_number : 0;
}

/* ---- Opening ---- */

static bool add_listener(struct server *s, const char *address, infer_error *err)
{
    const bool good = listen_tcp(&s->listeners[s->n_listeners], address, err);
    s->n_listeners += good;
    return good;
}

static bool open_listeners(struct server *s, infer_error *err)
{
    const struct server_options *o = s->o;
    bool good = true;
    for (size_t i = 0; i < o->bind.n && good; i++)
        good = add_listener(s, o->bind.item[i], err);
    if (good && o->unix_path) {
        good = listen_unix(&s->listeners[s->n_listeners], o->unix_path, o->unix_mode, err);
        s->n_listeners += good;
    }
    if (good && !s->n_listeners) {
        char address[300];
        snprintf(address, sizeof address, strchr(o->host, ':') ? "[%.256s]:%d" : "%.256s:%d", o->host, (int)o->port);
        good = add_listener(s, address, err);
    }
    return good;
}

static void warn_of_strangers(const struct server *s)
{
    for (size_t i = 0; i < s->n_listeners && !s->o->keys.n; i++)
        if (!s->listeners[i].local)
            fprintf(stderr, "warning: %s can be reached from other machines, and no keys are needed (--api-key-file)\n",
                    s->listeners[i].name);
}

static bool open_http(struct server *s, infer_error *err)
{
    const struct server_options *o = s->o;
    const size_t files = raise_file_limit();
    struct http_options h = {
        .limits = { (size_t)o->max_connections, (size_t)o->max_per_address, o->header_seconds, o->request_seconds,
                    o->idle_seconds },
        .max_body = (size_t)o->max_body,
        .max_header = (size_t)o->max_header,
        .sign_seconds = o->keep_alive_seconds,
        .threads = o->http_threads,
        .cors = o->cors,
        .any_host = o->keys.n,
        .hosts = o->allow_host.item,
        .n_hosts = o->allow_host.n,
        .log = &s->format,
    };
    size_t length;
    const size_t most = files > 2 * FILES_EXTRA ? files - FILES_EXTRA : FILES_EXTRA;
    if (h.limits.max > most) {
        h.limits.max = most;
        fprintf(stderr, "warning: %zu connections at most, as only %zu files may be open (ulimit -n)\n", h.limits.max,
                files);
    }
    if (o->tls_cert && (!(s->tls_cert = read_file(o->tls_cert, &length, err)) ||
                        !(s->tls_key = read_file(o->tls_key, &length, err))))
        return false;
    h.tls_cert = s->tls_cert;
    h.tls_key = s->tls_key;
    s->http = http_open(&h, s->listeners, s->n_listeners, err);
    return s->http;
}

static bool open_store(struct server *s, infer_error *err)
{
    infer_store_options options = infer_store_defaults();
    options.max_bytes = (uint64_t)s->o->prefix_store_bytes;
    return !s->o->prefix_store || (s->store = infer_store_open(s->context, s->o->prefix_store, &options, err));
}

static infer_session_options session_options(const struct server_options *o)
{
    infer_session_options session = infer_session_defaults();
    session.n_ctx = o->n_ctx;
    session.n_batch = o->n_batch;
    session.precision = (infer_precision)o->precision;
    session.deterministic = o->deterministic;
    program_kv_types(&session, &o->kv);
    return session;
}

static bool open_service(struct server *s, infer_error *err)
{
    const struct server_options *o = s->o;
    const infer_session_options session = session_options(o);
    const infer_model_options model = program_model_options();
    infer_scheduler_options scheduler = infer_scheduler_defaults();
    infer_service_options service = infer_service_defaults();
    scheduler.session = &session;
    scheduler.max_running = o->parallel;
    scheduler.max_queue = o->queue;
    scheduler.kv_bytes = (uint64_t)o->kv_bytes;
    scheduler.max_itl_ms = (double)o->max_itl_ms;
    service.model = s->pulled ? s->pulled : o->model;
    service.alias = o->alias;
    service.model_dirs = o->model_dirs.item;
    service.n_model_dirs = o->model_dirs.n;
    service.model_options = &model;
    service.cache_bytes = (uint64_t)o->cache_bytes;
    service.scheduler = &scheduler;
    service.adapters = o->lora.item;
    service.n_adapters = o->lora.n;
    service.store = s->store;
    service.state_dir = o->state_dir;
    service.api_keys = (const char *const *)o->keys.item;
    service.n_api_keys = o->keys.n;
    service.cors_origin = o->cors;
    service.hub = o->hub;
    service.on_pull = o->hub && o->model_dirs.n ? pull_asked : NULL;
    service.pull_user = s->o;
    service.max_body = (size_t)o->max_body;
    service.max_requests = o->max_requests;
    service.max_seconds = (double)o->max_seconds;
    service.max_tokens = o->max_tokens;
    service.rate = (double)o->rate;
    service.read_only = o->read_only;
    service.on_log = s->format == LOG_NONE ? NULL : log_event;
    service.log_user = &s->format;
    service.log_texts = o->log_texts;
    s->service = infer_service_open(s->context, &service, err);
    return s->service;
}

static const char *what_is_served(const struct server_options *o)
{
    if (o->pull.repo && !o->alias)
        return o->pull.repo;
    const char *slash = o->model ? strrchr(o->model, '/') : NULL;
    if (o->alias)
        return o->alias;
    if (o->model)
        return slash && slash[1] ? slash + 1 : o->model;
    return o->model_dirs.n ? o->model_dirs.item[0] : "embedded model";
}

static void say_ready(const struct server *s)
{
    printf("infer-server: %s ready at", what_is_served(s->o));
    for (size_t i = 0; i < s->n_listeners; i++)
        printf("%s %s%s", i ? "," : "", s->listeners[i].path ? "" : s->tls_cert ? "https://" : "http://",
               s->listeners[i].name);
    printf(" (%d at once%s)\n", (int)s->o->parallel, s->o->keys.n ? ", with keys" : "");
    fflush(stdout);
}

/* A model that is read in for minutes can be given up. */
static bool go_on_reading(void *user, float done)
{
    (void)user, (void)done;
    return !wait_signal(0);
}

/* So can a model that is fetched for hours. */
static bool go_on_pulling(void)
{
    return !wait_signal(0);
}

static bool open_all(struct server *s, infer_error *err)
{
    const infer_log_level level = s->o->verbose ? INFER_LOG_DEBUG : INFER_LOG_WARN;
    s->format = (enum log_format)s->o->log_format;
    log_library_format(s->format, level);
    program_machine.log = log_library;
    program_machine.on_read = go_on_reading;
    if (!open_listeners(s, err) || !open_http(s, err))
        return false;
    warn_of_strangers(s);
    if (s->o->pull.repo && !(s->pulled = pull_first(s->o, go_on_pulling, err)))
        return false;
    if (!(s->context = program_context(s->o->n_threads, level, err)) || !open_store(s, err) || !open_service(s, err))
        return false;
    http_serve(s->http, s->service);
    say_ready(s);
    notify("READY=1");
    return true;
}

/* ---- Ending ---- */

/* What is under way may end; a second signal or the time breaks it off. */
static void drain(struct server *s)
{
    const double until = seconds_now() + s->o->shutdown_seconds;
    notify("STOPPING=1");
    infer_service_drain(s->service);
    http_drain(s->http);
    while (seconds_now() < until && (infer_service_busy(s->service) || http_busy(s->http)))
        if (wait_signal(20))
            break;
}

static void close_all(struct server *s)
{
    for (size_t i = 0; i < s->n_listeners; i++)
        listen_forget(&s->listeners[i]);
    http_close(&s->http);
    for (size_t i = 0; i < s->n_listeners; i++)
        close(s->listeners[i].fd);
    infer_service_close(&s->service);
    infer_store_close(&s->store);
    infer_context_close(&s->context);
    free(s->pulled);
    free(s->tls_cert);
    free(s->tls_key);
}

int main(int argc, char **argv)
{
    static struct server s;
    infer_error err = { INFER_E_NOMEM, "out of memory" };
    sigset_t set;
    const enum options_result options = server_options_read(&s.o, argc, argv);
    if (options != OPTIONS_RUN) {
        server_options_free();
        return options == OPTIONS_DONE ? EXIT_SUCCESS : EXIT_USAGE;
    }
    /* Blocked in all threads; the main one asks for them. */
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    const bool good = open_all(&s, &err);
    if (good) {
        while (!wait_signal(-1))
            ;
        drain(&s);
    }
    close_all(&s);
    server_options_free();
    return good ? EXIT_SUCCESS : report_failure("infer-server", &err);
}
