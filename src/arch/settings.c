/* settings.c - settings that one model of a family may have otherwise than others, and that its tensors alone do not
 * show: its activation is read, and where any other setting is not the known one, the model is refused. */
#include "src/arch/read.h"

#include "src/base/error.h"

#include <stdio.h>

static infer_status refuse(const struct weights *w, const char *key, struct text found, const char *want,
                           infer_error *err)
{
    return fail(err, INFER_E_UNKNOWN, "%s: %s is %.*s, which is not known of this family; known is %s", w->path, key,
                (int)(found.n < 60 ? found.n : 60), found.p, want);
}

static const struct activation_name names[] = {
    { "silu", FFN_SILU },           { "swish", FFN_SILU },  { "swiglu", FFN_SILU },
    { "gelu", FFN_GELU },           { "gelu_python", FFN_GELU },
    { "gelu_new", FFN_GELU_TANH },  { "gelu_pytorch_tanh", FFN_GELU_TANH }, { "gelu_fast", FFN_GELU_TANH },
    { "gelu_tanh", FFN_GELU_TANH }, { "relu", FFN_RELU },   { "relu2", FFN_RELU2 },
};

const struct activation_name *arch_activation_name(size_t i)
{
    return i < sizeof names / sizeof *names ? &names[i] : NULL;
}

infer_status arch_read_activation(struct hparams *h, const struct weights *w, infer_error *err)
{
    static const char *const keys[] = { "hidden_activation", "activation_function", "hidden_act", "activation" };
    enum meta_result result = META_ABSENT;
    struct text name;
    char gguf_key[ARCH_MAX_NAME];
    const char *key = gguf_key;
    snprintf(gguf_key, sizeof gguf_key, "%s.hidden_activation", h->arch->gguf);
    h->activation = h->arch->activation;
    if (w->format == WEIGHTS_GGUF)
        result = meta_get_text(w, key, &name, err);
    else
        for (size_t i = 0; i < sizeof keys / sizeof *keys && result == META_ABSENT; i++)
            result = meta_get_text(w, key = keys[i], &name, err);
    if (result != META_FOUND)
        return result == META_ABSENT ? INFER_OK : INFER_E_FORMAT;
    const struct activation_name *known = names;
    while (known < names + sizeof names / sizeof *names && !text_is(name, known->name))
        known++;
    if (known == names + sizeof names / sizeof *names)
        return fail(err, INFER_E_UNKNOWN, "%s: %s is %.*s, known are silu, gelu, gelu_new, relu and relu2", w->path,
                    key, (int)(name.n < 60 ? name.n : 60), name.p);
    if (!h->arch->activation_fixed)
        h->activation = known->activation;
    return INFER_OK;
}

infer_status arch_check_settings(const struct hparams *h, const struct weights *w, infer_error *err)
{
    static const char *const unset[] = { "prenorm", "rotary_emb_interleaved", "scale_attn_by_inverse_layer_idx",
                                         "add_cross_attention", "is_decoder" };
    bool one_head = true, norm_head = false; /* not one: queries, keys and values of a head stand together */
    struct text name = text_of("absolute");
    float clip = 0;
    char key[ARCH_MAX_NAME];
    snprintf(key, sizeof key, "%s.attention.clamp_kqv", h->arch->gguf);
    if (meta_get_f32(w, w->format == WEIGHTS_HF ? "clip_qkv" : key, &clip, err) == META_WRONG)
        return INFER_E_FORMAT;
    if (clip > 0)
        return fail(err, INFER_E_UNKNOWN, "%s: queries, keys and values are held within %g, which is not known",
                    w->path, (double)clip);
    if (meta_get_bool(w, "norm_head", &norm_head, err) == META_WRONG ||
        meta_get_bool(w, "multi_query", &one_head, err) == META_WRONG)
        return INFER_E_FORMAT;
    if (norm_head)
        return refuse(w, "norm_head", text_of("true"), "false", err);
    if (w->format != WEIGHTS_HF || !(arch_has(h, TRAIT_ENCODER) || arch_has(h, TRAIT_POSITIONS)))
        return INFER_OK;
    if (!one_head)
        return refuse(w, "multi_query", text_of("false"), "true", err);
    for (size_t i = 0; i < sizeof unset / sizeof *unset; i++) {
        bool set = false;
        if (meta_get_bool(w, unset[i], &set, err) == META_WRONG)
            return INFER_E_FORMAT;
        if (set)
            return refuse(w, unset[i], text_of("true"), "false", err);
    }
    if (meta_get_text(w, "position_embedding_type", &name, err) == META_WRONG)
        return INFER_E_FORMAT;
    return text_is(name, "absolute") ? INFER_OK : refuse(w, "position_embedding_type", name, "absolute", err);
}
