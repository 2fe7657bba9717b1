/* convert.c - tensors and numbers of a Hugging Face directory under the names that GGUF has for them. Both names of
 * everything stand in the tables of src/arch, so a family that the library knows needs no code here. */
#include "src/convert/convert.h"

#include "kernels/kernels.h"
#include "src/arch/arch.h"
#include "src/engine/rope.h"
#include "src/formats/weights.h"
#include "src/tokenizer/parts.h"

#include <stdio.h>

struct converting {
    struct conversion *c;
    const struct weights *hf;
    struct hparams h;
    bool *used; /* tensors of the original that have a place in the file */
    size_t n_orders;
    infer_error *err;
};

/* ---- Numbers ---- */

static bool is_scaled(const struct hparams *h)
{
    return h->rope.scaling == SCALING_LINEAR || h->rope.scaling == SCALING_YARN;
}

/* Numbers that say nothing are left out: 0, and factors of 1. */
static bool is_said(const struct hparams *h, const struct arch_number *n)
{
    const bool from_original = h->rope.scaling == SCALING_YARN || h->rope.scaling == SCALING_LONGROPE;
    if ((!h->routing.n_expert && strstr(n->key, "expert_")) || !strcmp(n->key, "nextn_predict_layers"))
        return false;
    if (!h->n_latent && strstr(n->key, "_mla"))
        return false;
    if (!*n->key || (n->is_float ? n->real == 0 || (n->real == 1 && n->usual == 1) : n->whole == 0))
        return false;
    if (!strcmp(n->key, "rope.scaling.original_context_length") || !strcmp(n->key, "rope.scaling.attn_factor"))
        return from_original;
    if (!strncmp(n->key, "rope.scaling.yarn", 17))
        return h->rope.scaling == SCALING_YARN;
    return strncmp(n->key, "rope.scaling.", 13) != 0 || is_scaled(h);
}

/* Said where it is not the family's usual one. */
static infer_status convert_activation(struct weights *gguf, const struct hparams *h, infer_error *err)
{
    const struct activation_name *name = arch_activation_name(0);
    char key[128];
    for (size_t i = 0; name->activation != h->activation; i++)
        name = arch_activation_name(i);
    snprintf(key, sizeof key, "%s.hidden_activation", h->arch->gguf);
    return h->activation == arch_named(h->arch->gguf, true)->activation
               ? INFER_OK : convert_text(gguf, key, text_of(name->name), err);
}

/* What other readers of a family ask for although it follows from the rest. */
static infer_status convert_formal(struct weights *gguf, const struct hparams *h, infer_error *err)
{
    const bool dense_latent = h->n_latent && !h->routing.n_expert;
    const struct {
        bool applies;
        const char *key;
        uint32_t value;
    } numbers[] = {
        { dense_latent, "deepseek2.expert_feed_forward_length", h->n_ff },
        { dense_latent, "deepseek2.expert_shared_count", 0 },
        { dense_latent, "deepseek2.leading_dense_block_count", h->n_layer },
        { !strcmp(h->arch->gguf, "ernie4_5-moe"), "ernie4_5-moe.interleave_moe_layer_step", 1 },
    };
    infer_status status = INFER_OK;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && status == INFER_OK; i++)
        if (numbers[i].applies)
            status = convert_u32(gguf, numbers[i].key, numbers[i].value, err);
    return status;
}

infer_status convert_numbers(struct weights *gguf, const struct hparams *h, infer_error *err)
{
    const char *name = h->arch->gguf;
    struct arch_number n;
    char key[128];
    infer_status status = convert_text(gguf, "general.architecture", text_of(name), err);
    if (status == INFER_OK)
        status = convert_text(gguf, "general.type", text_of("model"), err);
    for (size_t i = 0; status == INFER_OK && arch_number(h, i, &n); i++) {
        if (!is_said(h, &n))
            continue;
        snprintf(key, sizeof key, "%s.%s", name, n.key);
        status = n.is_float ? convert_f32(gguf, key, n.real, err) : convert_u32(gguf, key, n.whole, err);
    }
    if (status == INFER_OK && is_scaled(h)) {
        snprintf(key, sizeof key, "%s.rope.scaling.type", name);
        status = convert_text(gguf, key, text_of(h->rope.scaling == SCALING_YARN ? "yarn" : "linear"), err);
    }
    snprintf(key, sizeof key, "%s.expert_weights_norm", name);
    if (status == INFER_OK && h->routing.n_expert)
        status = convert_bool(gguf, key, h->routing.normalise, err);
    snprintf(key, sizeof key, "%s.use_parallel_residual", name);
    if (status == INFER_OK && (h->arch->must & TRAIT_PARALLEL_NORMS))
        status = convert_bool(gguf, key, arch_has(h, TRAIT_PARALLEL_NORMS), err);
    snprintf(key, sizeof key, "%s.expert_gating_func", name);
    if (status == INFER_OK && h->routing.n_expert && h->routing.gating == GATING_SIGMOID)
        status = convert_u32(gguf, key, 2, err);
    if (status == INFER_OK)
        status = convert_activation(gguf, h, err);
    if (status == INFER_OK)
        status = convert_formal(gguf, h, err);
    snprintf(key, sizeof key, "%s.attention.causal", name);
    if (status == INFER_OK && arch_has(h, TRAIT_ENCODER))
        status = convert_bool(gguf, key, false, err);
    const bool types = weights_tensor(gguf, text_of(model_tensors[TYPE_EMBD].gguf)); /* else they are all of one */
    if (status == INFER_OK && arch_has(h, TRAIT_STREAM_NORM))
        status = convert_u32(gguf, "tokenizer.ggml.token_type_count", types ? h->n_types : 1, err);
    snprintf(key, sizeof key, "%s.vocab_size", name);
    return status == INFER_OK ? convert_u32(gguf, key, h->n_vocab, err) : status;
}

