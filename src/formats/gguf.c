/* gguf.c - GGUF files, versions 2 and 3, little-endian.
 *
 *   "GGUF"  u32 version  u64 tensors  u64 metadata entries
 *   per entry    string key, u32 type, value
 *   per tensor   string name, u32 axes, u64 length of each axis, u32 type, u64 offset
 *   padding to a multiple of general.alignment (32 if there is none); the offsets count from here
 *   tensor data, each tensor at a multiple of the alignment
 *
 * A string is a u64 length and that many bytes; an array a u32 type, a u64 count and the elements. Numbers stand at any
 * address. Counts are compared with the bytes that are left before anything is done with them, and lists grow with what
 * has been read, so a file cannot make the reader take more memory than some ten times its own header. */
#include "src/formats/weights.h"

#include "src/base/numbers.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    MIN_META = 8 + 1 + 4 + 1,        /* bytes of the smallest metadata entry: a key of one letter, a u8 */
    MIN_TENSOR = 8 + 1 + 4 + 4 + 8,  /* bytes of the smallest tensor entry: a scalar with a name of one letter */
    MIN_ARRAY = 4 + 8,
    MAX_NESTING = 8,                 /* arrays in arrays */
    DEFAULT_ALIGNMENT = 32, MIN_ALIGNMENT = 8
};

struct reader {
    const uint8_t *data;
    size_t size, at; /* at <= size */
    const char *kind; /* where the reader is: entry `index` (from 1) of `count` of this kind, called `name` if known */
    uint64_t index, count;
    struct text name;
    infer_error *err;
};

__attribute__((format(printf, 3, 4)))
static infer_status bad(struct reader *r, infer_status code, const char *format, ...)
{
    char what[320];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (!r->count)
        return fail(r->err, code, "%s: %s", r->kind, what);
    return fail(r->err, code, "%s %llu of %llu \"%s\": %s", r->kind, (unsigned long long)r->index,
                (unsigned long long)r->count, quote(r->name).s, what);
}

static size_t left(const struct reader *r)
{
    return r->size - r->at;
}

/* The next n units of `bytes` bytes; NULL and an error if the file ends before. */
static const uint8_t *take(struct reader *r, uint64_t n, size_t bytes, const char *what)
{
    if (n > left(r) / bytes) {
        bad(r, INFER_E_FORMAT, "%s of %llu x %zu bytes begins at byte %zu, but the file ends at byte %zu", what,
            (unsigned long long)n, bytes, r->at, r->size);
        return NULL;
    }
    const uint8_t *p = r->data + r->at;
    r->at += (size_t)n * bytes;
    return p;
}

static infer_status take_u32(struct reader *r, uint32_t *value, const char *what)
{
    const uint8_t *p = take(r, 1, 4, what);
    *value = p ? read_u32(p) : 0;
    return p ? INFER_OK : INFER_E_FORMAT;
}

static infer_status take_u64(struct reader *r, uint64_t *value, const char *what)
{
    const uint8_t *p = take(r, 1, 8, what);
    *value = p ? read_u64(p) : 0;
    return p ? INFER_OK : INFER_E_FORMAT;
}

static infer_status take_text(struct reader *r, struct text *t, const char *what)
{
    uint64_t n;
    const uint8_t *p;
    if (take_u64(r, &n, what) != INFER_OK || !(p = take(r, n, 1, what)))
        return INFER_E_FORMAT;
    *t = (struct text){ (const char *)p, (size_t)n };
    return INFER_OK;
}

static infer_status take_type(struct reader *r, enum meta_type *type)
{
    uint32_t number;
    const infer_status status = take_u32(r, &number, "the type");
    if (status == INFER_OK && number >= META_TYPES)
        return bad(r, INFER_E_FORMAT, "type %u, expected 0 to %d", number, META_TYPES - 1);
    *type = (enum meta_type)number;
    return status;
}

static infer_status check_bools(struct reader *r, const uint8_t *p, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (p[i] > 1)
            return bad(r, INFER_E_FORMAT, "bool %llu is %d, expected 0 or 1", (unsigned long long)i, p[i]);
    return INFER_OK;
}

/* Type, count and elements of an array, whose lengths are all checked here, once. Of an array of arrays nothing is kept
 * but the type of its elements. */
