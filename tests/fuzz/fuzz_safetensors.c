/* fuzz_safetensors.c - any bytes as a SafeTensors file. */
#include "tests/fuzz/fuzz_weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return parse_and_look(safetensors_parse, data, size, 64);
}
