/* bind.c - tensors to roles: each is found by its name, its shape and type are checked, once and for all. */
#include "src/model/bind.h"

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

/* What the rows of a matrix are whose number is found from its shape; NULL for others. */
static const char *found_rows(enum dim rows)
{
    switch (rows) {
    case DIM_VOCAB: return "vocabulary";
    case DIM_TYPES: return "types";
    case DIM_CLASSES: return "classes";
    case DIM_PROJECTED: return "projected";
    case DIM_DENSE_1:
    case DIM_DENSE_2: return "features";
    default: return NULL;
    }
}

/* "(rows, cols)" as the spec has it. */
static void wanted_text(char text[64], const struct hparams *h, const struct tensor_spec *spec)
{
    const uint64_t cols = arch_dim(h, spec->cols), rows = arch_dim(h, spec->rows);
    if (spec->rows == DIM_ONE)
        snprintf(text, 64, "(%llu)", (unsigned long long)cols);
    else if (found_rows(spec->rows) && !rows)
        snprintf(text, 64, "(%s, %llu)", found_rows(spec->rows), (unsigned long long)cols);
    else
        snprintf(text, 64, "(%llu, %llu)", (unsigned long long)rows, (unsigned long long)cols);
}

/* `n_stacked` matrices of rows x cols, the last axis; 0: not stacked. */
static infer_status check_shape(const struct infer_model *m, const struct tensor *t, const struct tensor_spec *spec,
                                uint64_t rows, uint64_t n_stacked, infer_error *err)
{
    const uint64_t cols = arch_dim(&m->net.h, spec->cols);
    const bool vector = spec->rows == DIM_ONE;
    const uint64_t all_rows = t->ne[1] * t->ne[2] * t->ne[3]; /* no overflow: their product with ne[0] was checked */
    if (n_stacked && t->ne[0] == cols && t->ne[1] == rows && t->ne[2] == n_stacked && t->ne[3] == 1)
        return INFER_OK;
    if (!n_stacked && t->ne[0] == cols && (all_rows == rows || found_rows(spec->rows)) && (vector || t->n_dims == 2))
        return INFER_OK;
    char found[64], want[64];
    shape_text(found, t);
    wanted_text(want, &m->net.h, spec);
    if (n_stacked)
        snprintf(want, sizeof want, "(%llu, %llu, %llu)", (unsigned long long)n_stacked, (unsigned long long)rows,
                 (unsigned long long)cols);
    return fail(err, INFER_E_FORMAT, "%s: tensor %s has the shape %s, expected %s", m->weights->path, t->name.p, found,
                want);
}

/* A table decides how many rows there are of its kind; config.json must not say otherwise of the vocabulary. */
static infer_status set_rows(struct infer_model *m, const struct tensor *t, enum dim rows, infer_error *err)
{
    uint32_t said = 0;
    struct hparams *h = &m->net.h;
    if (t->ne[1] < 1 || t->ne[1] > 1 << 24)
        return fail(err, INFER_E_FORMAT, "%s: tensor %s has %llu rows, expected 1 to 2^24", m->weights->path, t->name.p,
                    (unsigned long long)t->ne[1]);
    *arch_found(h, rows) = (uint32_t)t->ne[1];
    if (rows != DIM_VOCAB)
        return INFER_OK;
    if (m->weights->format == WEIGHTS_HF && meta_get_u32(m->weights, "vocab_size", &said, err) == META_WRONG)
        return INFER_E_FORMAT;
    if (said && said != m->net.h.n_vocab)
        return fail(err, INFER_E_FORMAT, "%s: tensor %s has %u rows, but vocab_size is %u", m->weights->path, t->name.p,
                    m->net.h.n_vocab, said);
    return INFER_OK;
}

const float *bind_floats(struct infer_model *m, const struct tensor *t, float plus)
{
    const size_t n = (size_t)(t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3]);
    if (t->type == DTYPE_F32 && (uintptr_t)t->data % sizeof(float) == 0 && plus == 0)
        return t->data;
    float *copy = arena_new(&m->arena, n, sizeof(float));
    if (!copy)
        return NULL;
    m->context->kernels.dequantize[t->type](copy, t->data, n);
    for (size_t i = 0; i < n && plus != 0; i++)
        copy[i] += plus;
    return copy;
}