/* A file says of all layers at once whether they look back only so far, and whether they rotate: what follows from the
 * family is not said. */
static infer_status check_layers(struct converting *k)
{
    struct hparams usual = k->h;
    uint32_t windowed = 0, others = 0, turned = 0;
    usual.first_windowed = 0;
    usual.window_period = k->h.arch->window_period;
    usual.layer_windowed = usual.layer_turns = NULL;
    for (uint32_t l = 0; l < k->h.n_layer; l++) {
        windowed += arch_layer_windowed(&k->h, l);
        others += arch_layer_windowed(&k->h, l) != arch_layer_windowed(&usual, l);
        turned += (arch_layer_rope(&k->h, l) < 0) != (arch_layer_rope(&usual, l) < 0);
    }
    if (!windowed)
        k->h.window = 0;
    if (windowed && others)
        return fail(k->err, INFER_E_UNKNOWN,
                    "%s: %u of %u layers look back only %u tokens, which GGUF files of %s"
                    " models cannot say",
                    k->hf->path, windowed, k->h.n_layer, k->h.window, k->h.arch->gguf);
    if (turned)
        return fail(k->err, INFER_E_UNKNOWN,
                    "%s: which layers have no rotation is not what GGUF files of %s models mean", k->hf->path,
                    k->h.arch->gguf);
    return INFER_OK;
}

/* ---- Tensors ---- */

bool convert_turns(const struct hparams *h)
{
    return h->arch->rope_gguf == ROPE_PAIRS && h->arch->rope_hf == ROPE_HALVES;
}

static struct row_order order_of(const struct hparams *h, const struct tensor_spec *spec)
{
    const bool of_head = spec == &layer_tensors[ATTN_Q] || spec == &layer_tensors[ATTN_K] ||
                         spec == &layer_tensors[ATTN_Q_BIAS] || spec == &layer_tensors[ATTN_K_BIAS];
    if (spec == &layer_tensors[ATTN_QKV] || spec == &layer_tensors[ATTN_QKV_BIAS])
        return (struct row_order){ .head = h->d_k, .group = h->n_head / h->n_head_kv, .n_groups = h->n_head_kv };
    return convert_turns(h) && of_head ? (struct row_order){ .head = h->d_k, .n_rot = h->rope.n_rot } : (struct row_order){ 0 };
}

/* A vector whose values, of n_from that there are, are to stand in another order, or to be more. */
static infer_status remake(struct converting *k, struct tensor *t, uint64_t n_from, struct row_order order, float plus)
{
    struct kernels kernels;
    kernels_init(&kernels, CPU_SCALAR);
    if (!kernels.dequantize[t->type])
        return fail(k->err, INFER_E_UNKNOWN, "%s: tensor %s is of type %s, which cannot be converted", k->hf->path,
                    t->name.p, dtype_name(t->type));
    float *from = arena_new(&k->c->gguf->arena, (size_t)n_from, sizeof *from);
    float *to = arena_new(&k->c->gguf->arena, (size_t)t->ne[0], sizeof *to);
    if (!from || !to)
        return fail_memory(k->err, t->name.p);
    kernels.dequantize[t->type](from, t->data, (size_t)n_from);
    for (uint64_t i = 0; i < t->ne[0]; i++)
        to[i] = from[row_source(order, i)] + plus;
    t->type = DTYPE_F32;
    t->bytes = t->ne[0] * sizeof *to;
    t->data = to;
    return INFER_OK;
}

