/* listen.c - the sockets that clients connect to. */
#include "server/listen.h"

#include "tools/common/failure.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

static bool fail(int fd, infer_error *err, const char *what)
{
    const int why = errno;
    if (fd >= 0)
        close(fd);
    failure(err, INFER_E_IO, "%.300s: cannot listen there: %s", what, strerror(why));
    return false;
}

/* Cuts "HOST:PORT" or "[HOST]:PORT" in two. */
static bool split(char *address, char **host, char **port)
{
    char *colon = strrchr(address, ':');
    if (!colon || !colon[1])
        return false;
    *colon = 0;
    *host = address;
    *port = colon + 1;
    if (address[0] == '[' && colon > address + 1 && colon[-1] == ']') {
        colon[-1] = 0;
        *host = address + 1;
    } else if (strchr(address, ':')) {
        return false;
    }
    char *end;
    const unsigned long n = strtoul(*port, &end, 10);
    return **host && **port >= '0' && **port <= '9' && !*end && n <= 65535;
}

static bool is_local(const struct sockaddr_storage *s)
{
    const struct sockaddr_in *v4 = (const void *)s;
    const struct sockaddr_in6 *v6 = (const void *)s;
    return s->ss_family == AF_INET ? ntohl(v4->sin_addr.s_addr) >> 24 == 127 : IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static bool name_it(struct listener *l)
{
    struct sockaddr_storage s;
    socklen_t size = sizeof s;
    char host[INET6_ADDRSTRLEN + 32], port[8];
    if (getsockname(l->fd, (struct sockaddr *)&s, &size) != 0 ||
        getnameinfo((struct sockaddr *)&s, size, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV))
        return false;
    snprintf(l->name, sizeof l->name, s.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    l->local = is_local(&s);
    return true;
}

bool listen_tcp(struct listener *l, const char *address, infer_error *err)
{
    const struct addrinfo hints = { .ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM };
    char copy[256], *host, *port;
    struct addrinfo *found = NULL;
    *l = (struct listener){ .fd = -1 };
    if (strlen(address) >= sizeof copy || !split(strcpy(copy, address), &host, &port)) {
        failure(err, INFER_E_ARGUMENT, "%.200s: is no address, expected HOST:PORT or [HOST]:PORT", address);
        return false;
    }
    const int why = getaddrinfo(host, port, &hints, &found);
    if (why) {
        failure(err, INFER_E_ARGUMENT, "%s: no such address: %s", address, gai_strerror(why));
        return false;
    }
    const int on = 1;
    l->fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const bool good = l->fd >= 0 && !setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) &&
                      (found->ai_family != AF_INET6 ||
                       !setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on)) &&
                      !bind(l->fd, found->ai_addr, found->ai_addrlen) && !listen(l->fd, BACKLOG) && name_it(l);
    freeaddrinfo(found);
    return good || fail(l->fd, err, address);
}

/* Whether the name is free, made so if it is a socket that refuses us: whose process has gone. */
static bool clear_name(const struct sockaddr_un *at, infer_error *err)
{
    struct stat s;
    if (lstat(at->sun_path, &s) != 0)
        return true;
    const int fd = S_ISSOCK(s.st_mode) ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
    const bool stale = fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof *at) != 0 && errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    if (stale && unlink(at->sun_path) == 0)
        return true;
    failure(err, INFER_E_ARGUMENT, "%s: %s", at->sun_path,
            S_ISSOCK(s.st_mode) ? "somebody listens there already" : "is there and no socket");
    return false;
}

bool listen_unix(struct listener *l, const char *path, const char *mode, infer_error *err)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    char *end;
    const long bits = strtol(mode, &end, 8);
    *l = (struct listener){ .fd = -1, .local = true };
    if (*end || end == mode || bits < 0 || bits > 0777) {
        failure(err, INFER_E_ARGUMENT, "--unix-mode is '%s', expected permissions such as 660", mode);
        return false;
    }
    if (strlen(path) >= sizeof at.sun_path) {
        failure(err, INFER_E_ARGUMENT, "%.300s: has %zu letters, expected at most %zu", path, strlen(path),
                sizeof at.sun_path - 1);
        return false;
    }
    strcpy(at.sun_path, path);
    if (!clear_name(&at, err))
        return false;
    /* Nobody is to connect before the permissions are what they are to be. */
    const mode_t before = umask(0777);
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const bool bound = l->fd >= 0 && bind(l->fd, (const struct sockaddr *)&at, sizeof at) == 0;
    umask(before);
    if (!bound || chmod(path, (mode_t)bits) != 0 || listen(l->fd, BACKLOG) != 0)
        return fail(l->fd, err, path);
    l->path = path;
    snprintf(l->name, sizeof l->name, "unix:%s", path);
    return true;
}

void listen_forget(struct listener *l)
{
    if (l->path)
        unlink(l->path);
    l->path = NULL;
}

size_t raise_file_limit(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return 1024;
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
    getrlimit(RLIMIT_NOFILE, &r);
    return r.rlim_cur == RLIM_INFINITY ? SIZE_MAX : (size_t)r.rlim_cur;
}
