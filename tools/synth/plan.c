/* plan.c - a config.json to tensors, and these to types. */
#include "tools/synth/plan.h"

#include "src/convert/convert.h"
#include "src/engine/kv.h"
#include "tools/common/failure.h"

#include <inttypes.h>
#include <stdlib.h>

infer_status plan_open(struct plan *p, const char *name, infer_error *err)
{
    *p = (struct plan){ .config = weights_new(&mem_default, name, WEIGHTS_HF, err) };
    p->gguf = p->config ? weights_new(&mem_default, name, WEIGHTS_GGUF, err) : NULL;
    return p->gguf ? INFER_OK : err->code;
}

void plan_close(struct plan *p)
{
    free(p->types);
    p->types = NULL;
    if (p->config)
        weights_close(&p->config);
    if (p->gguf)
        weights_close(&p->gguf);
}

infer_status plan_shape(struct plan *p, struct text config, uint32_t n_layer, infer_error *err)
{
    infer_status status = config_parse(p->config, config, "", err);
    if (status == INFER_OK)
        status = arch_read(&p->h, p->config, &p->config->arena, err);
    if (status == INFER_OK && n_layer && n_layer < p->h.n_layer)
        p->h.n_layer = n_layer;
    return status == INFER_OK ? convert_shape(p->gguf, p->config, &p->h, err) : status;
}

static bool choose(struct plan *p, const struct mix *mix)
{
    const struct mix_model model = mix_model_of(p->gguf);
    return mix_plan(p->types, mix, &model, p->gguf->tensors, p->gguf->n_tensors, &mem_default);
}

infer_status plan_types(struct plan *p, const struct mix *mix, enum dtype type, infer_error *err)
{
    free(p->types);
    p->types = calloc(p->gguf->n_tensors, sizeof *p->types);
    if (!p->types || !choose(p, mix ? mix : mix_find("q8_0")))
        return failure(err, INFER_E_NOMEM, "out of memory");
    for (size_t i = 0; i < p->gguf->n_tensors; i++) {
        const struct tensor *t = &p->gguf->tensors[i];
        if (!mix && p->types[i] != t->type)
            p->types[i] = type;
        if (t->ne[0] % dtype_info(p->types[i])->block)
            return failure(err, INFER_E_ARGUMENT, "tensor %s: rows of %" PRIu64 " values are no whole blocks of %s "
                           "(%u)", t->name.p, t->ne[0], dtype_name(p->types[i]), dtype_info(p->types[i])->block);
    }
    return INFER_OK;
}

struct plan_size plan_measure(const struct plan *p)
{
    const struct weights *w = p->gguf;
    const bool tied = !weights_tensor(w, text_of("output.weight"));
    struct plan_size size = { .cache_per_token = kv_token_bytes(&p->h, DTYPE_F16, DTYPE_F16) };
    for (size_t i = 0; i < w->n_tensors; i++) {
        const struct tensor *t = &w->tensors[i];
        uint64_t bytes = 0;
        dtype_row_bytes(p->types[i], t->ne[0], &bytes);
        bytes *= t->ne[1] * t->ne[2] * t->ne[3];
        size.bytes += bytes;
        if (!strcmp(t->name.p, "token_embd.weight") && !tied)
            continue;
        size.bytes_read += strstr(t->name.p, "_exps.") && p->h.routing.n_expert
                               ? bytes / p->h.routing.n_expert * p->h.routing.n_used
                               : bytes;
    }
    return size;
}