static infer_status add_tensor(struct converting *k, const struct tensor *from, const struct tensor_spec *spec,
                               const char *name)
{
    struct row_order order = order_of(&k->h, spec);
    const bool less_one = spec->norm && arch_has(&k->h, TRAIT_NORM_OFFSET);
    struct tensor t = *from;
    if ((order.head && spec->rows == DIM_ONE) || less_one) {
        const infer_status status = remake(k, &t, t.ne[0], order, less_one ? 1 : 0);
        if (status != INFER_OK)
            return status;
        order = (struct row_order){ 0 };
    }
    if (spec == &model_tensors[POSITION_EMBD] && k->h.first_position) { /* the rows before it are not used */
        const uint64_t bytes = t.bytes / t.ne[1] * k->h.first_position;
        t.data = (const uint8_t *)t.data + bytes;
        t.bytes -= bytes;
        t.ne[1] -= k->h.first_position;
    }
    t.name = text_of(name);
    t.n_dims = spec->rows == DIM_ONE && spec->cols != DIM_ONE ? 1 : t.n_dims; /* some are matrices of one row */
    k->c->orders[k->n_orders++] = order;
    return weights_add_tensor(k->c->gguf, &t, k->err);
}

static infer_status check_shape(struct converting *k, const struct tensor *t, const struct tensor_spec *spec)
{
    const uint32_t found = (uint32_t)(t->ne[1] < UINT32_MAX ? t->ne[1] : 0);
    if (arch_found(&k->h, spec->rows) && spec != &model_tensors[OUTPUT])
        *arch_found(&k->h, spec->rows) = found;
    const uint64_t rows = arch_dim(&k->h, spec->rows), cols = arch_dim(&k->h, spec->cols);
    if (t->ne[0] == cols && t->ne[1] == rows && t->ne[2] == 1 && t->ne[3] == 1 && rows && cols)
        return INFER_OK;
    return fail(k->err, INFER_E_FORMAT, "%s: tensor %s is %llu x %llu, expected %llu x %llu", k->hf->path, t->name.p,
                (unsigned long long)t->ne[1], (unsigned long long)t->ne[0], (unsigned long long)rows,
                (unsigned long long)cols);
}

/* Queries, keys and values in tensors of their own, of one that has those of each KV head together. */
static infer_status split_heads(struct converting *k, const struct tensor *t, bool vector, uint32_t layer)
{
    const struct hparams *h = &k->h;
    const struct tensor_spec *spec = &layer_tensors[vector ? ATTN_Q_BIAS : ATTN_Q];
    const uint32_t heads[] = { h->n_head, h->n_head_kv, h->n_head_kv };
    uint32_t first = 0;
    uint64_t bytes = 0;
    infer_status status = INFER_OK;
    dtype_row_bytes(t->type, t->ne[0], &bytes);
    for (int i = 0; i < 3 && status == INFER_OK; first += heads[i++], spec++) {
        struct row_order order = { .head = h->d_k, .n_rot = i < 2 ? h->rope.n_rot : 0,
                                   .group = h->n_head / h->n_head_kv, .n_groups = h->n_head_kv, .first = first };
        struct tensor part = *t;
        char *name = arena_new(&k->c->gguf->arena, ARCH_MAX_NAME, 1);
        if (!name)
            return fail_memory(k->err, t->name.p);
        arch_gguf_name(h, spec, layer, name);
        part.name = text_of(name);
        part.ne[vector ? 0 : 1] = (uint64_t)heads[i] * h->d_k;
        part.bytes = part.ne[1] * bytes;
        if (vector)
            status = remake(k, &part, t->ne[0], order, 0);
        k->c->orders[k->n_orders++] = vector ? (struct row_order){ 0 } : order;
        if (status == INFER_OK)
            status = weights_add_tensor(k->c->gguf, &part, k->err);
    }
    return status;
}

/* The first tensor of a list that is there, marked as used; or NULL, and the first name. */
static const struct tensor *find_tensor(struct converting *k, const char *list, uint32_t layer, uint32_t expert,
                                        char name[ARCH_MAX_NAME])
{
    const struct tensor *t = arch_find_tensor(k->hf, list, layer, expert, name);
    if (t)
        k->used[t - k->hf->tensors] = true;
    return t;
}

/* A layer's matrix; or a copy whose rows are columns of what the file has, where that is the family's way and none that
 * was made of codes: those have rows of outputs. NULL if memory is out. */
static const struct tensor *upright(struct converting *k, const struct tensor *t)
{
    if (!arch_has(&k->h, TRAIT_TURNED) || t->n_dims != 2 || t->made_of)
        return t;
    struct tensor *turned = arena_new(&k->c->gguf->arena, 1, sizeof *turned);
    return turned && tensor_turn(turned, t, &k->c->gguf->arena) ? turned : NULL;
}

static infer_status fail_missing(struct converting *k, const char *name)
{
    return fail(k->err, INFER_E_FORMAT, "%s: tensor %s is missing, which a %s model needs", k->hf->path, name,
                k->h.name);
}

