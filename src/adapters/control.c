/* control.c - control vectors: GGUF files of the architecture "controlvector", whose tensors "direction.N" are n_embd
 * floats that are added behind layer N, from 1 on. */
#include "src/adapters/adapter.h"

#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/formats/weights.h"

/* The layer of "direction.N", 0 if it is none of the model. */
static uint32_t layer_of(struct text name, uint32_t n_layer)
{
    static const char prefix[] = "direction.";
    const size_t n = sizeof prefix - 1;
    uint32_t layer = 0;
    if (name.n <= n || name.n > n + 6 || memcmp(name.p, prefix, n) != 0)
        return 0;
    for (size_t i = n; i < name.n; i++) {
        if (name.p[i] < '0' || name.p[i] > '9')
            return 0;
        layer = 10 * layer + (uint32_t)(name.p[i] - '0');
    }
    return layer < n_layer ? layer : 0;
}

static infer_status read_direction(struct infer_adapter *x, const struct tensor *t, uint32_t layer, struct hash *h,
                                   infer_error *err)
{
    const struct infer_model *m = x->model;
    const uint32_t n_embd = m->net.h.n_embd;
    const char *path = x->files->path;
    if (t->ne[0] != n_embd || t->ne[1] != 1 || t->ne[2] != 1 || t->ne[3] != 1)
        return fail(err, INFER_E_FORMAT, "%s: tensor %s has %llu x %llu values, expected %u as the model's n_embd",
                    path, t->name.p, (unsigned long long)t->ne[0], (unsigned long long)t->ne[1], n_embd);
    if (!m->context->kernels.dequantize[t->type] || n_embd % dtype_info(t->type)->block)
        return fail(err, INFER_E_UNKNOWN, "%s: tensor %s is of type %s, which this version cannot compute with", path,
                    t->name.p, dtype_name(t->type));
    if (x->directions[layer])
        return fail(err, INFER_E_FORMAT, "%s: tensor %s: layer %u has a direction already", path, t->name.p, layer);
    float *values = arena_new(&x->arena, n_embd, sizeof *values);
    if (!values)
        return fail_memory(err, t->name.p);
    m->context->kernels.dequantize[t->type](values, t->data, n_embd);
    x->directions[layer] = values;
    x->n_weights++;
    x->bytes += t->bytes;
    hash_add(h, &layer, sizeof layer);
    hash_add(h, values, n_embd * sizeof *values);
    return INFER_OK;
}

infer_status control_read(struct infer_adapter *x, uint32_t first, uint32_t last, infer_error *err)
{
    const struct weights *w = x->files;
    const uint32_t n_layer = x->model->net.h.n_layer;
    struct hash h;
    infer_status status = INFER_OK;
    x->directions = arena_new(&x->arena, n_layer, sizeof *x->directions);
    if (!x->directions)
        return fail_memory(err, "a control vector");
    if (!w->n_tensors)
        return fail(err, INFER_E_FORMAT, "%s: has no tensors, expected directions", w->path);
    hash_init(&h);
    for (size_t i = 0; i < w->n_tensors && status == INFER_OK; i++) {
        const struct tensor *t = &w->tensors[i];
        const uint32_t layer = layer_of(t->name, n_layer);
        if (!layer)
            return fail(err, INFER_E_FORMAT, "%s: tensor %s, expected direction.1 to direction.%u", w->path,
                        quote(t->name).s, n_layer - 1);
        if (layer >= first && layer <= last)
            status = read_direction(x, t, layer, &h, err);
    }
    x->identity = hash_value(&h) | 1;
    return status;
}
