/* packed.c - experts as the checkpoints of gpt-oss hold them: all experts' matrices in one tensor, gate and up in turn,
 * either as floats with the rows' axis last, or as MXFP4 with blocks and scales apart. No kernel reads these, so they
 * become rows of blocks in memory: the one place where matrices are copied when a model is opened. */
#include "src/model/bind.h"

#include "kernels/blocks.h"
#include "src/base/error.h"

#include <stdio.h>

struct packed {
    const char *name; /* follows after "model.layers.%u.mlp.experts." */
    enum layer_role first, bias;
    uint32_t n; /* roles whose rows stand in turn */
};
static const struct packed packed[] = {
    { "gate_up_proj", EXPERT_GATE, EXPERT_GATE_BIAS, 2 },
    { "down_proj", EXPERT_DOWN, EXPERT_DOWN_BIAS, 1 },
};

/* Matrices of one tensor: n_expert times `rows` of each role, k values a row. */
struct source {
    const struct tensor *blocks, *scales; /* scales NULL: floats */
    uint32_t n_expert, rows, n;
    size_t k, row_bytes; /* of a row as it becomes */
};

static const struct tensor *tensor_of(const struct infer_model *m, uint32_t layer, const char *name, const char *ending)
{
    char full[ARCH_MAX_NAME];
    snprintf(full, sizeof full, "model.layers.%u.mlp.experts.%s%s", layer, name, ending);
    const struct tensor *t = weights_tensor(m->weights, text_of(full));
    if (t)
        m->used[t - m->weights->tensors] = true;
    return t;
}

static infer_status check_axes(const struct infer_model *m, const struct tensor *t, const uint64_t ne[4],
                               infer_error *err)
{
    if (!memcmp(t->ne, ne, sizeof t->ne))
        return INFER_OK;
    return fail(err, INFER_E_FORMAT,
                "%s: tensor %s has the shape (%llu, %llu, %llu, %llu), expected (%llu, %llu, %llu, %llu)",
                m->weights->path, t->name.p, (unsigned long long)t->ne[3], (unsigned long long)t->ne[2],
                (unsigned long long)t->ne[1], (unsigned long long)t->ne[0], (unsigned long long)ne[3],
                (unsigned long long)ne[2], (unsigned long long)ne[1], (unsigned long long)ne[0]);
}

static bool is_float(enum dtype type)
{
    return type == DTYPE_F32 || type == DTYPE_F16 || type == DTYPE_BF16;
}

static infer_status check_source(const struct infer_model *m, const struct source *s, infer_error *err)
{
    const uint64_t all = (uint64_t)s->rows * s->n;
    const uint64_t floats[4] = { all, s->k, s->n_expert, 1 }, scales[4] = { s->k / BLOCK_MXFP4, all, s->n_expert, 1 };
    const uint64_t blocks[4] = { BLOCK_MXFP4 / 2, s->k / BLOCK_MXFP4, all, s->n_expert };
    const enum dtype type = s->blocks->type;
    if (!s->scales && !is_float(type))
        return fail(err, INFER_E_UNKNOWN, "%s: tensor %s is of type %s, expected f32, f16 or bf16", m->weights->path,
                    s->blocks->name.p, dtype_name(type));
    if (!s->scales)
        return check_axes(m, s->blocks, floats, err);
    if (s->k % BLOCK_MXFP4 || type != DTYPE_U8 || s->scales->type != DTYPE_U8)
        return fail(err, INFER_E_FORMAT, "%s: tensor %s is no MXFP4: blocks of %s, scales of %s, rows of %zu values",
                    m->weights->path, s->blocks->name.p, dtype_name(type), dtype_name(s->scales->type), s->k);
    const infer_status status = check_axes(m, s->blocks, blocks, err);
    return status == INFER_OK ? check_axes(m, s->scales, scales, err) : status;
}

/* Row `row` of those of an expert as they stand in the file. */
static void copy_row(const struct source *s, uint8_t *to, size_t expert, size_t row)
{
    const size_t all = (size_t)s->rows * s->n;
    if (!s->scales) { /* the rows' axis is the last one */
        const size_t bytes = dtype_info(s->blocks->type)->bytes;
        const uint8_t *from = (const uint8_t *)s->blocks->data + (expert * s->k * all + row) * bytes;
        for (size_t i = 0; i < s->k; i++)
            memcpy(to + i * bytes, from + i * all * bytes, bytes);
        return;
    }
    const size_t n = s->k / BLOCK_MXFP4, first = (expert * all + row) * n, half = BLOCK_MXFP4 / 2;
    const uint8_t *qs = (const uint8_t *)s->blocks->data + first * half, *e = (const uint8_t *)s->scales->data + first;
    for (size_t b = 0; b < n; b++, qs += half) {
        struct block_mxfp4 block = { .e = e[b] };
        for (size_t i = 0; i < half; i++) { /* neighbours share a byte there; here value i shares one with i + 16 */
            const int low = qs[i / 2] >> i % 2 * 4 & 15, high = qs[half / 2 + i / 2] >> i % 2 * 4 & 15;
            block.qs[i] = (uint8_t)(low | high << 4);
        }
        memcpy(to + b * sizeof block, &block, sizeof block);
    }
}