/* One tensor for all experts or heads, whose rows stand where `order` says: order.rows in each, of n_cols values. */
static infer_status add_parts(struct converting *k, enum dtype type, uint64_t n_cols, enum dim each,
                              struct row_order order, const char *name)
{
    struct tensor t = {
        .name = text_of(name), .type = type, .n_dims = 3, .ne = { n_cols, order.rows, arch_dim(&k->h, each), 1 }
    };
    uint64_t bytes = 0;
    dtype_row_bytes(type, n_cols, &bytes);
    t.bytes = bytes * t.ne[1] * t.ne[2]; /* all of them lie in files */
    k->c->orders[k->n_orders++] = order;
    return weights_add_tensor(k->c->gguf, &t, k->err);
}

/* The matrices of all experts, in one tensor or in one each, become one. */
static infer_status add_stack(struct converting *k, const struct tensor *first, const struct tensor_spec *spec,
                              uint32_t layer, const char *name)
{
    const uint32_t n = k->h.routing.n_expert;
    const void **parts = arena_new(&k->c->gguf->arena, n, sizeof *parts);
    char from[ARCH_MAX_NAME];
    if (!parts)
        return fail_memory(k->err, name);
    if (first->n_dims == 3 && first->ne[0] == arch_dim(&k->h, spec->cols) &&
        first->ne[1] == arch_dim(&k->h, spec->rows) && first->ne[2] == n)
        return add_tensor(k, first, spec, name);
    for (uint32_t e = 0; e < n; e++) {
        const struct tensor *of = find_tensor(k, spec->hf, layer, e, from);
        if (!of)
            return fail_missing(k, from);
        const infer_status status = check_shape(k, of, spec);
        if (status != INFER_OK)
            return status;
        if (of->type != first->type)
            return fail(k->err, INFER_E_FORMAT, "%s: tensor %s is of type %s, that of the first expert of type %s",
                        k->hf->path, from, dtype_name(of->type), dtype_name(first->type));
        parts[e] = of->data;
    }
    return add_parts(k, first->type, first->ne[0], DIM_EXPERTS,
                     (struct row_order){ .parts = parts, .rows = first->ne[1] }, name);
}

/* A layer's role, if the model has it and it is not among those of a fused tensor. */
static infer_status convert_tensor(struct converting *k, const struct tensor_spec *spec, uint32_t layer, bool experts)
{
    const enum need need = arch_needs(&k->h, spec, experts);
    char from[ARCH_MAX_NAME], to[ARCH_MAX_NAME];
    if (!spec->hf || !spec->gguf || need == NEED_NOT)
        return INFER_OK;
    arch_gguf_name(&k->h, spec, layer, to);
    const struct tensor *t = find_tensor(k, spec->hf, layer, 0, from);
    if (!t)
        return need == NEED_MUST ? fail_missing(k, from) : INFER_OK;
    if (spec >= layer_tensors && spec < layer_tensors + LAYER_ROLES && spec->rows != DIM_ONE && !(t = upright(k, t)))
        return fail_memory(k->err, from);
    if (spec->each == DIM_EXPERTS)
        return add_stack(k, t, spec, layer, to);
    const infer_status status = check_shape(k, t, spec);
    if (status != INFER_OK)
        return status;
    const bool grouped = spec == &layer_tensors[ATTN_QKV] || spec == &layer_tensors[ATTN_QKV_BIAS];
    return grouped && convert_turns(&k->h) ? split_heads(k, t, spec->rows == DIM_ONE, layer) : add_tensor(k, t, spec, to);
}

/* Rows that a role has of a fused tensor; or values, of a fused vector. */
static uint64_t part_rows(const struct converting *k, const struct tensor_spec *spec)
{
    return arch_dim(&k->h, spec->rows == DIM_ONE ? spec->cols : spec->rows);
}

/* Of experts, each role gets a tensor of its own. */
static infer_status split_experts(struct converting *k, const struct tensor *t, const struct fusion *f, uint32_t layer)
{
    const uint32_t n = k->h.routing.n_expert;
    uint64_t bytes = 0, at = 0;
    infer_status status = INFER_OK;
    dtype_row_bytes(t->type, t->ne[0], &bytes);
    for (int part = 0; part < f->n && status == INFER_OK; part++) {
        const struct tensor_spec *spec = &layer_tensors[f->first + part];
        const void **parts = arena_new(&k->c->gguf->arena, n, sizeof *parts);
        char to[ARCH_MAX_NAME];
        if (!parts)
            return fail_memory(k->err, t->name.p);
        for (uint32_t e = 0; e < n; e++)
            parts[e] = (const uint8_t *)t->data + (e * t->ne[1] + at) * bytes;
        arch_gguf_name(&k->h, spec, layer, to);
        status = add_parts(k, t->type, t->ne[0], DIM_EXPERTS,
                           (struct row_order){ .parts = parts, .rows = part_rows(k, spec) }, to);
        at += part_rows(k, spec);
    }
    return status;
}

