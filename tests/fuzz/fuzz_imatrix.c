/* fuzz_imatrix.c - any bytes as a list of importance matrices. */
#include "src/quantize/importance.h"
#include "tests/common/counting.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct counting c;
    counting_init(&c, SIZE_MAX);
    infer_error err = { 0 };
    struct importance *i = importance_open_list(&c.allocator, data, size, "file", &err);
    if (!i && (!err.code || !err.message[0]))
        __builtin_trap();
    importance_close(&i);
    if (c.live || c.bytes > 64 * size + 65536)
        __builtin_trap();
    return 0;
}
