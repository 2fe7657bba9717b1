/* fuzz_regex.c - any bytes as a grammar: a regular expression. */
#include "tests/fuzz/fuzz_grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_grammar(INFER_REGEX, data, size);
}