/* Each role gets a tensor of its own. */
static infer_status split_rows(struct converting *k, const struct tensor *t, const struct fusion *f, uint32_t layer)
{
    const struct tensor_spec *specs = &layer_tensors[f->first];
    const int axis = specs->rows == DIM_ONE ? 0 : 1;
    const uint8_t *at = t->data;
    infer_status status = INFER_OK;
    for (int i = 0; i < f->n && status == INFER_OK; i++) {
        struct tensor part = *t;
        char to[ARCH_MAX_NAME];
        part.ne[axis] = part_rows(k, &specs[i]);
        part.data = at;
        dtype_row_bytes(t->type, part.ne[0], &part.bytes);
        part.bytes *= part.ne[1];
        at += part.bytes;
        arch_gguf_name(&k->h, &specs[i], layer, to);
        status = add_tensor(k, &part, &specs[i], to);
    }
    return status;
}

/* Other fused tensors stay what they are, unless GGUF files of the family have none such. */
static infer_status convert_fusion(struct converting *k, const struct tensor *t, const struct fusion *f, uint32_t layer)
{
    const struct tensor_spec *specs = &layer_tensors[f->first], plain = { 0 };
    const int axis = specs->rows == DIM_ONE ? 0 : 1;
    uint64_t rows = 0;
    for (int part = 0; part < f->n; part++)
        rows += part_rows(k, &specs[part]);
    if (t->ne[axis] != rows || (axis && t->ne[0] != arch_dim(&k->h, specs->cols)) ||
        t->ne[2] != arch_dim(&k->h, specs->each) || t->ne[3] != 1)
        return fail(k->err, INFER_E_FORMAT, "%s: tensor %s has %llu rows, expected %llu", k->hf->path, t->name.p,
                    (unsigned long long)t->ne[axis], (unsigned long long)rows);
    if (specs->each == DIM_EXPERTS)
        return split_experts(k, t, f, layer);
    const bool heads = f->first == ATTN_Q || f->first == ATTN_Q_BIAS;
    char to[ARCH_MAX_NAME];
    const char *list = f->gguf;
    if (!list || (heads && convert_turns(&k->h)))
        return split_rows(k, t, f, layer);
    arch_next_name(&list, to, layer, 0);
    return add_tensor(k, t, &plain, to);
}

/* `fused` receives the roles whose rows fused tensors hold. */
static infer_status convert_fused(struct converting *k, uint32_t layer, bool fused[LAYER_ROLES])
{
    infer_status status = INFER_OK;
    for (size_t i = 0; i < n_fusions && status == INFER_OK; i++) {
        const struct fusion *f = &fusions[i];
        char name[ARCH_MAX_NAME];
        if (f->trait & ~(k->h.arch->must | k->h.arch->may))
            continue;
        const struct tensor *t = find_tensor(k, f->hf, layer, 0, name);
        if (t && layer_tensors[f->first].rows != DIM_ONE && !(t = upright(k, t)))
            return fail_memory(k->err, name);
        for (int part = 0; t && part < f->n; part++)
            fused[f->first + part] = true;
        status = t ? convert_fusion(k, t, f, layer) : INFER_OK;
    }
    return status;
}

/* What makes keys and values of a latent vector stands together in a checkpoint: of each head rows for a key, then for a
 * value. In GGUF it stands apart, and the part for keys transposed. */
static infer_status convert_latent(struct converting *k, uint32_t layer)
{
    const struct hparams *h = &k->h;
    const uint64_t n = h->n_head, rows = (uint64_t)h->d_still + h->d_head_v;
    char name[ARCH_MAX_NAME], keys_name[ARCH_MAX_NAME], values_name[ARCH_MAX_NAME];
    snprintf(name, sizeof name, "model.layers.%u.self_attn.kv_b_proj.weight", layer);
    const struct tensor *t = weights_tensor(k->hf, text_of(name));
    uint64_t bytes = 0;
    if (!t)
        return fail_missing(k, name);
    if (t->n_dims != 2 || t->ne[0] != h->n_latent || t->ne[1] != n * rows || dtype_info(t->type)->block != 1)
        return fail(k->err, INFER_E_FORMAT, "%s: tensor %s is %llu x %llu of %s, expected %llu x %u of a float type",
                    k->hf->path, name, (unsigned long long)t->ne[1], (unsigned long long)t->ne[0], dtype_name(t->type),
                    (unsigned long long)(n * rows), h->n_latent);
    const void **keys = arena_new(&k->c->gguf->arena, n, sizeof *keys);
    const void **values = arena_new(&k->c->gguf->arena, n, sizeof *values);
    if (!keys || !values)
        return fail_memory(k->err, t->name.p);
    dtype_row_bytes(t->type, t->ne[0], &bytes);
    for (uint64_t head = 0; head < n; head++) {
        keys[head] = (const uint8_t *)t->data + head * rows * bytes;
        values[head] = (const uint8_t *)keys[head] + h->d_still * bytes;
    }
    k->used[t - k->hf->tensors] = true;
    arch_gguf_name(h, &layer_tensors[ATTN_K_B], layer, keys_name);
    arch_gguf_name(h, &layer_tensors[ATTN_V_B], layer, values_name);
    const infer_status status =
        add_parts(k, t->type, h->d_still, DIM_HEADS,
                  (struct row_order){ .parts = keys, .rows = h->n_latent, .across = bytes }, keys_name);
    return status != INFER_OK ? status
                              : add_parts(k, t->type, h->n_latent, DIM_HEADS,
                                          (struct row_order){ .parts = values, .rows = h->d_head_v }, values_name);
}

