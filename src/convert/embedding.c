/* embedding.c - what makes vectors and scores of texts, under the keys that GGUF has for it. */
#include "src/convert/convert.h"

#include "src/arch/arch.h"
#include "src/base/error.h"
#include "src/formats/weights.h"

#include <stdio.h>

/* What the classes of a head are called, if config.json has a name for each. */
static infer_status put_labels(struct weights *gguf, const struct weights *hf, const struct hparams *h,
                               infer_error *err)
{
    char key[64];
    size_t bytes = 0;
    uint8_t *labels = NULL, *at = NULL;
    for (int writing = 0; writing < 2; writing++) {
        for (uint32_t i = 0; i < h->n_classes; i++) {
            struct text label;
            snprintf(key, sizeof key, "id2label.%u", i);
            const enum meta_result result = meta_get_text(hf, key, &label, err);
            if (result != META_FOUND)
                return result == META_WRONG ? INFER_E_FORMAT : INFER_OK;
            const uint64_t n = label.n;
            if (writing) {
                memcpy(at, &n, sizeof n);
                memcpy(at + sizeof n, label.p, label.n);
                at += sizeof n + label.n;
            }
            bytes += sizeof n + label.n;
        }
        if (!writing && !(at = labels = arena_new(&gguf->arena, bytes, 1)))
            return fail_memory(err, "the names of classes");
    }
    snprintf(key, sizeof key, "%s.classifier.output_labels", h->arch->gguf);
    return convert_array(gguf, key, META_STRING, h->n_classes, labels, err);
}

/* Encoders always have a pooling, of other models those that are made for vectors. */
static infer_status put_pooling(struct weights *gguf, const struct weights *hf, const struct hparams *h,
                                infer_error *err)
{
    char key[64];
    infer_pooling pooling = arch_has(h, TRAIT_ENCODER) ? INFER_POOLING_MEAN : INFER_POOLING_DEFAULT;
    const infer_status status = arch_read_pooling(&pooling, hf, h, err);
    if (status != INFER_OK || (pooling == INFER_POOLING_DEFAULT && !h->n_classes))
        return status;
    snprintf(key, sizeof key, "%s.pooling_type", h->arch->gguf);
    return convert_u32(gguf, key, h->n_classes ? ARCH_POOLING_RANK : arch_pooling_number(pooling), err);
}

/* Widths of the further layers over a text's vector. */
static infer_status put_dense(struct weights *gguf, const struct weights *hf, const struct hparams *h, infer_error *err)
{
    char key[64];
    infer_status status = INFER_OK;
    for (int i = 0; i < 2 && h->n_dense_out[i] && status == INFER_OK; i++) {
        if (h->dense_tanh[i])
            return fail(err, INFER_E_UNKNOWN, "%s: dense.%d.activation_function is Tanh, which GGUF files cannot say",
                        hf->path, i);
        snprintf(key, sizeof key, "%s.dense_%d_feat_in", h->arch->gguf, i + 2);
        status = convert_u32(gguf, key, i ? h->n_dense_out[0] : h->n_embd, err);
        snprintf(key, sizeof key, "%s.dense_%d_feat_out", h->arch->gguf, i + 2);
        if (status == INFER_OK)
            status = convert_u32(gguf, key, h->n_dense_out[i], err);
    }
    return status;
}

infer_status convert_embedding(struct weights *gguf, const struct weights *hf, const struct hparams *h,
                               infer_error *err)
{
    uint32_t most = 0;
    infer_status status = put_pooling(gguf, hf, h, err);
    if (status == INFER_OK)
        status = put_dense(gguf, hf, h, err);
    if (status == INFER_OK && h->n_classes)
        status = put_labels(gguf, hf, h, err);
    if (status == INFER_OK && meta_get_u32(hf, ARCH_MAX_SEQUENCE, &most, err) == META_WRONG)
        return INFER_E_FORMAT;
    return status == INFER_OK && most ? convert_u32(gguf, ARCH_MAX_SEQUENCE, most, err) : status;
}
