/* listing.c - the files of one version of a repository, and which of them make a model. */
#include "tools/pull/listing.h"

#include "tools/common/failure.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

struct listed_file *listing_add(struct listing *l, const char *path)
{
    if (l->n == l->room) {
        const size_t room = l->room ? 2 * l->room : 64;
        struct listed_file *more = l->n < MOST_FILES ? realloc(l->v, room * sizeof *more) : NULL;
        if (!more)
            return NULL;
        l->v = more;
        l->room = room;
    }
    struct listed_file *f = &l->v[l->n];
    memset(f, 0, sizeof *f);
    f->path = strdup(path);
    l->n += f->path != NULL;
    return f->path ? f : NULL;
}

void listing_close(struct listing *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->v[i].path);
        free(l->v[i].url);
    }
    free(l->v);
    memset(l, 0, sizeof *l);
}

void choice_close(struct choice *c)
{
    free(c->v);
    memset(c, 0, sizeof *c);
}

/* ---- Names ---- */

static bool ends_with(const char *path, const char *end)
{
    const size_t n = strlen(path), m = strlen(end);
    return n > m && !strcasecmp(path + n - m, end);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool part_read(struct part *p, const char *path)
{
    const char *end = strrchr(path, '.');
    enum { MARK = sizeof "-00001-of-00002" - 1 };
    if (!end || end - path <= MARK)
        return false;
    const char *mark = end - MARK;
    for (int i = 0; i < MARK; i++)
        if (i >= 1 && i <= 5 ? !isdigit((unsigned char)mark[i])
            : i >= 10        ? !isdigit((unsigned char)mark[i])
                             : mark[i] != "-.....-of-"[i])
            return false;
    p->stem = (size_t)(mark - path);
    p->index = (unsigned)strtoul(mark + 1, NULL, 10);
    p->count = (unsigned)strtoul(mark + 10, NULL, 10);
    return p->index >= 1 && p->index <= p->count;
}

/* A GGUF file that is a language model, not what goes beside one: eyes, statistics, heads that guess tokens. */
static bool is_model(const char *path)
{
    static const char *const beside[] = { "mmproj", "imatrix", "mtp-", "eagle3-", "dflash-", "dspark-" };
    struct part p;
    if (!ends_with(path, ".gguf") || (part_read(&p, path) && p.index != 1))
        return false;
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++)
        if (strcasestr(base_name(path), beside[i]))
            return false;
    return true;
}

/* Whether a type stands in a path as a word: q4_0 is in a-Q4_0.gguf, but not in a-IQ4_0.gguf or a-Q4_0_8_8.gguf. */
static bool has_type(const char *path, const char *type)
{
    const size_t n = strlen(type);
    for (const char *at = path; (at = strcasestr(at, type)); at++)
        if ((at == path || !isalnum((unsigned char)at[-1])) && at[n] && strchr("-./", at[n]))
            return true;
    return false;
}

/* ---- GGUF ---- */

static bool find_type(const struct listing *l, const char *type, size_t *found)
{
    for (size_t i = 0; i < l->n; i++)
        if (is_model(l->v[i].path) && has_type(l->v[i].path, type)) {
            *found = i;
            return true;
        }
    return false;
}

static bool find_model(const struct listing *l, const char *type, size_t *found)
{
    if (*type)
        return find_type(l, type, found);
    if (find_type(l, "q4_k_m", found) || find_type(l, "q8_0", found))
        return true;
    for (*found = 0; *found < l->n; ++*found)
        if (is_model(l->v[*found].path))
            return true;
    return false;
}

static bool find_path(const struct listing *l, const char *path, size_t *found)
{
    for (*found = 0; *found < l->n; ++*found)
        if (!strcasecmp(l->v[*found].path, path))
            return true;
    return false;
}

/* GGUF files by name, as many as go into a sentence. */
static void list_models(const struct listing *l, char *text, size_t room)
{
    size_t used = 0;
    *text = 0;
    for (size_t i = 0; i < l->n; i++)
        if (is_model(l->v[i].path)) {
            const char *path = l->v[i].path;
            if (used + strlen(path) + sizeof ", ..." > room) {
                snprintf(text + used, room - used, ", ...");
                return;
            }
            used += (size_t)snprintf(text + used, room - used, "%s%s", used ? ", " : "", path);
        }
}

/* ---- What belongs together ---- */

static infer_status add(struct choice *c, const struct listing *l, size_t i, infer_error *err)
{
    if (!path_is_plain(l->v[i].path))
        return failure(err, INFER_E_FORMAT, "the list of files has \"%.200s\", expected a path within the repository",
                       l->v[i].path);
    c->v[c->n++] = i;
    return INFER_OK;
}

