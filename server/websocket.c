/* websocket.c - requests as messages.
 *
 * A WebSocket is made with the answer to its request (on a thread of libmicrohttpd, with the request's headers, which
 * all its messages are asked with), handed to the thread here when that has been sent, and from then on used by this
 * alone. Exchanges call back from anywhere; that sets a flag and wakes the thread. */
#include "server/websocket.h"

#include "server/handshake.h"
#include "tools/common/program.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <wslay/wslay.h>

enum { PING_SECONDS = 30, SILENT_SECONDS = 75, BATCH = 64 };
static const char path[] = "/ws/generate";

struct message {
    struct message *next;
    size_t length;
    char text[];
};

struct websocket {
    struct websockets *all;
    struct websocket *next, *prev;
    struct MHD_UpgradeResponseHandle *handle;
    wslay_event_context_ptr frames;
    int fd;
    infer_header *headers;         /* and their texts, in one piece */
    size_t n_headers;
    char address[INET6_ADDRSTRLEN];
    char *early;                   /* what came with the request, n_early bytes, of which `taken` are read */
    size_t n_early, taken;
    struct message *first, **last; /* that wait */
    infer_exchange *exchange;      /* of the message that is being answered */
    atomic_bool ready;             /* it has something */
    double heard, pinged;
    bool gone, closes;
};

struct websockets {
    struct http *http;
    pthread_t thread;
    pthread_mutex_t lock;
    struct websocket *arrived; /* under the lock */
    bool stopped;              /* too: no more may */
    struct websocket *open;    /* the thread's */
    atomic_bool drains, ends;
    atomic_size_t busy;
    int epoll, event;
};

static void wake(struct websockets *all)
{
    const uint64_t one = 1;
    if (write(all->event, &one, sizeof one) < 0)
        return; /* it is awake */
}

static void on_ready(void *user)
{
    struct websocket *ws = user;
    if (!atomic_exchange(&ws->ready, true))
        wake(ws->all);
}

/* ---- Bytes and messages in ---- */

static void close_with(struct websocket *ws, uint16_t code)
{
    if (!ws->closes)
        wslay_event_queue_close(ws->frames, code, NULL, 0);
    ws->closes = true;
}

static ssize_t read_bytes(wslay_event_context_ptr frames, uint8_t *out, size_t room, int flags, void *user)
{
    struct websocket *ws = user;
    size_t early = ws->n_early - ws->taken;
    (void)flags;
    if (early && !ws->first) {
        early = early < room ? early : room;
        memcpy(out, ws->early + ws->taken, early);
        ws->taken += early;
        return (ssize_t)early;
    }
    const ssize_t n = ws->first ? -1 : recv(ws->fd, out, room, MSG_DONTWAIT);
    if (n > 0) {
        ws->heard = seconds_now();
        return n;
    }
    if (n < 0 && (ws->first || errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
    } else {
        ws->gone = true;
        wslay_event_set_error(frames, WSLAY_ERR_CALLBACK_FAILURE);
    }
    return -1;
}

static ssize_t write_bytes(wslay_event_context_ptr frames, const uint8_t *data, size_t n, int flags, void *user)
{
    struct websocket *ws = user;
    const ssize_t sent = send(ws->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL | (flags & WSLAY_MSG_MORE ? MSG_MORE : 0));
    if (sent >= 0)
        return sent;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
        wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
    } else {
        ws->gone = true;
        wslay_event_set_error(frames, WSLAY_ERR_CALLBACK_FAILURE);
    }
    return -1;
}

static void on_message(wslay_event_context_ptr frames, const struct wslay_event_on_msg_recv_arg *m, void *user)
{
    struct websocket *ws = user;
    (void)frames;
    if (wslay_is_ctrl_frame(m->opcode) || ws->closes)
        return;
    struct message *copy = m->opcode == WSLAY_TEXT_FRAME ? malloc(sizeof *copy + m->msg_length) : NULL;
    if (!copy) {
        close_with(ws, m->opcode == WSLAY_TEXT_FRAME ? WSLAY_CODE_INTERNAL_SERVER_ERROR : WSLAY_CODE_UNSUPPORTED_DATA);
        return;
    }
    copy->next = NULL;
    copy->length = m->msg_length;
    if (m->msg_length)
        memcpy(copy->text, m->msg, m->msg_length);
    *ws->last = copy;
    ws->last = &copy->next;
}

