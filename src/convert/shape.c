/* shape.c - the tensors that a model of some numbers has, without any data: what a config.json alone can tell. */
#include "src/convert/convert.h"

#include "src/arch/arch.h"
#include "src/formats/weights.h"

#include <stdio.h>

/* Whether the model's class is named so: "BertForSequenceClassification" ends in the second part. */
static bool is_class(const struct weights *config, const char *ending)
{
    const struct meta *names = weights_meta(config, "architectures");
    if (!names || names->type != META_ARRAY || names->element != META_STRING || !names->n)
        return false;
    const uint8_t *at = names->elements;
    return text_ends(meta_next_string(&at), ending);
}

/* What follows from the model's class: a base model has no output matrix, BERT's pooler stands in it and under a head of
 * scores, and these are as many as have names. */
static uint64_t class_traits(const struct weights *config, struct hparams *h)
{
    const bool base = is_class(config, "Model"), scores = is_class(config, "ForSequenceClassification");
    char key[32];
    while (snprintf(key, sizeof key, "id2label.%u", h->n_classes) > 0 && weights_meta(config, key))
        h->n_classes++;
    h->n_classes = h->n_classes ? h->n_classes : 2; /* where no names are said */
    return (h->tied || base ? 0 : TRAIT_OUTPUT) | (scores ? TRAIT_CLASSES : 0) |
           ((base && arch_has(h, TRAIT_POSITIONS)) || scores ? TRAIT_POOLER : 0) | (h->n_types ? TRAIT_TOKEN_TYPES : 0);
}

/* Traits that some models of a family have, and how a config.json says so. */
static infer_status read_traits(const struct weights *config, struct hparams *h, uint64_t *traits,
                                infer_error *err)
{
    static const struct {
        const char *key;
        uint64_t traits;
    } flags[] = {
        { "attention_bias", TRAIT_QKV_BIAS | TRAIT_OUT_BIAS }, { "use_qkv_bias", TRAIT_QKV_BIAS },
        { "add_qkv_bias", TRAIT_QKV_BIAS },
        { "mlp_bias", TRAIT_FFN_BIAS },                        { "lm_head_bias", TRAIT_OUTPUT_BIAS },
        { "multi_query_attention", TRAIT_FUSED_QKV }, /* ChatGLM's */
        { "use_qk_norm", TRAIT_QK_NORM }, { "moe_router_enable_expert_bias", TRAIT_CHOICE_BIAS },
        { "qkv_proj_bias", TRAIT_QKV_BIAS | TRAIT_OUT_BIAS }, { "mlp_fc1_bias", TRAIT_FFN_BIAS },
        { "bias", TRAIT_QKV_BIAS | TRAIT_OUT_BIAS | TRAIT_FFN_BIAS },
        { "new_decoder_architecture", TRAIT_ATTN_NORM_2 },
        { "use_bias", TRAIT_QKV_BIAS | TRAIT_OUT_BIAS | TRAIT_FFN_BIAS },
    };
    *traits = h->traits | class_traits(config, h);
    *traits |= h->rope.scaling == SCALING_LONGROPE ? TRAIT_ROPE_FACTORS : 0;
    *traits |= h->rope.scaling == SCALING_LLAMA3 ? TRAIT_ROPE_FREQS : 0;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        bool set = false;
        if (meta_get_bool(config, flags[i].key, &set, err) == META_WRONG)
            return INFER_E_FORMAT;
        *traits |= set ? flags[i].traits : 0;
    }
    uint32_t norms = 0;
    if (meta_get_u32(config, "num_ln_in_parallel_attn", &norms, err) == META_WRONG)
        return INFER_E_FORMAT;
    if (norms == 1)
        *traits &= ~TRAIT_ATTN_NORM_2;
    bool out = *traits & TRAIT_OUT_BIAS; /* some say it apart */
    if (meta_get_bool(config, "attention_out_bias", &out, err) == META_WRONG)
        return INFER_E_FORMAT;
    *traits = out ? *traits | TRAIT_OUT_BIAS : *traits & ~(uint64_t)TRAIT_OUT_BIAS;
    *traits = (*traits | h->traits) & (h->arch->must | h->arch->may);
    return INFER_OK;
}