static infer_status bind_source(struct infer_model *m, struct weight *w, const struct source *s, infer_error *err)
{
    const enum dtype type = s->scales ? DTYPE_MXFP4 : s->blocks->type;
    const size_t matrix = s->rows * s->row_bytes;
    for (uint32_t part = 0; part < s->n; part++) {
        const void **experts = arena_new(&m->arena, s->n_expert, sizeof *experts);
        uint8_t *data = arena_new(&m->arena, s->n_expert, matrix);
        if (!experts || !data)
            return fail_memory(err, s->blocks->name.p);
        for (uint32_t e = 0; e < s->n_expert; e++) {
            experts[e] = data + e * matrix;
            for (uint32_t r = 0; r < s->rows; r++)
                copy_row(s, data + e * matrix + r * s->row_bytes, e, (size_t)r * s->n + part);
        }
        w[part] = (struct weight){ .data = data,
                                   .stack = experts,
                                   .n_stack = s->n_expert,
                                   .type = type,
                                   .rows = s->rows,
                                   .k = (uint32_t)s->k,
                                   .stride = s->row_bytes };
    }
    return INFER_OK;
}

static infer_status bind_biases(struct infer_model *m, struct weight *w, const struct source *s, const struct tensor *t,
                                infer_error *err)
{
    const size_t n = (size_t)s->n_expert * s->rows;
    const uint64_t ne[4] = { (uint64_t)s->rows * s->n, s->n_expert, 1, 1 };
    const infer_status status = check_axes(m, t, ne, err);
    if (status != INFER_OK)
        return status;
    if (!is_float(t->type))
        return fail(err, INFER_E_UNKNOWN, "%s: tensor %s is of type %s, expected f32, f16 or bf16", m->weights->path,
                    t->name.p, dtype_name(t->type));
    const float *from = bind_floats(m, t, 0);
    for (uint32_t part = 0; part < s->n; part++) {
        float *to = arena_new(&m->arena, n, sizeof *to);
        if (!from || !to)
            return fail_memory(err, t->name.p);
        for (size_t i = 0; i < n; i++)
            to[i] = from[i * s->n + part];
        w[part] = (struct weight){ .data = to, .type = DTYPE_F32, .rows = 1, .k = s->rows,
                                   .stride = s->rows * sizeof *to };
    }
    return INFER_OK;
}

infer_status bind_packed(struct infer_model *m, struct layer *layer, uint32_t l, infer_error *err)
{
    const struct hparams *h = &m->net.h;
    infer_status status = INFER_OK;
    if (m->weights->format != WEIGHTS_HF || !arch_has(h, TRAIT_FUSED_EXPERTS))
        return INFER_OK;
    for (size_t i = 0; i < sizeof packed / sizeof *packed && status == INFER_OK; i++) {
        const struct packed *p = &packed[i];
        const struct tensor_spec *spec = &layer_tensors[p->first];
        struct source s = { .n_expert = h->routing.n_expert, .rows = (uint32_t)arch_dim(h, spec->rows), .n = p->n,
                            .k = arch_dim(h, spec->cols) };
        s.blocks = tensor_of(m, l, p->name, "_blocks");
        s.scales = s.blocks ? tensor_of(m, l, p->name, "_scales") : NULL;
        if (!s.scales)
            s.blocks = tensor_of(m, l, p->name, "");
        const struct tensor *bias = tensor_of(m, l, p->name, "_bias");
        if (!s.blocks || !bias)
            return fail(err, INFER_E_FORMAT,
                        "%s: tensor model.layers.%u.mlp.experts.%s%s is missing, which a %s model needs",
                        m->weights->path, l, p->name, s.blocks ? "_bias" : "", h->name);
        uint64_t row_bytes = 0;
        if ((status = check_source(m, &s, err)) != INFER_OK)
            return status;
        dtype_row_bytes(s.scales ? DTYPE_MXFP4 : s.blocks->type, s.k, &row_bytes);
        s.row_bytes = row_bytes;
        status = bind_source(m, &layer->w[p->first], &s, err);
        if (status == INFER_OK)
            status = bind_biases(m, &layer->w[p->bias], &s, bias, err);
    }
    return status;
}
