/* map.c - files mapped read-only. */
#include "src/base/map.h"

#include "src/base/error.h"

#include <errno.h>
#include <fcntl.h>
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

static infer_status map_descriptor(struct mapping *m, int fd, const char *path, infer_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return fail(err, INFER_E_IO, "%s: cannot be examined: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return fail(err, INFER_E_IO, "%s: not a regular file", path);
    *m = (struct mapping){ NULL, (size_t)st.st_size };
    if (!m->size)
        return INFER_OK;
    void *p = mmap(NULL, m->size, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return fail(err, INFER_E_IO, "%s: cannot be mapped: %s", path, strerror(errno));
    m->data = p;
    return INFER_OK;
}

infer_status map_open(struct mapping *m, const char *path, infer_error *err)
{
    *m = (struct mapping){ 0 };
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(err, INFER_E_IO, "%s: cannot be opened: %s", path, strerror(errno));
    infer_status status = map_descriptor(m, fd, path, err);
    close(fd);
    return status;
}

void map_close(struct mapping *m)
{
    if (m->data)
        munmap((void *)(uintptr_t)m->data, m->size);
    *m = (struct mapping){ 0 };
}
