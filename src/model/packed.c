/* packed.c - packed experts become rows of blocks in memory when a directory is opened that has them. */
#include "src/model/bind.h"

#include "src/arch/packed.h"
#include "src/base/error.h"

static infer_status bind_matrices(struct infer_model *m, struct weight *w, const struct packed *p, infer_error *err)
{
    const size_t matrix = p->rows * p->row_bytes;
    for (uint32_t part = 0; part < p->n; part++) {
        const void **experts = arena_new(&m->arena, p->n_expert, sizeof *experts);
        uint8_t *data = arena_new(&m->arena, p->n_expert, matrix);
        if (!experts || !data)
            return fail_memory(err, p->blocks->name.p);
        for (uint32_t e = 0; e < p->n_expert; e++) {
            experts[e] = data + e * matrix;
            for (uint32_t r = 0; r < p->rows; r++)
                packed_row(p, part, e, r, data + e * matrix + r * p->row_bytes);
        }
        w[part] = (struct weight){ .data = data,
                                   .stack = experts,
                                   .n_stack = p->n_expert,
                                   .type = p->type,
                                   .rows = p->rows,
                                   .k = (uint32_t)p->k,
                                   .stride = p->row_bytes };
    }
    return INFER_OK;
}

static infer_status bind_biases(struct infer_model *m, struct weight *w, const struct packed *p, infer_error *err)
{
    for (uint32_t part = 0; part < p->n; part++) {
        float *to = arena_new(&m->arena, (size_t)p->n_expert * p->rows, sizeof *to);
        if (!to)
            return fail_memory(err, p->biases->name.p);
        packed_biases(p, part, to);
        w[part] = (struct weight){ .data = to, .type = DTYPE_F32, .rows = 1, .k = p->rows,
                                   .stride = p->rows * sizeof *to };
    }
    return INFER_OK;
}

infer_status bind_packed(struct infer_model *m, struct layer *layer, uint32_t l, infer_error *err)
{
    const struct weights *w = m->weights;
    infer_status status = INFER_OK;
    for (int i = 0; i < packed_count(w, &m->net.h) && status == INFER_OK; i++) {
        struct packed p;
        if ((status = packed_find(&p, w, &m->net.h, l, i, err)) != INFER_OK)
            return status;
        const struct tensor *const used[] = { p.blocks, p.biases, p.scales };
        for (int j = 0; j < (p.scales ? 3 : 2); j++)
            m->used[used[j] - w->tensors] = true;
        status = bind_matrices(m, &layer->w[p.first], &p, err);
        if (status == INFER_OK)
            status = bind_biases(m, &layer->w[p.bias], &p, err);
    }
    return status;
}
