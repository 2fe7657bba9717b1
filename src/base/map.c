/* map.c - files mapped read-only, and read into memory at the same addresses. */
#include "src/base/map.h"

#include "src/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

char path_kind(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return 0;
    return S_ISREG(st.st_mode) ? 'f' : S_ISDIR(st.st_mode) ? 'd' : 0;
}

static uint8_t *memory_of(const struct mapping *m)
{
    return (uint8_t *)(uintptr_t)m->data;
}

static infer_status map_descriptor(struct mapping *m, int fd, const char *path, infer_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return fail(err, INFER_E_IO, "%s: cannot be examined: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return fail(err, INFER_E_IO, "%s: not a regular file", path);
    if (!st.st_size)
        return INFER_OK;
    m->size = (size_t)st.st_size;
    void *p = mmap(NULL, m->size, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return fail(err, INFER_E_IO, "%s: cannot be mapped: %s", path, strerror(errno));
    m->data = p;
    return INFER_OK;
}

infer_status map_open(struct mapping *m, const char *path, infer_error *err)
{
    *m = (struct mapping){ .fd = open(path, O_RDONLY | O_CLOEXEC) };
    if (m->fd < 0)
        return fail(err, INFER_E_IO, "%s: cannot be opened: %s", path, strerror(errno));
    infer_status status = map_descriptor(m, m->fd, path, err);
    if (status != INFER_OK)
        map_close(m);
    return status;
}

void map_close_file(struct mapping *m)
{
    if (m->fd >= 0)
        close(m->fd);
    m->fd = -1;
}

bool map_intact(const struct mapping *m, size_t *size)
{
    struct stat st;
    *size = m->size;
    if (m->fd < 0 || fstat(m->fd, &st) != 0)
        return true;
    *size = (size_t)st.st_size;
    return *size >= m->size;
}

void map_close(struct mapping *m)
{
    map_close_file(m);
    if (m->data)
        munmap(memory_of(m), m->size);
    *m = (struct mapping){ .fd = -1 };
}

/* ---- Reading in ---- */

infer_status map_begin_read(struct mapping *m, bool huge_pages, infer_error *err)
{
    if (!m->data)
        return INFER_OK;
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    if (mmap(memory_of(m), m->size, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED)
        return fail(err, INFER_E_NOMEM, "out of memory for %zu bytes of weights: %s", m->size, strerror(errno));
    if (huge_pages)
        madvise(memory_of(m), m->size, MADV_HUGEPAGE); /* the memory is good without, too */
    return INFER_OK;
}

infer_status map_read(const struct mapping *m, size_t offset, size_t n, infer_error *err)
{
    const size_t end = n < m->size - offset ? offset + n : m->size;
    while (offset < end) {
        const ssize_t got = pread(m->fd, memory_of(m) + offset, end - offset, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return fail(err, INFER_E_IO, "cannot be read at byte %zu of %zu: %s", offset, m->size,
                        got ? strerror(errno) : "the file has become shorter");
        offset += (size_t)got;
    }
    return INFER_OK;
}

void map_end_read(struct mapping *m)
{
    if (m->data)
        mprotect(memory_of(m), m->size, PROT_READ);
}

/* ---- What the system does with it ---- */

void map_forget(const void *p, size_t n)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = ((uintptr_t)p + page - 1) / page * page;
    const uintptr_t to = ((uintptr_t)p + n) / page * page;
    if (to > from)
        madvise((void *)from, to - from, MADV_DONTNEED);
}

bool map_lock(const struct mapping *m)
{
    return !m->data || mlock(m->data, m->size) == 0;
}

size_t map_huge_bytes(const void *p, size_t n)
{
    FILE *f = fopen("/proc/self/smaps", "re");
    const uintptr_t from = (uintptr_t)p, to = from + n;
    uintptr_t begin, end, inside = 0; /* of the area that the lines are about */
    size_t kilobytes, sum = 0;
    char line[512];
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &begin, &end) == 2) {
            begin = begin > from ? begin : from;
            end = end < to ? end : to;
            inside = end > begin ? end - begin : 0;
        } else if (sscanf(line, "AnonHugePages: %zu", &kilobytes) == 1) {
            sum += kilobytes * 1024 < inside ? kilobytes * 1024 : inside;
        }
    }
    if (f)
        fclose(f);
    return sum;
}
