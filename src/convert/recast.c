/* recast.c - types are chosen and checked for all tensors at once, rows are made one by one. */
#include "src/convert/recast.h"

#include "src/base/error.h"

#include <inttypes.h>

/* ---- Types ---- */

/* The importance of the columns of a tensor: ne[0] values for each of its ne[2] matrices. NULL if none is given; an
 * error if there is one of another size, which is another model's, but for the embedding, which is looked up. */
static infer_status find_importance(const struct recast *r, const struct tensor *t, const float **v, infer_error *err)
{
    size_t n = 0;
    *v = r->importance ? importance_find(r->importance, t->name, &n) : NULL;
    if (!*v || n == t->ne[0] * t->ne[2])
        return INFER_OK;
    *v = NULL;
    if (text_is(t->name, "token_embd.weight"))
        return INFER_OK;
    return fail(err, INFER_E_FORMAT, "%s: %s has %zu values, expected %" PRIu64 ": it was made for another model",
                r->o.importance, t->name.p, n, t->ne[0] * t->ne[2]);
}

static bool is_changed(const struct recast *r, size_t i)
{
    return r->o.change && r->o.change->changes(r->o.change->user, i);
}

static infer_status check_tensor(const struct recast *r, size_t i, infer_error *err)
{
    const struct tensor *t = &r->in->tensors[i];
    const enum dtype type = r->types[i];
    const float *importance;
    const bool changed = is_changed(r, i);
    struct tensor original = *t; /* what a change is made of is no longer what was quantised */
    original.type = changed ? DTYPE_F32 : t->type;
    if (type == t->type && !changed)
        return INFER_OK;
    if (dtype_info(t->type)->block > 1 && !r->o.requantize && type != t->type)
        return fail(err, INFER_E_UNKNOWN,
                    "%s: tensor %s is %s already: take the original, or have what is quantised quantised again",
                    r->files->path, t->name.p, dtype_name(t->type));
    if (!r->kernels->dequantize[t->type] || !quantize_has(type))
        return fail(err, INFER_E_UNKNOWN, "%s: tensor %s cannot be made %s from %s", r->files->path, t->name.p,
                    dtype_name(type), dtype_name(t->type));
    const infer_status status = find_importance(r, t, &importance, err);
    if (status == INFER_OK && !importance && !r->o.plan_only && mix_needs_importance(r->o.mix, &original, type))
        return fail(err, INFER_E_UNKNOWN, "%s: tensor %s would be worthless in %s without importance: %s",
                    r->files->path, t->name.p, dtype_name(type),
                    r->importance ? "the matrix given has none for it" : "an importance matrix is needed");
    return status;
}

/* What general.file_type calls the type of most values. */
static uint32_t usual_type(const struct weights *in)
{
    uint64_t bytes[DTYPE_COUNT] = { 0 };
    enum dtype most = DTYPE_F32;
    for (size_t i = 0; i < in->n_tensors; i++)
        bytes[in->tensors[i].type] += in->tensors[i].bytes;
    for (int type = 0; type < DTYPE_COUNT; type++)
        most = bytes[type] > bytes[most] ? (enum dtype)type : most;
    const struct mix *const mix = mix_find(dtype_name(most));
    return (mix ? mix : mix_find("f32"))->file_type;
}

/* The type of each tensor, and whether all can be made. What no mix changes is floats: a directory may hold it in 16
 * bits, which llama.cpp cannot add. */
static infer_status choose(struct recast *r, infer_error *err)
{
    struct mix_model model = mix_model_of(r->in);
    infer_status status = INFER_OK;
    model.has_importance = r->importance != NULL;
    r->types = mem_new(r->a, r->in->n_tensors, sizeof *r->types);
    if (!r->types ||
        (r->o.mix && !mix_plan(r->types, r->o.mix, &model, r->in->tensors, r->in->n_tensors, r->a)))
        return fail_memory(err, "the types of the tensors");
    r->file_type = r->o.mix ? r->o.mix->file_type : usual_type(r->in);
    for (size_t i = 0; i < r->in->n_tensors && status == INFER_OK; i++) {
        if (!r->o.mix)
            r->types[i] = r->in->tensors[i].type;
        if (r->conversion && mix_keeps(&r->in->tensors[i]) && dtype_info(r->in->tensors[i].type)->block == 1)
            r->types[i] = DTYPE_F32;
        status = check_tensor(r, i, err);
    }
    return status;
}

