/* listen.h - the sockets that clients connect to. */
#ifndef SERVER_LISTEN_H
#define SERVER_LISTEN_H

#include "infer.h"

enum { MAX_LISTENERS = 64 };

struct listener {
    int fd;
    char name[160];   /* "127.0.0.1:8080", "[::1]:80", "unix:PATH", for people */
    const char *path; /* of a socket in the file system, removed when it closes; else NULL */
    bool local;       /* nobody beyond this machine gets here */
};

/** Listen at "HOST:PORT" or "[HOST]:PORT"; port 0 takes one that is free, which the name tells. */
bool listen_tcp(struct listener *l, const char *address, infer_error *err);
/** Listen at a socket in the file system. One that nobody listens at any more is replaced; anything else that stands
 *  there is a mistake. The path is kept.
 *  @param mode permissions, "660". */
bool listen_unix(struct listener *l, const char *path, const char *mode, infer_error *err);
/** Remove its name; who reads from fd closes that. */
void listen_forget(struct listener *l);
/** Let the process have as many files as it may. Returns how many. */
size_t raise_file_limit(void);

#endif
