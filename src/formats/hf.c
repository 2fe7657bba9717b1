/* hf.c - Hugging Face model directories: config.json, tokenizer.json and SafeTensors. */
#include "src/formats/weights.h"

struct weights *hf_open(const infer_allocator *a, const char *path, bool vocabulary_only, infer_error *err)
{
    (void)a;
    (void)vocabulary_only;
    return fail_null(err, INFER_E_UNKNOWN, "%s: not a GGUF file", path);
}
