/* keys.c - the keys that requests may have. */
#include "server/keys.h"

#include "tools/common/failure.h"
#include "tools/common/program.h"

#include <stdlib.h>
#include <sys/stat.h>

/* A header's value: no spaces, nothing that is not to be seen. */
static bool is_key(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return n > 0;
}

static bool add(struct keys *keys, const char *text, size_t n, const char *from, infer_error *err)
{
    if (!is_key(text, n)) {
        failure(err, INFER_E_ARGUMENT, "%s: a key has spaces or letters beyond ASCII in it, or is empty", from);
        return false;
    }
    char **more = realloc(keys->item, (keys->n + 1) * sizeof *more);
    if (more)
        keys->item = more;
    if (!more || !(more[keys->n] = strndup(text, n))) {
        failure(err, INFER_E_NOMEM, "out of memory for keys");
        return false;
    }
    keys->n++;
    return true;
}

static bool read_lines(struct keys *keys, const char *path, infer_error *err)
{
    const size_t before = keys->n;
    size_t length;
    char *text = read_file(path, &length, err);
    bool good = text != NULL;
    for (char *line = text, *next; good && line && *line; line = next) {
        const size_t n = strcspn(line, "\n");
        next = line + n + (line[n] == '\n');
        line += strspn(line, " \t\r");
        size_t end = strcspn(line, "\r\n");
        while (end && strchr(" \t", line[end - 1]))
            end--;
        if (end && *line != '#')
            good = add(keys, line, end, path, err);
    }
    free(text);
    if (good && keys->n == before) {
        failure(err, INFER_E_ARGUMENT, "%s: has no keys, expected one a line", path);
        return false;
    }
    return good;
}

static void warn_of_readers(const char *path)
{
    struct stat s;
    if (stat(path, &s) == 0 && S_ISREG(s.st_mode) && s.st_mode & S_IROTH)
        fprintf(stderr, "warning: %s can be read by every user of the machine\n", path);
}

static bool read_variable(struct keys *keys, const char *name, infer_error *err)
{
    const char *at = getenv(name);
    while (at && *at) {
        const size_t n = strcspn(at, ",");
        if (n && !add(keys, at, n, name, err))
            return false;
        at += n + (at[n] == ',');
    }
    return true;
}

bool keys_read(struct keys *keys, const char *path, infer_error *err)
{
    if (path && !read_lines(keys, path, err))
        return false;
    if (path)
        warn_of_readers(path);
    return read_variable(keys, "INFER_API_KEY", err) && read_variable(keys, "INFER_API_KEYS", err);
}

void keys_free(struct keys *keys)
{
    for (size_t i = 0; i < keys->n; i++)
        free(keys->item[i]);
    free(keys->item);
    *keys = (struct keys){ NULL, 0 };
}
