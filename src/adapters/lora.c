/* lora.c - pairs of matrices to the weights that they change: names by the tables of src/arch, as the model's own
 * tensors are found, shapes against what the model has bound. */
#include "src/adapters/adapter.h"

#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/convert/convert.h"
#include "src/formats/weights.h"

struct binding {
    struct infer_adapter *x;
    struct lora_pairs *pairs;
    const char *path;
    struct hash hash;
    infer_error *err;
};

/* ---- Lists ---- */

infer_status lora_pairs_open(struct infer_adapter *x, struct lora_pairs *pairs, size_t n, infer_error *err)
{
    const infer_allocator *a = &x->model->context->a;
    const enum weights_format format = x->files->format;
    pairs->scales = arena_new(&x->arena, n, sizeof *pairs->scales);
    pairs->used = arena_new(&x->arena, n, sizeof *pairs->used);
    if (!pairs->scales || !pairs->used)
        return fail_memory(err, "the adapter's tensors");
    pairs->a = weights_new(a, x->files->path, format, err);
    pairs->b = pairs->a ? weights_new(a, x->files->path, format, err) : NULL;
    return pairs->b ? INFER_OK : INFER_E_NOMEM;
}

void lora_pairs_close(struct lora_pairs *pairs)
{
    if (pairs->a)
        weights_close(&pairs->a);
    if (pairs->b)
        weights_close(&pairs->b);
}

infer_status lora_add(struct lora_pairs *pairs, bool b, const struct tensor *t, struct text name, infer_error *err)
{
    struct weights *list = b ? pairs->b : pairs->a;
    struct tensor named = *t;
    named.name = name;
    const infer_status status = weights_add_tensor(list, &named, err);
    return status == INFER_OK ? status : (fail_prefix(err, list->path), status);
}

/* ---- One pair ---- */

/* Where the model's rows of queries and keys stand in another order than the adapter's, as the one is a GGUF file of
 * the llama family and the other is not: a copy in the model's order. */
static const uint8_t *reorder(struct binding *k, const struct tensor *b, uint64_t stride, enum layer_role role)
{
    const struct hparams *h = &k->x->model->net.h;
    const enum weights_format to = k->x->model->weights->format;
    if (to == k->x->files->format || !convert_turns(h) || (role != ATTN_Q && role != ATTN_K))
        return b->data;
    const struct row_order order = { .head = h->d_k, .n_rot = h->rope.n_rot };
    uint8_t *rows = arena_new(&k->x->arena, (size_t)b->ne[1], (size_t)stride);
    for (uint64_t r = 0; rows && r < b->ne[1]; r++) {
        const uint64_t original = row_source(order, r);
        const uint64_t from = to == WEIGHTS_GGUF ? original : r, at = to == WEIGHTS_GGUF ? r : original;
        memcpy(rows + at * stride, (const uint8_t *)b->data + from * stride, (size_t)stride);
    }
    return rows;
}

static infer_status check_type(struct binding *k, const struct tensor *t, uint64_t *stride)
{
    const struct kernels *kernels = &k->x->model->context->kernels;
    if (kernels->dequantize[t->type] && kernels->matmul[PRECISION_EXACT][t->type].way->fn &&
        dtype_row_bytes(t->type, t->ne[0], stride))
        return INFER_OK;
    return fail(k->err, INFER_E_UNKNOWN,
                "%s: the adapter of %s has %s weights in rows of %llu, which this version cannot "
                "compute with",
                k->path, t->name.p, dtype_name(t->type), (unsigned long long)t->ne[0]);
}

/* `n`: matrices in each; `rows`, `width`: of the model's. A's axes are turned for the table of tokens. */
static infer_status check_shapes(struct binding *k, const struct tensor *a, const struct tensor *b, uint64_t rows,
                                 uint64_t width, uint64_t n)
{
    const uint64_t rank = b->ne[0];
    if (rank < 1 || rank > MAX_RANK)
        return fail(k->err, INFER_E_FORMAT, "%s: the adapter of %s has rank %llu, expected 1 to %d", k->path, a->name.p,
                    (unsigned long long)rank, MAX_RANK);
    if (a->ne[0] == width && a->ne[1] == rank && a->ne[2] == n && a->ne[3] == 1 && b->ne[1] == rows && b->ne[2] == n &&
        b->ne[3] == 1)
        return INFER_OK;
    return fail(k->err, INFER_E_FORMAT,
                "%s: the adapter of %s has A of %llu x %llu x %llu and B of %llu x %llu x %llu, "
                "expected %llu x r x %llu and %llu x %llu x r",
                k->path, a->name.p, (unsigned long long)a->ne[2], (unsigned long long)a->ne[1],
                (unsigned long long)a->ne[0], (unsigned long long)b->ne[2], (unsigned long long)b->ne[1],
                (unsigned long long)b->ne[0], (unsigned long long)n, (unsigned long long)width, (unsigned long long)n,
                (unsigned long long)rows);
}

