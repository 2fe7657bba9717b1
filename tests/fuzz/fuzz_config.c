/* fuzz_config.c - any bytes as a config.json. */
#include "tests/fuzz/fuzz_weights.h"

static infer_status parse(struct weights *w, const uint8_t *data, size_t size, infer_error *err)
{
    return config_parse(w, (struct text){ (const char *)data, size }, "tokenizer_config.", err);
}

/* A key of one letter below others that fill its length of 255 is written out whole: hence the factor. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return parse_and_look(parse, data, size, 256);
}
