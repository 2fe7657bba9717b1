/* fuzz_originals.c - any bytes as a quantised checkpoint: a config.json, a zero, a SafeTensors file. */
#include "src/originals/originals.h"
#include "tests/fuzz/fuzz_weights.h"

static infer_status make(struct weights *w, infer_error *err)
{
    struct originals *o;
    infer_status status = originals_open(&o, w, err);
    if (status != INFER_OK)
        return status;
    status = originals_make(o, NULL, NULL, NULL, err);
    if (status == INFER_OK && !look_at_all(w))
        __builtin_trap();
    originals_close(&o);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, 0, size);
    const size_t n = end ? (size_t)(end - data) : size;
    struct counting c;
    counting_init(&c, SIZE_MAX);
    infer_error err = { 0 };
    struct weights *w = weights_new(&c.allocator, "file", WEIGHTS_HF, &err);
    if (!w)
        return 0;
    infer_status status = config_parse(w, (struct text){ (const char *)data, n }, "", &err);
    if (status == INFER_OK && end)
        status = safetensors_parse(w, end + 1, size - n - 1, &err);
    if (status == INFER_OK)
        status = make(w, &err);
    if (status != INFER_OK && (err.code != status || !err.message[0]))
        __builtin_trap();
    weights_close(&w);
    if (c.live || c.bytes > 512 * size + 65536)
        __builtin_trap();
    return 0;
}