/* ---- Answers ---- */

static void end_exchange(struct websocket *ws)
{
    if (ws->exchange)
        atomic_fetch_sub(&ws->all->busy, 1);
    infer_exchange_close(&ws->exchange);
}

static void submit(struct websocket *ws)
{
    struct message *m = ws->first;
    infer_service_request request = infer_service_request_defaults();
    infer_error err;
    request.method = "MESSAGE";
    request.path = path;
    request.headers = ws->headers;
    request.n_headers = ws->n_headers;
    request.body = m->text;
    request.length = m->length;
    request.peer = *ws->address ? ws->address : NULL;
    request.on_ready = on_ready;
    request.user = ws;
    ws->first = m->next;
    if (!ws->first)
        ws->last = &ws->first;
    ws->exchange = infer_service_submit(atomic_load(&ws->all->http->service), &request, &err);
    free(m);
    if (ws->exchange)
        atomic_fetch_add(&ws->all->busy, 1);
    else
        close_with(ws, WSLAY_CODE_INTERNAL_SERVER_ERROR);
}

/* A chunk at a time: the next is fetched when it has been sent. */
static void answer(struct websocket *ws)
{
    while (ws->exchange && !ws->closes && !wslay_event_want_write(ws->frames)) {
        infer_error err;
        const char *chunk;
        size_t n;
        const infer_status status = infer_exchange_next(ws->exchange, 0, &chunk, &n, &err);
        if (status == INFER_E_TIMEOUT)
            return;
        if (status == INFER_OK && chunk) {
            const struct wslay_event_msg m = { WSLAY_TEXT_FRAME, (const uint8_t *)chunk, n };
            if (wslay_event_queue_msg(ws->frames, &m) != 0)
                close_with(ws, WSLAY_CODE_INTERNAL_SERVER_ERROR);
            wslay_event_send(ws->frames);
            continue;
        }
        end_exchange(ws);
        if (status != INFER_OK)
            close_with(ws, WSLAY_CODE_INTERNAL_SERVER_ERROR);
    }
}

static void flush(struct websocket *ws)
{
    if (wslay_event_want_write(ws->frames) && wslay_event_send(ws->frames) != 0)
        ws->gone = true;
}

/* All that can be done now. Returns whether it lives on. */
static bool serve(struct websocket *ws)
{
    bool was_busy;
    do {
        if (!ws->closes && wslay_event_recv(ws->frames) != 0)
            ws->gone = true;
        flush(ws);
        if (ws->first && !ws->exchange && !ws->closes && !ws->gone)
            submit(ws);
        was_busy = ws->exchange;
        answer(ws);
    } while (was_busy && !ws->exchange && !ws->closes && !ws->gone); /* more was not read meanwhile */
    if (atomic_load(&ws->all->drains) && !ws->exchange && !ws->first)
        close_with(ws, WSLAY_CODE_GOING_AWAY);
    flush(ws);
    const bool waits = !ws->closes && wslay_event_want_read(ws->frames);
    return !ws->gone && (waits || wslay_event_want_write(ws->frames));
}

/* ---- Opening and closing ---- */

void websocket_free(struct websocket *ws)
{
    if (!ws)
        return;
    while (ws->first) {
        struct message *m = ws->first;
        ws->first = m->next;
        free(m);
    }
    if (ws->frames)
        wslay_event_context_free(ws->frames);
    free(ws->early);
    free(ws->headers);
    free(ws);
}

/* Of the thread, which has it no longer. */
static void drop(struct websocket *ws)
{
    struct websockets *all = ws->all;
    end_exchange(ws);
    epoll_ctl(all->epoll, EPOLL_CTL_DEL, ws->fd, NULL);
    *(ws->prev ? &ws->prev->next : &all->open) = ws->next;
    if (ws->next)
        ws->next->prev = ws->prev;
    struct MHD_UpgradeResponseHandle *handle = ws->handle;
    websocket_free(ws);
    MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
}

