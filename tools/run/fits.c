/* fits.c - which shapes of infer-synth would fit, from the architectures' tensors and the mixes' types. */
#include "tools/run/doctor.h"
#include "tools/synth/plan.h"
#include "tools/synth/shapes.h"

enum { LEAST_CONTEXT = 4096 };
#define WORK_BYTES (256ull << 20) /* about what a session takes besides its cache, and the vocabulary */

/* From the largest on. */
static const struct {
    const char *name;
    bool is_mix;
} types[] = { { "f16", false }, { "q8_0", true }, { "q4_k_m", true }, { "q2_k", true } };
enum { N_TYPES = sizeof types / sizeof *types };

/* Tokens for which there is room beside the weights. */
static uint32_t context_in(uint64_t room, const struct plan_size *size, uint32_t n_ctx_train)
{
    if (size->bytes + WORK_BYTES > room)
        return 0;
    const uint64_t n = size->cache_per_token ? (room - size->bytes - WORK_BYTES) / size->cache_per_token : n_ctx_train;
    return n < n_ctx_train ? (uint32_t)n : n_ctx_train;
}

/* The first type that leaves room for enough; where none does, the last one. */
static infer_status find_type(struct fit *f, struct plan *plan, uint64_t room, infer_error *err)
{
    const uint32_t most = plan->h.n_ctx_train, enough = most < LEAST_CONTEXT ? most : LEAST_CONTEXT;
    f->context = 0;
    for (int i = 0; i < N_TYPES && f->context < enough; i++) {
        const struct mix *mix = types[i].is_mix ? mix_find(types[i].name) : NULL;
        const infer_status status = plan_types(plan, mix, DTYPE_F16, err);
        if (status == INFER_E_ARGUMENT) /* rows that are no whole blocks */
            continue;
        if (status != INFER_OK)
            return status;
        const struct plan_size size = plan_measure(plan);
        f->type = types[i].name;
        f->bytes = size.bytes;
        f->bytes_read = size.bytes_read;
        f->cache_per_token = size.cache_per_token;
        f->context = context_in(room, &size, most);
    }
    f->context = f->context < enough ? 0 : f->context;
    return INFER_OK;
}

infer_status fits_find(struct checkup *c, infer_error *err)
{
    infer_status status = INFER_OK;
    for (size_t i = 0; shape_at(i) && c->n_fits < MOST_FITS && status == INFER_OK; i++) {
        struct plan plan;
        struct fit f = { .shape = shape_at(i)->name };
        status = plan_open(&plan, f.shape, err);
        if (status == INFER_OK)
            status = plan_shape(&plan, text_of(shape_at(i)->config), 0, err);
        const bool is_for_text = status == INFER_OK && !arch_has(&plan.h, TRAIT_ENCODER) && plan.h.n_ctx_train > 1024;
        if (is_for_text)
            status = find_type(&f, &plan, c->room, err);
        if (is_for_text && status == INFER_OK)
            c->fits[c->n_fits++] = f;
        plan_close(&plan);
    }
    return status;
}
