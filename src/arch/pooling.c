/* pooling.c - how vectors of a text's tokens become one: what GGUF's metadata and sentence-transformers' files say. */
#include "src/arch/arch.h"

#include "src/base/error.h"
#include "src/formats/weights.h"

#include <stdio.h>

/* Names of a pooling: GGUF's number, what older and newer config.json of the pooling module have. */
static const struct {
    infer_pooling pooling;
    uint32_t gguf;
    const char *flag, *name;
} poolings[] = {
    { INFER_POOLING_MEAN, 1, "pooling.pooling_mode_mean_tokens", "mean" },
    { INFER_POOLING_CLS, 2, "pooling.pooling_mode_cls_token", "cls" },
    { INFER_POOLING_LAST, 3, "pooling.pooling_mode_lasttoken", "lasttoken" },
    { INFER_POOLING_NONE, 0, NULL, "none" },
    { INFER_POOLING_CLS, 4, NULL, "rank" }, /* what a cross-encoder scores */
};
enum { N_POOLINGS = sizeof poolings / sizeof *poolings };

static infer_status refuse(const struct weights *w, const char *what, infer_error *err)
{
    return fail(err, INFER_E_UNKNOWN, "%s: its vectors of texts are pooled by %s; known are mean, CLS and last token",
                w->path, what);
}

static infer_status read_gguf(infer_pooling *pooling, const struct weights *w, const struct hparams *h,
                              infer_error *err)
{
    char key[ARCH_MAX_NAME];
    uint32_t number = 0;
    snprintf(key, sizeof key, "%s.pooling_type", h->arch->gguf);
    const enum meta_result result = meta_get_u32(w, key, &number, err);
    if (result != META_FOUND)
        return result == META_WRONG ? INFER_E_FORMAT : INFER_OK;
    for (int i = 0; i < N_POOLINGS; i++)
        if (poolings[i].gguf == number) {
            *pooling = poolings[i].pooling;
            return INFER_OK;
        }
    return refuse(w, "a way that is not known", err);
}

/* One of several flags must be set. Those that are not known here are counted too. */
static infer_status read_flags(infer_pooling *pooling, const struct weights *w, infer_error *err)
{
    static const char *const others[] = { "pooling.pooling_mode_max_tokens", "pooling.pooling_mode_weightedmean_tokens",
                                          "pooling.pooling_mode_mean_sqrt_len_tokens" };
    bool set = false;
    int n = 0;
    for (int i = 0; i < N_POOLINGS; i++) {
        set = false;
        if (poolings[i].flag && meta_get_bool(w, poolings[i].flag, &set, err) == META_WRONG)
            return INFER_E_FORMAT;
        *pooling = set ? poolings[i].pooling : *pooling;
        n += set;
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        set = false;
        if (meta_get_bool(w, others[i], &set, err) == META_WRONG)
            return INFER_E_FORMAT;
        n += 2 * set;
    }
    return n > 1 ? refuse(w, "several ways at once, or by one that is not known", err) : INFER_OK;
}

static infer_status read_directory(infer_pooling *pooling, const struct weights *w, infer_error *err)
{
    struct text name;
    const struct meta *m = weights_meta(w, "pooling.pooling_mode");
    if (weights_meta(w, "modules.Dense") && !weights_meta(w, "modules.Pooling"))
        return fail(err, INFER_E_UNKNOWN, "%s: modules.json names a layer (Dense) over vectors of tokens, which is not"
                    " known", w->path);
    if (!m)
        return read_flags(pooling, w, err);
    if (m->type != META_STRING)
        return refuse(w, "several ways at once", err);
    name = m->value.s;
    for (int i = 0; i < N_POOLINGS; i++)
        if (text_is(name, poolings[i].name)) {
            *pooling = poolings[i].pooling;
            return INFER_OK;
        }
    return refuse(w, "a way that is not known", err);
}

infer_status arch_read_pooling(infer_pooling *pooling, const struct weights *w, const struct hparams *h,
                               infer_error *err)
{
    return w->format == WEIGHTS_GGUF ? read_gguf(pooling, w, h, err) : read_directory(pooling, w, err);
}

infer_status arch_read_dense(struct hparams *h, const struct weights *w, infer_error *err)
{
    char key[64];
    if (weights_meta(w, "modules.Dense.2"))
        return fail(err, INFER_E_UNKNOWN, "%s: modules.json names more than two layers (Dense) over vectors", w->path);
    for (int i = 0; i < 2; i++) {
        struct text name = text_of("Tanh"), input = text_of("sentence_embedding");
        bool residual = false;
        snprintf(key, sizeof key, "dense.%d.use_residual", i);
        if (meta_get_bool(w, key, &residual, err) == META_WRONG)
            return INFER_E_FORMAT;
        snprintf(key, sizeof key, "dense.%d.module_input_name", i);
        if (meta_get_text(w, key, &input, err) == META_WRONG)
            return INFER_E_FORMAT;
        snprintf(key, sizeof key, "dense.%d.activation_function", i);
        if (meta_get_text(w, key, &name, err) == META_WRONG)
            return INFER_E_FORMAT;
        h->dense_tanh[i] = w->format == WEIGHTS_HF && text_ends(name, "Tanh");
        if (residual || !text_is(input, "sentence_embedding") ||
            !(text_ends(name, "Tanh") || text_ends(name, "Identity")))
            return fail(err, INFER_E_UNKNOWN, "%s: %s is \"%.*s\"; known layers over vectors (Dense) have Tanh or"
                        " Identity, and no residual", w->path, key, (int)(name.n < 60 ? name.n : 60), name.p);
    }
    return INFER_OK;
}

uint32_t arch_pooling_number(infer_pooling pooling)
{
    int i = 0;
    while (i + 1 < N_POOLINGS && poolings[i].pooling != pooling)
        i++;
    return poolings[i].gguf;
}
