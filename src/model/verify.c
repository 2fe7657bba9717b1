/* verify.c - are all scales of all blocks finite? A file can be sound in form and yet hold numbers that poison every
 * result. */
#include "src/model/model.h"

#include "kernels/scales.h"
#include "src/base/error.h"
#include "src/base/numbers.h"

#include <float.h>
#include <math.h>

static double read_f64(const uint8_t *p)
{
    double v;
    memcpy(&v, p, sizeof v);
    return v;
}

static bool is_finite(enum number number, const uint8_t *p)
{
    switch (number) {
    case NUMBER_F16: return (read_u16(p) & 0x7c00) != 0x7c00;
    case NUMBER_BF16: return (read_u16(p) & 0x7f80) != 0x7f80;
    case NUMBER_F32: return (read_u32(p) & 0x7f800000) != 0x7f800000;
    case NUMBER_F64: return fabs(read_f64(p)) <= (double)FLT_MAX; /* as a float */
    case NUMBER_E8M0: return *p != 0xff;
    case NUMBER_UE4M3: return true; /* its NaN counts as 0 */
    case NUMBER_F16_SPREAD: return (read_f16_spread(p) & 0x7c00) != 0x7c00;
    case NUMBER_COUNT: break;
    }
    return true;
}

static infer_status verify_blocks(const struct infer_model *m, const struct tensor *t, infer_error *err)
{
    const struct scales *s = &scales_of[t->type];
    const struct dtype_info *type = dtype_info(t->type);
    for (uint64_t b = 0; s->count && b < t->bytes / type->bytes; b++)
        for (int i = 0; i < s->count; i++)
            if (!is_finite(s->number, (const uint8_t *)t->data + b * type->bytes + s->offset +
                                          i * number_bytes(s->number)))
                return fail(err, INFER_E_FORMAT, "%s: tensor %s: block %llu of %llu (%s) has a scale that is not finite",
                            m->weights->path, t->name.p, (unsigned long long)b, (unsigned long long)(t->bytes / type->bytes),
                            type->name);
    return INFER_OK;
}

infer_status infer_model_verify(const infer_model *m, infer_progress_fn *progress, void *user, infer_error *err)
{
    uint64_t done = 0;
    for (size_t i = 0; i < m->weights->n_tensors; i++) {
        const struct tensor *t = &m->weights->tensors[i];
        infer_status status = originals_need(m->originals, t->data, t->bytes, m->context->pool, err);
        if (status == INFER_OK)
            status = verify_blocks(m, t, err);
        if (!m->made)
            originals_drop(m->originals, t->data, t->bytes);
        if (status != INFER_OK)
            return status;
        done += t->bytes;
        if (progress && !progress(user, m->bytes ? (float)((double)done / (double)m->bytes) : 1))
            return fail(err, INFER_E_CANCELLED, "%s: verification was cancelled", m->weights->path);
    }
    return INFER_OK;
}
