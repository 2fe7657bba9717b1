/* connections.c - who is connected.
 *
 * One lock guards all of it; what is done under it are a few instructions, save once a second the walk over all
 * connections. The watching thread has an epoll of its own, beside that of the HTTP library, which asks for hang-ups
 * only and on their edge: bytes that come do not wake it. */
#include "server/connections.h"

#include "tools/common/program.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { REFUSED_SECONDS = 2, SOON = 5, BATCH = 64 }; /* seconds, milliseconds */

struct connections {
    struct connection_limits limits;
    connection_tick_fn *on_tick;
    connection_gone_fn *on_gone;
    pthread_mutex_t lock;
    pthread_t thread;
    struct connection **by_fd; /* room of them */
    size_t room, n;
    struct connection *first;
    int epoll, event;
    bool soon; /* there are clients to be poked again */
    bool ends;
};

/* ---- The thread ---- */

/* libmicrohttpd asks for edges, too, and does not see an end that came with the last bytes. This makes one more edge,
 * when it has read them; it takes neither bytes nor an answer that is being sent. */
static void poke(struct connections *all, struct connection *c)
{
    int waiting = 0;
    if (c->poked)
        return;
    c->poked = ioctl(c->fd, FIONREAD, &waiting) != 0 || !waiting;
    if (c->poked)
        shutdown(c->fd, SHUT_RD);
    else
        all->soon = true;
}

static void hang_up(struct connections *all, int fd)
{
    struct connection *c = (size_t)fd < all->room ? all->by_fd[fd] : NULL;
    struct pollfd p = { .fd = fd, .events = POLLRDHUP };
    /* The event may be of a socket that had this number before. */
    if (!c || c->gone || poll(&p, 1, 0) <= 0)
        return;
    c->gone = true;
    poke(all, c);
    if (c->answer)
        all->on_gone(c->answer);
}

static void tick(struct connections *all, double now)
{
    for (struct connection *c = all->first; c; c = c->next) {
        if (c->deadline > 0 && now > c->deadline) {
            c->deadline = 0;
            shutdown(c->fd, SHUT_RDWR);
        }
        if (c->answer)
            all->on_tick(c->answer, now);
    }
}

static void poke_again(struct connections *all)
{
    all->soon = false;
    for (struct connection *c = all->first; c; c = c->next)
        if (c->gone)
            poke(all, c);
}

static void *watch(void *user)
{
    struct connections *all = user;
    struct epoll_event events[BATCH];
    double last = seconds_now();
    for (int wait = -1;;) {
        const int n = epoll_wait(all->epoll, events, BATCH, wait);
        const double now = seconds_now();
        pthread_mutex_lock(&all->lock);
        for (int i = 0; i < n; i++) {
            uint64_t count;
            if (events[i].data.fd != all->event)
                hang_up(all, events[i].data.fd);
            else if (read(all->event, &count, sizeof count) < 0)
                continue;
        }
        if (all->soon)
            poke_again(all);
        if (now - last >= 1) {
            tick(all, now);
            last = now;
        }
        wait = all->soon ? SOON : all->first ? 1000 : -1;
        const bool ends = all->ends;
        pthread_mutex_unlock(&all->lock);
        if (ends)
            return NULL;
    }
}

static void wake(struct connections *all)
{
    const uint64_t one = 1;
    if (write(all->event, &one, sizeof one) < 0)
        return; /* it is awake */
}

/* ---- Opening and closing ---- */

static bool open_files(struct connections *all)
{
    struct epoll_event event = { .events = EPOLLIN };
    all->epoll = epoll_create1(EPOLL_CLOEXEC);
    all->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    event.data.fd = all->event;
    return all->epoll >= 0 && all->event >= 0 && epoll_ctl(all->epoll, EPOLL_CTL_ADD, all->event, &event) == 0;
}

static void close_files(struct connections *all)
{
    if (all->epoll >= 0)
        close(all->epoll);
    if (all->event >= 0)
        close(all->event);
}

struct connections *connections_open(const struct connection_limits *limits, connection_tick_fn *on_tick,
                                     connection_gone_fn *on_gone)
{
    struct connections *all = calloc(1, sizeof *all);
    if (!all)
        return NULL;
    all->limits = *limits;
    all->on_tick = on_tick;
    all->on_gone = on_gone;
    all->epoll = all->event = -1;
    pthread_mutex_init(&all->lock, NULL);
    if (open_files(all) && pthread_create(&all->thread, NULL, watch, all) == 0)
        return all;
    close_files(all);
    pthread_mutex_destroy(&all->lock);
    free(all);
    return NULL;
}