static infer_status add(struct weights *gguf, const char *name, uint64_t cols, uint64_t rows, uint64_t depth,
                        infer_error *err)
{
    struct tensor t = { .name = text_of(name), .type = DTYPE_F32, .n_dims = depth ? 3 : rows ? 2 : 1,
                        .ne = { cols, rows ? rows : 1, depth ? depth : 1, 1 } };
    const infer_status status = tensor_measure(&t, err);
    return status == INFER_OK ? weights_add_tensor(gguf, &t, err) : status;
}

static infer_status add_role(struct weights *gguf, const struct hparams *h, uint64_t traits,
                             const struct tensor_spec *spec, uint32_t layer, bool experts, infer_error *err)
{
    const enum need need = arch_needs(h, spec, experts);
    char name[ARCH_MAX_NAME];
    if (!spec->gguf || need == NEED_NOT || (need == NEED_MAY && (traits & spec->trait) != spec->trait))
        return INFER_OK;
    if (spec->any_family || (!layer && (h->traits & spec->optional)))
        return INFER_OK;
    arch_gguf_name(h, spec, layer, name);
    return add(gguf, name, arch_dim(h, spec->cols), spec->rows == DIM_ONE ? 0 : arch_dim(h, spec->rows),
               spec->each != DIM_ONE ? arch_dim(h, spec->each) : 0, err);
}

/* A fused tensor in place of its roles, which are marked. */
static infer_status add_fused(struct weights *gguf, const struct hparams *h, uint64_t traits, uint32_t layer,
                              bool fused[LAYER_ROLES], infer_error *err)
{
    infer_status status = INFER_OK;
    for (size_t i = 0; i < n_fusions && status == INFER_OK; i++) {
        const struct fusion *f = &fusions[i];
        const struct tensor_spec *specs = &layer_tensors[f->first];
        const char *list = f->gguf;
        char name[ARCH_MAX_NAME];
        uint64_t rows = 0;
        if ((f->trait & ~traits) || !arch_next_name(&list, name, layer, 0))
            continue;
        const bool vector = specs->rows == DIM_ONE;
        for (int part = 0; part < f->n; part++) {
            rows += arch_dim(h, vector ? specs[part].cols : specs[part].rows);
            fused[f->first + part] = true;
        }
        status = vector ? add(gguf, name, rows, 0, 0, err) : add(gguf, name, arch_dim(h, specs->cols), rows, 0, err);
    }
    return status;
}

infer_status convert_shape(struct weights *gguf, const struct weights *config, struct hparams *h, infer_error *err)
{
    uint64_t traits;
    uint32_t n_vocab = 0;
    enum meta_result found = meta_get_u32(config, "vocab_size", &n_vocab, err);
    if (found == META_ABSENT)
        found = meta_get_u32(config, "padded_vocab_size", &n_vocab, err);
    if (found == META_WRONG)
        return INFER_E_FORMAT;
    if (!n_vocab || n_vocab > 1 << 24)
        return fail(err, INFER_E_FORMAT, "%s: vocab_size is %u, expected 1 to 2^24", config->path, n_vocab);
    h->n_vocab = n_vocab;
    h->first_position = 0; /* files have no rows before it */
    h->traits &= convert_turns(h) ? ~(uint64_t)TRAIT_GROUPED_QKV : ~0ull;
    infer_status status = read_traits(config, h, &traits, err);
    for (int role = 0; role < MODEL_ROLES && status == INFER_OK; role++)
        status = add_role(gguf, h, traits, &model_tensors[role], 0, false, err);
    for (uint32_t l = 0; l < h->n_layer && status == INFER_OK; l++) {
        const bool experts =
            h->layer_dense && !h->layer_dense[l] && arch_needs(h, &layer_tensors[ROUTER], true) != NEED_NOT;
        bool fused[LAYER_ROLES] = { false };
        status = add_fused(gguf, h, traits, l, fused, err);
        for (int role = 0; role < LAYER_ROLES && status == INFER_OK; role++)
            if (!fused[role])
                status = add_role(gguf, h, traits, &layer_tensors[role], l, experts, err);
    }
    return status == INFER_OK ? convert_numbers(gguf, h, err) : status;
}
