/* fuzz_adapter.c - any bytes as an adapter of a small model: a GGUF file; or, where they begin otherwise, an
 * adapter_config.json, a zero, a SafeTensors file. */
#include "src/adapters/adapter.h"
#include "src/runtime/session_parts.h"
#include "src/formats/weights.h"
#include "tests/fuzz/fuzz_weights.h"

static infer_model *model;
static struct counting counted;

static infer_model *open_model(void)
{
    infer_context_options o = infer_context_defaults();
    infer_error err;
    counting_init(&counted, SIZE_MAX);
    o.n_threads = 1;
    o.allocator = counted.allocator;
    infer_context *c = infer_context_open(&o, &err);
    infer_model *m = c ? infer_model_open(c, "tests/data/tiny/llama/model.gguf", NULL, &err) : NULL;
    if (!m)
        __builtin_trap();
    infer_context_close(&c);
    return m;
}

static infer_status parse(struct weights *w, const uint8_t *data, size_t size, infer_error *err)
{
    if (w->format == WEIGHTS_GGUF)
        return gguf_parse(w, data, size, err);
    const uint8_t *end = memchr(data, 0, size);
    const size_t n = end ? (size_t)(end - data) : size;
    const infer_status status = config_parse(w, (struct text){ (const char *)data, n }, "", err);
    return status == INFER_OK && end ? safetensors_parse(w, end + 1, size - n - 1, err) : status;
}

/* What was understood can be computed with. */
static void compute(infer_adapter *x)
{
    infer_error err;
    infer_session_options o = infer_session_defaults();
    o.n_ctx = 8;
    infer_session *s = infer_session_open(model, &o, &err);
    const int32_t ids[] = { 1, 95 };
    if (!s || infer_session_set_adapters(s, &x, NULL, 1, &err) != INFER_OK ||
        infer_session_eval(s, ids, 2, &err) != INFER_OK)
        __builtin_trap();
    infer_session_close(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!model)
        model = open_model();
    const bool gguf = size >= 4 && !memcmp(data, "GGUF", 4);
    struct infer_adapter *x = mem_new(&counted.allocator, 1, sizeof *x);
    infer_error err = { 0 };
    x->model = infer_model_retain(model);
    atomic_init(&x->n_owners, 1);
    arena_init(&x->arena, &counted.allocator);
    x->files = weights_new(&counted.allocator, "file", gguf ? WEIGHTS_GGUF : WEIGHTS_HF, &err);
    infer_status status = parse(x->files, data, size, &err);
    if (status == INFER_OK)
        status = adapter_read(x, NULL, &err);
    if (status == INFER_OK)
        compute(x);
    else if (err.code != status || !err.message[0])
        __builtin_trap();
    infer_adapter_close(&x);
    return 0;
}