/* A vector of n floats. */
static struct weight vector_at(const float *data, uint64_t n)
{
    return (struct weight){ .data = data, .type = DTYPE_F32, .rows = 1, .k = (uint32_t)n, .stride = n * sizeof(float) };
}

/* A matrix at `data` in a tensor. */
static struct weight matrix_at(const struct tensor *t, const void *data, uint64_t rows, uint64_t stride)
{
    return (struct weight){ .data = data, .type = t->type, .rows = (uint32_t)rows, .k = (uint32_t)t->ne[0],
                            .stride = stride };
}

/* Vectors are few and small: those that are not aligned floats already are converted. Some are one for each expert. */
static infer_status bind_vectors(struct infer_model *m, struct weight *w, const struct tensor *t,
                                 const struct tensor_spec *spec, infer_error *err)
{
    const bool less_one = spec->norm && m->weights->format == WEIGHTS_HF && arch_has(&m->net.h, TRAIT_NORM_OFFSET);
    const float *data = bind_floats(m, t, less_one ? 1 : 0);
    if (!data)
        return fail_memory(err, t->name.p);
    *w = vector_at(data, t->ne[0]);
    return INFER_OK;
}

/* Can the kernels compute with the tensor's type, in rows of whole blocks? */
static infer_status check_type(const struct infer_model *m, const struct tensor *t, uint64_t *stride, infer_error *err)
{
    const struct kernels *k = &m->context->kernels;
    if (!k->dequantize[t->type] || !k->matmul[PRECISION_EXACT][t->type].way->fn)
        return fail(err, INFER_E_UNKNOWN, "%s: tensor %s is of type %s, which this version cannot compute with",
                    m->weights->path, t->name.p, dtype_name(t->type));
    if (!dtype_row_bytes(t->type, t->ne[0], stride))
        return fail(err, INFER_E_FORMAT, "%s: tensor %s: rows of %llu values are no whole blocks of type %s",
                    m->weights->path, t->name.p, (unsigned long long)t->ne[0], dtype_name(t->type));
    return INFER_OK;
}

static bool is_vector(const struct tensor_spec *spec)
{
    return spec->rows == DIM_ONE || (spec->rows == DIM_EXPERTS && spec->trait == TRAIT_EXPERT_BIAS);
}

static infer_status bind_tensor(struct infer_model *m, struct weight *w, const struct tensor *t,
                                const struct tensor_spec *spec, infer_error *err)
{
    uint64_t stride;
    infer_status status = check_shape(m, t, spec, arch_dim(&m->net.h, spec->rows), 0, err);
    if (status == INFER_OK && found_rows(spec->rows) && spec != &model_tensors[OUTPUT])
        status = set_rows(m, t, spec->rows, err);
    if (status == INFER_OK && spec->rows == DIM_VOCAB && t->ne[1] != m->net.h.n_vocab)
        status = fail(err, INFER_E_FORMAT, "%s: tensor %s has %llu rows, but the vocabulary has %u", m->weights->path,
                      t->name.p, (unsigned long long)t->ne[1], m->net.h.n_vocab);
    if (status == INFER_OK)
        status = check_type(m, t, &stride, err);
    if (status != INFER_OK)
        return status;
    if (is_vector(spec))
        return bind_vectors(m, w, t, spec, err);
    const uint32_t skipped = spec == &model_tensors[POSITION_EMBD] ? m->net.h.first_position : 0;
    *w = matrix_at(t, (const uint8_t *)t->data + skipped * stride, t->ne[1] - skipped, stride);
    return INFER_OK;
}

/* ---- Finding ---- */

