/* packed.c - the tensors of packed experts are found and checked; a row is put together from where its values lie. */
#include "src/arch/packed.h"

#include "kernels/blocks.h"
#include "src/base/error.h"
#include "src/base/real.h"
#include "src/formats/weights.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name; /* follows after "model.layers.%u.mlp.experts." */
    enum layer_role first, bias;
    uint32_t n;
} tensors[] = {
    { "gate_up_proj", EXPERT_GATE, EXPERT_GATE_BIAS, 2 },
    { "down_proj", EXPERT_DOWN, EXPERT_DOWN_BIAS, 1 },
};

int packed_count(const struct weights *w, const struct hparams *h)
{
    const bool has = w->format == WEIGHTS_HF && arch_has(h, TRAIT_FUSED_EXPERTS);
    return has ? (int)(sizeof tensors / sizeof *tensors) : 0;
}

static const struct tensor *tensor_of(const struct weights *w, uint32_t layer, const char *name, const char *ending)
{
    char full[ARCH_MAX_NAME];
    snprintf(full, sizeof full, "model.layers.%u.mlp.experts.%s%s", layer, name, ending);
    return weights_tensor(w, text_of(full));
}

static infer_status check_axes(const struct weights *w, const struct tensor *t, const uint64_t ne[4], infer_error *err)
{
    if (!memcmp(t->ne, ne, sizeof t->ne))
        return INFER_OK;
    return fail(err, INFER_E_FORMAT,
                "%s: tensor %s has the shape (%llu, %llu, %llu, %llu), expected (%llu, %llu, %llu, %llu)", w->path,
                t->name.p, (unsigned long long)t->ne[3], (unsigned long long)t->ne[2], (unsigned long long)t->ne[1],
                (unsigned long long)t->ne[0], (unsigned long long)ne[3], (unsigned long long)ne[2],
                (unsigned long long)ne[1], (unsigned long long)ne[0]);
}

static infer_status check_float(const struct weights *w, const struct tensor *t, infer_error *err)
{
    if (t->type == DTYPE_F32 || t->type == DTYPE_F16 || t->type == DTYPE_BF16)
        return INFER_OK;
    return fail(err, INFER_E_UNKNOWN, "%s: tensor %s is of type %s, expected f32, f16 or bf16", w->path, t->name.p,
                dtype_name(t->type));
}

static infer_status check(const struct packed *p, const struct weights *w, infer_error *err)
{
    const uint64_t all = (uint64_t)p->rows * p->n, n_blocks = p->k / BLOCK_MXFP4;
    const uint64_t floats[4] = { all, p->k, p->n_expert, 1 }, biases[4] = { all, p->n_expert, 1, 1 };
    const uint64_t blocks[4] = { BLOCK_MXFP4 / 2, n_blocks, all, p->n_expert };
    const uint64_t scales[4] = { n_blocks, all, p->n_expert, 1 };
    infer_status status = check_float(w, p->biases, err);
    if (status == INFER_OK)
        status = check_axes(w, p->biases, biases, err);
    if (status == INFER_OK && !p->scales)
        status = check_float(w, p->blocks, err);
    if (status == INFER_OK && p->scales &&
        (p->k % BLOCK_MXFP4 || p->blocks->type != DTYPE_U8 || p->scales->type != DTYPE_U8))
        status = fail(err, INFER_E_FORMAT,
                      "%s: tensor %s is no MXFP4: blocks of %s, scales of %s, rows of %zu values", w->path,
                      p->blocks->name.p, dtype_name(p->blocks->type), dtype_name(p->scales->type), p->k);
    if (status == INFER_OK)
        status = check_axes(w, p->blocks, p->scales ? blocks : floats, err);
    return status == INFER_OK && p->scales ? check_axes(w, p->scales, scales, err) : status;
}

infer_status packed_find(struct packed *p, const struct weights *w, const struct hparams *h, uint32_t layer, int i,
                         infer_error *err)
{
    const struct tensor_spec *spec = &layer_tensors[tensors[i].first];
    const char *name = tensors[i].name;
    uint64_t row_bytes = 0;
    *p = (struct packed){ .first = tensors[i].first, .bias = tensors[i].bias, .n = tensors[i].n,
                          .n_expert = h->routing.n_expert, .rows = (uint32_t)arch_dim(h, spec->rows),
                          .k = (size_t)arch_dim(h, spec->cols) };
    p->blocks = tensor_of(w, layer, name, "_blocks");
    p->scales = p->blocks ? tensor_of(w, layer, name, "_scales") : NULL;
    if (!p->scales)
        p->blocks = tensor_of(w, layer, name, "");
    p->biases = tensor_of(w, layer, name, "_bias");
    if (!p->blocks || !p->biases)
        return fail(err, INFER_E_FORMAT,
                    "%s: tensor model.layers.%u.mlp.experts.%s%s is missing, which a %s model needs", w->path, layer,
                    name, p->blocks ? "_bias" : "", h->name);
    const infer_status status = check(p, w, err);
    p->type = p->scales ? DTYPE_MXFP4 : p->blocks->type;
    if (status == INFER_OK)
        dtype_row_bytes(p->type, p->k, &row_bytes);
    p->row_bytes = (size_t)row_bytes;
    return status;
}

/* The rows' axis is the last one. */
static void float_row(const struct packed *p, uint64_t expert, uint64_t row, uint8_t *to)
{
    const size_t all = (size_t)p->rows * p->n, bytes = dtype_info(p->type)->bytes;
    const uint8_t *from = (const uint8_t *)p->blocks->data + (expert * p->k * all + row) * bytes;
    for (size_t i = 0; i < p->k; i++)
        memcpy(to + i * bytes, from + i * all * bytes, bytes);
}

static void mxfp4_row(const struct packed *p, uint64_t expert, uint64_t row, uint8_t *to)
{
    const size_t n = p->k / BLOCK_MXFP4, half = BLOCK_MXFP4 / 2;
    const uint64_t first = (expert * p->rows * p->n + row) * n;
    const uint8_t *qs = (const uint8_t *)p->blocks->data + first * half, *e = (const uint8_t *)p->scales->data + first;
    for (size_t b = 0; b < n; b++, qs += half) {
        struct block_mxfp4 block = { .e = e[b] };
        for (size_t i = 0; i < half; i++) { /* neighbours share a byte there; here value i shares one with i + 16 */
            const int low = qs[i / 2] >> i % 2 * 4 & 15, high = qs[half / 2 + i / 2] >> i % 2 * 4 & 15;
            block.qs[i] = (uint8_t)(low | high << 4);
        }
        memcpy(to + b * sizeof block, &block, sizeof block);
    }
}

void packed_row(const struct packed *p, uint32_t part, uint64_t expert, uint64_t row, uint8_t *to)
{
    (p->scales ? mxfp4_row : float_row)(p, expert, row * p->n + part, to);
}

void packed_biases(const struct packed *p, uint32_t part, float *to)
{
    const uint8_t *from = p->biases->data;
    const size_t n = (size_t)p->n_expert * p->rows;
    for (size_t i = 0, at = part; i < n; i++, at += p->n)
        to[i] = p->biases->type == DTYPE_F32   ? f32_from_bits(read_u32(from + 4 * at))
                : p->biases->type == DTYPE_F16 ? f16_to_f32(read_u16(from + 2 * at))
                                               : bf16_to_f32(read_u16(from + 2 * at));
}
