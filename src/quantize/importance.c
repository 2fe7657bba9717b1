/* importance.c - reading importance matrices.
 *
 * GGUF: for each matrix NAME two tensors of floats: NAME.in_sum2, (width, matrices), sums of squares of what each
 * column was multiplied with, and NAME.counts, (1, matrices), over how many tokens. Of a matrix that saw none nothing
 * is known: all its columns count the same.
 *
 * The older form, little-endian: i32 number of entries; for each i32 length and bytes of the name, i32 calls, i32
 * number of values, and as many f32: sums over the calls of mean squares. Then, in most files: i32 pieces of text, i32
 * length and bytes of the text's name. */
#include "src/quantize/importance.h"

#include "src/base/error.h"

#include <math.h>

struct entry {
    float *v;
    size_t n;
};

struct importance {
    const infer_allocator *a;
    struct arena arena;
    struct table index;
    struct entry *entries;
    size_t n, room;
    uint32_t n_chunks;
    const char *dataset;
};

static struct importance *importance_new(const infer_allocator *a, infer_error *err)
{
    struct importance *i = mem_new(a, 1, sizeof *i);
    if (!i)
        return fail_memory(err, "an importance matrix"), NULL;
    i->a = a;
    i->dataset = "";
    arena_init(&i->arena, a);
    table_init(&i->index, a);
    return i;
}

void importance_close(struct importance **importance)
{
    struct importance *i = *importance;
    if (!i)
        return;
    mem_free(i->a, i->entries);
    table_free(&i->index);
    arena_free(&i->arena);
    mem_free(i->a, i);
    *importance = NULL;
}

const float *importance_find(const struct importance *i, struct text name, size_t *n)
{
    uint32_t at;
    if (!table_find(&i->index, name, &at))
        return NULL;
    *n = i->entries[at].n;
    return i->entries[at].v;
}

struct importance_info importance_info(const struct importance *i)
{
    return (struct importance_info){ i->n, i->n_chunks, i->dataset };
}

/* Room for the n values of a name, which is copied. */
static infer_status add(struct importance *i, struct text name, size_t n, float **v, infer_error *err)
{
    const int shown = (int)(name.n < 64 ? name.n : 64);
    if (!name.n || memchr(name.p, 0, name.n))
        return fail(err, INFER_E_FORMAT, "entry %zu has no name, expected that of a matrix", i->n + 1);
    const struct text key = { arena_text(&i->arena, name.p, name.n), name.n };
    *v = arena_new(&i->arena, n, sizeof **v);
    if (!key.p || !*v || i->n >= UINT32_MAX || !mem_grow(i->a, &i->entries, &i->room, i->n + 1, sizeof *i->entries))
        return fail_memory(err, "an importance matrix");
    switch (table_add(&i->index, key, (uint32_t)i->n)) {
    case TABLE_NOMEM: return fail_memory(err, "an importance matrix");
    case TABLE_THERE: return fail(err, INFER_E_FORMAT, "\"%.*s\" is there twice", shown, name.p);
    case TABLE_ADDED: break;
    }
    i->entries[i->n++] = (struct entry){ *v, n };
    return INFER_OK;
}

static infer_status check(struct text name, size_t at, float value, infer_error *err)
{
    if (isfinite(value) && value >= 0)
        return INFER_OK;
    return fail(err, INFER_E_FORMAT, "value %zu of \"%.*s\" is %g, expected a sum of squares", at,
                (int)(name.n < 64 ? name.n : 64), name.p, (double)value);
}

/* ---- GGUF ---- */

static bool text_ends_in(struct text t, const char *end)
{
    const size_t n = strlen(end);
    return t.n > n && !memcmp(t.p + t.n - n, end, n);
}

/* n matrices of `width` sums each, divided by their counts. */
static infer_status put_means(float *v, struct text name, const struct tensor *sums, const struct tensor *counts,
                              infer_error *err)
{
    const size_t width = (size_t)sums->ne[0], n = (size_t)counts->ne[1];
    for (size_t m = 0; m < n; m++) {
        const float count = f32_from_bits(read_u32((const uint8_t *)counts->data + 4 * m));
        infer_status status = check(name, m, count, err);
        for (size_t c = 0; c < width && status == INFER_OK; c++) {
            const size_t at = m * width + c;
            const float sum = f32_from_bits(read_u32((const uint8_t *)sums->data + 4 * at));
            v[at] = count > 0 ? sum / count : 1;
            status = check(name, at, v[at], err);
        }
        if (status != INFER_OK)
            return status;
    }
    return INFER_OK;
}

static infer_status add_pair(struct importance *i, const struct weights *w, const struct tensor *sums, infer_error *err)
{
    const struct text name = { sums->name.p, sums->name.n - strlen(".in_sum2") };
    char *key = arena_new(&i->arena, name.n + sizeof ".counts", 1);
    float *v = NULL;
    if (!key)
        return fail_memory(err, "an importance matrix");
    memcpy(key, name.p, name.n);
    memcpy(key + name.n, ".counts", sizeof ".counts");
    const struct tensor *counts = weights_tensor(w, text_of(key));
    if (!counts)
        return fail(err, INFER_E_FORMAT, "tensor %s is missing", key);
    if (sums->type != DTYPE_F32 || counts->type != DTYPE_F32)
        return fail(err, INFER_E_FORMAT, "%s is %s and %s is %s, expected f32 both", sums->name.p,
                    dtype_name(sums->type), key, dtype_name(counts->type));
    if (counts->ne[0] != 1 || counts->ne[1] != sums->ne[1] || sums->ne[2] != 1 || sums->ne[3] != 1 ||
        counts->ne[2] != 1 || counts->ne[3] != 1)
        return fail(err, INFER_E_FORMAT, "%s has %llu rows and %s the shape (%llu, %llu), expected a count for each"
                    " row", sums->name.p, (unsigned long long)sums->ne[1], key, (unsigned long long)counts->ne[0],
                    (unsigned long long)counts->ne[1]);
    const infer_status status = add(i, name, (size_t)(sums->bytes / 4), &v, err);
    return status == INFER_OK ? put_means(v, name, sums, counts, err) : status;
}