/* Biases are floats in memory, as they are small. */
static infer_status add_packed_biases(struct converting *k, const struct packed *p, uint32_t part, uint32_t layer)
{
    const uint64_t n = (uint64_t)p->n_expert * p->rows;
    float *to = arena_new(&k->c->gguf->arena, (size_t)n, sizeof *to);
    char name[ARCH_MAX_NAME];
    if (!to)
        return fail_memory(k->err, p->biases->name.p);
    packed_biases(p, part, to);
    arch_gguf_name(&k->h, &layer_tensors[p->bias + part], layer, name);
    const struct tensor t = { .name = text_of(name), .type = DTYPE_F32, .n_dims = 2,
                              .ne = { p->rows, p->n_expert, 1, 1 }, .bytes = n * sizeof *to, .data = to };
    k->c->orders[k->n_orders++] = (struct row_order){ 0 };
    return weights_add_tensor(k->c->gguf, &t, k->err);
}

/* Each role of packed experts gets tensors of its own; `packed` receives which these are. */
static infer_status convert_packed(struct converting *k, uint32_t layer, bool packed[LAYER_ROLES])
{
    infer_status status = INFER_OK;
    for (int i = 0; i < packed_count(k->hf, &k->h) && status == INFER_OK; i++) {
        struct packed *p = arena_new(&k->c->gguf->arena, 1, sizeof *p);
        status = p ? packed_find(p, k->hf, &k->h, layer, i, k->err) : fail_memory(k->err, "packed experts");
        if (status != INFER_OK)
            return status;
        const struct tensor *const used[] = { p->blocks, p->biases, p->scales };
        for (int j = 0; j < (p->scales ? 3 : 2); j++)
            k->used[used[j] - k->hf->tensors] = true;
        for (uint32_t part = 0; part < p->n && status == INFER_OK; part++) {
            char name[ARCH_MAX_NAME];
            packed[p->first + part] = packed[p->bias + part] = true;
            arch_gguf_name(&k->h, &layer_tensors[p->first + part], layer, name);
            status = add_parts(k, p->type, p->k, DIM_EXPERTS,
                               (struct row_order){ .packed = p, .part = part, .rows = p->rows }, name);
            if (status == INFER_OK)
                status = add_packed_biases(k, p, part, layer);
        }
    }
    return status;
}

static infer_status convert_layer(struct converting *k, uint32_t layer)
{
    bool fused[LAYER_ROLES] = { false };
    char name[ARCH_MAX_NAME];
    const bool experts = k->h.routing.n_expert && arch_needs(&k->h, &layer_tensors[ROUTER], true) != NEED_NOT &&
                         find_tensor(k, layer_tensors[ROUTER].hf, layer, 0, name);
    infer_status status = convert_fused(k, layer, fused);
    if (status == INFER_OK)
        status = convert_packed(k, layer, fused);
    if (status == INFER_OK && arch_has(&k->h, TRAIT_LATENT))
        status = convert_latent(k, layer);
    for (int role = 0; role < LAYER_ROLES && status == INFER_OK; role++)
        if (!fused[role])
            status = convert_tensor(k, &layer_tensors[role], layer, experts);
    return status;
}