/* The first tensor of the format's list that is there, marked as used; or NULL, and the first name. */
static const struct tensor *find_tensor(struct infer_model *m, const char *gguf, const char *hf, uint32_t layer,
                                        uint32_t expert, char name[ARCH_MAX_NAME])
{
    const char *list = m->weights->format == WEIGHTS_GGUF ? gguf : hf;
    const struct tensor *t = arch_find_tensor(m->weights, list, layer, expert, name);
    if (t)
        m->used[t - m->weights->tensors] = true;
    return t;
}

/* A layer's matrix; or a copy whose rows are columns of what the file has, where that is the family's way and none that
 * was made of codes: those have rows of outputs. NULL if memory is out. */
static const struct tensor *upright(struct infer_model *m, const struct tensor *t)
{
    if (m->weights->format != WEIGHTS_HF || !arch_has(&m->net.h, TRAIT_TURNED) || t->n_dims != 2 || t->made_of)
        return t;
    struct tensor *turned = arena_new(&m->arena, 1, sizeof *turned);
    return turned && tensor_turn(turned, t, &m->arena) ? turned : NULL;
}

/* ---- Stacks: a matrix for each expert or head ---- */

/* Make of a matrix a stack of n, `step` bytes apart. NULL if memory is out. */
static const void **stack_up(struct infer_model *m, struct weight *w, uint32_t n, uint64_t step)
{
    const void **stack = arena_new(&m->arena, n, sizeof *stack);
    for (uint32_t i = 0; stack && i < n; i++)
        stack[i] = (const uint8_t *)w->data + i * step;
    w->stack = stack;
    w->n_stack = n;
    return stack;
}

/* The matrices of the experts but the first, which is bound, each in a tensor of its own. */
static infer_status bind_others(struct infer_model *m, const struct weight *w, const void **stack,
                                const struct tensor_spec *spec, uint32_t layer, infer_error *err)
{
    char name[ARCH_MAX_NAME];
    for (uint32_t e = 1; e < w->n_stack; e++) {
        const struct tensor *t = find_tensor(m, spec->gguf, spec->hf, layer, e, name);
        if (!t)
            return fail(err, INFER_E_FORMAT, "%s: tensor %s is missing, one of %u experts", m->weights->path, name,
                        w->n_stack);
        const infer_status status = check_shape(m, t, spec, w->rows, 0, err);
        if (status != INFER_OK)
            return status;
        if (t->type != w->type)
            return fail(err, INFER_E_FORMAT, "%s: tensor %s is of type %s, that of the first expert of type %s",
                        m->weights->path, name, dtype_name(t->type), dtype_name(w->type));
        stack[e] = t->data;
    }
    return INFER_OK;
}

static infer_status bind_stack(struct infer_model *m, struct weight *w, const struct tensor *t,
                               const struct tensor_spec *spec, uint32_t layer, infer_error *err)
{
    const bool one = m->weights->format == WEIGHTS_GGUF || t->n_dims == 3; /* tensor for all */
    const uint64_t rows = arch_dim(&m->net.h, spec->rows);
    const uint32_t n = (uint32_t)arch_dim(&m->net.h, spec->each);
    uint64_t stride;
    infer_status status = check_shape(m, t, spec, rows, one ? n : 0, err);
    if (status == INFER_OK)
        status = check_type(m, t, &stride, err);
    if (status != INFER_OK)
        return status;
    *w = matrix_at(t, t->data, rows, stride);
    const void **stack = stack_up(m, w, n, one ? rows * stride : 0);
    if (!stack)
        return fail_memory(err, t->name.p);
    return one ? INFER_OK : bind_others(m, w, stack, spec, layer, err);
}

/* ---- Rows of one tensor ---- */

/* Rows that a role has of a fused tensor; or values, of a fused vector. */
static uint64_t part_rows(const struct hparams *h, const struct tensor_spec *spec)
{
    return arch_dim(h, spec->rows == DIM_ONE ? spec->cols : spec->rows);
}