static infer_status read_about(struct importance *i, const struct weights *w, infer_error *err)
{
    const struct meta *sets = weights_meta(w, "imatrix.datasets");
    infer_error unused;
    meta_get_u32(w, "imatrix.chunk_count", &i->n_chunks, &unused);
    if (sets && sets->type == META_ARRAY && sets->element == META_STRING && sets->n) {
        const uint8_t *at = sets->elements;
        const struct text first = meta_next_string(&at);
        i->dataset = arena_text(&i->arena, first.p, first.n);
    }
    return i->dataset ? INFER_OK : fail_memory(err, "an importance matrix");
}

static infer_status read_gguf(struct importance *i, const struct weights *w, infer_error *err)
{
    struct text type = { "", 0 };
    infer_error unused;
    meta_get_text(w, "general.type", &type, &unused);
    if (!text_is(type, "imatrix"))
        return fail(err, INFER_E_FORMAT, "general.type is \"%.*s\", expected \"imatrix\"",
                    (int)(type.n < 64 ? type.n : 64), type.p);
    infer_status status = read_about(i, w, err);
    for (size_t t = 0; t < w->n_tensors && status == INFER_OK; t++)
        if (text_ends_in(w->tensors[t].name, ".in_sum2"))
            status = add_pair(i, w, &w->tensors[t], err);
    return status;
}

/* ---- The older form ---- */

struct reader {
    const uint8_t *at;
    size_t left;
};

static bool read_i32(struct reader *r, int32_t *value)
{
    if (r->left < 4)
        return false;
    *value = (int32_t)read_u32(r->at);
    r->at += 4;
    r->left -= 4;
    return true;
}

static bool read_text(struct reader *r, struct text *text)
{
    int32_t n;
    if (!read_i32(r, &n) || n < 0 || (size_t)n > r->left)
        return false;
    *text = (struct text){ (const char *)r->at, (size_t)n };
    r->at += n;
    r->left -= (size_t)n;
    return true;
}

static infer_status read_entry(struct importance *i, struct reader *r, infer_error *err)
{
    struct text name;
    int32_t calls, n;
    float *v = NULL;
    if (!read_text(r, &name) || !read_i32(r, &calls) || !read_i32(r, &n) || n < 1 || (size_t)n > r->left / 4)
        return fail(err, INFER_E_FORMAT, "it ends within entry %zu", i->n + 1);
    infer_status status = add(i, name, (size_t)n, &v, err);
    for (int32_t k = 0; k < n && status == INFER_OK; k++) {
        v[k] = f32_from_bits(read_u32(r->at + 4 * (size_t)k)) / (calls > 0 ? (float)calls : 1);
        status = check(name, (size_t)k, v[k], err);
    }
    r->at += 4 * (size_t)n;
    r->left -= 4 * (size_t)n;
    return status;
}

static infer_status read_list(struct importance *i, const void *data, size_t size, infer_error *err)
{
    struct reader r = { data, size };
    struct text dataset;
    int32_t n, chunks;
    if (!read_i32(&r, &n) || n < 1)
        return fail(err, INFER_E_FORMAT, "neither a GGUF file nor a list of importance matrices");
    for (int32_t k = 0; k < n; k++) {
        const infer_status status = read_entry(i, &r, err);
        if (status != INFER_OK)
            return status;
    }
    if (read_i32(&r, &chunks) && chunks > 0)
        i->n_chunks = (uint32_t)chunks;
    if (read_text(&r, &dataset))
        i->dataset = arena_text(&i->arena, dataset.p, dataset.n);
    return i->dataset ? INFER_OK : fail_memory(err, "an importance matrix");
}

/* ---- Files ---- */

static struct importance *finish(struct importance *i, infer_status status, const char *name, infer_error *err)
{
    if (status == INFER_OK && !i->n)
        status = fail(err, INFER_E_FORMAT, "no importance matrices are in it");
    if (status == INFER_OK)
        return i;
    fail_prefix(err, name);
    importance_close(&i);
    return NULL;
}

struct importance *importance_open_list(const infer_allocator *a, const void *data, size_t size, const char *name,
                                        infer_error *err)
{
    struct importance *i = importance_new(a, err);
    return i ? finish(i, read_list(i, data, size, err), name, err) : NULL;
}

struct importance *importance_open(const infer_allocator *a, const char *path, infer_error *err)
{
    struct mapping m;
    if (map_open(&m, path, err) != INFER_OK)
        return NULL;
    const bool gguf = m.size >= 4 && !memcmp(m.data, "GGUF", 4);
    struct importance *i = gguf ? NULL : importance_open_list(a, m.data, m.size, path, err);
    map_close(&m);
    if (!gguf)
        return i;
    struct weights *w = weights_open(a, path, err);
    if (w && (i = importance_new(a, err)))
        i = finish(i, read_gguf(i, w, err), path, err);
    if (w)
        weights_close(&w);
    return i;
}
