/* fuzz_weights.h - what the fuzz targets of the file formats share. */
#ifndef TESTS_FUZZ_WEIGHTS_H
#define TESTS_FUZZ_WEIGHTS_H

#include "tests/common/counting.h"
#include "tests/common/look.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef infer_status parse_fn(struct weights *w, const uint8_t *data, size_t size, infer_error *err);

/** Parse, look at all that came of it, and close. Traps if a promise is broken: an error has a code and a sentence, all
 *  memory goes back, and no more of it is taken than `factor` times the file. */
static inline int parse_and_look(parse_fn *parse, const uint8_t *data, size_t size, size_t factor)
{
    struct counting c;
    counting_init(&c, SIZE_MAX);
    infer_error err = { 0 };
    struct weights *w = weights_new(&c.allocator, "file", WEIGHTS_GGUF, &err);
    if (!w)
        return 0;
    const infer_status status = parse(w, data, size, &err);
    if (status == INFER_OK ? !look_at_all(w) : err.code != status || !err.message[0])
        __builtin_trap();
    weights_close(&w);
    if (c.live || c.bytes > factor * size + 65536)
        __builtin_trap();
    return 0;
}

#endif