static void add_to_hash(struct binding *k, const struct low_rank *low, uint32_t id)
{
    hash_add(&k->hash, &id, sizeof id);
    hash_add(&k->hash, &low->scale, sizeof low->scale);
    model_hash_weight(&k->hash, &low->a, "a", id);
    model_hash_weight(&k->hash, &low->b, "b", id);
}

/* A pair is bound to a weight. */
static void keep(struct binding *k, struct low_rank *low, const struct tensor *a, const struct tensor *b, uint32_t id)
{
    const size_t i = (size_t)(a - k->pairs->a->tensors);
    low->scale = k->pairs->scales[i];
    k->x->low[id] = low;
    k->x->n_weights++;
    k->x->bytes += k->pairs->used[i] ? 0 : a->bytes + b->bytes;
    k->x->rank = low->b.k > k->x->rank ? low->b.k : k->x->rank;
    k->pairs->used[i] = true;
    add_to_hash(k, low, id);
}

/* The tensor of a list, with its other half; *a NULL if it is not there. */
static infer_status find_pair(struct binding *k, const char *list, uint32_t layer, uint32_t expert,
                              const struct tensor **a, const struct tensor **b)
{
    char name[ARCH_MAX_NAME];
    *a = list ? arch_find_tensor(k->pairs->a, list, layer, expert, name) : NULL;
    *b = *a ? weights_tensor(k->pairs->b, (*a)->name) : NULL;
    if (*a && !*b)
        return fail(k->err, INFER_E_FORMAT, "%s: the adapter of %s has A but no B", k->path, (*a)->name.p);
    return INFER_OK;
}

static const char *list_of(const struct binding *k, const char *gguf, const char *hf)
{
    return k->x->files->format == WEIGHTS_GGUF ? gguf : hf;
}

static struct weight matrix(const struct tensor *t, const void *data, uint64_t rows, uint64_t stride)
{
    return (struct weight){ .data = data, .type = t->type, .rows = (uint32_t)rows, .k = (uint32_t)t->ne[0],
                            .stride = stride };
}

static infer_status bind_matrix(struct binding *k, const struct weight *w, const struct tensor *a,
                                const struct tensor *b, enum layer_role role)
{
    uint64_t a_stride, b_stride;
    infer_status status = check_shapes(k, a, b, w->rows, w->k, 1);
    if (status == INFER_OK)
        status = check_type(k, a, &a_stride);
    if (status == INFER_OK)
        status = check_type(k, b, &b_stride);
    if (status != INFER_OK)
        return status;
    struct low_rank *low = arena_new(&k->x->arena, 1, sizeof *low);
    const uint8_t *rows = low ? reorder(k, b, b_stride, role) : NULL;
    if (!rows)
        return fail_memory(k->err, a->name.p);
    low->a = matrix(a, a->data, a->ne[1], a_stride);
    low->b = matrix(b, rows, b->ne[1], b_stride);
    keep(k, low, a, b, w->id);
    return INFER_OK;
}

/* ---- Experts ---- */

static infer_status open_stack(struct binding *k, struct weight *w, const struct tensor *first, uint32_t n,
                               const void ***stack)
{
    uint64_t stride;
    const infer_status status = check_type(k, first, &stride);
    if (status != INFER_OK)
        return status;
    *w = matrix(first, first->data, first->ne[1], stride);
    *stack = arena_new(&k->x->arena, n, sizeof **stack);
    w->stack = *stack;
    w->n_stack = n;
    return *stack ? INFER_OK : fail_memory(k->err, first->name.p);
}

