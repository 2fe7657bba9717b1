/* bind.c - tensors to roles: each is found by its name, its shape and type are checked, once and for all. */
#include "src/model/model.h"

#include "src/base/error.h"

#include <stdio.h>

/* "(rows, cols)" as people write shapes: the row's width last. */
static void shape_text(char text[64], const struct tensor *t)
{
    size_t used = (size_t)snprintf(text, 64, "(");
    for (int i = t->n_dims - 1; i >= 0 && used < 64; i--)
        used += (size_t)snprintf(text + used, 64 - used, "%llu%s", (unsigned long long)t->ne[i], i ? ", " : "");
    if (used < 64)
        snprintf(text + used, 64 - used, ")");
}

static infer_status check_shape(const struct infer_model *m, const struct tensor *t, const struct tensor_spec *spec,
                                infer_error *err)
{
    const uint64_t cols = arch_dim(&m->net.h, spec->cols), rows = arch_dim(&m->net.h, spec->rows);
    const bool vector = spec->rows == DIM_ONE;
    const uint64_t found_rows = t->ne[1] * t->ne[2] * t->ne[3]; /* no overflow: their product with ne[0] was checked */
    if (t->ne[0] == cols && (found_rows == rows || spec->rows == DIM_VOCAB) && (vector || t->n_dims == 2))
        return INFER_OK;
    char found[64], want[64];
    shape_text(found, t);
    if (vector)
        snprintf(want, sizeof want, "(%llu)", (unsigned long long)cols);
    else if (spec->rows == DIM_VOCAB && !rows)
        snprintf(want, sizeof want, "(vocabulary, %llu)", (unsigned long long)cols);
    else
        snprintf(want, sizeof want, "(%llu, %llu)", (unsigned long long)rows, (unsigned long long)cols);
    return fail(err, INFER_E_FORMAT, "%s: tensor %s has the shape %s, expected %s", m->weights->path, t->name.p, found, want);
}

/* The embedding decides how many tokens there are; config.json must not say otherwise. */
static infer_status set_vocabulary(struct infer_model *m, const struct tensor *t, infer_error *err)
{
    uint32_t said = 0;
    if (t->ne[1] < 1 || t->ne[1] > 1 << 24)
        return fail(err, INFER_E_FORMAT, "%s: tensor %s has %llu rows, expected 1 to 2^24", m->weights->path, t->name.p,
                    (unsigned long long)t->ne[1]);
    m->net.h.n_vocab = (uint32_t)t->ne[1];
    if (m->weights->format == WEIGHTS_HF && meta_get_u32(m->weights, "vocab_size", &said, err) == META_WRONG)
        return INFER_E_FORMAT;
    if (said && said != m->net.h.n_vocab)
        return fail(err, INFER_E_FORMAT, "%s: tensor %s has %u rows, but vocab_size is %u", m->weights->path, t->name.p,
                    m->net.h.n_vocab, said);
    return INFER_OK;
}

/* Vectors are few and small: those that are not aligned floats already are converted. */
static infer_status bind_vector(struct infer_model *m, struct weight *w, const struct tensor *t, infer_error *err)
{
    *w = (struct weight){ t->data, DTYPE_F32, 1, (uint32_t)t->ne[0], t->ne[0] * sizeof(float), false };
    if (t->type == DTYPE_F32 && (uintptr_t)t->data % sizeof(float) == 0)
        return INFER_OK;
    float *copy = arena_new(&m->arena, t->ne[0], sizeof(float));
    if (!copy)
        return fail_memory(err, t->name.p);
    m->context->kernels.dequantize[t->type](copy, t->data, t->ne[0]);
    w->data = copy;
    return INFER_OK;
}

