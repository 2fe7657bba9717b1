/* gguf_write.c - writing a GGUF file. The header grows in memory until the first data comes. */
#include "tools/common/gguf_write.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 32, U32 = 4, I32 = 5, F32 = 6, BOOL = 7, STRING = 8, ARRAY = 9 };

struct bytes {
    unsigned char *p;
    size_t n, room;
};

struct gguf_writer {
    char *path;
    FILE *file;
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
    put_key(w, key, ARRAY);
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
    return w;
}

void gguf_u32(struct gguf_writer *w, const char *key, uint32_t value)
{
    put_key(w, key, U32);
    put_u32(w, &w->metadata, value);
}

void gguf_f32(struct gguf_writer *w, const char *key, float value)
{
    put_key(w, key, F32);
    put(w, &w->metadata, &value, sizeof value);
}

void gguf_bool(struct gguf_writer *w, const char *key, bool value)
{
    put_key(w, key, BOOL);
    put(w, &w->metadata, &(uint8_t){ value }, 1);
}

void gguf_text(struct gguf_writer *w, const char *key, const char *value)
{
    put_key(w, key, STRING);
    put_text(w, &w->metadata, value);
}

void gguf_texts(struct gguf_writer *w, const char *key, const char *const *values, size_t n)
{
    put_array_key(w, key, STRING, n);
    for (size_t i = 0; i < n; i++)
        put_text(w, &w->metadata, values[i]);
}

void gguf_f32s(struct gguf_writer *w, const char *key, const float *values, size_t n)
{
    put_array_key(w, key, F32, n);
    put(w, &w->metadata, values, n * sizeof *values);
}

void gguf_i32s(struct gguf_writer *w, const char *key, const int32_t *values, size_t n)
{
    put_array_key(w, key, I32, n);
    put(w, &w->metadata, values, n * sizeof *values);
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

void gguf_data(struct gguf_writer *w, const void *bytes, size_t n)
{
    if (!w->header_written)
        write_header(w);
    if (w->current == w->n_tensors || n > w->sizes[w->current] - w->written)
        w->error = EINVAL;
    write_bytes(w, bytes, n);
    w->written += n;
    if (!w->error && w->written == w->sizes[w->current]) {
        write_padding(w, w->written);
        w->current++;
        w->written = 0;
    }
}

bool gguf_finish(struct gguf_writer *w, const char *program)
{
    if (!w->header_written)
        write_header(w);
    if (!w->error && w->current != w->n_tensors)
        w->error = EINVAL;
    if (w->file && fclose(w->file) != 0 && !w->error)
        w->error = errno;
    const bool good = !w->error;
    if (!good) {
        fprintf(stderr, "%s: %s cannot be written: %s\n", program, w->path, strerror(w->error));
        if (w->file)
            remove(w->path);
    }
    free(w->metadata.p);
    free(w->tensors.p);
    free(w->sizes);
    free(w->path);
    free(w);
    return good;
}
