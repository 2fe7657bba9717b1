/* adapter.c - opening and closing adapters of any kind. */
#include "src/adapters/adapter.h"

#include "src/base/error.h"

static infer_status read_lora(struct infer_adapter *x, infer_error *err)
{
    struct lora_pairs pairs = { 0 };
    const bool gguf = x->files->format == WEIGHTS_GGUF;
    infer_status status = (gguf ? lora_read_gguf : lora_read_peft)(x, &pairs, err);
    if (status == INFER_OK)
        status = lora_bind(x, &pairs, err);
    lora_pairs_close(&pairs);
    return status;
}

static infer_status read_options(infer_adapter_options *o, const infer_adapter_options *given, const infer_model *m,
                                 infer_error *err)
{
    const int32_t n_layer = (int32_t)m->net.h.n_layer;
    *o = infer_adapter_defaults();
    if (given && given->size < sizeof given->size)
        return fail(err, INFER_E_ARGUMENT, "adapter options: size is %zu; start from infer_adapter_defaults()",
                    given->size);
    if (given)
        memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    if (!o->last_layer)
        o->last_layer = n_layer - 1;
    if (o->first_layer < 0 || o->last_layer < o->first_layer || o->last_layer >= n_layer)
        return fail(err, INFER_E_ARGUMENT, "adapter options: the layers are %d to %d, expected some of 0 to %d",
                    o->first_layer, o->last_layer, n_layer - 1);
    return INFER_OK;
}

infer_status adapter_read(struct infer_adapter *x, const infer_adapter_options *given, infer_error *err)
{
    infer_adapter_options o;
    struct text name;
    const infer_status status = read_options(&o, given, x->model, err);
    if (status != INFER_OK)
        return status;
    const bool gguf = x->files->format == WEIGHTS_GGUF;
    x->format = gguf ? "GGUF" : "PEFT";
    const bool control = gguf && meta_get_text(x->files, "general.architecture", &name, NULL) == META_FOUND &&
                         text_is(name, "controlvector");
    return control ? control_read(x, (uint32_t)o.first_layer, (uint32_t)o.last_layer, err) : read_lora(x, err);
}

infer_adapter *infer_adapter_open(infer_model *m, const char *path, const infer_adapter_options *options,
                                  infer_error *err)
{
    if (!m || !path)
        return fail_null(err, INFER_E_ARGUMENT, "an adapter needs a model and a path");
    if (!m->runnable || (m->originals && !m->made))
        return fail_null(err, INFER_E_ARGUMENT, "%s: the model was opened for inspection only", m->weights->path);
    const infer_allocator *a = &m->context->a;
    struct infer_adapter *x = mem_new(a, 1, sizeof *x);
    if (!x)
        return fail_memory(err, "the adapter"), NULL;
    x->model = infer_model_retain(m);
    atomic_init(&x->n_owners, 1);
    arena_init(&x->arena, a);
    x->files = weights_open_adapter(a, path, err);
    if (!x->files || adapter_read(x, options, err) != INFER_OK)
        infer_adapter_close(&x);
    return x;
}

infer_adapter *infer_adapter_retain(infer_adapter *x)
{
    atomic_fetch_add(&x->n_owners, 1);
    return x;
}

void infer_adapter_close(infer_adapter **adapter)
{
    struct infer_adapter *x = *adapter;
    *adapter = NULL;
    if (!x || atomic_fetch_sub(&x->n_owners, 1) > 1)
        return;
    infer_model *m = x->model;
    weights_close(&x->files);
    arena_free(&x->arena);
    mem_free(&m->context->a, x);
    infer_model_close(&m);
}

void infer_adapter_get_info(const infer_adapter *x, infer_adapter_info *info)
{
    const infer_adapter_info full = {
        .size = info->size,
        .format = x->format,
        .control = x->directions != NULL,
        .n_weights = (int32_t)x->n_weights,
        .rank = (int32_t)x->rank,
        .bytes = x->bytes,
    };
    memcpy(info, &full, info->size < sizeof full ? info->size : sizeof full);
}