static infer_status bind_tensor(struct infer_model *m, struct weight *w, const struct tensor *t,
                                const struct tensor_spec *spec, infer_error *err)
{
    infer_status status = check_shape(m, t, spec, err);
    if (status == INFER_OK && spec == &model_tensors[TOKEN_EMBD])
        status = set_vocabulary(m, t, err);
    if (status == INFER_OK && spec->rows == DIM_VOCAB && t->ne[1] != m->net.h.n_vocab)
        status = fail(err, INFER_E_FORMAT, "%s: tensor %s has %llu rows, but the vocabulary has %u", m->weights->path,
                      t->name.p, (unsigned long long)t->ne[1], m->net.h.n_vocab);
    if (status != INFER_OK)
        return status;
    const struct kernels *k = &m->context->kernels;
    if (!k->dequantize[t->type] || !k->matmul[PRECISION_EXACT][t->type].dot)
        return fail(err, INFER_E_UNKNOWN, "%s: tensor %s is of type %s, which this version cannot compute with",
                    m->weights->path, t->name.p, dtype_name(t->type));
    m->used[t - m->weights->tensors] = true;
    if (spec->rows == DIM_ONE)
        return bind_vector(m, w, t, err);
    uint64_t stride;
    if (!dtype_row_bytes(t->type, t->ne[0], &stride))
        return fail(err, INFER_E_FORMAT, "%s: tensor %s: rows of %llu values are no whole blocks of type %s", m->weights->path,
                    t->name.p, (unsigned long long)t->ne[0], dtype_name(t->type));
    *w = (struct weight){ t->data, t->type, (uint32_t)t->ne[1], (uint32_t)t->ne[0], stride, false };
    return INFER_OK;
}

/* Bind the tensors of a table; `layer` goes into their names. */
static infer_status bind_table(struct infer_model *m, struct weight *w, const struct tensor_spec *specs, int n_specs,
                               uint32_t layer, infer_error *err)
{
    const struct arch *arch = m->net.h.arch;
    const bool gguf = m->weights->format == WEIGHTS_GGUF;
    for (int i = 0; i < n_specs; i++) {
        const struct tensor_spec *spec = &specs[i];
        const char *format = gguf ? spec->gguf : spec->hf;
        const bool must = !spec->trait || (arch->must & spec->trait);
        if (!format || !(must || (arch->may & spec->trait)) || (spec->trait == TRAIT_OUTPUT && m->net.h.tied))
            continue;
        char name[128];
        snprintf(name, sizeof name, format, layer); /* the formats are ours, with at most one %u */
        const struct tensor *t = weights_tensor(m->weights, text_of(name));
        if (!t && must)
            return fail(err, INFER_E_FORMAT, "%s: tensor %s is missing, which a %s model needs", m->weights->path, name, m->net.h.name);
        const infer_status status = t ? bind_tensor(m, &w[i], t, spec, err) : INFER_OK;
        if (status != INFER_OK)
            return status;
    }
    return INFER_OK;
}

infer_status model_bind(struct infer_model *m, infer_error *err)
{
    struct network *net = &m->net;
    infer_status status = arch_read(&net->h, m->weights, &m->arena, err);
    if (status != INFER_OK)
        return status;
    if (net->h.n_layer > m->weights->n_tensors)
        return fail(err, INFER_E_FORMAT, "%s: %u layers are said to be there, but only %zu tensors are", m->weights->path,
                    net->h.n_layer, m->weights->n_tensors);
    net->layers = arena_new(&m->arena, net->h.n_layer, sizeof *net->layers);
    if (!net->layers)
        return fail_memory(err, "the layers");
    status = bind_table(m, net->w, model_tensors, MODEL_ROLES, 0, err);
    for (uint32_t l = 0; status == INFER_OK && l < net->h.n_layer; l++) {
        status = bind_table(m, net->layers[l].w, layer_tensors, LAYER_ROLES, l, err);
        net->layers[l].window = arch_layer_windowed(&net->h, l) ? net->h.window : 0;
    }
    if (status == INFER_OK && !net->w[OUTPUT].data)
        net->w[OUTPUT] = net->w[TOKEN_EMBD];
    net->w[OUTPUT].precise = true;
    return status;
}
