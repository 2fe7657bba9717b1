/* cache.c - the directory that Hugging Face's programs keep repositories in, and this one too. */
#include "tools/pull/cache.h"

#include "tools/common/failure.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum { DEEPEST = 16 };

/* ---- Paths ---- */

static char *format(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *format(const char *format, ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    const int n = vasprintf(&text, format, args);
    va_end(args);
    return n < 0 ? NULL : text;
}

infer_status cache_open(struct cache *c, const char *root, const struct reference *r, infer_error *err)
{
    c->root = root;
    c->folder = reference_folder(r);
    return c->folder ? INFER_OK : failure(err, INFER_E_NOMEM, "no memory for a path");
}

void cache_close(struct cache *c)
{
    free(c->folder);
    c->folder = NULL;
}

char *cache_blob(const struct cache *c, const struct listed_file *f, const char *end)
{
    return format("%s/%s/blobs/%s%s", c->root, c->folder, f->blob, end);
}

char *cache_file(const struct cache *c, const char *commit, const char *path)
{
    return format("%s/%s/snapshots/%s%s%s", c->root, c->folder, commit, *path ? "/" : "", path);
}

static char *ref_path(const struct cache *c, const struct reference *r)
{
    return format("%s/%s/refs/%s", c->root, c->folder, r->revision);
}

static infer_status no_memory(infer_error *err)
{
    return failure(err, INFER_E_NOMEM, "no memory for a path");
}

static infer_status tell_errno(infer_error *err, const char *path, const char *what)
{
    return failure(err, INFER_E_IO, "%.380s: %s: %s", path, what, strerror(errno));
}

/* The folders that lead to a file, or with a slash at the end, a folder. */
static infer_status make_way(char *path, infer_error *err)
{
    for (char *slash = path; (slash = strchr(slash + 1, '/'));) {
        *slash = 0;
        const bool made = !mkdir(path, 0777) || errno == EEXIST;
        const infer_status status = made ? INFER_OK : tell_errno(err, path, "cannot be made");
        *slash = '/';
        if (status != INFER_OK)
            return status;
    }
    return INFER_OK;
}

/* A mark for programs that make backups (bford.info/cachedir); without it nothing is amiss. */
static void mark_cache(const struct cache *c)
{
    static const char mark[] = "Signature: 8a477f597d28d172789f06886806bc55\n";
    char *path = format("%s/CACHEDIR.TAG", c->root);
    const int fd = path ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666) : -1;
    if (fd >= 0) {
        if (write(fd, mark, sizeof mark - 1) != (ssize_t)sizeof mark - 1)
            unlink(path);
        close(fd);
    }
    free(path);
}

infer_status cache_make(const struct cache *c, infer_error *err)
{
    char *paths[] = { format("%s/%s/blobs/", c->root, c->folder), format("%s/%s/snapshots/", c->root, c->folder),
                      format("%s/.locks/%s/", c->root, c->folder) };
    infer_status status = INFER_OK;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (status == INFER_OK)
            status = paths[i] ? make_way(paths[i], err) : no_memory(err);
        free(paths[i]);
    }
    if (status == INFER_OK)
        mark_cache(c);
    return status;
}

/* ---- What is there ---- */

static bool is_file(const char *path, uint64_t *size)
{
    struct stat s;
    if (!path || stat(path, &s) != 0 || !S_ISREG(s.st_mode))
        return false;
    *size = (uint64_t)s.st_size;
    return true;
}

static bool has_size(char *path, uint64_t expected)
{
    uint64_t size;
    const bool has = is_file(path, &size) && size == expected;
    free(path);
    return has;
}

bool cache_has_blob(const struct cache *c, const struct listed_file *f)
{
    return has_size(cache_blob(c, f, ""), f->size);
}

bool cache_has_file(const struct cache *c, const struct listing *l, const struct listed_file *f)
{
    return has_size(cache_file(c, l->commit, f->path), f->size);
}

uint64_t cache_begun(const struct cache *c, const struct listed_file *f)
{
    uint64_t size = 0;
    char *path = cache_blob(c, f, ".incomplete");
    if (!is_file(path, &size) || size > f->size)
        size = 0;
    free(path);
    return size;
}

uint64_t cache_room(const struct cache *c)
{
    struct statvfs s;
    char *path = format("%s/%s", c->root, c->folder);
    bool known = false;
    for (char *slash = path; path && !(known = !statvfs(path, &s)) && (slash = strrchr(path, '/')) && slash > path;)
        *slash = 0;
    free(path);
    return known ? (uint64_t)s.f_bavail * s.f_frsize : UINT64_MAX;
}

/* The commit of a revision: what the ref says, else the revision itself. */
static void read_commit(const struct cache *c, const struct reference *r, char *commit, size_t size)
{
    char *path = ref_path(c, r);
    const int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    const ssize_t n = fd >= 0 ? read(fd, commit, size - 1) : -1;
    if (fd >= 0)
        close(fd);
    free(path);
    commit[n > 0 ? n : 0] = 0;
    commit[strcspn(commit, " \r\n")] = 0;
    if (!*commit)
        snprintf(commit, size, "%s", r->revision);
}

bool cache_refers(const struct cache *c, const struct reference *r, const char *commit)
{
    char known[PULL_MOST_NAME];
    read_commit(c, r, known, sizeof known);
    return !strcmp(known, commit);
}

