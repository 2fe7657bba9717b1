/* gguf_split.c - GGUF files on disk, whole or split into NAME-00001-of-00003.gguf and so on.
 *
 * Each part is a GGUF file of its own. Part 1 has the model's metadata, the others hardly more than split.no (from 0),
 * split.count and split.tensors.count (of all parts together). Any part leads to all. */
#include "src/formats/weights.h"

#include <stdio.h>

struct split {
    uint32_t no, count, tensors;
};

static infer_status parse_file(struct weights *w, const char *path, infer_error *err)
{
    struct mapping m;
    infer_status status = weights_map(w, path, &m, err);
    if (status != INFER_OK)
        return status;
    status = gguf_parse(w, m.data, m.size, err);
    return status == INFER_OK ? status : (fail_prefix(err, path), status);
}

/* A file without split.count is a whole one: count 1. */
static infer_status read_split(const struct weights *w, struct split *s, infer_error *err)
{
    *s = (struct split){ 0, 1, 0 };
    const enum meta_result count = meta_get_u32(w, "split.count", &s->count, err);
    if (count == META_WRONG)
        return INFER_E_FORMAT;
    if (count == META_ABSENT || s->count <= 1) {
        s->count = 1;
        return INFER_OK;
    }
    const char *const keys[] = { "split.no", "split.tensors.count" };
    uint32_t *const values[] = { &s->no, &s->tensors };
    for (int i = 0; i < 2; i++) {
        const enum meta_result result = meta_get_u32(w, keys[i], values[i], err);
        if (result == META_ABSENT)
            fail(err, INFER_E_FORMAT, "%s: split.count is %u, but there is no %s", w->path, s->count, keys[i]);
        if (result != META_FOUND)
            return INFER_E_FORMAT;
    }
    return INFER_OK;
}

static char *part_path(struct weights *w, const struct split_name *name, uint32_t part)
{
    const size_t room = name->stem.n + sizeof "-00001-of-00002.gguf";
    char *path = arena_new(&w->arena, room, 1);
    if (path)
        snprintf(path, room, "%.*s-%05u-of-%05u.gguf", (int)name->stem.n, name->stem.p, part % 100000,
                 name->count % 100000);
    return path;
}

/* Open part number `part` (from 1) as weights of its own, whose split.* must agree with those wanted. */
static struct weights *open_part(struct weights *w, const struct split_name *name, uint32_t part, uint32_t tensors,
                                 infer_error *err)
{
    const char *path = part_path(w, name, part);
    struct weights *p = path ? weights_new(w->a, path, WEIGHTS_GGUF, err) : NULL;
    if (!p)
        return path ? NULL : (fail_memory(err, "a part of a split file"), NULL);
    struct split s;
    infer_status status = parse_file(p, path, err);
    if (status == INFER_OK)
        status = read_split(p, &s, err);
    if (status == INFER_OK && (s.no != part - 1 || s.count != name->count || s.tensors != tensors))
        status = fail(err, INFER_E_FORMAT,
                      "%s: split.no %u, split.count %u, split.tensors.count %u; expected %u, %u, %u as in %s", path,
                      s.no, s.count, s.tensors, part - 1, name->count, tensors, w->path);
    if (status != INFER_OK)
        weights_close(&p);
    return p;
}

/* Take over the tensors and the mappings of a part, and its metadata if it is the first. */
static infer_status merge_part(struct weights *w, struct weights *p, bool metadata, infer_error *err)
{
    infer_status status = INFER_OK;
    if (!mem_grow(w->a, &w->maps, &w->maps_capacity, w->n_maps + p->n_maps, sizeof *w->maps))
        return fail_memory(err, "the list of files");
    for (size_t i = 0; metadata && i < p->n_metas && status == INFER_OK; i++)
        status = weights_add_meta(w, &p->metas[i], err);
    for (size_t i = 0; i < p->n_tensors && status == INFER_OK; i++)
        status = weights_add_tensor(w, &p->tensors[i], err);
    if (status != INFER_OK)
        return fail_prefix(err, p->path), status;
    for (size_t i = 0; i < p->n_maps; i++)
        w->maps[w->n_maps++] = p->maps[i];
    p->n_maps = 0;
    return INFER_OK;
}

static bool open_parts(struct weights *w, const struct split *s, infer_error *err)
{
    struct split_name name;
    if (!split_name_parse(w->path, ".gguf", &name) || name.part - 1 != s->no || name.count != s->count) {
        fail(err, INFER_E_FORMAT,
             "%s: split.no is %u, split.count %u: expected a name that ends in -%05llu-of-%05u.gguf", w->path, s->no,
             s->count, s->no + 1ull, s->count);
        return false;
    }
    for (uint32_t part = 1; part <= s->count; part++) {
        struct weights *p = open_part(w, &name, part, s->tensors, err);
        const bool merged = p && merge_part(w, p, part == 1, err) == INFER_OK;
        weights_close(&p);
        if (!merged)
            return false;
    }
    if (w->n_tensors == s->tensors)
        return true;
    fail(err, INFER_E_FORMAT, "%s: the %u parts have %zu tensors, split.tensors.count is %u", w->path, s->count,
         w->n_tensors, s->tensors);
    return false;
}

struct weights *gguf_open(const infer_allocator *a, const char *path, infer_error *err)
{
    struct weights *file = weights_new(a, path, WEIGHTS_GGUF, err), *all = NULL;
    struct split s = { 0, 1, 0 };
    if (!file || parse_file(file, path, err) != INFER_OK || read_split(file, &s, err) != INFER_OK)
        goto done;
    if (s.count <= 1)
        return file;
    all = weights_new(a, path, WEIGHTS_GGUF, err);
    if (all && !open_parts(all, &s, err))
        weights_close(&all);
done:
    weights_close(&file);
    return all;
}