static infer_status check_fused(struct infer_model *m, const struct tensor *t, const struct fusion *f, uint64_t *stride,
                                infer_error *err)
{
    const struct hparams *h = &m->net.h;
    const struct tensor_spec *specs = &layer_tensors[f->first];
    const int axis = specs->rows == DIM_ONE ? 0 : 1;
    uint64_t rows = 0;
    for (int part = 0; part < f->n; part++)
        rows += part_rows(h, &specs[part]);
    if (t->ne[axis] != rows || (axis && t->ne[0] != arch_dim(h, specs->cols)) ||
        t->n_dims != axis + 1 + (specs->each != DIM_ONE) || t->ne[2] != arch_dim(h, specs->each))
        return fail(err, INFER_E_FORMAT, "%s: tensor %s has %llu rows of %llu values, expected %llu of %llu",
                    m->weights->path, t->name.p, (unsigned long long)(axis ? t->ne[1] : 1),
                    (unsigned long long)t->ne[0], (unsigned long long)(axis ? rows : 1),
                    (unsigned long long)(axis ? arch_dim(h, specs->cols) : rows));
    return check_type(m, t, stride, err);
}

/* Rows from `at` on of a fused matrix, or of each of a stack. */
static infer_status bind_part(struct infer_model *m, struct weight *w, const struct tensor *t, uint64_t at,
                              uint64_t rows, uint64_t stride, enum dim each, infer_error *err)
{
    *w = matrix_at(t, (const uint8_t *)t->data + at * stride, rows, stride);
    if (each != DIM_ONE && !stack_up(m, w, (uint32_t)arch_dim(&m->net.h, each), t->ne[1] * stride))
        return fail_memory(err, t->name.p);
    return INFER_OK;
}

static infer_status bind_fusion(struct infer_model *m, struct weight *w, const struct tensor *t, const struct fusion *f,
                                infer_error *err)
{
    const struct tensor_spec *specs = &layer_tensors[f->first];
    const bool vector = specs->rows == DIM_ONE;
    uint64_t stride, at = 0;
    infer_status status = check_fused(m, t, f, &stride, err);
    const float *floats = status == INFER_OK && vector ? bind_floats(m, t, 0) : NULL;
    if (status == INFER_OK && vector && !floats)
        status = fail_memory(err, t->name.p);
    for (int part = 0; part < f->n && status == INFER_OK; part++) {
        const uint64_t n = part_rows(&m->net.h, &specs[part]);
        if (vector)
            w[part] = vector_at(floats + at, n);
        else
            status = bind_part(m, &w[part], t, at, n, stride, specs->each, err);
        at += n;
    }
    return status;
}

/* Bind all roles of the fused tensors that are there. */
static infer_status bind_fused(struct infer_model *m, struct layer *layer, uint32_t l, infer_error *err)
{
    infer_status status = INFER_OK;
    for (size_t i = 0; i < n_fusions && status == INFER_OK; i++) {
        const struct fusion *f = &fusions[i];
        char name[ARCH_MAX_NAME];
        if (f->trait & ~(m->net.h.arch->must | m->net.h.arch->may))
            continue;
        const struct tensor *t = find_tensor(m, f->gguf, f->hf, l, 0, name);
        if (t && layer_tensors[f->first].rows != DIM_ONE && !(t = upright(m, t)))
            status = fail_memory(err, name);
        else if (t)
            status = bind_fusion(m, &layer->w[f->first], t, f, err);
    }
    return status;
}

/* Older GGUF files and checkpoints have the matrices that make keys and values of a latent vector in one: of each head
 * rows for a key, then for a value. What brings a query to the latent vector is the key's part transposed. */
