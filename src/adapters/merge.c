/* merge.c - W + scale * B A, a row at a time: of row i that is W's row i and B's row i times A. */
#include "src/adapters/merge.h"

#include "src/base/error.h"

/* What an adapter adds to some rows of a tensor's matrices. */
struct addend {
    struct addend *next; /* of the same tensor */
    const struct low_rank *low;
    float scale;
    uint64_t first;  /* row of each matrix */
    bool turned;     /* a table of tokens: A's row is the token's, and B stands the other way */
    float **narrow;  /* A as floats, of each matrix (rank, width); turned: B (width, rank); NULL: nothing is added */
};

struct merge {
    infer_model *m;
    struct arena arena;
    struct addend **of; /* of each tensor of the file */
};

/* The tensor that holds a weight, and its first row there; NULL if it is none of the file's. */
static const struct tensor *tensor_of(const struct merge *g, const struct weight *w, uint64_t *row)
{
    for (size_t i = 0; i < g->m->weights->n_tensors; i++) {
        const struct tensor *t = &g->m->weights->tensors[i];
        const uint64_t at = (uintptr_t)w->data - (uintptr_t)t->data;
        if (at < t->bytes) {
            *row = at / w->stride;
            return t;
        }
    }
    return NULL;
}

static float *as_floats(struct merge *g, const struct weight *w)
{
    float *floats = arena_new(&g->arena, (size_t)w->rows * w->k, sizeof *floats);
    for (uint32_t r = 0; floats && r < w->rows; r++)
        g->m->context->kernels.dequantize[w->type](floats + (size_t)r * w->k,
                                                   (const uint8_t *)w->data + r * w->stride, w->k);
    return floats;
}

static infer_status add(struct merge *g, const struct weight *w, const struct low_rank *low, float scale,
                        infer_error *err)
{
    const struct network *net = &g->m->net;
    const bool turned = w == &net->w[TOKEN_EMBD];
    const bool ends = turned || w == &net->w[OUTPUT];
    uint64_t row;
    const struct tensor *t = tensor_of(g, w, &row);
    if (ends && net->w[OUTPUT].data == net->w[TOKEN_EMBD].data)
        return fail(err, INFER_E_UNKNOWN,
                    "%s: the table of tokens is the output matrix too, but the adapter changes one "
                    "of the two: they cannot be merged",
                    g->m->weights->path);
    if (!t)
        return fail(err, INFER_E_UNKNOWN, "%s: a matrix that the adapter changes does not stand in the file as it is "
                    "computed with", g->m->weights->path);
    const uint32_t n = w->stack ? w->n_stack : 1;
    struct addend *x = arena_new(&g->arena, 1, sizeof *x);
    float **narrow = arena_new(&g->arena, n, sizeof *narrow);
    if (!x || !narrow)
        return fail_memory(err, t->name.p);
    for (uint32_t e = 0; e < n; e++) {
        const struct weight a = weight_of_expert(turned ? &low->b : &low->a, e);
        if (a.data && !(narrow[e] = as_floats(g, &a)))
            return fail_memory(err, t->name.p);
    }
    struct addend **const list = &g->of[t - g->m->weights->tensors];
    *x = (struct addend){ *list, low, scale * low->scale, row, turned, narrow };
    *list = x;
    return INFER_OK;
}

static infer_status add_adapter(struct merge *g, const infer_adapter *x, float scale, infer_error *err)
{
    struct network *net = &g->m->net;
    infer_status status = INFER_OK;
    if (x->model != g->m || !x->low)
        return fail(err, INFER_E_ARGUMENT, "%s: is %s, expected a LoRA adapter of the model", x->files->path,
                    x->low ? "an adapter of another model" : "a control vector, which cannot be merged");
    for (int r = 0; r < MODEL_ROLES && status == INFER_OK; r++)
        if (x->low[net->w[r].id])
            status = add(g, &net->w[r], x->low[net->w[r].id], scale, err);
    for (uint32_t l = 0; l < net->h.n_layer; l++)
        for (int r = 0; r < LAYER_ROLES && status == INFER_OK; r++) {
            const struct weight *w = &net->layers[l].w[r];
            if (x->low[w->id])
                status = add(g, w, x->low[w->id], scale, err);
        }
    return status;
}

struct merge *merge_open(infer_model *m, infer_adapter *const *adapters, const float *scales, size_t n,
                         infer_error *err)
{
    const infer_allocator *a = &m->context->a;
    if (m->files->format != WEIGHTS_GGUF)
        return fail_null(err, INFER_E_UNKNOWN, "%s: adapters are merged into GGUF files: convert the directory first",
                         m->files->path);
    struct merge *g = mem_new(a, 1, sizeof *g);
    if (!g)
        return fail_memory(err, "what is merged"), NULL;
    g->m = m;
    arena_init(&g->arena, a);
    g->of = arena_new(&g->arena, m->weights->n_tensors, sizeof *g->of);
    infer_status status = g->of ? INFER_OK : fail_memory(err, "what is merged");
    for (size_t i = 0; i < n && status == INFER_OK; i++)
        status = add_adapter(g, adapters[i], scales[i], err);
    if (status != INFER_OK)
        merge_close(&g);
    return g;
}

void merge_close(struct merge **merge)
{
    struct merge *g = *merge;
    *merge = NULL;
    if (!g)
        return;
    arena_free(&g->arena);
    mem_free(&g->m->context->a, g);
}

static bool changes(const void *user, size_t tensor)
{
    const struct merge *g = user;
    return g->of[tensor] != NULL;
}

/* Row `row` of all matrices of the tensor, its values at x. */
static void change(const void *user, size_t tensor, uint64_t row, float *x)
{
    const struct merge *g = user;
    const struct kernels *k = &g->m->context->kernels;
    const struct tensor *t = &g->m->weights->tensors[tensor];
    const uint64_t expert = row / t->ne[1], i = row % t->ne[1];
    for (const struct addend *d = g->of[tensor]; d; d = d->next) {
        const struct weight wide = weight_of_expert(d->turned ? &d->low->a : &d->low->b, (uint32_t)expert);
        const float *narrow = d->narrow[expert];
        if (!narrow || i < d->first || i - d->first >= wide.rows)
            continue;
        float piece[256]; /* of the row of B, or of a token's of A; blocks have 256 values at most */
        const uint8_t *from = (const uint8_t *)wide.data + (i - d->first) * wide.stride;
        uint64_t bytes;
        for (uint32_t r = 0, most; r < wide.k; r += most) {
            most = wide.k - r < 256 ? wide.k - r : 256;
            dtype_row_bytes(wide.type, r, &bytes);
            k->dequantize[wide.type](piece, from + bytes, most);
            for (uint32_t j = 0; j < most && !d->turned; j++)
                k->add_scaled(x, narrow + (size_t)(r + j) * t->ne[0], d->scale * piece[j], (size_t)t->ne[0]);
            for (uint64_t c = 0; c < t->ne[0] && d->turned; c++)
                x[c] += d->scale * k->dot(narrow + c * wide.k + r, piece, most);
        }
    }
}

struct row_change merge_changes(const struct merge *m)
{
    return (struct row_change){ changes, change, m };
}
