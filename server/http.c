/* http.c - requests over HTTP: reading and checking them. libmicrohttpd parses; it is friendly to clients in ways that
 * this is not, as a proxy in front might understand the same bytes otherwise. */
#include "server/http.h"

#include "server/answer.h"
#include "server/files.h"
#include "server/websocket.h"
#include "tools/common/failure.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { POOL_EXTRA = 16 << 10, CONNECTIONS_EXTRA = 64, BODIES = 16, LEAST_BODIES = 64 << 20, DISCARDED = 64 << 20 };

/* ---- Headers ---- */

struct seen {
    size_t bytes, n_lengths, n_encodings, n_hosts;
    bool bad, chunked, expects;
    uint64_t length;
};

static bool is_name(const char *name, size_t n)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)name[i], letter = c | 32;
        if (!(letter >= 'a' && letter <= 'z') && !(c >= '0' && c <= '9') && (!c || !strchr(others, c)))
            return false;
    }
    return n > 0;
}

static bool is_value(const char *value, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)value[i] < ' ' && value[i] != '\t') || value[i] == 127)
            return false;
    return true;
}

static enum MHD_Result see(void *user, enum MHD_ValueKind kind, const char *name, size_t n_name, const char *value,
                           size_t n_value)
{
    struct seen *s = user;
    (void)kind;
    s->bytes += n_name + n_value + 4;
    s->bad |= !is_name(name, n_name) || !is_value(value, n_value);
    s->n_hosts += !strcasecmp(name, MHD_HTTP_HEADER_HOST);
    if (!strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH)) {
        s->n_lengths++;
        s->length = strtoull(value ? value : "", NULL, 10);
    } else if (!strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING)) {
        s->n_encodings++;
        s->chunked = value && !strcasecmp(value, "chunked");
    } else if (!strcasecmp(name, MHD_HTTP_HEADER_EXPECT)) {
        s->expects = true;
    }
    return MHD_YES;
}

/* Makes path and query of what stood in the request's line. */
static bool is_target(char *target)
{
    static const char *const schemes[] = { "http://", "https://" };
    for (size_t i = 0; i < 2; i++) {
        const size_t n = strlen(schemes[i]);
        char *path = strncasecmp(target, schemes[i], n) ? NULL : strchr(target + n, '/');
        if (path)
            memmove(target, path, strlen(path) + 1);
    }
    for (const char *p = target; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 127)
            return false;
    return *target == '/' || !strcmp(target, "*");
}

/* A page of a foreign name can have that name lead to this machine, and then ask from the browser here as if the server
 * were its own. What the browser asks for still has the foreign name. */