/* On the thread of libmicrohttpd, when the request's answer is sent. */
static void on_upgrade(void *user, struct MHD_Connection *mhd, void *context, const char *early, size_t n_early,
                       MHD_socket fd, struct MHD_UpgradeResponseHandle *handle)
{
    struct answer *a = context;
    struct websocket *ws = a->websocket;
    struct websockets *all = ws->all;
    (void)user, (void)mhd;
    a->websocket = NULL;
    a->upgraded = true;
    ws->handle = handle;
    ws->fd = fd;
    ws->heard = ws->pinged = seconds_now();
    ws->early = n_early ? malloc(n_early) : NULL;
    ws->gone = n_early && !ws->early;
    if (ws->early) {
        memcpy(ws->early, early, n_early);
        ws->n_early = n_early;
    }
    pthread_mutex_lock(&all->lock);
    const bool late = all->stopped;
    if (!late) {
        ws->next = all->arrived;
        all->arrived = ws;
    }
    pthread_mutex_unlock(&all->lock);
    wake(all);
    if (late) {
        websocket_free(ws);
        MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
    }
}

/* Keeps the headers in one piece: the table, then the texts. */
static bool keep_headers(struct websocket *ws, const infer_header *headers, size_t n)
{
    size_t bytes = n * sizeof *headers;
    for (size_t i = 0; i < n; i++)
        bytes += strlen(headers[i].name) + strlen(headers[i].value) + 2;
    ws->headers = malloc(bytes + 1);
    char *text = ws->headers ? (char *)(ws->headers + n) : NULL;
    for (size_t i = 0; text && i < n; i++) {
        ws->headers[i].name = text;
        text = stpcpy(text, headers[i].name) + 1;
        ws->headers[i].value = text;
        text = stpcpy(text, headers[i].value) + 1;
    }
    ws->n_headers = n;
    return text;
}

static bool make(struct answer *a, const infer_header *headers, size_t n)
{
    const struct wslay_event_callbacks callbacks = {
        .recv_callback = read_bytes, .send_callback = write_bytes, .on_msg_recv_callback = on_message
    };
    struct websocket *ws = calloc(1, sizeof *ws);
    if (!ws)
        return false;
    ws->all = a->http->websockets;
    ws->last = &ws->first;
    memcpy(ws->address, a->connection->address, sizeof ws->address);
    a->websocket = ws;
    if (!keep_headers(ws, headers, n) || wslay_event_context_server_init(&ws->frames, &callbacks, ws) != 0)
        return false;
    wslay_event_config_set_max_recv_msg_length(ws->frames, a->http->options.max_body);
    return true;
}

/* Whether the service has refused what it was asked. */
static bool is_refused(struct answer *a)
{
    const int status = infer_exchange_status(a->exchange);
    return status == MHD_HTTP_UNAUTHORIZED || status == MHD_HTTP_FORBIDDEN || status == MHD_HTTP_TOO_MANY_REQUESTS ||
           status == MHD_HTTP_SERVICE_UNAVAILABLE;
}

/* The service is asked with an empty message: who has no key, or asks too often, learns it before the upgrade. */
static enum MHD_Result upgrade(struct answer *a)
{
    const infer_header key = handshake_key(a);
    const bool asked = answer_ask(a, "MESSAGE", key, make);
    free((void *)(uintptr_t)key.value);
    if (!asked)
        return answer_refuse(a, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory");
    if (is_refused(a))
        return answer_go_on(a);
    answer_forget(a);
    struct MHD_Response *r = MHD_create_response_for_upgrade(on_upgrade, NULL);
    const enum MHD_Result result =
        r && handshake_headers(a, r) ? MHD_queue_response(a->mhd, MHD_HTTP_SWITCHING_PROTOCOLS, r) : MHD_NO;
    if (r)
        MHD_destroy_response(r);
    return result;
}

bool websocket_answer(struct answer *a, enum MHD_Result *result)
{
    const char *sentence;
    const size_t n = sizeof path - 1;
    if (strncmp(a->target, path, n) || (a->target[n] && a->target[n] != '?') || !handshake_wanted(a))
        return false;
    const unsigned status = handshake_check(a, &sentence);
    *result = status ? answer_refuse(a, status, sentence) : upgrade(a);
    return true;
}

/* ---- The thread ---- */

static void adopt(struct websockets *all)
{
    pthread_mutex_lock(&all->lock);
    struct websocket *ws = all->arrived;
    all->arrived = NULL;
    pthread_mutex_unlock(&all->lock);
    for (struct websocket *next; ws; ws = next) {
        struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = ws };
        next = ws->next;
        ws->prev = NULL;
        ws->next = all->open;
        if (ws->next)
            ws->next->prev = ws;
        all->open = ws;
        atomic_store(&ws->ready, true);
        ws->gone |= epoll_ctl(all->epoll, EPOLL_CTL_ADD, ws->fd, &event) != 0;
    }
}

