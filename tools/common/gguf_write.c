/* gguf_write.c - writing a GGUF file. The header grows in memory until the first data comes. */
#include "tools/common/gguf_write.h"

#include "tools/common/failure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { ALIGNMENT = 32 };

static const uint8_t number_sizes[META_TYPES] = {
    [META_U8] = 1, [META_I8] = 1, [META_BOOL] = 1, [META_U16] = 2, [META_I16] = 2, [META_U32] = 4,
    [META_I32] = 4, [META_F32] = 4, [META_U64] = 8, [META_I64] = 8, [META_F64] = 8,
};

struct bytes {
    unsigned char *p;
    size_t n, room;
};

struct gguf_writer {
    char *path;
    FILE *file;
    bool is_file; /* an ordinary one */
    int error; /* errno of the first failure */
    struct bytes metadata, tensors;
    uint64_t n_metadata, n_tensors;
    uint64_t *sizes; /* bytes of each tensor */
    uint64_t data_bytes;
    bool header_written;
    uint64_t current, written; /* the tensor whose data comes next, and how much of it is there */
};

static void put(struct gguf_writer *w, struct bytes *b, const void *data, size_t n)
{
    if (!n)
        return;
    if (b->room - b->n < n) {
        const size_t room = (b->room + n) * 2;
        void *p = realloc(b->p, room);
        if (!p) {
            w->error = ENOMEM;
            return;
        }
        b->p = p;
        b->room = room;
    }
    memcpy(b->p + b->n, data, n);
    b->n += n;
}

static void put_u32(struct gguf_writer *w, struct bytes *b, uint32_t v)
{
    put(w, b, &v, sizeof v);
}

static void put_u64(struct gguf_writer *w, struct bytes *b, uint64_t v)
{
    put(w, b, &v, sizeof v);
}

static void put_text(struct gguf_writer *w, struct bytes *b, const char *text)
{
    put_u64(w, b, strlen(text));
    put(w, b, text, strlen(text));
}

static void put_key(struct gguf_writer *w, const char *key, uint32_t type)
{
    w->n_metadata++;
    put_text(w, &w->metadata, key);
    put_u32(w, &w->metadata, type);
}

static void put_array_key(struct gguf_writer *w, const char *key, uint32_t type, size_t n)
{
    put_key(w, key, META_ARRAY);
    put_u32(w, &w->metadata, type);
    put_u64(w, &w->metadata, n);
}

struct gguf_writer *gguf_create(const char *path)
{
    struct gguf_writer *w = calloc(1, sizeof *w);
    if (!w || !(w->path = strdup(path))) {
        free(w);
        return NULL;
    }
    w->file = fopen(path, "wb");
    w->error = w->file ? 0 : errno;
    struct stat st;
    w->is_file = w->file && fstat(fileno(w->file), &st) == 0 && S_ISREG(st.st_mode);
    return w;
}

void gguf_u32(struct gguf_writer *w, const char *key, uint32_t value)
{
    put_key(w, key, META_U32);
    put_u32(w, &w->metadata, value);
}

void gguf_f32(struct gguf_writer *w, const char *key, float value)
{
    put_key(w, key, META_F32);
    put(w, &w->metadata, &value, sizeof value);
}

void gguf_bool(struct gguf_writer *w, const char *key, bool value)
{
    put_key(w, key, META_BOOL);
    put(w, &w->metadata, &(uint8_t){ value }, 1);
}

void gguf_text(struct gguf_writer *w, const char *key, const char *value)
{
    put_key(w, key, META_STRING);
    put_text(w, &w->metadata, value);
}

void gguf_texts(struct gguf_writer *w, const char *key, const char *const *values, size_t n)
{
    put_array_key(w, key, META_STRING, n);
    for (size_t i = 0; i < n; i++)
        put_text(w, &w->metadata, values[i]);
}

void gguf_f32s(struct gguf_writer *w, const char *key, const float *values, size_t n)
{
    put_array_key(w, key, META_F32, n);
    put(w, &w->metadata, values, n * sizeof *values);
}

void gguf_i32s(struct gguf_writer *w, const char *key, const int32_t *values, size_t n)
{
    put_array_key(w, key, META_I32, n);
    put(w, &w->metadata, values, n * sizeof *values);
}

/* Bytes of an array's elements as a file has them. */
static size_t element_bytes(const struct meta *m)
{
    const uint8_t *end = m->elements;
    if (m->element == META_STRING) {
        for (uint64_t i = 0; i < m->n; i++)
            meta_next_string(&end);
        return (size_t)(end - m->elements);
    }
    return (size_t)m->n * number_sizes[m->element];
}

