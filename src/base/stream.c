/* stream.c - bytes to and from files and memory. */
#include "src/base/stream.h"

#include "src/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Writing ---- */

infer_status sink_open_file(struct sink *s, const infer_allocator *a, const char *path, infer_error *err)
{
    static const char ending[] = ".XXXXXX";
    const size_t n = strlen(path);
    *s = (struct sink){ .a = a, .path = path, .fd = -1, .beside = mem_raw(a, n + sizeof ending, 1) };
    hash_init(&s->hash);
    if (!s->beside)
        return fail(err, INFER_E_NOMEM, "%s: out of memory for its name", path);
    memcpy(s->beside, path, n);
    memcpy(s->beside + n, ending, sizeof ending);
    s->fd = mkostemp(s->beside, O_CLOEXEC);
    if (s->fd >= 0)
        return INFER_OK;
    const int code = errno;
    mem_free(a, s->beside);
    s->beside = NULL;
    return fail(err, INFER_E_IO, "%s: no file can be made beside it: %s", path, strerror(code));
}

void sink_open_memory(struct sink *s, void *memory, size_t room)
{
    *s = (struct sink){ .fd = -1, .memory = memory, .left = room };
    hash_init(&s->hash);
}

infer_status sink_put(struct sink *s, const void *data, size_t n, infer_error *err)
{
    hash_add(&s->hash, data, n);
    if (!s->path) {
        if (n > s->left)
            return fail(err, INFER_E_FULL, "memory for %zu bytes more, expected room for %zu", s->left, n);
        if (n)
            memcpy(s->memory, data, n);
        s->memory += n;
        s->left -= n;
        return INFER_OK;
    }
    for (const uint8_t *p = data; n;) {
        const ssize_t wrote = write(s->fd, p, n);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return fail(err, INFER_E_IO, "%s: cannot be written: %s", s->path, strerror(errno));
        p += wrote;
        n -= (size_t)wrote;
    }
    return INFER_OK;
}

/* The name of a file that was renamed is safe once its folder is. Not every file system can do that: then it is as safe
 * as it gets. */
static void sync_folder(const char *beside)
{
    char folder[4096] = ".";
    const char *const slash = strrchr(beside, '/');
    const size_t n = slash ? (size_t)(slash - beside) + 1 : 0;
    if (n >= sizeof folder)
        return;
    if (n)
        memcpy(folder, beside, n);
    folder[n ? n : 1] = 0;
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    close(fd);
}

infer_status sink_finish(struct sink *s, infer_error *err)
{
    if (!s->path)
        return INFER_OK;
    if (!s->fleeting && fsync(s->fd) != 0)
        return fail(err, INFER_E_IO, "%s: cannot be written: %s", s->path, strerror(errno));
    if (rename(s->beside, s->path) != 0)
        return fail(err, INFER_E_IO, "%s: cannot be replaced: %s", s->path, strerror(errno));
    if (!s->fleeting)
        sync_folder(s->beside);
    mem_free(s->a, s->beside);
    s->beside = NULL;
    return INFER_OK;
}

void sink_close(struct sink *s)
{
    if (s->fd >= 0)
        close(s->fd);
    if (s->beside) {
        (void)unlink(s->beside);
        mem_free(s->a, s->beside);
    }
    s->beside = NULL;
    s->fd = -1;
}

/* ---- Reading ---- */

infer_status source_open_file(struct source *s, const char *path, infer_error *err)
{
    struct stat st;
    *s = (struct source){ .name = path, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) };
    hash_init(&s->hash);
    if (s->fd < 0 || fstat(s->fd, &st) != 0) {
        const int code = errno;
        source_close(s);
        return fail(err, INFER_E_IO, "%s: cannot be opened: %s", path, strerror(code));
    }
    if (!S_ISREG(st.st_mode)) {
        source_close(s);
        return fail(err, INFER_E_IO, "%s: not a regular file", path);
    }
    s->size = (uint64_t)st.st_size;
    return INFER_OK;
}

void source_open_memory(struct source *s, const void *data, size_t size, const char *name)
{
    *s = (struct source){ .name = name, .fd = -1, .memory = data, .size = size };
    hash_init(&s->hash);
}

static infer_status read_file(struct source *s, uint8_t *to, size_t n, infer_error *err)
{
    while (n) {
        const ssize_t got = read(s->fd, to, n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail(err, INFER_E_IO, "%s: cannot be read: %s", s->name, strerror(errno));
        if (!got)
            return fail(err, INFER_E_FORMAT, "%s: was cut off while it was read, expected %llu bytes", s->name,
                        (unsigned long long)s->size);
        to += got;
        n -= (size_t)got;
    }
    return INFER_OK;
}

infer_status source_get(struct source *s, void *data, size_t n, infer_error *err)
{
    if (n > s->size - s->at)
        return fail(err, INFER_E_FORMAT, "%s: ends after %llu bytes, expected %zu more from byte %llu on", s->name,
                    (unsigned long long)s->size, n, (unsigned long long)s->at);
    if (s->fd >= 0) {
        const infer_status status = read_file(s, data, n, err);
        if (status != INFER_OK)
            return status;
    } else if (n) {
        memcpy(data, s->memory + s->at, n);
    }
    s->at += n;
    hash_add(&s->hash, data, n);
    return INFER_OK;
}

void source_close(struct source *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}