/* Llama 3.1's scaling of frequencies is a tensor of divisors in GGUF. */
static infer_status add_rope_divisors(struct converting *k)
{
    const struct tensor_spec *spec = &model_tensors[ROPE_FREQS];
    const uint32_t n = k->h.rope.n_rot / 2;
    struct rope plain = k->h.rope;
    float magnitude, *from = arena_new(&k->c->gguf->arena, n, sizeof *from);
    float *divisors = arena_new(&k->c->gguf->arena, n, sizeof *divisors);
    if (k->h.rope.scaling != SCALING_LLAMA3)
        return INFER_OK;
    if (!(k->h.arch->may & TRAIT_ROPE_FREQS))
        return fail(k->err, INFER_E_UNKNOWN, "%s: rope scaling \"llama3\", which GGUF files of %s models cannot say",
                    k->hf->path, k->h.arch->gguf);
    if (!from || !divisors)
        return fail_memory(k->err, "rope_freqs.weight");
    plain.scaling = SCALING_NONE;
    rope_frequencies(&plain, NULL, from, &magnitude);
    rope_frequencies(&k->h.rope, NULL, divisors, &magnitude);
    for (uint32_t i = 0; i < n; i++)
        divisors[i] = from[i] / divisors[i];
    const struct tensor t = { .name = text_of(spec->gguf), .type = DTYPE_F32, .n_dims = 1, .ne = { n, 1, 1, 1 },
                              .bytes = n * sizeof(float), .data = divisors };
    k->c->orders[k->n_orders++] = (struct row_order){ 0 };
    return weights_add_tensor(k->c->gguf, &t, k->err);
}

/* Longrope's factors for short contexts and for long ones are tensors too. */
static infer_status add_rope_factors(struct converting *k)
{
    static const struct {
        enum model_role role;
        const char *keys[2];
    } lists[] = { { ROPE_SHORT, { "rope_scaling.short_factor", "rope_parameters.short_factor" } },
                  { ROPE_LONG, { "rope_scaling.long_factor", "rope_parameters.long_factor" } } };
    const uint32_t n = k->h.rope.n_rot / 2;
    infer_status status = INFER_OK;
    for (size_t i = 0; i < 2 && k->h.rope.scaling == SCALING_LONGROPE && status == INFER_OK; i++) {
        const struct meta *list = weights_meta(k->hf, lists[i].keys[0]);
        list = list ? list : weights_meta(k->hf, lists[i].keys[1]);
        if (!list || list->type != META_ARRAY || list->element == META_STRING || list->n != n)
            return fail(k->err, INFER_E_FORMAT, "%s: %s is no list of %u numbers", k->hf->path, lists[i].keys[0], n);
        float *factors = arena_new(&k->c->gguf->arena, n, sizeof *factors);
        if (!factors)
            return fail_memory(k->err, lists[i].keys[0]);
        for (uint32_t j = 0; j < n; j++)
            factors[j] = (float)meta_element_f64(list, j);
        const struct tensor t = { .name = text_of(model_tensors[lists[i].role].gguf), .type = DTYPE_F32, .n_dims = 1,
                                  .ne = { n, 1, 1, 1 }, .bytes = n * sizeof(float), .data = factors };
        k->c->orders[k->n_orders++] = (struct row_order){ 0 };
        status = weights_add_tensor(k->c->gguf, &t, k->err);
    }
    return status;
}

/* Tensors that follow from others, that the model does not use, or that see pictures, which GGUF files have apart. */
static bool may_be_left(const struct converting *k, const struct tensor *t)
{
    static const char *const parts[] = { "vision_tower.", "multi_modal_projector.", "visual.", "vision_model." };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(t->name.p, parts[i]))
            return true;
    static const char *const heads[] = { "cls.predictions.", "cls.seq_relationship.", "lm_head.", "decoder.", "head.",
                                         "pooler.", "vocab_" };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) /* what encoders are trained with */
        if (arch_has(&k->h, TRAIT_ENCODER) && !strncmp(t->name.p, heads[i], strlen(heads[i])))
            return true;
    return strstr(t->name.p, "rotary_emb.inv_freq") || text_ends(t->name, "embeddings.position_ids") ||
           (k->h.tied && text_is(t->name, model_tensors[OUTPUT].hf));
}

static infer_status convert_tensors(struct converting *k)
{
    infer_status status = convert_tensor(k, &model_tensors[TOKEN_EMBD], 0, false);
    if (status == INFER_OK)
        status = add_rope_divisors(k);
    if (status == INFER_OK)
        status = add_rope_factors(k);
    for (uint32_t l = 0; l < k->h.n_layer && status == INFER_OK; l++)
        status = convert_layer(k, l);
    for (int role = TOKEN_EMBD + 1; role < MODEL_ROLES && status == INFER_OK; role++)
        status = convert_tensor(k, &model_tensors[role], 0, false);
    for (size_t i = 0; i < k->hf->n_tensors && status == INFER_OK; i++)
        if (!k->used[i] && !may_be_left(k, &k->hf->tensors[i]))
            status = fail(k->err, INFER_E_UNKNOWN, "%s: tensor %s has no place in GGUF files of %s models", k->hf->path,
                          k->hf->tensors[i].name.p, k->h.arch->gguf);
    return status;
}