static bool is_trusted(const struct answer *a)
{
    const struct http_options *o = &a->http->options;
    const char *host = MHD_lookup_connection_value(a->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
    const bool from_here = !strncmp(a->connection->address, "127.", 4) || !strcmp(a->connection->address, "::1");
    struct in_addr number;
    char name[256];
    if (o->any_host || !from_here || !host || *host == '[')
        return true;
    const size_t n = strcspn(host, ":");
    if (n >= sizeof name)
        return false;
    snprintf(name, sizeof name, "%.*s", (int)n, host);
    bool known = !strcasecmp(name, "localhost") || inet_pton(AF_INET, name, &number) == 1;
    for (size_t i = 0; i < o->n_hosts; i++)
        known |= !strcasecmp(name, o->hosts[i]);
    return known;
}

/* Status and sentence of what is wrong with the headers; 0: nothing. */
static unsigned check(struct answer *a, const char **sentence)
{
    struct http *http = a->http;
    struct seen s = { 0 };
    MHD_get_connection_values_n(a->mhd, MHD_HEADER_KIND, see, &s);
    s.bytes += strlen(a->target) + strlen(a->method) + sizeof " HTTP/1.1\r\n";
    *sentence = "the request is malformed";
    if (s.bad || s.n_lengths > 1 || s.n_hosts > 1 || (s.n_encodings && s.n_lengths) || !is_target(a->target))
        return MHD_HTTP_BAD_REQUEST;
    *sentence = "the request's line and headers are too long";
    if (s.bytes > http->options.max_header)
        return MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE;
    *sentence = "of transfer encodings only chunked is known";
    if (s.n_encodings > 1 || (s.n_encodings && !s.chunked))
        return MHD_HTTP_NOT_IMPLEMENTED;
    *sentence = "the request's body is too long";
    a->discarded = s.length > http->options.max_body;
    if (a->discarded && (s.expects || s.length - http->options.max_body > DISCARDED))
        return MHD_HTTP_CONTENT_TOO_LARGE;
    *sentence = "this host name is not the server's; --allow-host makes it that";
    if (!is_trusted(a))
        return MHD_HTTP_FORBIDDEN;
    *sentence = "too many connections";
    if (a->connection->refused)
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    *sentence = "the model is being loaded";
    return atomic_load(&http->service) ? 0 : MHD_HTTP_SERVICE_UNAVAILABLE;
}

/* ---- Bodies ---- */

static bool grow(struct answer *a, size_t n)
{
    struct http *http = a->http;
    const size_t most = http->options.max_body, all = most > SIZE_MAX / BODIES ? SIZE_MAX : most * BODIES;
    size_t room = a->room ? a->room : 4096;
    while (room - a->length < n)
        room *= 2;
    room = room > most ? most : room;
    if (room == a->room)
        return true;
    const size_t more = room - a->room, before = atomic_fetch_add(&http->body_bytes, more);
    char *body = before + more > (all < LEAST_BODIES ? LEAST_BODIES : all) ? NULL : realloc(a->body, room);
    if (!body) {
        atomic_fetch_sub(&http->body_bytes, more);
        a->crowded = true;
        return false;
    }
    a->body = body;
    a->room = room;
    return true;
}

/* What is too much is read all the same, up to a bound, and dropped: most clients read the answer only when they have
 * sent all, and never see it if the connection ends before that. */
static enum MHD_Result take(struct answer *a, const char *data, size_t n)
{
    const size_t most = a->http->options.max_body;
    if (a->discarded || a->crowded || n > most - a->length || !grow(a, n)) {
        a->discarded += n;
        return a->discarded > (a->crowded ? most : DISCARDED) ? MHD_NO : MHD_YES;
    }
    memcpy(a->body + a->length, data, n);
    a->length += n;
    return MHD_YES;
}

/* ---- Requests, as libmicrohttpd calls ---- */

static enum MHD_Result begin(struct answer *a, const char *method)
{
    const char *sentence;
    a->method = method;
    const unsigned status = check(a, &sentence);
    if (status)
        return answer_refuse(a, status, sentence);
    a->begun = true;
    connection_sends(a->connection);
    return MHD_YES;
}

static enum MHD_Result end(struct answer *a)
{
    enum MHD_Result result;
    if (a->crowded)
        return answer_refuse(a, MHD_HTTP_SERVICE_UNAVAILABLE, "too many long requests at once");
    if (a->discarded)
        return answer_refuse(a, MHD_HTTP_CONTENT_TOO_LARGE, "the request's body is too long");
    connection_waits(a->connection);
    if (files_answer(a, &result) || websocket_answer(a, &result))
        return result;
    return answer_submit(a);
}

/* Once with the headers, then with each part of the body, then without one, and so again after each sleep. */
static enum MHD_Result handle(void *user, struct MHD_Connection *mhd, const char *url, const char *method,
                              const char *version, const char *data, size_t *length, void **context)
{
    struct answer *a = *context;
    const size_t n = *length;
    (void)user, (void)mhd, (void)url, (void)version;
    if (!a || !a->target || !a->connection)
        return MHD_NO;
    if (!a->begun)
        return begin(a, method);
    *length = 0;
    if (n)
        return take(a, data, n);
    return a->exchange ? answer_go_on(a) : end(a);
}

static void *on_line(void *user, const char *target, struct MHD_Connection *mhd)
{
    return answer_open(user, mhd, target);
}

static void on_completed(void *user, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode why)
{
    struct answer *a = *context;
    (void)user, (void)mhd, (void)why;
    *context = NULL;
    /* One that became a WebSocket has no deadline. */
    if (a && a->connection && !a->upgraded)
        connection_rests(a->connection);
    answer_close(a);
}

static void on_connection(void *user, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http *http = user;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const int fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        *context = connection_open(http->connections, fd,
                                   MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr);
    } else if (*context) {
        connection_close(*context);
        *context = NULL;
    }
}

