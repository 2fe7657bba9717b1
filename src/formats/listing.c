/* listing.c - which models there are below a directory.
 *
 * Names are read with getdents64, because opendir would take memory that is not the allocator's. Links are followed, as
 * caches of downloads are made of them; one that leads back up is seen by the device and number of the directories
 * above. */
#include "src/base/context.h"
#include "src/base/error.h"
#include "src/formats/formats.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_DEPTH = 64, BUFFER = 32768 };

struct listing {
    const infer_allocator *a;
    infer_list_options o;
    infer_list_fn *fn;
    void *user;
    char *buffer; /* BUFFER bytes of directory entries */
    size_t n_entries;
    struct {
        dev_t device;
        ino_t number;
    } above[MAX_DEPTH + 2]; /* directories on the way to this one */
    int depth;
};

/* What stands in a directory. */
struct names {
    struct arena arena;
    const char **name; /* (n) in the order of their bytes */
    size_t n, room;
    bool config, tensors; /* there is a config.json, a .safetensors file */
};

/* ---- Reading names ---- */

static bool ends(const char *name, const char *end)
{
    const size_t n = strlen(name), m = strlen(end);
    return n > m && !strcmp(name + n - m, end);
}

static infer_status add_name(struct listing *l, struct names *names, const char *name, infer_error *err)
{
    if (*name == '.') /* the directory, the one above, and what is hidden */
        return INFER_OK;
    if (l->n_entries++ >= (size_t)l->o.max_entries)
        return fail(err, INFER_E_FULL, "there are more than %d entries to list", l->o.max_entries);
    const char *copy = arena_text(&names->arena, name, strlen(name));
    if (!copy || !mem_grow(l->a, &names->name, &names->room, names->n + 1, sizeof *names->name))
        return fail_memory(err, "a listing");
    names->name[names->n++] = copy;
    names->config |= !strcmp(name, "config.json");
    names->tensors |= ends(name, ".safetensors");
    return INFER_OK;
}

static void sift_down(const char **heap, size_t i, size_t n)
{
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        child += child + 1 < n && strcmp(heap[child], heap[child + 1]) < 0;
        if (strcmp(heap[i], heap[child]) >= 0)
            return;
        const char *t = heap[i];
        heap[i] = heap[child];
        heap[child] = t;
    }
}

/* Heap sort: the C library's qsort takes memory of its own. */
static void sort(const char **name, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift_down(name, i, n);
    for (size_t end = n; end-- > 1;) {
        const char *last = name[0];
        name[0] = name[end];
        name[end] = last;
        sift_down(name, 0, end);
    }
}

static infer_status read_names(struct listing *l, int fd, const char *path, struct names *names, infer_error *err)
{
    infer_status status = INFER_OK;
    ssize_t n;
    while (status == INFER_OK && (n = getdents64(fd, l->buffer, BUFFER)) != 0) {
        if (n < 0)
            return fail(err, INFER_E_IO, "%s: cannot be read: %s", path, strerror(errno));
        for (ssize_t at = 0; at < n && status == INFER_OK;) {
            const struct dirent64 *e = (const void *)(l->buffer + at);
            status = add_name(l, names, e->d_name, err);
            at += e->d_reclen;
        }
    }
    sort(names->name, names->n);
    return status;
}