void gguf_meta(struct gguf_writer *w, const struct meta *m)
{
    if (m->type == META_ARRAY) {
        put_array_key(w, m->key.p, m->element, m->n);
        put(w, &w->metadata, m->elements, element_bytes(m));
        return;
    }
    put_key(w, m->key.p, m->type);
    if (m->type == META_STRING) {
        put_u64(w, &w->metadata, m->value.s.n);
        put(w, &w->metadata, m->value.s.p, m->value.s.n);
    } else if (m->type == META_F32)
        put(w, &w->metadata, &(float){ (float)m->value.f }, sizeof(float));
    else /* little-endian: the low bytes of a whole number come first */
        put(w, &w->metadata, &m->value, number_sizes[m->type]);
}

static uint64_t aligned(uint64_t n)
{
    return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

void gguf_tensor(struct gguf_writer *w, const char *name, enum dtype type, int n_dims, const uint64_t *dims)
{
    uint64_t bytes = 0;
    if (!dtype_row_bytes(type, dims[0], &bytes))
        w->error = EINVAL;
    put_text(w, &w->tensors, name);
    put_u32(w, &w->tensors, (uint32_t)n_dims);
    for (int i = 0; i < n_dims; i++) {
        put_u64(w, &w->tensors, dims[i]);
        bytes *= i ? dims[i] : 1;
    }
    put_u32(w, &w->tensors, type);
    put_u64(w, &w->tensors, w->data_bytes);
    uint64_t *sizes = realloc(w->sizes, (w->n_tensors + 1) * sizeof *sizes);
    if (!sizes) {
        w->error = ENOMEM;
        return;
    }
    w->sizes = sizes;
    w->sizes[w->n_tensors++] = bytes;
    w->data_bytes += aligned(bytes);
}

uint64_t gguf_data_bytes(const struct gguf_writer *w)
{
    return w->data_bytes;
}

static void write_bytes(struct gguf_writer *w, const void *p, size_t n)
{
    if (!w->error && n && fwrite(p, 1, n, w->file) != n)
        w->error = errno ? errno : EIO;
}

static void write_padding(struct gguf_writer *w, uint64_t written)
{
    static const char zeros[ALIGNMENT];
    write_bytes(w, zeros, aligned(written) - written);
}

static void write_header(struct gguf_writer *w)
{
    struct bytes head = { 0 };
    put(w, &head, "GGUF", 4);
    put_u32(w, &head, 3);
    put_u64(w, &head, w->n_tensors);
    put_u64(w, &head, w->n_metadata);
    write_bytes(w, head.p, head.n);
    write_bytes(w, w->metadata.p, w->metadata.n);
    write_bytes(w, w->tensors.p, w->tensors.n);
    write_padding(w, head.n + w->metadata.n + w->tensors.n);
    free(head.p);
    w->header_written = true;
}

bool gguf_data(struct gguf_writer *w, const void *bytes, size_t n)
{
    if (!w->header_written)
        write_header(w);
    if (!w->error && (w->current == w->n_tensors || n > w->sizes[w->current] - w->written))
        w->error = EINVAL;
    write_bytes(w, bytes, n);
    w->written += n;
    if (!w->error && w->written == w->sizes[w->current]) {
        write_padding(w, w->written);
        w->current++;
        w->written = 0;
    }
    return !w->error;
}

/* Close, and remove a file that is not to stay: but not what has always been there, such as /dev/null. */
static void release(struct gguf_writer *w, bool keep)
{
    if (w->file)
        fclose(w->file);
    if (!keep && w->is_file)
        remove(w->path);
    free(w->metadata.p);
    free(w->tensors.p);
    free(w->sizes);
    free(w->path);
    free(w);
}

infer_status gguf_finish(struct gguf_writer *w, infer_error *err)
{
    if (!w->header_written)
        write_header(w);
    if (!w->error && w->current != w->n_tensors)
        w->error = EINVAL;
    if (w->file && fclose(w->file) != 0 && !w->error)
        w->error = errno;
    w->file = NULL;
    const infer_status status =
        w->error ? failure(err, INFER_E_IO, "%s cannot be written: %s", w->path, strerror(w->error)) : INFER_OK;
    release(w, status == INFER_OK);
    return status;
}

void gguf_abandon(struct gguf_writer *w)
{
    release(w, false);
}
