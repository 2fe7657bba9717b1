/* connections.h - who is connected: how many, from where, until when, and whether they are still there.
 *
 * The HTTP library watches a connection only while it reads or writes. A thread here, asleep where nothing happens,
 * watches all of them for clients that go, and once a second for what took too long:
 *   - what a client must have sent until then (its deadline), or else its socket is shut down;
 *   - answers that wait for the service, which are told the time. */
#ifndef SERVER_CONNECTIONS_H
#define SERVER_CONNECTIONS_H

#include "infer.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct answer;
struct connections;

/** A client. Only its functions below and `refused` and `address` are for others. */
struct connection {
    struct connections *all;
    struct connection *next, *prev;
    struct answer *answer; /* that waits for the service, or NULL */
    double deadline;       /* seconds_now(); 0: none */
    int fd;
    bool gone;             /* the client has ... */
    bool poked;            /* ... and libmicrohttpd knows */
    bool refused;          /* one too many: what it asks is answered with 503 */
    unsigned char key[8]; /* the first key_bytes of its address, which count as one client; 0: no address */
    size_t key_bytes;
    char address[INET6_ADDRSTRLEN]; /* for people; empty for sockets in the file system */
};

struct connection_limits {
    size_t max, max_per_address;
    double header_seconds, request_seconds, idle_seconds;
};

/** Called by the thread, under its lock: must not wait, nor call anything of here. */
typedef void connection_tick_fn(struct answer *answer, double now);
typedef void connection_gone_fn(struct answer *answer);

/** Starts the thread. NULL: out of memory or of files. */
struct connections *connections_open(const struct connection_limits *limits, connection_tick_fn *on_tick,
                                     connection_gone_fn *on_gone);
/** When all connections are closed. */
void connections_close(struct connections **all);

/** A client came. It has header_seconds to ask something. NULL: no memory. */
struct connection *connection_open(struct connections *all, int fd, const struct sockaddr *address);
/** It goes, its socket is still open. */
void connection_close(struct connection *c);
/** The line of a request is here: its headers must be within header_seconds ... */
void connection_asks(struct connection *c);
/** ... and all of it within request_seconds. */
void connection_sends(struct connection *c);
/** All of it is here: it has no deadline while it is answered. */
void connection_waits(struct connection *c);
/** The answer is sent: the next request must be there within idle_seconds. */
void connection_rests(struct connection *c);
/** From now on the answer is told of time and of a client that goes (or went), until NULL takes its place. */
void connection_set_answer(struct connection *c, struct answer *answer);
size_t connections_count(struct connections *all);
/** Call `each` for all answers, under the lock. */
void connections_each(struct connections *all, void (*each)(struct answer *answer));

#endif