static infer_status bind_latent(struct infer_model *m, struct weight *w, uint32_t layer, infer_error *err)
{
    static const struct tensor_spec spec = {
        "blk.%u.attn_kv_b.weight", "model.layers.%u.self_attn.kv_b_proj.weight", DIM_ONE, DIM_LATENT,
        .trait = TRAIT_LATENT,
    };
    const struct hparams *h = &m->net.h;
    const uint32_t n = h->n_head, rows = h->d_still + h->d_head_v;
    char name[ARCH_MAX_NAME];
    uint64_t stride;
    const struct tensor *t = find_tensor(m, spec.gguf, spec.hf, layer, 0, name);
    if (!t && m->weights->format == WEIGHTS_GGUF)
        return INFER_OK; /* newer: apart */
    if (!t)
        return fail(err, INFER_E_FORMAT, "%s: tensor %s is missing, which a %s model needs", m->weights->path, name,
                    h->name);
    if (t->n_dims != 2 || t->ne[0] != h->n_latent || t->ne[1] != (uint64_t)n * rows)
        return fail(err, INFER_E_FORMAT, "%s: tensor %s has %llu rows of %llu values, expected %llu of %u",
                    m->weights->path, t->name.p, (unsigned long long)t->ne[1], (unsigned long long)t->ne[0],
                    (unsigned long long)n * rows, h->n_latent);
    const infer_status status = check_type(m, t, &stride, err);
    if (status != INFER_OK)
        return status;
    w[ATTN_K_B] = matrix_at(t, t->data, h->n_latent, stride);
    w[ATTN_K_B].k = h->d_still;
    w[ATTN_K_B].transposed = true;
    w[ATTN_V_B] = matrix_at(t, (const uint8_t *)t->data + h->d_still * stride, h->d_head_v, stride);
    if (!stack_up(m, &w[ATTN_K_B], n, rows * stride) || !stack_up(m, &w[ATTN_V_B], n, rows * stride))
        return fail_memory(err, t->name.p);
    return INFER_OK;
}

/* ---- All of them ---- */

/* Bind the tensors of a table that are not bound yet; `layer` goes into their names. */
static infer_status bind_table(struct infer_model *m, struct weight *w, const struct tensor_spec *specs, int n_specs,
                               uint32_t layer, bool experts, infer_error *err)
{
    const bool gguf = m->weights->format == WEIGHTS_GGUF;
    for (int i = 0; i < n_specs; i++) {
        const struct tensor_spec *spec = &specs[i];
        const enum need need = arch_needs(&m->net.h, spec, experts);
        if (w[i].data || !(gguf ? spec->gguf : spec->hf) || need == NEED_NOT)
            continue;
        char name[ARCH_MAX_NAME];
        const struct tensor *t = find_tensor(m, spec->gguf, spec->hf, layer, 0, name);
        if (!t && need == NEED_MUST)
            return fail(err, INFER_E_FORMAT, "%s: tensor %s is missing, which a %s model needs", m->weights->path, name,
                        m->net.h.name);
        infer_status status = INFER_OK;
        if (t && specs == layer_tensors && spec->rows != DIM_ONE && !(t = upright(m, t)))
            return fail_memory(err, name);
        if (t)
            status =
                spec->each != DIM_ONE ? bind_stack(m, &w[i], t, spec, layer, err) : bind_tensor(m, &w[i], t, spec, err);
        if (status != INFER_OK)
            return status;
    }
    return INFER_OK;
}

/* Norms without weights have ones. */
static infer_status bind_plain(struct infer_model *m, struct weight *w, const struct tensor_spec *specs, int n_specs,
                               infer_error *err)
{
    const uint32_t n = m->net.h.n_embd;
    float *ones = NULL;
    for (int i = 0; i < n_specs; i++) {
        if (!(specs[i].unless & TRAIT_PLAIN_NORM) || !arch_has(&m->net.h, TRAIT_PLAIN_NORM))
            continue;
        if (!ones && !(ones = arena_new(&m->arena, n, sizeof *ones)))
            return fail_memory(err, "weights of norms");
        for (uint32_t j = 0; j < n; j++)
            ones[j] = 1;
        w[i] = vector_at(ones, n);
    }
    return INFER_OK;
}

static infer_status bind_layer(struct infer_model *m, struct layer *layer, uint32_t l, infer_error *err)
{
    const struct hparams *h = &m->net.h;
    char name[ARCH_MAX_NAME];
    const bool experts = h->routing.n_expert && arch_needs(h, &layer_tensors[ROUTER], true) != NEED_NOT &&
                         find_tensor(m, layer_tensors[ROUTER].gguf, layer_tensors[ROUTER].hf, l, 0, name);
    infer_status status = bind_fused(m, layer, l, err);
    if (status == INFER_OK && experts)
        status = bind_packed(m, layer, l, err);
    if (status == INFER_OK && arch_has(h, TRAIT_LATENT))
        status = bind_latent(m, layer->w, l, err);
    if (status == INFER_OK)
        status = bind_table(m, layer->w, layer_tensors, LAYER_ROLES, l, experts, err);
    if (status == INFER_OK)
        status = bind_plain(m, layer->w, layer_tensors, LAYER_ROLES, err);
    layer->window = arch_layer_windowed(h, l) ? arch_window(h) : 0;
    layer->rope = arch_layer_rope(h, l);
    return status;
}

