/* fetch.c - one file from a hub into the cache.
 *
 * Bytes go to BLOB.incomplete and into the checksum as they come. What is in that file already counts: it is read for
 * the checksum, and the rest is asked for. Only what is whole and sound gets the name BLOB. */
#include "tools/pull/fetch.h"

#include "tools/common/failure.h"
#include "tools/pull/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Bytes by which a file has to grow for trouble before to be forgotten. */
enum { GROWTH = 1 << 20 };

struct fetch {
    const struct hub *hub;
    const struct listed_file *file;
    struct progress *progress;
    char *path; /* BLOB.incomplete */
    int fd;
    struct digest *digest; /* of the first `done` bytes; NULL: there is nothing to compare */
    uint64_t done, before; /* bytes of this file; of all before it */
    uint64_t *fetched;
    bool begins; /* the next piece is the first of an answer */
};

char *fetch_text(char *text, uint64_t bytes)
{
    static const char *const units[] = { "bytes", "kB", "MB", "GB", "TB", "PB", "EB" };
    double x = (double)bytes;
    size_t unit = 0;
    for (; x >= 999.5 && unit + 1 < sizeof units / sizeof *units; unit++)
        x /= 1000;
    snprintf(text, FETCH_TEXT, "%.*f %s", unit && x < 100 ? 1 : 0, x, units[unit]);
    return text;
}

static bool tell(struct fetch *f, enum pull_state state)
{
    f->progress->now.done = f->done;
    f->progress->now.all_done = f->before + f->done;
    return progress_tell(f->progress, state);
}

static infer_status tell_errno(struct fetch *f, infer_error *err)
{
    char text[FETCH_TEXT];
    if (errno == ENOSPC || errno == EDQUOT)
        return failure(err, INFER_E_IO, "%.360s: %s; %s more are needed. What has come is kept", f->path,
                       strerror(errno), fetch_text(text, f->file->size - f->done));
    return failure(err, INFER_E_IO, "%.400s: %s", f->path, strerror(errno));
}

/* ---- Bytes ---- */

static infer_status begin_digest(struct fetch *f, infer_error *err)
{
    digest_close(&f->digest);
    f->digest = digest_open(f->file->blob, f->file->size);
    return f->digest || !digest_is_known(f->file->blob) ? INFER_OK
                                                        : failure(err, INFER_E_NOMEM, "no memory for a checksum");
}

/* Forget what has come. */
static infer_status begin_anew(struct fetch *f, infer_error *err)
{
    f->done = 0;
    if (ftruncate(f->fd, 0) != 0 || lseek(f->fd, 0, SEEK_SET) != 0)
        return tell_errno(f, err);
    return begin_digest(f, err);
}

/* Take what has come before into the checksum. */
static infer_status read_begun(struct fetch *f, infer_error *err)
{
    enum { ROOM = 1 << 20 };
    char *room = malloc(ROOM);
    infer_status status = room ? begin_digest(f, err) : failure(err, INFER_E_NOMEM, "no memory for %d bytes", ROOM);
    while (status == INFER_OK) {
        const ssize_t n = read(f->fd, room, ROOM);
        if (n == 0)
            break;
        if (n < 0) {
            status = errno == EINTR ? INFER_OK : tell_errno(f, err);
            continue;
        }
        if ((uint64_t)n > f->file->size - f->done) {
            status = begin_anew(f, err);
            break;
        }
        digest_add(f->digest, room, (size_t)n);
        f->done += (uint64_t)n;
        if (!tell(f, PULL_CHECKING))
            status = failure(err, INFER_E_CANCELLED, "cancelled");
    }
    free(room);
    return status;
}

/* An answer may be the part that was asked for or, where a server knows no parts, all of it. */
static infer_status begin_answer(struct fetch *f, const struct web_answer *a, infer_error *err)
{
    f->begins = false;
    if (a->status != 206)
        return f->done ? begin_anew(f, err) : INFER_OK;
    const bool fits = a->from == (int64_t)f->done && (a->total < 0 || a->total == (int64_t)f->file->size);
    return fits ? INFER_OK
                : failure(err, INFER_E_FORMAT, "%.300s: the server sends bytes from %lld of %lld on, expected from "
                          "%llu of %llu", f->file->path, (long long)a->from, (long long)a->total,
                          (unsigned long long)f->done, (unsigned long long)f->file->size);
}

static bool take(void *user, const struct web_answer *a, const void *data, size_t n, infer_error *err)
{
    struct fetch *f = user;
    if (f->begins && begin_answer(f, a, err) != INFER_OK)
        return false;
    if (n > f->file->size - f->done) {
        failure(err, INFER_E_FORMAT, "%.300s: the server sends more than the %llu bytes that it has", f->file->path,
                (unsigned long long)f->file->size);
        return false;
    }
    for (size_t written = 0; written < n;) {
        const ssize_t m = write(f->fd, (const char *)data + written, n - written);
        if (m < 0 && errno != EINTR) {
            tell_errno(f, err);
            return false;
        }
        digest_add(f->digest, (const char *)data + written, m > 0 ? (size_t)m : 0);
        written += m > 0 ? (size_t)m : 0;
        f->done += m > 0 ? (uint64_t)m : 0;
    }
    *f->fetched += n;
    if (tell(f, PULL_FETCHING))
        return true;
    failure(err, INFER_E_CANCELLED, "cancelled");
    return false;
}