/* A client that does not answer pings has gone without a word. */
static void ping(struct websocket *ws, double now)
{
    if (now - ws->heard > SILENT_SECONDS) {
        ws->gone = true;
    } else if (now - ws->heard > PING_SECONDS && now - ws->pinged > PING_SECONDS) {
        const struct wslay_event_msg m = { WSLAY_PING, NULL, 0 };
        ws->pinged = now;
        wslay_event_queue_msg(ws->frames, &m);
    } else {
        return;
    }
    atomic_store(&ws->ready, true);
}

static void take_events(struct websockets *all, const struct epoll_event *events, int n)
{
    uint64_t count;
    for (int i = 0; i < n; i++) {
        struct websocket *ws = events[i].data.ptr;
        if (!ws) {
            if (read(all->event, &count, sizeof count) < 0)
                continue;
        } else {
            ws->gone |= (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
            atomic_store(&ws->ready, true);
        }
    }
}

static void *run(void *user)
{
    struct websockets *all = user;
    struct epoll_event events[BATCH];
    for (double last = 0; !atomic_load(&all->ends);) {
        take_events(all, events, epoll_wait(all->epoll, events, BATCH, all->open ? 1000 : -1));
        adopt(all);
        const double now = seconds_now();
        const bool second = now - last >= 1;
        last = second ? now : last;
        for (struct websocket *ws = all->open, *next; ws; ws = next) {
            next = ws->next;
            if (second)
                ping(ws, now);
            const bool ready = atomic_exchange(&ws->ready, false);
            if ((ready || atomic_load(&all->drains)) && !serve(ws))
                drop(ws);
        }
    }
    return NULL;
}

struct websockets *websockets_open(struct http *http)
{
    struct websockets *all = calloc(1, sizeof *all);
    if (!all)
        return NULL;
    struct epoll_event event = { .events = EPOLLIN };
    all->http = http;
    all->epoll = epoll_create1(EPOLL_CLOEXEC);
    all->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&all->lock, NULL);
    if (all->epoll >= 0 && all->event >= 0 && epoll_ctl(all->epoll, EPOLL_CTL_ADD, all->event, &event) == 0 &&
        pthread_create(&all->thread, NULL, run, all) == 0)
        return all;
    if (all->epoll >= 0)
        close(all->epoll);
    if (all->event >= 0)
        close(all->event);
    pthread_mutex_destroy(&all->lock);
    free(all);
    return NULL;
}

void websockets_drain(struct websockets *all)
{
    atomic_store(&all->drains, true);
    wake(all);
}

size_t websockets_busy(struct websockets *all)
{
    return atomic_load(&all->busy);
}

void websockets_stop(struct websockets *all)
{
    pthread_mutex_lock(&all->lock);
    all->stopped = true;
    pthread_mutex_unlock(&all->lock);
    atomic_store(&all->ends, true);
    wake(all);
    pthread_join(all->thread, NULL);
    adopt(all); /* those that the thread has not seen */
    while (all->open)
        drop(all->open);
}

void websockets_close(struct websockets **handle)
{
    struct websockets *all = *handle;
    *handle = NULL;
    if (!all)
        return;
    close(all->epoll);
    close(all->event);
    pthread_mutex_destroy(&all->lock);
    free(all);
}
