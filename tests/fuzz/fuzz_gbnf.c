/* fuzz_gbnf.c - any bytes as a grammar: GBNF. */
#include "tests/fuzz/fuzz_grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_grammar(INFER_GBNF, data, size);
}
