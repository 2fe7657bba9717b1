/* peft.c - LoRA adapters as the PEFT library saves them: adapter_config.json, and in SafeTensors
 * "base_model.model.MODULE.lora_A.weight" (rank, in) and ".lora_B.weight" (out, rank), or of a table of tokens
 * ".lora_embedding_A" (rank, tokens) and ".lora_embedding_B" (width, rank). MODULE is the name of the module in the
 * checkpoint. What is added is lora_alpha / rank times their product, or lora_alpha / sqrt(rank) (rsLoRA, arXiv
 * 2312.03732). */
#include "src/adapters/adapter.h"

#include "src/base/error.h"
#include "src/formats/weights.h"

#include <math.h>
#include <stdio.h>

/* ---- Settings ---- */

/* Settings that must not be there, or say no. */
static infer_status refuse_others(const struct weights *w, infer_error *err)
{
    static const struct {
        const char *key, *what;
    } others[] = {
        { "use_dora", "DoRA (magnitudes of their own)" },
        { "modules_to_save", "whole modules that were trained" },
        { "trainable_token_indices", "embeddings of single tokens" },
        { "layer_replication", "layers that stand for several" },
        { "target_parameters", "adapters of parameters that are no modules" },
        { "lora_bias", "biases" },
        { "use_qalora", "QALoRA" },
        { "alora_invocation_tokens", "adapters that a text switches on (aLoRA)" },
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const struct meta *m = weights_meta(w, others[i].key);
        const bool no = !m || (m->type == META_BOOL && !m->value.u) || (m->type == META_ARRAY && !m->n);
        if (!no)
            return fail(err, INFER_E_UNKNOWN, "%s: adapter_config.json has %s: %s are not known", w->path,
                        others[i].key, others[i].what);
    }
    return INFER_OK;
}

/* Ways to begin a training that change the model's own weights, unless it was converted when it was saved. */
static bool changes_base(struct text way)
{
    static const char *const ways[] = { "pissa", "olora", "corda", "loftq" };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (way.n >= strlen(ways[i]) && !memcmp(way.p, ways[i], strlen(ways[i])))
            return true;
    return false;
}

struct settings {
    float alpha;
    bool root; /* of the rank divides */
};

static infer_status read_settings(const struct weights *w, struct settings *s, infer_error *err)
{
    struct text text;
    *s = (struct settings){ .alpha = 8 }; /* PEFT's own default */
    enum meta_result result = meta_get_text(w, "peft_type", &text, err);
    if (result == META_WRONG)
        return INFER_E_FORMAT;
    if (result == META_ABSENT || !text_is(text, "LORA"))
        return fail(err, INFER_E_UNKNOWN, "%s: adapter_config.json: peft_type is %s%s%s, known is \"LORA\"", w->path,
                    result == META_ABSENT ? "" : "\"", result == META_ABSENT ? "not there" : quote(text).s,
                    result == META_ABSENT ? "" : "\"");
    if (meta_get_f32(w, "lora_alpha", &s->alpha, err) == META_WRONG ||
        meta_get_bool(w, "use_rslora", &s->root, err) == META_WRONG)
        return INFER_E_FORMAT;
    result = meta_get_text(w, "bias", &text, err);
    if (result == META_WRONG)
        return INFER_E_FORMAT;
    if (result == META_FOUND && !text_is(text, "none"))
        return fail(err, INFER_E_UNKNOWN, "%s: adapter_config.json: bias is \"%s\", known is \"none\"", w->path,
                    quote(text).s);
    const struct meta *way = weights_meta(w, "init_lora_weights");
    if (way && way->type == META_STRING && changes_base(way->value.s))
        return fail(err, INFER_E_UNKNOWN, "%s: adapter_config.json: init_lora_weights is \"%s\", which goes with other "
                    "weights of the model than its own", w->path, quote(way->value.s).s);
    return refuse_others(w, err);
}

/* Whether a module's name is that of a pattern, or ends with it behind a dot; "^" holds it to the whole name. PEFT's
 * patterns are regular expressions, of which only plain names are known. */
static bool is_pattern_of(struct text pattern, struct text module)
{
    const bool whole = pattern.n && *pattern.p == '^';
    if (whole)
        pattern = (struct text){ pattern.p + 1, pattern.n - 1 };
    if (pattern.n > module.n || (whole && pattern.n != module.n))
        return false;
    const size_t at = module.n - pattern.n;
    return !memcmp(module.p + at, pattern.p, pattern.n) && (!at || module.p[at - 1] == '.');
}

