/* fuzz_gguf.c - any bytes as a GGUF file. */
#include "tests/fuzz/fuzz_weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return parse_and_look(gguf_parse, data, size, 64);
}
