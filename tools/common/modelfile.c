/* modelfile.c - one pass over a copy of the text, in which values are ended where they stand. */
#include "tools/common/modelfile.h"

#include "src/base/utf8.h"
#include "tools/common/failure.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

struct reader {
    const char *path; /* of the file */
    char *at;         /* in the text, which is terminated */
    unsigned line;    /* that `at` is in, from 1 on, */
    unsigned begun;   /* and that the instruction began in */
    struct modelfile *m;
    infer_error *err;
};

static const struct {
    const char *word;
    enum modelfile_kind kind;
    bool has_name;
} instructions[] = {
    { "FROM", MODELFILE_FROM, false },         { "PARAMETER", MODELFILE_PARAMETER, true },
    { "TEMPLATE", MODELFILE_TEMPLATE, false }, { "SYSTEM", MODELFILE_SYSTEM, false },
    { "ADAPTER", MODELFILE_ADAPTER, false },   { "MESSAGE", MODELFILE_MESSAGE, true },
    { "LICENSE", MODELFILE_LICENSE, false },   { "RENDERER", MODELFILE_OTHER, false },
    { "PARSER", MODELFILE_OTHER, false },      { "REQUIRES", MODELFILE_OTHER, false },
};
enum { N_INSTRUCTIONS = sizeof instructions / sizeof *instructions };

static bool wrong(const struct reader *r, const char *what, const char *found, size_t n)
{
    failure(r->err, INFER_E_FORMAT, "%.300s, line %u: %s%.*s", r->path, r->begun, what, n < 60 ? (int)n : 60, found);
    return false;
}

/* ---- Words and values ---- */

static void skip_blanks(struct reader *r)
{
    r->at += strspn(r->at, " \t\r");
}

/* Go behind p, counting lines. */
static void move_to(struct reader *r, const char *p)
{
    for (; r->at < p; r->at++)
        r->line += *r->at == '\n';
}

/* A word; its end becomes a terminator, unless it is the line's. Its length goes to *n. */
static const char *read_word(struct reader *r, size_t *n)
{
    const char *word = r->at;
    *n = strcspn(word, " \t\r\n");
    r->at += *n;
    return word;
}

/* Between three quotation marks, over any number of lines. */
static bool read_long(struct reader *r, const char **value)
{
    char *end = strstr(r->at + 3, "\"\"\"");
    if (!end)
        return wrong(r, "expected \"\"\" at the end of what begins with it", "", 0);
    *value = r->at + 3;
    move_to(r, end + 3);
    *end = 0;
    skip_blanks(r);
    return !*r->at || *r->at == '\n' || wrong(r, "found behind \"\"\": ", r->at, strcspn(r->at, "\n"));
}

/* Up to the end of the line; what begins with a quotation mark up to the next line that ends with one. */
static bool read_value(struct reader *r, const char **value)
{
    if (!strncmp(r->at, "\"\"\"", 3))
        return read_long(r, value);
    const bool quoted = *r->at == '"';
    char *const start = r->at + quoted, *line_end = r->at + strcspn(r->at, "\n"), *end = line_end;
    for (;; line_end += 1 + strcspn(line_end + 1, "\n")) {
        for (end = line_end; end > start && strchr(" \t\r", end[-1]); end--)
            ;
        if (!quoted || (end > start && end[-1] == '"'))
            break;
        if (!*line_end)
            return wrong(r, "expected a quotation mark at the end of what begins with one", "", 0);
    }
    move_to(r, line_end);
    r->line += *line_end == '\n'; /* which may be overwritten */
    r->at += *line_end == '\n';
    end[quoted ? -1 : 0] = 0;
    *value = start;
    return true;
}

/* ---- Items ---- */

/* A path that is relative is so to the file's folder. */
static char *beside(const char *file, const char *path)
{
    const char *slash = strrchr(file, '/'), *home = getenv("HOME");
    const bool of_home = !strncmp(path, "~/", 2) && home;
    const size_t n = of_home ? strlen(home) : *path == '/' || !slash ? 0 : (size_t)(slash - file);
    const size_t room = n + strlen(path) + 2;
    char *out = malloc(room);
    if (out)
        snprintf(out, room, "%.*s%s%s", (int)n, of_home ? home : file, n ? "/" : "", path + (of_home ? 2 : 0));
    return out;
}

static bool check(const struct reader *r, const struct modelfile_item *item)
{
    static const char *const roles[] = { "system", "user", "assistant" };
    if (item->kind == MODELFILE_FROM && modelfile_find(r->m, MODELFILE_FROM))
        return wrong(r, "a second FROM, expected one: ", item->value, strlen(item->value));
    if (item->kind == MODELFILE_MESSAGE) {
        bool known = false;
        for (int i = 0; i < 3; i++)
            known |= !strcmp(item->name, roles[i]);
        if (!known)
            return wrong(r, "MESSAGE expects system, user or assistant, found: ", item->name, strlen(item->name));
    }
    return *item->value || item->kind == MODELFILE_SYSTEM || item->kind == MODELFILE_MESSAGE ||
           item->kind == MODELFILE_LICENSE || wrong(r, "there is no value", "", 0);
}