/* The alpha of a module: of the first pattern that is its, or the common one. */
static infer_status alpha_of(const struct weights *w, struct text module, float *alpha, infer_error *err)
{
    static const char prefix[] = "alpha_pattern.";
    const size_t n = sizeof prefix - 1;
    for (size_t i = 0; i < w->n_metas; i++) {
        const struct text key = w->metas[i].key;
        if (key.n <= n || memcmp(key.p, prefix, n) != 0)
            continue;
        const struct text pattern = { key.p + n, key.n - n };
        if (strpbrk(pattern.p, "*+?[](){}|\\$"))
            return fail(err, INFER_E_UNKNOWN, "%s: adapter_config.json: alpha_pattern has \"%s\": only plain names are "
                        "known", w->path, quote(pattern).s);
        if (is_pattern_of(pattern, module))
            return meta_get_f32(w, key.p, alpha, err) == META_WRONG ? INFER_E_FORMAT : INFER_OK;
    }
    return INFER_OK;
}

/* ---- Tensors ---- */

/* What a tensor's name ends with says which half it is. */
static const struct ending {
    const char *end;
    bool b, table;
} endings[] = {
    { ".lora_A.weight", false, false },
    { ".lora_B.weight", true, false },
    { ".lora_embedding_A", false, true },
    { ".lora_embedding_B", true, true },
};

static const struct ending *ending_of(struct text name)
{
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (text_ends(name, endings[i].end))
            return &endings[i];
    return NULL;
}

/* Add a tensor under its module's name with ".weight" behind, as the checkpoint's own is called. */
static infer_status add_half(struct infer_adapter *x, struct lora_pairs *pairs, const struct tensor *t,
                             infer_error *err)
{
    static const char prefix[] = "base_model.model.";
    const size_t n = sizeof prefix - 1;
    const char *path = x->files->path;
    const struct ending *end = ending_of(t->name);
    char name[MAX_NAME + 8];
    if (!end || t->name.n <= n + strlen(end->end) || memcmp(t->name.p, prefix, n) != 0)
        return fail(err, INFER_E_UNKNOWN,
                    "%s: tensor %s is not base_model.model.MODULE.lora_A.weight or .lora_B.weight", path,
                    quote(t->name).s);
    const int length =
        snprintf(name, sizeof name, "%.*s.weight", (int)(t->name.n - n - strlen(end->end)), t->name.p + n);
    if (t->n_dims != 2)
        return fail(err, INFER_E_UNKNOWN, "%s: tensor %s has %d axes, expected 2", path, quote(t->name).s, t->n_dims);
    struct tensor half = *t;
    if (end->table && !end->b) {
        if (!x->model->context->kernels.dequantize[t->type] || dtype_info(t->type)->block > 1)
            return fail(err, INFER_E_UNKNOWN, "%s: tensor %s is of type %s, which this version cannot compute with",
                        path,
                        quote(t->name).s, dtype_name(t->type));
        if (!tensor_turn(&half, t, &x->arena))
            return fail_memory(err, "a table of tokens");
    }
    return lora_add(pairs, end->b, &half, (struct text){ name, (size_t)length }, err);
}

infer_status lora_read_peft(struct infer_adapter *x, struct lora_pairs *pairs, infer_error *err)
{
    const struct weights *w = x->files;
    struct settings settings;
    infer_status status = read_settings(w, &settings, err);
    if (status == INFER_OK)
        status = lora_pairs_open(x, pairs, w->n_tensors, err);
    for (size_t i = 0; i < w->n_tensors && status == INFER_OK; i++)
        status = add_half(x, pairs, &w->tensors[i], err);
    for (size_t i = 0; status == INFER_OK && i < pairs->a->n_tensors; i++) {
        const struct text name = pairs->a->tensors[i].name;
        const struct tensor *b = weights_tensor(pairs->b, name);
        const float rank = b && b->ne[0] ? (float)b->ne[0] : 1;
        float alpha = settings.alpha;
        status = alpha_of(w, (struct text){ name.p, name.n - strlen(".weight") }, &alpha, err);
        pairs->scales[i] = alpha / (settings.root ? sqrtf(rank) : rank);
    }
    return status;
}
