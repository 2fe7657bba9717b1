/* answer.c - answers: from an exchange with the service to a response of libmicrohttpd.
 *
 * A connection sleeps (libmicrohttpd: is suspended) while the exchange has nothing new. Who wakes it, the service from
 * any thread or the one that watches connections, may come before it has fallen asleep. So a state goes round:
 * AWAKE, set before the exchange is asked; CALLED, set by who wakes; ASLEEP, set after the suspension unless it was
 * called meanwhile. Only who finds it ASLEEP resumes the connection, so that happens once for each sleep. */
#include "server/answer.h"

#include "server/websocket.h"
#include "tools/common/program.h"

#include <stdlib.h>

enum { AWAKE, CALLED, ASLEEP };
enum { READER_BYTES = 16 << 10 };
static const char sign_of_life[] = ": keep-alive\n\n";

struct answer *answer_open(struct http *http, struct MHD_Connection *mhd, const char *target)
{
    struct answer *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->http = http;
    a->mhd = mhd;
    a->connection = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    a->target = strdup(target);
    if (a->connection)
        connection_asks(a->connection);
    return a;
}

static void free_body(struct answer *a)
{
    atomic_fetch_sub(&a->http->body_bytes, a->room);
    free(a->body);
    a->body = NULL;
    a->length = a->room = 0;
}

void answer_forget(struct answer *a)
{
    if (!a->exchange)
        return;
    connection_set_answer(a->connection, NULL);
    infer_exchange_close(&a->exchange);
    atomic_fetch_sub(&a->http->n_answers, 1);
}

void answer_close(struct answer *a)
{
    if (!a)
        return;
    answer_forget(a);
    websocket_free(a->websocket);
    free_body(a);
    free(a->target);
    free(a);
}

/* ---- Responses ---- */

enum MHD_Result answer_send(struct answer *a, unsigned status, struct MHD_Response *response)
{
    if (!response)
        return MHD_NO;
    if (atomic_load(&a->http->drains) || a->connection->refused)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    const enum MHD_Result result = MHD_queue_response(a->mhd, status, response);
    MHD_destroy_response(response);
    return result;
}

enum MHD_Result answer_refuse(struct answer *a, unsigned status, const char *sentence)
{
    char json[512];
    log_refused(a->http->options.log, a->connection->address, a->method, a->target, status);
    const int n = snprintf(json, sizeof json,
                           "{\"error\":{\"message\":\"%s\",\"type\":\"%s\",\"param\":null,\"code\":null}}", sentence,
                           status < 500 ? "invalid_request_error" : "server_error");
    struct MHD_Response *r = MHD_create_response_from_buffer((size_t)n, json, MHD_RESPMEM_MUST_COPY);
    if (r) {
        MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
        if (a->http->options.cors)
            MHD_add_response_header(r, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_ORIGIN, a->http->options.cors);
        if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
            MHD_add_response_header(r, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    }
    return answer_send(a, status, r);
}

/* ---- Sleep ---- */

static void wake(struct answer *a)
{
    if (atomic_exchange(&a->sleep, CALLED) == ASLEEP)
        MHD_resume_connection(a->mhd);
}

static void on_ready(void *user)
{
    wake(user);
}

static void fall_asleep(struct answer *a)
{
    int awake = AWAKE;
    connection_set_answer(a->connection, a);
    MHD_suspend_connection(a->mhd);
    if (!atomic_compare_exchange_strong(&a->sleep, &awake, ASLEEP))
        MHD_resume_connection(a->mhd);
    else if (atomic_load(&a->http->stops))
        wake(a);
}

void answer_gone(struct answer *a)
{
    atomic_store(&a->broken, true);
    infer_exchange_cancel(a->exchange);
    wake(a);
}

void answer_tick(struct answer *a, double now)
{
    if (atomic_load(&a->sleep) != ASLEEP || now - atomic_load(&a->last) < a->http->options.sign_seconds)
        return;
    atomic_store(&a->comment, true);
    wake(a);
}

static bool breaks_off(const struct answer *a)
{
    return atomic_load(&a->broken) || atomic_load(&a->http->stops);
}

/* ---- What the exchange says ---- */

enum fetched { NOTHING, CHUNK, END, BROKEN };

static enum fetched fetch(struct answer *a)
{
    infer_error err;
    atomic_store(&a->sleep, AWAKE);
    if (breaks_off(a))
        return BROKEN;
    const infer_status status = infer_exchange_next(a->exchange, 0, &a->chunk, &a->left, &err);
    if (status == INFER_E_TIMEOUT)
        return NOTHING;
    if (status != INFER_OK)
        return BROKEN;
    return a->chunk ? CHUNK : END;
}

static bool has_more(struct answer *a, ssize_t *end)
{
    switch (fetch(a)) {
    case CHUNK: return true;
    case END: *end = MHD_CONTENT_READER_END_OF_STREAM; return false;
    case BROKEN: *end = MHD_CONTENT_READER_END_WITH_ERROR; return false;
    default: break;
    }
    if (a->events && atomic_exchange(&a->comment, false)) {
        a->chunk = sign_of_life;
        a->left = sizeof sign_of_life - 1;
        return true;
    }
    return false;
}

/* As libmicrohttpd wants it: some bytes, at most `room`; 0 when it sleeps. */
static ssize_t read_answer(void *user, uint64_t position, char *out, size_t room)
{
    struct answer *a = user;
    ssize_t end = 0;
    (void)position;
    if (!a->left && !has_more(a, &end)) {
        if (!end)
            fall_asleep(a);
        return end;
    }
    const size_t n = a->left < room ? a->left : room;
    memcpy(out, a->chunk, n);
    a->chunk += n;
    a->left -= n;
    atomic_store(&a->last, seconds_now());
    return (ssize_t)n;
}

static bool add_headers(struct answer *a, struct MHD_Response *response)
{
    infer_header h;
    for (size_t i = 0; infer_exchange_header(a->exchange, i, &h); i++) {
        if (MHD_add_response_header(response, h.name, h.value) != MHD_YES)
            return false;
        if (!strcasecmp(h.name, MHD_HTTP_HEADER_CONTENT_TYPE))
            a->events = !strncasecmp(h.value, "text/event-stream", 17);
    }
    return true;
}

static enum MHD_Result respond(struct answer *a)
{
    /* libmicrohttpd would end a stream in answer to HEAD as if it had begun. */
    const bool streams = infer_exchange_streams(a->exchange) && strcmp(a->method, MHD_HTTP_METHOD_HEAD);
    struct MHD_Response *r =
        streams ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, READER_BYTES, read_answer, a, NULL)
                : MHD_create_response_from_buffer(a->left, (void *)(uintptr_t)a->chunk, MHD_RESPMEM_PERSISTENT);
    if (r && !add_headers(a, r)) {
        MHD_destroy_response(r);
        return MHD_NO;
    }
    return answer_send(a, (unsigned)infer_exchange_status(a->exchange), r);
}