static bool has_name(const struct names *names, const char *name)
{
    size_t low = 0, high = names->n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (strcmp(names->name[middle], name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < names->n && !strcmp(names->name[low], name);
}

/* ---- Telling ---- */

static infer_status tell(struct listing *l, const infer_listed *found, infer_error *err)
{
    if (found->reason && !l->o.others)
        return INFER_OK;
    return l->fn(l->user, found) ? INFER_OK : fail(err, INFER_E_CANCELLED, "the listing was cancelled");
}

static infer_status tell_other(struct listing *l, const char *path, const char *reason, infer_error *err)
{
    return tell(l, &(infer_listed){ .size = sizeof(infer_listed), .path = path, .reason = reason }, err);
}

static uint64_t bytes_of(int fd, const char *name)
{
    struct stat st;
    return fstatat(fd, name, &st, 0) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

/* NULL if it begins as GGUF files do. */
static const char *wrong_gguf(int directory, const char *name)
{
    char magic[4] = "";
    const int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const ssize_t n = fd >= 0 ? pread(fd, magic, sizeof magic, 0) : -1;
    const char *reason = fd < 0 ? "cannot be opened" : n < 0 ? "cannot be read" :
                         n < 4 || memcmp(magic, "GGUF", 4) != 0 ? "does not begin with GGUF" : NULL;
    if (fd >= 0)
        close(fd);
    return reason;
}

/* Of split files the first tells of all; it or, where there is none, any other says what is missing. */
static infer_status tell_gguf(struct listing *l, int fd, const struct names *names, const char *name, const char *path,
                              infer_error *err)
{
    struct split_name split = { .part = 1, .count = 1 };
    infer_listed found = { .size = sizeof found, .path = path, .format = "GGUF", .n_files = 1 };
    char part[NAME_MAX + 16], missing[64];
    found.reason = wrong_gguf(fd, name);
    if (!split_name_parse(name, ".gguf", &split)) {
        split.count = 1;
        found.bytes = bytes_of(fd, name);
    }
    for (uint32_t i = 1; split.count > 1 && i <= split.count && !found.reason; i++) {
        snprintf(part, sizeof part, "%.*s-%05u-of-%05u.gguf", (int)split.stem.n, split.stem.p, i, split.count);
        if (i == 1 && split.part > 1 && has_name(names, part))
            return INFER_OK; /* the first one has told */
        snprintf(missing, sizeof missing, "part %u of %u is missing", i, split.count);
        found.reason = has_name(names, part) ? NULL : missing;
        found.bytes += bytes_of(fd, part);
    }
    found.n_files = split.count;
    found.format = found.reason ? NULL : "GGUF";
    return tell(l, &found, err);
}

static infer_status tell_directory(struct listing *l, int fd, const struct names *names, const char *path,
                                   infer_error *err)
{
    infer_listed found = { .size = sizeof found, .path = path, .format = "SafeTensors" };
    for (size_t i = 0; i < names->n; i++)
        if (ends(names->name[i], ".safetensors")) {
            found.bytes += bytes_of(fd, names->name[i]);
            found.n_files++;
        }
    return tell(l, &found, err);
}

/* ---- Walking ---- */

static infer_status walk(struct listing *l, int fd, const char *path, infer_error *err);

static infer_status walk_into(struct listing *l, int fd, const struct stat *st, const char *name, const char *path,
                              infer_error *err)
{
    for (int i = 0; i < l->depth; i++)
        if (l->above[i].device == st->st_dev && l->above[i].number == st->st_ino)
            return tell_other(l, path, "leads back to a directory above", err);
    if (l->depth > l->o.max_depth)
        return tell_other(l, path, "lies deeper than is looked", err);
    const int below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return below < 0 ? tell_other(l, path, "cannot be opened", err) : walk(l, below, path, err);
}

static infer_status visit(struct listing *l, int fd, const struct names *names, const char *name, const char *path,
                          infer_error *err)
{
    struct stat st;
    const bool model = names->config && names->tensors;
    if (fstatat(fd, name, &st, 0) != 0)
        return tell_other(l, path, "cannot be examined", err);
    if (S_ISDIR(st.st_mode)) /* what stands below a model belongs to it */
        return model ? INFER_OK : walk_into(l, fd, &st, name, path, err);
    if (!S_ISREG(st.st_mode))
        return tell_other(l, path, "is no regular file", err);
    if (ends(name, ".gguf"))
        return tell_gguf(l, fd, names, name, path, err);
    if (model)
        return INFER_OK;
    if (ends(name, ".safetensors"))
        return tell_other(l, path, "has no config.json beside it", err);
    return tell_other(l, path, !strcmp(name, "config.json") ? "has no .safetensors file beside it" :
                      "is neither a GGUF nor a SafeTensors file", err);
}

static infer_status visit_all(struct listing *l, int fd, const struct names *names, const char *directory,
                              infer_error *err)
{
    const size_t n = strlen(directory), slash = n && directory[n - 1] != '/';
    infer_status status = names->config && names->tensors ? tell_directory(l, fd, names, directory, err) : INFER_OK;
    for (size_t i = 0; i < names->n && status == INFER_OK; i++) {
        const size_t length = strlen(names->name[i]);
        char *path = mem_new(l->a, n + slash + length + 1, 1);
        if (!path)
            return fail_memory(err, "a listing");
        memcpy(path, directory, n);
        memset(path + n, '/', slash);
        memcpy(path + n + slash, names->name[i], length);
        status = visit(l, fd, names, names->name[i], path, err);
        mem_free(l->a, path);
    }
    return status;
}

/* Closes fd. */
static infer_status walk(struct listing *l, int fd, const char *path, infer_error *err)
{
    struct stat st;
    struct names names = { 0 };
    arena_init(&names.arena, l->a);
    infer_status status = fstat(fd, &st) == 0 ? INFER_OK : fail(err, INFER_E_IO, "%s: cannot be examined", path);
    if (status == INFER_OK) {
        l->above[l->depth].device = st.st_dev;
        l->above[l->depth++].number = st.st_ino;
        status = read_names(l, fd, path, &names, err);
        if (status == INFER_OK)
            status = visit_all(l, fd, &names, path, err);
        l->depth--;
    }
    mem_free(l->a, names.name);
    arena_free(&names.arena);
    close(fd);
    return status;
}

static infer_status read_options(infer_list_options *o, const infer_list_options *given, infer_error *err)
{
    *o = infer_list_defaults();
    if (given && given->size < sizeof given->size)
        return fail(err, INFER_E_ARGUMENT, "list options: size is %zu; start from infer_list_defaults()", given->size);
    if (given)
        memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    if (o->max_depth < 0 || o->max_depth > MAX_DEPTH)
        return fail(err, INFER_E_ARGUMENT, "list options: max_depth is %d, expected 0 to %d", o->max_depth, MAX_DEPTH);
    if (o->max_entries < 1)
        return fail(err, INFER_E_ARGUMENT, "list options: max_entries is %d, expected 1 or more", o->max_entries);
    return INFER_OK;
}

infer_status infer_list_models(infer_context *context, const char *directory, const infer_list_options *options,
                               infer_list_fn *fn, void *user, infer_error *err)
{
    if (!context || !directory || !fn)
        return fail(err, INFER_E_ARGUMENT, "infer_list_models needs a context, a directory and a callback; found NULL");
    struct listing l = { .a = context_allocator(context), .fn = fn, .user = user };
    if (read_options(&l.o, options, err) != INFER_OK)
        return INFER_E_ARGUMENT;
    const int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail(err, INFER_E_IO, "%s: cannot be opened: %s", directory, strerror(errno));
    l.buffer = mem_raw(l.a, BUFFER, 1);
    if (!l.buffer) {
        close(fd);
        return fail_memory(err, "a listing");
    }
    const infer_status status = walk(&l, fd, directory, err);
    mem_free(l.a, l.buffer);
    return status;
}