/* A config.json holds what GGUF files have as tensors: divisors for short contexts and for long ones. */
static infer_status bind_factors(struct infer_model *m, infer_error *err)
{
    static const struct {
        enum model_role role;
        const char *keys[2];
    } lists[] = { { ROPE_SHORT, { "rope_scaling.short_factor", "rope_parameters.short_factor" } },
                  { ROPE_LONG, { "rope_scaling.long_factor", "rope_parameters.long_factor" } } };
    struct network *net = &m->net;
    const uint32_t n = net->h.rope.n_rot / 2;
    for (size_t i = 0; i < 2 && net->h.rope.scaling == SCALING_LONGROPE; i++) {
        const struct meta *list = weights_meta(m->weights, lists[i].keys[0]);
        list = list ? list : weights_meta(m->weights, lists[i].keys[1]);
        if (!list || list->type != META_ARRAY || list->element == META_STRING || list->n != n)
            return fail(err, INFER_E_FORMAT, "%s: %s is no list of %u numbers", m->weights->path, lists[i].keys[0], n);
        float *factors = arena_new(&m->arena, n, sizeof *factors);
        if (!factors)
            return fail_memory(err, lists[i].keys[0]);
        for (uint32_t j = 0; j < n; j++)
            factors[j] = (float)meta_element_f64(list, j);
        net->w[lists[i].role] = vector_at(factors, n);
    }
    if (net->w[ROPE_SHORT].data && net->w[ROPE_LONG].data)
        net->h.rope.scaling = SCALING_LONGROPE;
    return INFER_OK;
}

/* By these numbers adapters know what they change. */
static void number_roles(struct network *net)
{
    for (int r = 0; r < MODEL_ROLES; r++)
        net->w[r].id = network_model_id((enum model_role)r);
    for (uint32_t l = 0; l < net->h.n_layer; l++)
        for (int r = 0; r < LAYER_ROLES; r++)
            net->layers[l].w[r].id = network_layer_id(l, (enum layer_role)r);
}

infer_status model_bind(struct infer_model *m, infer_error *err)
{
    struct network *net = &m->net;
    infer_status status = arch_read(&net->h, m->weights, &m->arena, err);
    if (status != INFER_OK)
        return status;
    if (net->h.n_layer > m->weights->n_tensors)
        return fail(err, INFER_E_FORMAT, "%s: %u layers are said to be there, but only %zu tensors are",
                    m->weights->path, net->h.n_layer, m->weights->n_tensors);
    net->layers = arena_new(&m->arena, net->h.n_layer, sizeof *net->layers);
    if (!net->layers)
        return fail_memory(err, "the layers");
    status = bind_table(m, net->w, model_tensors, MODEL_ROLES, 0, false, err);
    if (status == INFER_OK)
        status = bind_plain(m, net->w, model_tensors, MODEL_ROLES, err);
    if (status == INFER_OK)
        status = bind_factors(m, err);
    for (uint32_t l = 0; status == INFER_OK && l < net->h.n_layer; l++)
        status = bind_layer(m, &net->layers[l], l, err);
    if (status == INFER_OK && !net->w[OUTPUT].data && !arch_has(&net->h, TRAIT_ENCODER))
        net->w[OUTPUT] = net->w[TOKEN_EMBD];
    number_roles(net);
    net->w[DENSE_1].precise = net->w[DENSE_2].precise = true;
    net->w[OUTPUT].precise = net->w[POOLER].precise = net->w[CLASSES].precise = true;
    return status;
}