/* ---- Opening ---- */

static infer_status open_inputs(struct recast *r, struct weights *files, infer_error *err)
{
    infer_status status = originals_open(&r->originals, files, err);
    if (status == INFER_OK && files->format == WEIGHTS_HF) {
        r->conversion = conversion_open(r->a, files, r->o.vocabulary, err);
        status = r->conversion ? INFER_OK : err->code;
        r->in = r->conversion ? r->conversion->gguf : NULL;
        r->note = r->conversion ? r->conversion->note : NULL;
    }
    if (status == INFER_OK && r->o.importance) {
        r->importance = importance_open(r->a, r->o.importance, err);
        status = r->importance ? INFER_OK : err->code;
    }
    return status;
}

static infer_status make_room(struct recast *r, infer_error *err)
{
    size_t floats;
    for (size_t i = 0; i < r->in->n_tensors; i++)
        r->widest = r->in->tensors[i].ne[0] > r->widest ? r->in->tensors[i].ne[0] : r->widest;
    if (mul_size(r->widest, 2 * (size_t)pool_threads(r->pool), &floats))
        r->rows = mem_raw(r->a, floats, sizeof *r->rows);
    r->bad = mem_new(r->a, (size_t)pool_threads(r->pool), sizeof *r->bad);
    return r->rows && r->bad ? INFER_OK : fail_memory(err, "rows of the widest tensor");
}

struct recast *recast_open(const infer_allocator *a, struct weights *files, const struct recast_options *o,
                           const struct kernels *k, struct pool *pool, infer_error *err)
{
    infer_error own;
    struct recast *r = mem_new(a, 1, sizeof *r);
    err = err ? err : &own;
    if (!r)
        return fail_memory(err, "a model in other types"), NULL;
    *r = (struct recast){ .o = *o, .a = a, .files = files, .in = files, .kernels = k, .pool = pool };
    if (open_inputs(r, files, err) != INFER_OK || choose(r, err) != INFER_OK || make_room(r, err) != INFER_OK)
        recast_close(&r);
    return r;
}

void recast_settle(struct recast *r)
{
    importance_close(&r->importance);
    quantizer_close(&r->quantizer);
    mem_free(r->a, r->rows);
    mem_free(r->a, r->bad);
    mem_free(r->a, r->types);
    r->rows = NULL;
    r->bad = NULL;
    r->types = NULL;
}

void recast_close(struct recast **recast)
{
    struct recast *r = *recast;
    *recast = NULL;
    if (!r)
        return;
    recast_settle(r);
    conversion_close(&r->conversion);
    originals_close(&r->originals);
    mem_free(r->a, r);
}

/* ---- Rows ---- */

static struct row_order order_of(const struct recast *r, size_t i)
{
    return r->conversion ? r->conversion->orders[i] : (struct row_order){ 0 };
}

bool recast_changes(const struct recast *r, size_t i)
{
    const struct row_order order = order_of(r, i);
    return r->types[i] != r->in->tensors[i].type || order.head || order.parts || order.packed || is_changed(r, i);
}