/* ---- The whole ---- */

/* After a request: whether it is to be asked again. The server may have ended early, or not know what was asked for. */
static infer_status settle(struct fetch *f, infer_status status, struct web_answer *a, infer_error *err)
{
    if (a->status == 416 && f->done) {
        a->passing = true;
        return begin_anew(f, err) == INFER_OK ? INFER_E_IO : err->code;
    }
    if (status == INFER_OK && f->done < f->file->size) {
        a->passing = true;
        return failure(err, INFER_E_IO, "%.300s: the server ends after %llu of %llu bytes", f->file->path,
                       (unsigned long long)f->done, (unsigned long long)f->file->size);
    }
    return status;
}

static infer_status get_rest(struct fetch *f, const char *url, infer_error *err)
{
    struct web_answer a;
    uint64_t most = f->done; /* that it ever had */
    for (int failures = 0; f->done < f->file->size;) {
        f->begins = true;
        tell(f, PULL_FETCHING);
        infer_status status = web_ask(f->hub->web, WEB_GET, url, f->done, take, f, &a, err);
        status = settle(f, status, &a, err);
        if (f->done >= most + GROWTH) {
            most = f->done;
            failures = 0;
        }
        if (status != INFER_OK && !web_wait(f->hub->web, &a, ++failures, err))
            return err->code == INFER_E_CANCELLED ? err->code : hub_explain(f->hub, &a, f->file->path, err);
    }
    return INFER_OK;
}

/* Compare the checksum. *wrong: it is another one. */
static infer_status compare(struct fetch *f, bool *wrong, infer_error *err)
{
    char hex[DIGEST_HEX];
    digest_end(f->digest, hex);
    *wrong = f->digest && strcmp(hex, f->file->blob) != 0;
    if (!*wrong)
        return INFER_OK;
    unlink(f->path);
    return failure(err, INFER_E_FORMAT, "%.200s: its checksum is %s, expected %s; what came was thrown away",
                   f->file->path, hex, f->file->blob);
}

/* What was there before may have been damaged; then all of it is fetched, once. */
static infer_status complete(struct fetch *f, const char *url, infer_error *err)
{
    infer_status status = read_begun(f, err);
    const bool begun = status == INFER_OK && f->done > 0;
    bool wrong = false;
    if (status == INFER_OK)
        status = get_rest(f, url, err);
    if (status == INFER_OK)
        status = compare(f, &wrong, err);
    if (!wrong || !begun)
        return status;
    close(f->fd);
    f->fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    f->done = 0;
    status = f->fd < 0 ? tell_errno(f, err) : begin_digest(f, err);
    if (status == INFER_OK)
        status = get_rest(f, url, err);
    return status == INFER_OK ? compare(f, &wrong, err) : status;
}

static infer_status finish(struct fetch *f, const char *blob, infer_error *err)
{
    if (fdatasync(f->fd) != 0 && errno != EINVAL)
        return tell_errno(f, err);
    if (rename(f->path, blob) != 0)
        return tell_errno(f, err);
    tell(f, PULL_FETCHED);
    return INFER_OK;
}

static infer_status fetch(struct fetch *f, const char *url, const char *blob, infer_error *err)
{
    f->fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    infer_status status = f->fd < 0 ? tell_errno(f, err) : complete(f, url, err);
    if (status == INFER_OK)
        status = finish(f, blob, err);
    if (f->fd >= 0)
        close(f->fd);
    digest_close(&f->digest);
    return status;
}

infer_status fetch_blob(const struct hub *hub, const struct cache *c, const struct listing *l,
                        const struct listed_file *file, struct progress *p, uint64_t *fetched, infer_error *err)
{
    struct fetch f = { .hub = hub, .file = file, .progress = p, .fd = -1, .before = p->now.all_done,
                       .fetched = fetched };
    char *url = hub_url(hub, l, file), *blob = cache_blob(c, file, "");
    f.path = cache_blob(c, file, ".incomplete");
    infer_status status = url && blob && f.path ? INFER_OK : failure(err, INFER_E_NOMEM, "no memory for a path");
    const int lock = status == INFER_OK ? cache_lock(c, file, p, err) : -1;
    if (status == INFER_OK && lock < 0)
        status = err->code;
    else if (status == INFER_OK && !cache_has_blob(c, file)) /* else somebody has fetched it meanwhile */
        status = fetch(&f, url, blob, err);
    if (lock >= 0)
        close(lock);
    free(url);
    free(blob);
    free(f.path);
    return status;
}