/* All parts of what file `first` is part of, in their order. */
static infer_status add_parts(struct choice *c, const struct listing *l, size_t first, infer_error *err)
{
    struct part p, other;
    const char *path = l->v[first].path, *end = strrchr(path, '.');
    if (!part_read(&p, path))
        return add(c, l, first, err);
    size_t *place = calloc(p.count, sizeof *place); /* of each part + 1; 0: it is not there */
    if (!place)
        return failure(err, INFER_E_NOMEM, "no memory for a list of %u files", p.count);
    for (size_t i = 0; i < l->n; i++)
        if (part_read(&other, l->v[i].path) && other.count == p.count && other.stem == p.stem &&
            !memcmp(path, l->v[i].path, p.stem) && !strcmp(strrchr(l->v[i].path, '.'), end))
            place[other.index - 1] = i + 1;
    infer_status status = INFER_OK;
    for (unsigned i = 0; i < p.count && status == INFER_OK; i++)
        status = place[i] ? add(c, l, place[i] - 1, err)
                          : failure(err, INFER_E_UNKNOWN, "%.300s: part %u of %u is not there", path, i + 1, p.count);
    free(place);
    return status;
}

/* ---- Directories ---- */

/* What a directory has beside its weights: configuration, tokenizer, template; of encoders also those of their modules,
 * such as 1_Pooling/config.json, and the weights of these. */
static bool is_beside(const char *path)
{
    static const char *const ends[] = { ".json", ".jinja", ".model", "/merges.txt", "/vocab.txt" };
    const char *name = base_name(path);
    if (name != path) {
        const size_t digits = strspn(path, "0123456789");
        return digits && path[digits] == '_' && strchr(path, '/') == name - 1 &&
               (!strcmp(name, "config.json") || !strcmp(name, "model.safetensors"));
    }
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (*ends[i] == '/' ? !strcasecmp(name, ends[i] + 1) : ends_with(name, ends[i]))
            return true;
    return false;
}

/* The one file of weights, or the first of those split as Transformers does it, or an adapter's. */
static bool find_weights(const struct listing *l, size_t *found)
{
    if (find_path(l, "model.safetensors", found))
        return true;
    for (*found = 0; *found < l->n; ++*found)
        if (!strncmp(l->v[*found].path, "model-00001-of-", 15) && ends_with(l->v[*found].path, ".safetensors"))
            return true;
    return find_path(l, "adapter_model.safetensors", found);
}

static infer_status add_directory(struct choice *c, const struct listing *l, const struct reference *r,
                                  infer_error *err)
{
    size_t weights, config;
    if (!find_weights(l, &weights) ||
        (!find_path(l, "config.json", &config) && !find_path(l, "adapter_config.json", &config)))
        return failure(err, INFER_E_UNKNOWN, "%s has no model: expected a GGUF file, or config.json with "
                       "model.safetensors (%zu files were looked at)", r->repo, l->n);
    infer_status status = INFER_OK;
    for (size_t i = 0; i < l->n && status == INFER_OK; i++)
        if (is_beside(l->v[i].path))
            status = add(c, l, i, err);
    c->directory = true;
    return status == INFER_OK ? add_parts(c, l, weights, err) : status;
}

infer_status listing_choose(const struct listing *l, const struct reference *r, struct choice *c, infer_error *err)
{
    char models[300];
    size_t found;
    memset(c, 0, sizeof *c);
    c->v = calloc(2 * l->n + 1, sizeof *c->v);
    if (!c->v)
        return failure(err, INFER_E_NOMEM, "no memory for a list of %zu files", l->n);
    list_models(l, models, sizeof models);
    infer_status status;
    if (*r->file && !find_path(l, r->file, &found))
        status = failure(err, INFER_E_UNKNOWN, "%s has no file %.150s%s%s", r->repo, r->file,
                         *models ? "; of models it has " : "", models);
    else if (*r->file || find_model(l, r->type, &found))
        status = add_parts(c, l, found, err);
    else if (*models)
        status = failure(err, INFER_E_UNKNOWN, "%s has no GGUF file of type %s; it has %s", r->repo, r->type, models);
    else if (*r->type)
        status = failure(err, INFER_E_UNKNOWN, "%s has no GGUF file of type %s, nor of any; without a type its "
                         "SafeTensors are taken, if it has any", r->repo, r->type);
    else
        status = add_directory(c, l, r, err);
    if (status != INFER_OK)
        choice_close(c);
    return status;
}