/* Call fn for each piece of memory that holds the tensor as it is in the file. */
static infer_status each_piece(struct recast *r, infer_status (*fn)(struct recast *r, const void *p, uint64_t n,
                                                                    infer_error *err), infer_error *err)
{
    const struct tensor *t = &r->in->tensors[r->current];
    const struct row_order order = order_of(r, r->current);
    infer_status status = order.parts || order.packed ? INFER_OK : fn(r, t->data, t->bytes, err);
    const struct tensor *const packed[] = { order.packed ? order.packed->blocks : NULL,
                                            order.packed ? order.packed->scales : NULL };
    for (int i = 0; i < 2 && packed[i] && status == INFER_OK; i++)
        status = fn(r, packed[i]->data, packed[i]->bytes, err);
    for (uint64_t part = 0; order.parts && part < t->ne[2] && status == INFER_OK; part++)
        status = fn(r, order.parts[part], t->bytes / t->ne[2], err);
    return status;
}

static infer_status need(struct recast *r, const void *p, uint64_t n, infer_error *err)
{
    return originals_need(r->originals, p, n, r->pool, err);
}

/* Pages of files, and memory of our own: not that of a model which the caller has in memory. */
static infer_status let_go(struct recast *r, const void *p, uint64_t n, infer_error *err)
{
    (void)err;
    originals_drop(r->originals, p, n);
    for (size_t i = 0; i < r->files->n_maps; i++)
        if ((uintptr_t)p - (uintptr_t)r->files->maps[i].data < r->files->maps[i].size)
            map_forget(p, (size_t)n);
    return INFER_OK;
}

infer_status recast_begin(struct recast *r, size_t i, infer_error *err)
{
    const struct tensor *t = &r->in->tensors[i];
    uint64_t from_bytes = 0, to_bytes = 0;
    r->current = i;
    dtype_row_bytes(t->type, t->ne[0], &from_bytes);
    dtype_row_bytes(r->types[i], t->ne[0], &to_bytes);
    r->from_bytes = (size_t)from_bytes;
    r->to_bytes = (size_t)to_bytes;
    infer_status status = find_importance(r, t, &r->weighting, err);
    if (status == INFER_OK)
        status = each_piece(r, need, err);
    if (status == INFER_OK && (r->types[i] != t->type || is_changed(r, i))) {
        infer_error own;
        r->quantizer = quantizer_open(r->a, r->kernels, r->types[i], err ? err : &own);
        status = r->quantizer ? INFER_OK : (err ? err : &own)->code;
    }
    return status;
}

uint64_t recast_n_rows(const struct recast *r)
{
    return r->from_bytes ? r->in->tensors[r->current].bytes / r->from_bytes : 0;
}

void recast_row(struct recast *r, uint64_t row, uint8_t *to, int thread)
{
    const struct tensor *t = &r->in->tensors[r->current];
    const size_t n = (size_t)t->ne[0];
    float *x = r->rows + 2 * (size_t)thread * r->widest;
    const uint8_t *from = row_at(t, order_of(r, r->current), row, r->from_bytes, (uint8_t *)(x + n));
    if (!r->quantizer) {
        memcpy(to, from, r->to_bytes);
        return;
    }
    r->kernels->dequantize[t->type](x, from, n);
    if (is_changed(r, r->current))
        r->o.change->change(r->o.change->user, r->current, row, x);
    const float *importance = r->weighting ? r->weighting + row / t->ne[1] % t->ne[2] * n : NULL;
    if (!quantize_row(r->quantizer, to, x, n, importance) && (!r->bad[thread] || r->bad[thread] > row + 1))
        r->bad[thread] = row + 1;
}

infer_status recast_check(const struct recast *r, infer_error *err)
{
    uint64_t bad = 0;
    for (int i = 0; i < pool_threads(r->pool); i++)
        bad = r->bad[i] && (!bad || r->bad[i] < bad) ? r->bad[i] : bad;
    return !bad ? INFER_OK
                : fail(err, INFER_E_FORMAT,
                       "%s: tensor %s: row %" PRIu64 " has a value that is not finite, or too large for %s",
                       r->files->path, r->in->tensors[r->current].name.p, bad - 1, dtype_name(r->types[r->current]));
}

void recast_end(struct recast *r)
{
    quantizer_close(&r->quantizer);
    each_piece(r, let_go, NULL);
}