static bool add(struct reader *r, struct modelfile_item item)
{
    struct modelfile *m = r->m;
    if (m->n == MODELFILE_MOST_ITEMS)
        return wrong(r, "too many instructions", "", 0);
    if ((m->n & (m->n - 1)) == 0) { /* grows at powers of two */
        struct modelfile_item *more = realloc(m->items, (m->n ? 2 * m->n : 1) * sizeof *more);
        if (!more)
            return failure(r->err, INFER_E_NOMEM, "%.300s: no memory", r->path), false;
        m->items = more;
    }
    if (item.kind == MODELFILE_FROM || item.kind == MODELFILE_ADAPTER)
        if (!(item.path = beside(r->path, item.value)))
            return failure(r->err, INFER_E_NOMEM, "%.300s: no memory", r->path), false;
    m->items[m->n++] = item;
    return true;
}

static bool read_instruction(struct reader *r)
{
    size_t n, i = 0, n_name = 0;
    const char *word = read_word(r, &n), *name = "";
    r->begun = r->line;
    while (i < N_INSTRUCTIONS && (strlen(instructions[i].word) != n || strncasecmp(word, instructions[i].word, n) != 0))
        i++;
    if (i == N_INSTRUCTIONS)
        return wrong(r, "expected FROM, PARAMETER, TEMPLATE, SYSTEM, ADAPTER, MESSAGE or LICENSE, found: ", word, n);
    skip_blanks(r);
    if (instructions[i].has_name) {
        name = read_word(r, &n_name);
        skip_blanks(r);
    }
    struct modelfile_item item = { .kind = instructions[i].kind, .line = r->begun, .name = name };
    if (!*r->at || *r->at == '\n')
        return wrong(r, "there is no value", "", 0);
    if (!read_value(r, &item.value))
        return false;
    if (n_name)
        ((char *)name)[n_name] = 0;
    return check(r, &item) && add(r, item);
}

static bool read_items(struct reader *r)
{
    while (*r->at) {
        skip_blanks(r);
        if (*r->at == '#')
            r->at += strcspn(r->at, "\n");
        if (*r->at == '\n')
            move_to(r, r->at + 1);
        else if (*r->at && !read_instruction(r))
            return false;
    }
    return modelfile_find(r->m, MODELFILE_FROM) ||
           (failure(r->err, INFER_E_FORMAT, "%.300s: there is no FROM, which names the model", r->path), false);
}

/* ---- Files ---- */

static bool check_bytes(const char *path, const char *text, size_t n, infer_error *err)
{
    if (n > MODELFILE_MOST_BYTES)
        return failure(err, INFER_E_FORMAT, "%.300s: has more than %d bytes, which no Modelfile needs", path,
                       MODELFILE_MOST_BYTES), false;
    if (memchr(text, 0, n) || utf8_valid(text, n) < n)
        return failure(err, INFER_E_FORMAT, "%.300s: is no text in UTF-8, as a Modelfile is", path), false;
    return true;
}

struct modelfile *modelfile_parse(const char *path, const char *text, size_t n, infer_error *err)
{
    if (!check_bytes(path, text, n, err))
        return NULL;
    struct modelfile *m = calloc(1, sizeof *m);
    if (!m || !(m->text = malloc(n + 1))) {
        failure(err, INFER_E_NOMEM, "%.300s: no memory", path);
        modelfile_close(&m);
        return NULL;
    }
    memcpy(m->text, text, n);
    m->text[n] = 0;
    struct reader r = { .path = path, .at = m->text, .line = 1, .m = m, .err = err };
    if (!strncmp(r.at, "\xef\xbb\xbf", 3)) /* a byte order mark */
        r.at += 3;
    if (!read_items(&r))
        modelfile_close(&m);
    return m;
}

struct modelfile *modelfile_open(const char *path, infer_error *err)
{
    FILE *f = fopen(path, "rb");
    char *text = f ? malloc(MODELFILE_MOST_BYTES + 1) : NULL;
    if (!text) {
        failure(err, f ? INFER_E_NOMEM : INFER_E_IO, "%.300s: cannot be read: %s", path, strerror(errno));
        if (f)
            fclose(f);
        return NULL;
    }
    errno = 0;
    const size_t n = fread(text, 1, MODELFILE_MOST_BYTES + 1, f);
    struct modelfile *m = NULL;
    if (ferror(f))
        failure(err, INFER_E_IO, "%.300s: cannot be read: %s", path, strerror(errno));
    else
        m = modelfile_parse(path, text, n, err);
    free(text);
    fclose(f);
    return m;
}

void modelfile_close(struct modelfile **modelfile)
{
    struct modelfile *m = *modelfile;
    *modelfile = NULL;
    if (!m)
        return;
    for (size_t i = 0; i < m->n; i++)
        free(m->items[i].path);
    free(m->items);
    free(m->text);
    free(m);
}

const struct modelfile_item *modelfile_find(const struct modelfile *m, enum modelfile_kind kind)
{
    for (size_t i = m->n; i; i--)
        if (m->items[i - 1].kind == kind)
            return &m->items[i - 1];
    return NULL;
}

bool modelfile_is_name(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    return !strcasecmp(name, "Modelfile") || !strncasecmp(name, "Modelfile.", 10) ||
           (dot && !strcasecmp(dot, ".modelfile"));
}

enum modelfile_language modelfile_language(const char *source)
{
    static const char prompt[] = "{{.Prompt}}";
    const char *at = source;
    size_t n = 0;
    for (; *at && n < sizeof prompt; at++)
        if (!isspace((unsigned char)*at) && *at != prompt[n++])
            n = sizeof prompt;
    if (!*at && n == sizeof prompt - 1)
        return MODELFILE_PROMPT;
    return strstr(source, "{{") && !strstr(source, "{%") ? MODELFILE_GO : MODELFILE_JINJA;
}
