/* store_folder.c - files by their last use. */
#include "src/runtime/store_folder.h"

#include "src/base/context.h"
#include "src/base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    COUNT_AGAIN = 16,     /* when this part of the budget was added: others add too */
    ABANDONED = 600 /* seconds after which nobody writes to a file any more that has its name for a while only */
};

struct file {
    struct timespec used;
    uint64_t bytes;
    char name[STORE_NAME];
};

/* ---- Opening ---- */

static infer_status open_directory(struct folder *f, const char *path, bool *read_only, infer_error *err)
{
    char real[PATH_MAX];
    if (!*read_only && mkdir(path, 0700) != 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
        return fail(err, INFER_E_IO, "%s: cannot be made: %s", path, strerror(errno));
    f->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->fd < 0 || !realpath(path, real))
        return fail(err, INFER_E_IO, "%s: cannot be opened as a directory: %s", path, strerror(errno));
    f->path = mem_new(f->a, strlen(real) + 1, 1);
    if (!f->path)
        return fail_memory(err, "the prefix store");
    memcpy(f->path, real, strlen(real));
    if (*read_only || faccessat(f->fd, ".", W_OK, AT_EACCESS) == 0)
        return INFER_OK;
    context_log(f->context, INFER_LOG_WARN, "%s: cannot be written to: %s; the prefix store is read-only", path,
                strerror(errno));
    *read_only = true;
    return INFER_OK;
}

infer_status folder_open(struct folder *f, infer_context *context, const char *path, bool *read_only,
                         infer_error *err)
{
    *f = (struct folder){ .context = context, .a = context_allocator(context), .fd = -1 };
    const infer_status status = open_directory(f, path, read_only, err);
    if (status != INFER_OK)
        folder_close(f);
    return status;
}

void folder_close(struct folder *f)
{
    if (f->fd >= 0)
        close(f->fd);
    mem_free(f->a, f->path);
    f->fd = -1;
    f->path = NULL;
}

/* ---- One file ---- */

char *folder_file(const struct folder *f, const char *name)
{
    const size_t n = strlen(f->path);
    char *const file = mem_new(f->a, n + 1 + STORE_NAME, 1);
    if (!file)
        return NULL;
    memcpy(file, f->path, n);
    file[n] = '/';
    memcpy(file + n + 1, name, strlen(name));
    return file;
}

bool folder_has(const struct folder *f, const char *name)
{
    return faccessat(f->fd, name, R_OK, 0) == 0;
}

void folder_remove(const struct folder *f, const char *name)
{
    (void)unlinkat(f->fd, name, 0); /* another process may have been faster */
}

bool folder_touch(const struct folder *f, const char *name, const struct timespec *when)
{
    const struct timespec times[] = { { .tv_nsec = UTIME_OMIT }, *when };
    return utimensat(f->fd, name, times, AT_SYMLINK_NOFOLLOW) == 0;
}

void folder_added(struct folder *f, uint64_t bytes)
{
    f->files++;
    f->bytes += bytes;
    f->added += bytes;
    if (f->max_bytes && (f->bytes > f->max_bytes || f->added > f->max_bytes / COUNT_AGAIN))
        folder_count(f, false);
}

/* ---- All of them ---- */

static bool is_before(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

static int by_use(const void *a, const void *b)
{
    const struct file *x = a, *y = b;
    return is_before(&y->used, &x->used) - is_before(&x->used, &y->used);
}

/* A file of the store; false if it is none. What was left half written goes. */
static bool look_at(const struct folder *f, const char *name, bool read_only, struct file *file)
{
    struct stat st;
    const char kind = store_name_kind(name);
    if (!kind || fstatat(f->fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
        return false;
    if (kind == 'p') {
        *file = (struct file){ .used = st.st_mtim, .bytes = (uint64_t)st.st_size };
        memcpy(file->name, name, strlen(name));
        return true;
    }
    if (!read_only && st.st_mtim.tv_sec < time(NULL) - ABANDONED)
        (void)unlinkat(f->fd, name, 0);
    return false;
}

/* All, *n of them; NULL if memory is out or the directory cannot be read. */
static struct file *list(const struct folder *f, bool read_only, size_t *n)
{
    const int fd = openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *const d = fd >= 0 ? fdopendir(fd) : NULL;
    struct file *files = NULL, file;
    size_t room = 0;
    bool well = d && mem_grow(f->a, &files, &room, 1, sizeof *files);
    *n = 0;
    for (struct dirent *e; well && (e = readdir(d));) {
        if (!look_at(f, e->d_name, read_only, &file))
            continue;
        well = mem_grow(f->a, &files, &room, *n + 1, sizeof *files);
        if (well)
            files[(*n)++] = file;
    }
    if (d)
        closedir(d);
    else if (fd >= 0)
        close(fd);
    if (well)
        return files;
    mem_free(f->a, files);
    return NULL;
}

void folder_count(struct folder *f, bool read_only)
{
    struct file *const files = list(f, read_only, &f->files);
    if (!files) {
        context_log(f->context, INFER_LOG_WARN, "%s: the files of the prefix store cannot be counted", f->path);
        return;
    }
    const size_t n = f->files;
    f->bytes = f->added = 0;
    for (size_t i = 0; i < n; i++)
        f->bytes += files[i].bytes;
    const bool trim = !read_only && f->max_bytes && f->bytes > f->max_bytes;
    if (trim)
        qsort(files, n, sizeof *files, by_use);
    for (size_t i = 0; trim && f->bytes > f->max_bytes && i < n; i++) {
        f->n_evicted += unlinkat(f->fd, files[i].name, 0) == 0; /* or another process was faster */
        f->files--;
        f->bytes -= files[i].bytes;
    }
    mem_free(f->a, files);
}