enum MHD_Result answer_go_on(struct answer *a)
{
    const enum fetched fetched = fetch(a);
    const bool known = infer_exchange_status(a->exchange) != 0;
    if (fetched == BROKEN)
        return MHD_NO;
    if (known && (fetched != NOTHING || infer_exchange_streams(a->exchange)))
        return respond(a);
    fall_asleep(a);
    return MHD_YES;
}

/* ---- What the service is asked ---- */

struct gathered {
    infer_header *headers;
    size_t n;
};

static enum MHD_Result gather(void *user, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct gathered *g = user;
    (void)kind;
    g->headers[g->n++] = (infer_header){ name, value ? value : "" };
    return MHD_YES;
}

/* All of them and, last, one of ours if it has a name. Returns how many, or SIZE_MAX: no memory. */
static size_t get_headers(struct answer *a, infer_header last, infer_header **headers)
{
    const int n = MHD_get_connection_values(a->mhd, MHD_HEADER_KIND, NULL, NULL);
    struct gathered g = { malloc(((size_t)n + 1) * sizeof *g.headers), 0 };
    *headers = g.headers;
    if (!g.headers)
        return SIZE_MAX;
    MHD_get_connection_values(a->mhd, MHD_HEADER_KIND, gather, &g);
    if (last.name)
        g.headers[g.n++] = last;
    return g.n;
}

bool answer_ask(struct answer *a, const char *method, infer_header last, answer_headers_fn *on_headers)
{
    infer_service_request request = infer_service_request_defaults();
    infer_header *headers;
    infer_error err;
    const size_t n = get_headers(a, last, &headers);
    if (n == SIZE_MAX)
        return false;
    request.method = method;
    request.path = a->target;
    request.headers = headers;
    request.n_headers = n;
    request.body = a->body;
    request.length = a->length;
    request.peer = *a->connection->address ? a->connection->address : NULL;
    request.on_ready = on_ready;
    request.user = a;
    atomic_store(&a->last, seconds_now());
    if (!on_headers || on_headers(a, headers, n))
        a->exchange = infer_service_submit(atomic_load(&a->http->service), &request, &err);
    free(headers);
    free_body(a);
    if (a->exchange)
        atomic_fetch_add(&a->http->n_answers, 1);
    return a->exchange;
}

enum MHD_Result answer_submit(struct answer *a)
{
    const char *method = strcmp(a->method, MHD_HTTP_METHOD_HEAD) ? a->method : MHD_HTTP_METHOD_GET;
    if (!answer_ask(a, method, (infer_header){ NULL, NULL }, NULL))
        return answer_refuse(a, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory");
    return answer_go_on(a);
}