/* One tensor has the matrices of all experts, or each has its own: not all need one, but all of one rank and type. */
static infer_status bind_stack(struct binding *k, const struct weight *w, const struct tensor_spec *spec,
                               uint32_t layer)
{
    struct low_rank *low = NULL;
    const void **a_stack = NULL, **b_stack = NULL;
    const struct tensor *a, *b, *first = NULL, *other = NULL;
    for (uint32_t e = 0; e < w->n_stack; e++) {
        infer_status status = find_pair(k, list_of(k, spec->gguf, spec->hf), layer, e, &a, &b);
        if (status != INFER_OK)
            return status;
        if (!a)
            continue;
        const bool one = k->x->files->format == WEIGHTS_GGUF;
        status = check_shapes(k, a, b, w->rows, w->k, one ? w->n_stack : 1);
        if (status == INFER_OK && !low) {
            if (!(low = arena_new(&k->x->arena, 1, sizeof *low)))
                return fail_memory(k->err, a->name.p);
            status = open_stack(k, &low->a, a, w->n_stack, &a_stack);
            if (status == INFER_OK)
                status = open_stack(k, &low->b, b, w->n_stack, &b_stack);
            first = a;
            other = b;
        }
        if (status == INFER_OK && (a->type != first->type || b->type != other->type || b->ne[0] != other->ne[0] ||
                                   k->pairs->scales[a - k->pairs->a->tensors] !=
                                       k->pairs->scales[first - k->pairs->a->tensors]))
            status = fail(k->err, INFER_E_UNKNOWN, "%s: the adapters of %s and %s differ in rank, alpha or type, which "
                          "experts of one layer may not", k->path, first->name.p, a->name.p);
        if (status != INFER_OK)
            return status;
        a_stack[e] = (const uint8_t *)a->data + (one ? e * low->a.rows * low->a.stride : 0);
        b_stack[e] = (const uint8_t *)b->data + (one ? e * low->b.rows * low->b.stride : 0);
        k->pairs->used[a - k->pairs->a->tensors] = true;
        k->x->bytes += one && e ? 0 : a->bytes + b->bytes;
    }
    if (low)
        keep(k, low, first, other, w->id);
    return INFER_OK;
}

/* ---- All of them ---- */

/* What is multiplied row by row of a tensor that has the rows of several roles: all have the same A, and their rows of
 * B. */
static infer_status bind_fusion(struct binding *k, struct layer *layer, uint32_t l, const struct fusion *f)
{
    const struct tensor *a, *b;
    uint64_t rows = 0, at = 0, a_stride, b_stride;
    if (layer_tensors[f->first].rows == DIM_ONE || layer_tensors[f->first].each != DIM_ONE)
        return INFER_OK;
    infer_status status = find_pair(k, list_of(k, f->gguf, f->hf), l, 0, &a, &b);
    if (status != INFER_OK || !a)
        return status;
    for (int i = 0; i < f->n; i++)
        rows += layer->w[f->first + i].data ? layer->w[f->first + i].rows : 0;
    if (b->ne[1] != rows || !layer->w[f->first].data)
        return INFER_OK; /* a role of its own has this name too */
    status = check_shapes(k, a, b, rows, layer->w[f->first].k, 1);
    if (status == INFER_OK)
        status = check_type(k, a, &a_stride);
    if (status == INFER_OK)
        status = check_type(k, b, &b_stride);
    for (int i = 0; i < f->n && status == INFER_OK; i++) {
        const struct weight *w = &layer->w[f->first + i];
        struct low_rank *low = arena_new(&k->x->arena, 1, sizeof *low);
        if (!low)
            return fail_memory(k->err, a->name.p);
        low->a = matrix(a, a->data, a->ne[1], a_stride);
        low->b = matrix(b, (const uint8_t *)b->data + at * b_stride, w->rows, b_stride);
        at += w->rows;
        keep(k, low, a, b, w->id);
    }
    return status;
}

/* The roles whose products adapters can change. */
static bool may_change(enum layer_role role)
{
    switch (role) {
    case ATTN_QKV: case ATTN_Q_A: case ATTN_KV_A: case ATTN_Q: case ATTN_K: case ATTN_V: case ATTN_Q_B: case ATTN_OUT:
    case FFN_GATE: case FFN_UP: case FFN_DOWN: case ROUTER: case EXPERT_GATE: case EXPERT_UP: case EXPERT_DOWN:
    case SHARED_GATE: case SHARED_UP: case SHARED_DOWN: return true;
    default: return false;
    }
}

