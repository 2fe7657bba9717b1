/* gguf.c - LoRA adapters as GGUF files: NAME.lora_a (rank, in) and NAME.lora_b (out, rank) for the tensor NAME of a
 * model's file, with adapter.lora.alpha: what is added is alpha / rank times their product. */
#include "src/adapters/adapter.h"

#include "src/base/error.h"
#include "src/formats/weights.h"

static infer_status expect_text(const struct weights *w, const char *key, const char *expected, infer_error *err)
{
    struct text found;
    switch (meta_get_text(w, key, &found, err)) {
    case META_WRONG: return INFER_E_FORMAT;
    case META_ABSENT:
        return fail(err, INFER_E_FORMAT, "%s: the metadata has no %s, expected \"%s\" as adapters have", w->path, key,
                    expected);
    case META_FOUND: break;
    }
    if (text_is(found, expected))
        return INFER_OK;
    return fail(err, INFER_E_FORMAT, "%s: %s is \"%s\", expected \"%s\"", w->path, key, quote(found).s, expected);
}

static infer_status check_metadata(struct infer_adapter *x, float *alpha, infer_error *err)
{
    const struct weights *w = x->files;
    infer_status status = expect_text(w, "general.type", "adapter", err);
    if (status == INFER_OK)
        status = expect_text(w, "adapter.type", "lora", err);
    if (status == INFER_OK)
        status = expect_text(w, "general.architecture", x->model->net.h.arch->gguf, err);
    if (status == INFER_OK && weights_meta(w, "adapter.alora.invocation_tokens"))
        status = fail(err, INFER_E_UNKNOWN,
                      "%s: adapter.alora.invocation_tokens: adapters that a text switches on (aLoRA)"
                      " are not known",
                      w->path);
    if (status == INFER_OK && meta_get_f32(w, "adapter.lora.alpha", alpha, err) == META_WRONG)
        status = INFER_E_FORMAT;
    return status;
}

infer_status lora_read_gguf(struct infer_adapter *x, struct lora_pairs *pairs, infer_error *err)
{
    const struct weights *w = x->files;
    float alpha = 0;
    infer_status status = check_metadata(x, &alpha, err);
    if (status == INFER_OK)
        status = lora_pairs_open(x, pairs, w->n_tensors, err);
    for (size_t i = 0; i < w->n_tensors && status == INFER_OK; i++) {
        const struct tensor *t = &w->tensors[i];
        const bool a = text_ends(t->name, ".lora_a");
        if (!a && !text_ends(t->name, ".lora_b"))
            return fail(err, INFER_E_UNKNOWN, "%s: tensor %s is neither NAME.lora_a nor NAME.lora_b", w->path,
                        quote(t->name).s);
        const struct text name = { t->name.p, t->name.n - strlen(".lora_a") };
        status = lora_add(pairs, !a, t, name, err);
    }
    for (size_t i = 0; status == INFER_OK && i < pairs->a->n_tensors; i++) {
        const struct tensor *b = weights_tensor(pairs->b, pairs->a->tensors[i].name);
        pairs->scales[i] = alpha != 0 && b && b->ne[0] ? alpha / (float)b->ne[0] : 1;
    }
    return status;
}