static infer_status read_array(struct reader *r, struct meta *m, int nesting)
{
    infer_status status = take_type(r, &m->element);
    if (status == INFER_OK)
        status = take_u64(r, &m->n, "the length of an array");
    if (status != INFER_OK)
        return status;
    const size_t bytes = meta_type_bytes(m->element), smallest = m->element == META_STRING ? 8 : MIN_ARRAY;
    if (bytes) {
        m->elements = take(r, m->n, bytes, "an array");
        if (!m->elements)
            return INFER_E_FORMAT;
        return m->element == META_BOOL ? check_bools(r, m->elements, m->n) : INFER_OK;
    }
    if (m->n > left(r) / smallest)
        return bad(r, INFER_E_FORMAT, "an array of %llu elements begins at byte %zu, but the file ends at byte %zu",
                   (unsigned long long)m->n, r->at, r->size);
    if (m->element == META_ARRAY && nesting == MAX_NESTING)
        return bad(r, INFER_E_FORMAT, "arrays in arrays, more than %d deep", MAX_NESTING);
    m->elements = r->data + r->at;
    for (uint64_t i = 0; i < m->n && status == INFER_OK; i++) {
        struct text string;
        struct meta inner;
        status = m->element == META_STRING ? take_text(r, &string, "a string") : read_array(r, &inner, nesting + 1);
    }
    return status;
}

static infer_status read_value(struct reader *r, struct meta *m)
{
    if (m->type == META_ARRAY)
        return read_array(r, m, 1);
    if (m->type == META_STRING)
        return take_text(r, &m->value.s, "a string");
    const uint8_t *p = take(r, 1, meta_type_bytes(m->type), "a value");
    if (!p)
        return INFER_E_FORMAT;
    meta_read_number(m, p);
    return m->type == META_BOOL ? check_bools(r, p, 1) : INFER_OK;
}

static infer_status read_metas(struct reader *r, struct weights *w, uint64_t count)
{
    r->kind = "metadata entry";
    r->count = count;
    for (r->index = 1; r->index <= count; r->index++) {
        struct meta m = { .type = META_U8 };
        r->name = (struct text){ NULL, 0 };
        infer_status status = take_text(r, &m.key, "the key");
        r->name = m.key;
        if (status == INFER_OK)
            status = take_type(r, &m.type);
        if (status == INFER_OK)
            status = read_value(r, &m);
        if (status == INFER_OK && !(m.type == META_ARRAY && m.element == META_ARRAY))
            status = weights_add_meta(w, &m, r->err);
        if (status != INFER_OK)
            return status;
    }
    return INFER_OK;
}

static infer_status read_tensor(struct reader *r, struct tensor *t, uint64_t *offset)
{
    uint32_t n_dims, type;
    r->name = (struct text){ NULL, 0 };
    if (take_text(r, &t->name, "the name") != INFER_OK)
        return INFER_E_FORMAT;
    r->name = t->name;
    if (take_u32(r, &n_dims, "the number of axes") != INFER_OK)
        return INFER_E_FORMAT;
    if (n_dims > TENSOR_MAX_DIMS)
        return bad(r, INFER_E_FORMAT, "%u axes, expected 0 to %d", n_dims, TENSOR_MAX_DIMS);
    t->n_dims = (int)n_dims;
    for (int i = 0; i < TENSOR_MAX_DIMS; i++) {
        t->ne[i] = 1;
        if (i < t->n_dims && take_u64(r, &t->ne[i], "an axis") != INFER_OK)
            return INFER_E_FORMAT;
    }
    if (take_u32(r, &type, "the type") != INFER_OK || take_u64(r, offset, "the offset") != INFER_OK)
        return INFER_E_FORMAT;
    if (type >= DTYPE_U8 || !dtype_info(type))
        return bad(r, INFER_E_UNKNOWN, "tensor type %u, which this version does not know", type);
    t->type = (enum dtype)type;
    return INFER_OK;
}

static infer_status check_overlap(const struct weights *w, size_t first, infer_error *err)
{
    uint32_t *order = tensors_by_address(w, first);
    if (!order)
        return fail_memory(err, "sorting tensors");
    infer_status status = INFER_OK;
    for (size_t i = 1; i < w->n_tensors - first && status == INFER_OK; i++) {
        const struct tensor *a = &w->tensors[order[i - 1]], *b = &w->tensors[order[i]];
        if ((const uint8_t *)a->data + a->bytes > (const uint8_t *)b->data)
            status = fail(err, INFER_E_FORMAT, "tensors \"%s\" and \"%s\" overlap by %zu bytes", quote(a->name).s,
                          quote(b->name).s, (size_t)((const uint8_t *)a->data + a->bytes - (const uint8_t *)b->data));
    }
    mem_free(w->a, order);
    return status;
}

