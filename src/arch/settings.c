/* settings.c - settings of a config.json that one model of a family may have otherwise than all that are known: such a
 * model is refused, for its tensors alone do not show it. */
#include "src/arch/read.h"

#include "src/base/error.h"

static infer_status refuse(const struct weights *w, const char *key, struct text found, const char *want,
                           infer_error *err)
{
    return fail(err, INFER_E_UNKNOWN, "%s: %s is %.*s, which is not known of this family; known is %s", w->path, key,
                (int)(found.n < 60 ? found.n : 60), found.p, want);
}

/* What the feed-forward network's activation is called. */
static infer_status check_activation(const struct hparams *h, const struct weights *w, infer_error *err)
{
    static const struct {
        const char *name;
        enum ffn_activation activation;
    } names[] = {
        { "gelu", FFN_GELU },          { "gelu_new", FFN_GELU_TANH }, { "gelu_pytorch_tanh", FFN_GELU_TANH },
        { "gelu_fast", FFN_GELU_TANH }, { "silu", FFN_SILU },          { "swish", FFN_SILU },
        { "swiglu", FFN_SILU },        { "relu", FFN_RELU },
    };
    static const char *const known[] = { "silu", "gelu", "gelu_new", "relu" }; /* of each enum ffn_activation */
    static const char *const keys[] = { "hidden_act", "activation_function" };
    for (int k = 0; k < 2; k++) {
        struct text name;
        size_t i = 0;
        const enum meta_result result = meta_get_text(w, keys[k], &name, err);
        if (result == META_WRONG)
            return INFER_E_FORMAT;
        while (result == META_FOUND && i < sizeof names / sizeof *names &&
               !(names[i].activation == h->arch->activation && text_is(name, names[i].name)))
            i++;
        if (i == sizeof names / sizeof *names)
            return refuse(w, keys[k], name, known[h->arch->activation], err);
    }
    return INFER_OK;
}

infer_status arch_check_settings(const struct hparams *h, const struct weights *w, infer_error *err)
{
    static const char *const unset[] = { "prenorm", "rotary_emb_interleaved", "scale_attn_by_inverse_layer_idx",
                                         "add_cross_attention", "is_decoder" };
    struct text name = text_of("absolute");
    if (w->format != WEIGHTS_HF || !(arch_has(h, TRAIT_ENCODER) || arch_has(h, TRAIT_POSITIONS)))
        return INFER_OK;
    for (size_t i = 0; i < sizeof unset / sizeof *unset; i++) {
        bool set = false;
        if (meta_get_bool(w, unset[i], &set, err) == META_WRONG)
            return INFER_E_FORMAT;
        if (set)
            return refuse(w, unset[i], text_of("true"), "false", err);
    }
    if (meta_get_text(w, "position_embedding_type", &name, err) == META_WRONG)
        return INFER_E_FORMAT;
    return text_is(name, "absolute") ? check_activation(h, w, err)
                                     : refuse(w, "position_embedding_type", name, "absolute", err);
}