/* Add what is below folder/inner. Links that lead nowhere are no files. */
static infer_status walk(struct listing *l, const char *folder, const char *inner, int depth, infer_error *err)
{
    char *here = format("%s/%s", folder, inner);
    DIR *d = here ? opendir(here) : NULL;
    infer_status status = here ? INFER_OK : no_memory(err);
    for (struct dirent *e; d && status == INFER_OK && (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        char *path = format("%s%s%s", inner, *inner ? "/" : "", e->d_name), *whole = format("%s/%s", here, e->d_name);
        struct stat s;
        if (!path || !whole) {
            status = no_memory(err);
        } else if (stat(whole, &s) == 0 && S_ISDIR(s.st_mode)) {
            status = depth < DEEPEST ? walk(l, folder, path, depth + 1, err) : INFER_OK;
        } else if (stat(whole, &s) == 0) {
            struct listed_file *f = listing_add(l, path);
            status = f ? INFER_OK : no_memory(err);
            if (f) {
                f->size = (uint64_t)s.st_size;
                f->known = f->present = true;
            }
        }
        free(path);
        free(whole);
    }
    if (d)
        closedir(d);
    free(here);
    return status;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct listed_file *)a)->path, ((const struct listed_file *)b)->path);
}

infer_status cache_list(const struct cache *c, const struct reference *r, struct listing *l, infer_error *err)
{
    read_commit(c, r, l->commit, sizeof l->commit);
    const bool plain = path_is_plain(l->commit) && !strchr(l->commit, '/');
    char *folder = plain ? cache_file(c, l->commit, "") : NULL;
    infer_status status = folder ? walk(l, folder, "", 0, err) : plain ? no_memory(err) : INFER_OK;
    free(folder);
    if (status == INFER_OK && !l->n)
        return failure(err, INFER_E_UNKNOWN, "%s@%s is not in the cache %.200s", *r->url ? r->file : r->repo,
                       r->revision, c->root);
    if (l->n)
        qsort(l->v, l->n, sizeof *l->v, by_path);
    return status;
}

/* ---- What is put there ---- */

/* Have `path` be what was made under another name, so that nobody ever sees half of it. */
static infer_status put(const char *made, const char *path, infer_error *err)
{
    if (rename(made, path) == 0)
        return INFER_OK;
    const infer_status status = tell_errno(err, path, "cannot be put there");
    unlink(made);
    return status;
}

/* Where no links can be made the file itself goes there. */
static infer_status link_or_move(const char *target, const char *path, const char *blob, infer_error *err)
{
    char *made = format("%s.%ld.link", path, (long)gettid());
    infer_status status = made ? INFER_OK : no_memory(err);
    if (made)
        unlink(made);
    if (status == INFER_OK && symlink(target, made) == 0)
        status = put(made, path, err);
    else if (status == INFER_OK && rename(blob, path) != 0)
        status = tell_errno(err, path, "cannot be linked");
    free(made);
    return status;
}

infer_status cache_link(const struct cache *c, const struct listing *l, const struct listed_file *f, infer_error *err)
{
    char up[3 * (PULL_MOST_PATH + 2)] = "../../";
    for (const char *at = f->path; (at = strchr(at, '/')); at++)
        strcat(up, "../");
    char *path = cache_file(c, l->commit, f->path), *blob = cache_blob(c, f, "");
    char *target = format("%sblobs/%s", up, f->blob);
    infer_status status = INFER_OK;
    if (!path || !blob || !target)
        status = no_memory(err);
    else if (!cache_has_file(c, l, f) && (status = make_way(path, err)) == INFER_OK)
        status = link_or_move(target, path, blob, err);
    free(path);
    free(blob);
    free(target);
    return status;
}

infer_status cache_refer(const struct cache *c, const struct reference *r, const char *commit, infer_error *err)
{
    if (cache_refers(c, r, commit))
        return INFER_OK;
    char *path = ref_path(c, r), *made = path ? format("%s.%ld.tmp", path, (long)gettid()) : NULL;
    infer_status status = made ? make_way(path, err) : no_memory(err);
    const int fd = status == INFER_OK ? open(made, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : -1;
    if (status == INFER_OK && (fd < 0 || write(fd, commit, strlen(commit)) != (ssize_t)strlen(commit)))
        status = tell_errno(err, path, "cannot be written");
    if (fd >= 0)
        close(fd);
    if (status == INFER_OK)
        status = put(made, path, err);
    free(path);
    free(made);
    return status;
}

/* ---- Locks ---- */

static bool wait_for(struct progress *p)
{
    const struct timespec moment = { 0, 200000000 };
    nanosleep(&moment, NULL);
    return progress_tell(p, PULL_LOCKED);
}

/* Who lets go may delete the file: then it is no lock any more, and there is another one. */
static bool is_deleted(int fd)
{
    struct stat s;
    return fstat(fd, &s) == 0 && s.st_nlink == 0;
}

int cache_lock(const struct cache *c, const struct listed_file *f, struct progress *p, infer_error *err)
{
    char *path = format("%s/.locks/%s/%s.lock", c->root, c->folder, f->blob);
    int fd = -1;
    if (!path)
        no_memory(err);
    while (path && fd < 0) {
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0664);
        if (fd < 0) {
            tell_errno(err, path, "cannot be opened");
            break;
        }
        bool go_on = true;
        while (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK && go_on) /* else there are no locks here */
            go_on = wait_for(p);
        if (go_on && !is_deleted(fd))
            break;
        close(fd);
        fd = -1;
        if (!go_on) {
            failure(err, INFER_E_CANCELLED, "cancelled");
            break;
        }
    }
    free(path);
    return fd;
}