void connections_close(struct connections **handle)
{
    struct connections *all = *handle;
    *handle = NULL;
    if (!all)
        return;
    pthread_mutex_lock(&all->lock);
    all->ends = true;
    pthread_mutex_unlock(&all->lock);
    wake(all);
    pthread_join(all->thread, NULL);
    close_files(all);
    pthread_mutex_destroy(&all->lock);
    free(all->by_fd);
    free(all);
}

/* ---- Connections ---- */

static void set_address(struct connection *c, const struct sockaddr *address)
{
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;
    const int family = address ? address->sa_family : AF_UNSPEC;
    if (family == AF_INET) {
        c->key_bytes = 4;
        memcpy(c->key, &v4->sin_addr, 4);
        inet_ntop(family, &v4->sin_addr, c->address, sizeof c->address);
    } else if (family == AF_INET6) {
        c->key_bytes = 8; /* what one household gets */
        memcpy(c->key, &v6->sin6_addr, 8);
        inet_ntop(family, &v6->sin6_addr, c->address, sizeof c->address);
    }
}

static bool too_many(const struct connections *all, const struct connection *c)
{
    size_t same = 0;
    for (const struct connection *other = all->first; other && c->key_bytes; other = other->next)
        same += other->key_bytes == c->key_bytes && !memcmp(other->key, c->key, c->key_bytes);
    return all->n >= all->limits.max || same >= all->limits.max_per_address;
}

/* A place in the table for this file, which grows to powers of two. */
static bool make_room(struct connections *all, int fd)
{
    size_t room = all->room ? all->room : 64;
    while (room <= (size_t)fd)
        room *= 2;
    if (room == all->room)
        return true;
    struct connection **more = realloc(all->by_fd, room * sizeof *more);
    if (!more)
        return false;
    memset(more + all->room, 0, (room - all->room) * sizeof *more);
    all->by_fd = more;
    all->room = room;
    return true;
}

static void insert(struct connections *all, struct connection *c)
{
    c->refused = too_many(all, c);
    c->deadline = seconds_now() + (c->refused ? REFUSED_SECONDS : all->limits.header_seconds);
    c->next = all->first;
    if (c->next)
        c->next->prev = c;
    all->first = c;
    all->by_fd[c->fd] = c;
    all->n++;
}

struct connection *connection_open(struct connections *all, int fd, const struct sockaddr *address)
{
    struct connection *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->all = all;
    c->fd = fd;
    set_address(c, address);
    pthread_mutex_lock(&all->lock);
    const bool first = !all->first, has_room = make_room(all, fd);
    if (has_room)
        insert(all, c);
    pthread_mutex_unlock(&all->lock);
    struct epoll_event event = { .events = EPOLLRDHUP | EPOLLET, .data.fd = fd };
    if (!has_room || epoll_ctl(all->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        if (has_room)
            connection_close(c);
        else
            free(c);
        return NULL;
    }
    if (first)
        wake(all);
    return c;
}

void connection_close(struct connection *c)
{
    struct connections *all = c->all;
    pthread_mutex_lock(&all->lock);
    epoll_ctl(all->epoll, EPOLL_CTL_DEL, c->fd, NULL);
    all->by_fd[c->fd] = NULL;
    *(c->prev ? &c->prev->next : &all->first) = c->next;
    if (c->next)
        c->next->prev = c->prev;
    all->n--;
    pthread_mutex_unlock(&all->lock);
    free(c);
}

static void set_deadline(struct connection *c, double seconds)
{
    pthread_mutex_lock(&c->all->lock);
    c->deadline = c->refused ? c->deadline : seconds > 0 ? seconds_now() + seconds : 0;
    pthread_mutex_unlock(&c->all->lock);
}

void connection_asks(struct connection *c)
{
    set_deadline(c, c->all->limits.header_seconds);
}

void connection_sends(struct connection *c)
{
    set_deadline(c, c->all->limits.request_seconds);
}

void connection_waits(struct connection *c)
{
    set_deadline(c, 0);
}

void connection_rests(struct connection *c)
{
    set_deadline(c, c->all->limits.idle_seconds);
}

void connection_set_answer(struct connection *c, struct answer *answer)
{
    pthread_mutex_lock(&c->all->lock);
    c->answer = answer;
    if (answer && c->gone)
        c->all->on_gone(answer);
    pthread_mutex_unlock(&c->all->lock);
}

size_t connections_count(struct connections *all)
{
    pthread_mutex_lock(&all->lock);
    const size_t n = all->n;
    pthread_mutex_unlock(&all->lock);
    return n;
}

void connections_each(struct connections *all, void (*each)(struct answer *answer))
{
    pthread_mutex_lock(&all->lock);
    for (struct connection *c = all->first; c; c = c->next)
        if (c->answer)
            each(c->answer);
    pthread_mutex_unlock(&all->lock);
}