static void say_nothing(void *user, const char *format, va_list args)
{
    (void)user, (void)format, (void)args;
}

/* ---- Opening and closing ---- */

static struct MHD_Daemon *start(struct http *http, int fd)
{
    const struct http_options *o = &http->options;
    const unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE | MHD_USE_ITC |
                           MHD_USE_ERROR_LOG | (o->tls_cert ? MHD_USE_TLS : 0);
    const unsigned most = (unsigned)(o->limits.max + CONNECTIONS_EXTRA);
    struct MHD_OptionItem more[] = {
        { o->threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, o->threads, NULL },
        { MHD_OPTION_END, 0, NULL },
    }, tls[] = {
        { o->tls_cert ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, 0, (void *)(uintptr_t)o->tls_cert },
        { MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)o->tls_key },
        { MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2" },
        { MHD_OPTION_END, 0, NULL },
    };
    return MHD_start_daemon(flags, 0, NULL, NULL, handle, http, MHD_OPTION_EXTERNAL_LOGGER, say_nothing, NULL,
                            MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_URI_LOG_CALLBACK, on_line, http,
                            MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_NOTIFY_CONNECTION,
                            on_connection, http, MHD_OPTION_CONNECTION_LIMIT, most, MHD_OPTION_CONNECTION_TIMEOUT,
                            (unsigned)o->limits.idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                            o->max_header + POOL_EXTRA, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, more,
                            MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}

struct http *http_open(const struct http_options *options, const struct listener *listeners, size_t n,
                       infer_error *err)
{
    struct http *http = calloc(1, sizeof *http);
    if (!http)
        return failure(err, INFER_E_NOMEM, "out of memory"), NULL;
    http->options = *options;
    http->connections = connections_open(&options->limits, answer_tick, answer_gone);
    http->websockets = http->connections ? websockets_open(http) : NULL;
    bool good = http->websockets;
    if (!good)
        failure(err, INFER_E_NOMEM, "no memory, files or threads left for connections");
    for (; good && http->n_daemons < n; http->n_daemons += good) {
        const struct listener *l = &listeners[http->n_daemons];
        good = (http->daemons[http->n_daemons] = start(http, l->fd)) != NULL;
        if (!good)
            failure(err, INFER_E_ARGUMENT, "%s: no requests can be taken there%s", l->name,
                    options->tls_cert ? ": --tls-cert or --tls-key is no such thing, or they do not fit" : "");
    }
    if (!good)
        http_close(&http);
    return http;
}

void http_serve(struct http *http, infer_service *service)
{
    atomic_store(&http->service, service);
}

void http_drain(struct http *http)
{
    atomic_store(&http->drains, true);
    websockets_drain(http->websockets);
}

size_t http_busy(struct http *http)
{
    return atomic_load(&http->n_answers) + websockets_busy(http->websockets);
}

void http_close(struct http **handle)
{
    struct http *http = *handle;
    *handle = NULL;
    if (!http)
        return;
    for (size_t i = 0; i < http->n_daemons; i++)
        MHD_quiesce_daemon(http->daemons[i]);
    atomic_store(&http->stops, true);
    if (http->websockets)
        websockets_stop(http->websockets);
    if (http->connections)
        connections_each(http->connections, answer_gone);
    for (size_t i = 0; i < http->n_daemons; i++)
        MHD_stop_daemon(http->daemons[i]);
    websockets_close(&http->websockets);
    connections_close(&http->connections);
    free(http);
}
