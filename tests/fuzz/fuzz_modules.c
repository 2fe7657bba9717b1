/* fuzz_modules.c - any bytes as a modules.json. */
#include "tests/fuzz/fuzz_weights.h"

static infer_status parse(struct weights *w, const uint8_t *data, size_t size, infer_error *err)
{
    return modules_parse(w, (struct text){ (const char *)data, size }, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return parse_and_look(parse, data, size, 64);
}