static infer_status bind_layer(struct binding *k, uint32_t l)
{
    struct layer *layer = &k->x->model->net.layers[l];
    const uint64_t traits = k->x->model->net.h.arch->must | k->x->model->net.h.arch->may;
    infer_status status = INFER_OK;
    for (size_t i = 0; i < n_fusions && status == INFER_OK; i++)
        if (!(fusions[i].trait & ~traits))
            status = bind_fusion(k, layer, l, &fusions[i]);
    for (int r = 0; r < LAYER_ROLES && status == INFER_OK; r++) {
        const struct tensor_spec *spec = &layer_tensors[r];
        const struct weight *w = &layer->w[r];
        const struct tensor *a, *b;
        if (!may_change((enum layer_role)r) || !w->data || k->x->low[w->id])
            continue;
        if (w->stack) {
            status = bind_stack(k, w, spec, l);
            continue;
        }
        status = find_pair(k, list_of(k, spec->gguf, spec->hf), l, 0, &a, &b);
        if (status == INFER_OK && a)
            status = bind_matrix(k, w, a, b, (enum layer_role)r);
    }
    return status;
}

/* The table of tokens: A has a row for each token. The output matrix. */
static infer_status bind_ends(struct binding *k)
{
    const struct weight *const table = &k->x->model->net.w[TOKEN_EMBD], *const output = &k->x->model->net.w[OUTPUT];
    const struct tensor_spec *specs = model_tensors;
    const struct tensor *a, *b;
    infer_status status = find_pair(k, list_of(k, specs[TOKEN_EMBD].gguf, specs[TOKEN_EMBD].hf), 0, 0, &a, &b);
    if (status == INFER_OK && a) {
        /* as if B stood before A: (n_vocab, rank) and (n_embd, rank) */
        const struct weight turned = { .rows = table->k, .k = (uint32_t)a->ne[0], .id = table->id };
        if (a->ne[1] != table->rows || a->ne[0] != b->ne[0] || a->n_dims != 2)
            return fail(k->err, INFER_E_FORMAT,
                        "%s: the adapter of %s has A of %llu x %llu and B of %llu x %llu, expected "
                        "%u x r and %u x r",
                        k->path, a->name.p, (unsigned long long)a->ne[1], (unsigned long long)a->ne[0],
                        (unsigned long long)b->ne[1], (unsigned long long)b->ne[0], table->rows, table->k);
        struct tensor narrow = *a; /* with the shape that is checked of all others */
        uint64_t a_stride, b_stride;
        narrow.ne[1] = b->ne[0];
        status = check_shapes(k, &narrow, b, turned.rows, turned.k, 1);
        if (status == INFER_OK)
            status = check_type(k, a, &a_stride);
        if (status == INFER_OK)
            status = check_type(k, b, &b_stride);
        struct low_rank *low = arena_new(&k->x->arena, 1, sizeof *low);
        if (status == INFER_OK && !low)
            status = fail_memory(k->err, a->name.p);
        if (status != INFER_OK)
            return status;
        low->a = matrix(a, a->data, a->ne[1], a_stride);
        low->b = matrix(b, b->data, b->ne[1], b_stride);
        keep(k, low, a, b, table->id);
    }
    if (status == INFER_OK)
        status = find_pair(k, list_of(k, specs[OUTPUT].gguf, specs[OUTPUT].hf), 0, 0, &a, &b);
    return status == INFER_OK && a && output->data ? bind_matrix(k, output, a, b, LAYER_ROLES) : status;
}

infer_status lora_bind(struct infer_adapter *x, struct lora_pairs *pairs, infer_error *err)
{
    struct binding k = { .x = x, .pairs = pairs, .path = x->files->path, .err = err };
    x->low = arena_new(&x->arena, network_ids(&x->model->net), sizeof *x->low);
    if (!x->low)
        return fail_memory(err, "the adapter");
    hash_init(&k.hash);
    infer_status status = bind_ends(&k);
    for (uint32_t l = 0; l < x->model->net.h.n_layer && status == INFER_OK; l++)
        status = bind_layer(&k, l);
    if (status != INFER_OK)
        return status;
    for (size_t i = 0; i < pairs->a->n_tensors; i++)
        if (!pairs->used[i])
            return fail(err, INFER_E_FORMAT,
                        "%s: has an adapter of %s, which is no matrix of %s that adapters can change", k.path, quote(pairs->a->tensors[i].name).s, x->model->weights->path);
    for (size_t i = 0; i < pairs->b->n_tensors; i++)
        if (!weights_tensor(pairs->a, pairs->b->tensors[i].name))
            return fail(err, INFER_E_FORMAT, "%s: the adapter of %s has B but no A", k.path,
                        quote(pairs->b->tensors[i].name).s);
    if (!x->n_weights)
        return fail(err, INFER_E_FORMAT, "%s: has no tensors, expected those of an adapter", k.path);
    x->identity = hash_value(&k.hash) | 1;
    return INFER_OK;
}
