/* fuzz_schema.c - any bytes as a grammar: a JSON Schema. */
#include "tests/fuzz/fuzz_grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_grammar(INFER_JSON_SCHEMA, data, size);
}
