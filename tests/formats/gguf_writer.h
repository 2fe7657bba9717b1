/* gguf_writer.h - GGUF files built in memory, piece by piece. For tests only. */
#ifndef TESTS_GGUF_WRITER_H
#define TESTS_GGUF_WRITER_H

#include "tests/formats/weights_test.h"

static inline void header(struct bytes *b, uint64_t n_tensors, uint64_t n_metas)
{
    b->n = 0;
    put(b, "GGUF", 4);
    put_u32(b, 3);
    put_u64(b, n_tensors);
    put_u64(b, n_metas);
}

static inline void key(struct bytes *b, const char *name, enum meta_type type)
{
    put_text(b, name);
    put_u32(b, type);
}

static inline void array(struct bytes *b, const char *name, enum meta_type element, uint64_t n)
{
    key(b, name, META_ARRAY);
    put_u32(b, element);
    put_u64(b, n);
}

static inline void tensor(struct bytes *b, const char *name, enum dtype type, uint64_t width, uint64_t rows,
                          uint64_t offset)
{
    put_text(b, name);
    put_u32(b, 2);
    put_u64(b, width);
    put_u64(b, rows);
    put_u32(b, type);
    put_u64(b, offset);
}

static inline void zeros(struct bytes *b, size_t n)
{
    while (n--)
        put_u8(b, 0);
}

#endif
