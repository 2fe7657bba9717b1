/* quantize.c - a model's matrices are quantised as it is opened: tensor by tensor, by all threads, so that there is
 * never more in memory than the result and one tensor. What is decided and made is src/convert/recast.h's. */
#include "src/model/model.h"

#include "src/arch/arch.h"
#include "src/base/error.h"
#include "src/convert/recast.h"

#include <limits.h>

enum { BATCH_BYTES = 1 << 22 }; /* between two calls of the progress function */

struct making {
    struct recast *r;
    uint8_t *to;
    uint64_t first; /* row of the batch */
    uint64_t done, all; /* bytes of the input */
    const infer_model_options *o;
};

static void make_row(void *p, int task, int thread)
{
    const struct making *k = p;
    const uint64_t row = k->first + (uint64_t)task;
    recast_row(k->r, row, k->to + row * k->r->to_bytes, thread);
}

static infer_status make_rows(struct making *k, infer_error *err)
{
    const struct recast *r = k->r;
    const uint64_t n = recast_n_rows(r), most = BATCH_BYTES / (r->to_bytes + 1) + 1;
    for (k->first = 0; k->first < n; k->first += most) {
        const int rows = (int)(n - k->first < most ? n - k->first : most);
        pool_run(r->pool, rows, make_row, k);
        const infer_status status = recast_check(r, err);
        k->done += (uint64_t)rows * r->from_bytes;
        if (status != INFER_OK)
            return status;
        if (k->o->on_read && !k->o->on_read(k->o->user, (float)((double)k->done / (double)k->all)))
            return fail(err, INFER_E_CANCELLED, "%s: quantising was cancelled", r->files->path);
    }
    return INFER_OK;
}

/* The tensor's rows in memory of their own. */
static infer_status make_tensor(struct infer_model *m, struct making *k, size_t i, infer_error *err)
{
    struct recast *r = k->r;
    struct tensor *t = &r->in->tensors[i];
    const enum dtype before = t->type;
    size_t bytes;
    infer_status status = recast_begin(r, i, err);
    if (status == INFER_OK && mul_size((size_t)recast_n_rows(r), r->to_bytes, &bytes))
        m->quantised[m->n_quantised] = mem_raw(r->a, bytes, 1);
    k->to = m->quantised[m->n_quantised];
    if (status == INFER_OK)
        status = k->to ? make_rows(k, err) : fail_memory(err, t->name.p);
    recast_end(r);
    if (status != INFER_OK)
        return status;
    m->n_quantised++;
    t->type = r->types[i];
    t->bytes = bytes;
    t->data = k->to;
    t->made_of = t->made_of || t->type == before ? t->made_of : dtype_name(before);
    return INFER_OK;
}

static infer_status make_all(struct infer_model *m, const infer_model_options *o, infer_error *err)
{
    struct recast *r = m->recast;
    struct making k = { .r = r, .o = o };
    infer_status status = INFER_OK;
    m->quantised = mem_new(r->a, r->in->n_tensors, sizeof *m->quantised);
    if (!m->quantised)
        return fail_memory(err, "the list of tensors");
    for (size_t i = 0; i < r->in->n_tensors; i++)
        k.all += r->in->tensors[i].bytes;
    for (size_t i = 0; i < r->in->n_tensors && status == INFER_OK; i++) {
        const struct tensor *t = &r->in->tensors[i];
        if (t->bytes && (o->no_mmap || t->made_of || recast_changes(r, i)))
            status = make_tensor(m, &k, i, err);
        else
            k.done += t->bytes;
    }
    return status;
}

infer_status model_options_key(const infer_model_options *o, unsigned *key, infer_error *err)
{
    const struct mix *mix = o->quantize ? mix_find(o->quantize) : NULL;
    unsigned number = 0;
    if (o->quantize && o->importance)
        return fail(err, INFER_E_ARGUMENT, "a model that is quantised with an importance matrix is not kept in a cache");
    if (o->quantize && !mix)
        return fail(err, INFER_E_ARGUMENT, "there is no type \"%s\" to quantise to", o->quantize);
    while (mix && mix_at(number++) != mix)
        ;
    *key = (unsigned)o->inspect | (unsigned)o->no_mmap << 1 | (unsigned)o->lock << 2 |
           (unsigned)(mix && o->requantize) << 3 | number << 4;
    return INFER_OK;
}

infer_status model_quantize(struct infer_model *m, const infer_model_options *o, infer_error *err)
{
    const struct recast_options ro = { .mix = mix_find(o->quantize), .importance = o->importance,
                                       .requantize = o->requantize };
    struct hparams known;
    if (!ro.mix)
        return fail(err, INFER_E_ARGUMENT, "there is no type \"%s\" to quantise to", o->quantize);
    infer_status status = arch_read(&known, m->files, &m->arena, err); /* sooner than after minutes */
    if (status != INFER_OK)
        return status;
    infer_error own;
    err = err ? err : &own;
    m->recast = recast_open(&m->context->a, m->files, &ro, &m->context->kernels, m->context->pool, err);
    if (!m->recast)
        return err->code;
    m->weights = m->recast->in;
    status = make_all(m, o, err);
    recast_settle(m->recast);
    if (status == INFER_OK)
        context_log(m->context, INFER_LOG_INFO, "%s: %zu tensors were quantised to %s in memory", m->files->path,
                    m->n_quantised, ro.mix->name);
    return status;
}

void model_quantize_close(struct infer_model *m)
{
    for (size_t i = 0; m->quantised && i < m->weights->n_tensors; i++)
        mem_free(&m->context->a, m->quantised[i]);
    mem_free(&m->context->a, m->quantised);
    recast_close(&m->recast);
}