/* How many of a head's points each kind of position turns, where models that see pictures have several. */
static infer_status convert_sections(struct converting *k)
{
    enum { SECTIONS = 4 };
    static const char *const keys[] = { "rope_scaling.mrope_section", "rope_parameters.mrope_section" };
    const struct meta *list = weights_meta(k->hf, keys[0]);
    list = list ? list : weights_meta(k->hf, keys[1]);
    char key[128];
    if (!list)
        return INFER_OK;
    int32_t *sections = arena_new(&k->c->gguf->arena, SECTIONS, sizeof *sections); /* zeroed */
    if (!sections)
        return fail_memory(k->err, keys[0]);
    if (list->type != META_ARRAY || list->element == META_STRING || list->n > SECTIONS)
        return fail(k->err, INFER_E_FORMAT, "%s: mrope_section is no list of up to %d numbers", k->hf->path, SECTIONS);
    for (uint64_t i = 0; i < list->n; i++)
        sections[i] = (int32_t)(meta_element_i64(list, i) & INT32_MAX);
    snprintf(key, sizeof key, "%s.rope.dimension_sections", k->h.arch->gguf);
    return convert_array(k->c->gguf, key, META_I32, SECTIONS, sections, k->err);
}

/* ---- All of it ---- */

/* The directory's name, unless config.json tells where it came from. */
static struct text model_name(const struct weights *hf)
{
    struct text name = { "", 0 };
    infer_error unused;
    if (meta_get_text(hf, "_name_or_path", &name, &unused) != META_FOUND || !name.n)
        name = text_of(hf->path);
    while (name.n > 1 && name.p[name.n - 1] == '/')
        name.n--;
    const char *slash = memrchr(name.p, '/', name.n);
    if (slash && slash + 1 < name.p + name.n) {
        name.n -= (size_t)(slash + 1 - name.p);
        name.p = slash + 1;
    }
    return name;
}

static infer_status convert_tokenizer(struct converting *k)
{
    if (!k->hf->tokenizer_json.p) {
        k->c->note = "there is no tokenizer.json: the file gets no vocabulary";
        return convert_text(k->c->gguf, "tokenizer.ggml.model", text_of("none"), k->err);
    }
    infer_tokenizer *t = tokenizer_open(k->hf->a, k->hf, k->err);
    if (!t)
        return k->err->code;
    const infer_status status = convert_vocabulary(k->c->gguf, t, k->h.n_vocab, &k->c->note, k->err);
    tokenizer_close(&t);
    return status == INFER_OK ? status : (fail_prefix(k->err, k->hf->path), status);
}

static infer_status convert_all(struct converting *k, bool vocabulary)
{
    struct weights *gguf = k->c->gguf;
    infer_status status = arch_read(&k->h, k->hf, &gguf->arena, k->err);
    if (status == INFER_OK && k->h.n_layer > k->hf->n_tensors)
        status = fail(k->err, INFER_E_FORMAT, "%s: %u layers are said to be there, but only %zu tensors are",
                      k->hf->path, k->h.n_layer, k->hf->n_tensors);
    if (status == INFER_OK)
        status = check_layers(k);
    if (status == INFER_OK)
        status = convert_tensors(k);
    if (status == INFER_OK)
        status = convert_numbers(gguf, &k->h, k->err);
    if (status == INFER_OK)
        status = convert_sections(k);
    if (status == INFER_OK)
        status = convert_embedding(gguf, k->hf, &k->h, k->err);
    if (status == INFER_OK)
        status = convert_text(gguf, "general.name", model_name(k->hf), k->err);
    return status == INFER_OK && vocabulary ? convert_tokenizer(k) : status;
}

struct conversion *conversion_open(const infer_allocator *a, const struct weights *hf, bool vocabulary,
                                   infer_error *err)
{
    infer_error own;
    struct converting k = { .hf = hf, .err = err ? err : &own, .c = mem_new(a, 1, sizeof *k.c) };
    if (!k.c)
        return fail_memory(err, "a conversion"), NULL;
    k.c->gguf = weights_new(a, hf->path, WEIGHTS_GGUF, k.err);
    if (k.c->gguf) {
        k.c->orders = arena_new(&k.c->gguf->arena, 3 * hf->n_tensors + 3, sizeof *k.c->orders);
        k.used = arena_new(&k.c->gguf->arena, hf->n_tensors, sizeof *k.used);
        if (!k.c->orders || !k.used)
            fail_memory(k.err, "a conversion");
        else if (convert_all(&k, vocabulary) == INFER_OK)
            return k.c;
    }
    weights_close(&k.c->gguf);
    mem_free(a, k.c);
    return NULL;
}

void conversion_close(struct conversion **c)
{
    if (!*c)
        return;
    const infer_allocator *a = (*c)->gguf->a;
    weights_close(&(*c)->gguf);
    mem_free(a, *c);
    *c = NULL;
}