/* The tensor entries were skipped once, up to `end`: only now is it known where the data begins. */
static infer_status place_tensors(struct reader *r, struct weights *w, size_t end, uint64_t alignment)
{
    const uint64_t start = (end + alignment - 1) / alignment * alignment;
    const size_t first = w->n_tensors;
    struct tensor last = { .n_dims = 0 };
    uint64_t needed = 0;
    for (r->index = 1; r->index <= r->count; r->index++) {
        struct tensor t = { 0 };
        uint64_t offset, t_end;
        infer_status status = read_tensor(r, &t, &offset);
        if (status == INFER_OK)
            status = tensor_measure(&t, r->err);
        if (status != INFER_OK)
            return status;
        if (offset % alignment)
            return bad(r, INFER_E_FORMAT, "its offset %llu is no multiple of the alignment, %llu",
                       (unsigned long long)offset, (unsigned long long)alignment);
        if (__builtin_add_overflow(offset, start, &t_end) || __builtin_add_overflow(t_end, t.bytes, &t_end))
            return bad(r, INFER_E_FORMAT, "its offset %llu is too large", (unsigned long long)offset);
        if (t_end > needed) {
            needed = t_end;
            last = t;
        }
        if (t_end > r->size)
            continue; /* one error for the whole file below */
        t.data = r->data + start + offset;
        if ((status = weights_add_tensor(w, &t, r->err)) != INFER_OK)
            return status;
    }
    if (needed > r->size)
        return fail(r->err, INFER_E_FORMAT,
                    "tensor \"%s\" ends at byte %llu, but the file has %zu bytes: %llu are missing", quote(last.name).s,
                    (unsigned long long)needed, r->size, (unsigned long long)(needed - r->size));
    return check_overlap(w, first, r->err);
}

static infer_status read_tensors(struct reader *r, struct weights *w, uint64_t count, uint64_t alignment)
{
    r->kind = "tensor";
    r->count = count;
    const size_t begin = r->at;
    for (r->index = 1; r->index <= count; r->index++) {
        struct tensor t = { 0 };
        uint64_t offset;
        const infer_status status = read_tensor(r, &t, &offset);
        if (status != INFER_OK)
            return status;
    }
    const size_t end = r->at;
    r->at = begin;
    return place_tensors(r, w, end, alignment);
}

static infer_status read_header(struct reader *r, uint64_t *n_tensors, uint64_t *n_metas)
{
    uint32_t version;
    const uint8_t *magic = take(r, 4, 1, "\"GGUF\"");
    if (!magic)
        return INFER_E_FORMAT;
    if (memcmp(magic, "GGUF", 4))
        return bad(r, INFER_E_FORMAT, "begins with \"%s\", expected \"GGUF\"",
                   quote((struct text){ (const char *)magic, 4 }).s);
    if (take_u32(r, &version, "the version") != INFER_OK)
        return INFER_E_FORMAT;
    if (version && !(version & 0xffff))
        return bad(r, INFER_E_UNKNOWN, "big-endian (version %u), expected little-endian", __builtin_bswap32(version));
    if (version != 2 && version != 3)
        return bad(r, INFER_E_UNKNOWN, "version %u, expected 2 or 3", version);
    if (take_u64(r, n_tensors, "the number of tensors") != INFER_OK ||
        take_u64(r, n_metas, "the number of metadata entries") != INFER_OK)
        return INFER_E_FORMAT;
    if (*n_metas > left(r) / MIN_META)
        return bad(r, INFER_E_FORMAT, "%llu metadata entries, but the file has only %zu bytes",
                   (unsigned long long)*n_metas, r->size);
    if (*n_tensors > left(r) / MIN_TENSOR)
        return bad(r, INFER_E_FORMAT, "%llu tensors, but the file has only %zu bytes", (unsigned long long)*n_tensors,
                   r->size);
    return INFER_OK;
}

infer_status gguf_parse(struct weights *w, const uint8_t *data, size_t size, infer_error *err)
{
    struct reader r = { .data = data, .size = size, .kind = "GGUF header", .err = err };
    uint64_t n_tensors = 0, n_metas = 0;
    infer_status status = read_header(&r, &n_tensors, &n_metas);
    if (status == INFER_OK)
        status = read_metas(&r, w, n_metas);
    if (status != INFER_OK)
        return status;
    uint32_t alignment = DEFAULT_ALIGNMENT;
    if (meta_get_u32(w, "general.alignment", &alignment, NULL) == META_WRONG)
        return fail(err, INFER_E_FORMAT, "general.alignment is of type %s, expected u32",
                    meta_type_name(weights_meta(w, "general.alignment")->type));
    if (alignment < MIN_ALIGNMENT || (alignment & (alignment - 1)))
        return fail(err, INFER_E_FORMAT, "general.alignment is %u, expected a power of two of at least %d", alignment,
                    MIN_ALIGNMENT);
    return read_tensors(&r, w, n_tensors, alignment);
}
