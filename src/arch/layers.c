/* layers.c - what the layers of a model differ in: windows, rotations, experts. */
#include "src/arch/read.h"

#include "src/base/error.h"

#include <math.h>
#include <stdio.h>

/* ---- Windows ---- */

/* Which layers look back only `window` tokens. Newer config.json files say it layer by layer; qwen's older ones switch
 * windows on by a flag, from a layer on. */
static infer_status read_windows(struct hparams *h, const struct weights *w, struct arena *arena, infer_error *err)
{
    bool use = true;
    uint32_t first = 0;
    if (meta_get_bool(w, "use_sliding_window", &use, err) == META_WRONG ||
        (use && meta_get_u32(w, "max_window_layers", &first, err) == META_WRONG))
        return INFER_E_FORMAT;
    if (!use)
        h->window = 0;
    h->first_windowed = first;
    h->window_period = h->arch->window_period;
    struct text pattern; /* a number, or a letter for each layer up to the first that sees all */
    const struct meta *said = weights_meta(w, "sliding_window_pattern");
    if (said && said->type == META_STRING && meta_get_text(w, "sliding_window_pattern", &pattern, err) == META_FOUND)
        h->window_period = pattern.n < MAX_LAYERS ? (uint32_t)pattern.n : 0;
    else if (meta_get_u32(w, "sliding_window_pattern", &h->window_period, err) == META_WRONG ||
             meta_get_u32(w, "global_attn_every_n_layers", &h->window_period, err) == META_WRONG)
        return INFER_E_FORMAT;
    const struct meta *types = weights_meta(w, "layer_types");
    if (!h->window || !types)
        return INFER_OK;
    if (types->type != META_ARRAY || types->element != META_STRING || types->n != h->n_layer)
        return fail(err, INFER_E_FORMAT, "%s: layer_types does not name a kind for each of %u layers", w->path,
                    h->n_layer);
    struct text *names = arena_new(arena, h->n_layer, sizeof *names);
    uint8_t *windowed = arena_new(arena, h->n_layer, 1);
    if (!names || !windowed)
        return fail_memory(err, "layer_types");
    meta_strings(types, names);
    for (uint32_t i = 0; i < h->n_layer; i++) {
        windowed[i] = text_is(names[i], "sliding_attention");
        if (!windowed[i] && !text_is(names[i], "full_attention"))
            return fail(err, INFER_E_UNKNOWN,
                        "%s: layer_types[%u] is \"%.*s\", known are full_attention and sliding_attention", w->path, i,
                        (int)(names[i].n < 60 ? names[i].n : 60), names[i].p);
    }
    h->layer_windowed = windowed;
    return INFER_OK;
}

bool arch_layer_windowed(const struct hparams *h, uint32_t layer)
{
    if (!h->window)
        return false;
    if (h->layer_windowed)
        return h->layer_windowed[layer];
    return h->window_period ? (layer + !h->arch->first_sees_all) % h->window_period != 0 : layer >= h->first_windowed;
}

/* Encoders say how wide it is on both sides together. */
uint32_t arch_window(const struct hparams *h)
{
    return arch_has(h, TRAIT_ENCODER) ? h->window / 2 + 1 : h->window;
}

/* Which layers rotate nothing: config.json may say it of each, 0 for those. */
static infer_status read_turns(struct hparams *h, const struct weights *w, struct arena *arena, infer_error *err)
{
    const struct meta *turns = weights_meta(w, "no_rope_layers");
    if (!turns || !turns->n)
        return INFER_OK;
    if (turns->type != META_ARRAY || turns->element == META_STRING || turns->n != h->n_layer)
        return fail(err, INFER_E_FORMAT, "%s: no_rope_layers is no list of %u numbers, one for each layer", w->path,
                    h->n_layer);
    uint8_t *flags = arena_new(arena, h->n_layer, 1);
    if (!flags)
        return fail_memory(err, "no_rope_layers");
    for (uint32_t i = 0; i < h->n_layer; i++)
        flags[i] = meta_element_i64(turns, i) != 0;
    h->layer_turns = flags;
    return INFER_OK;
}

int arch_layer_rope(const struct hparams *h, uint32_t layer)
{
    const uint32_t period = h->arch->still_period;
    const bool seeing_all = period && period == h->arch->window_period; /* the layers without a window */
    const bool still = seeing_all ? h->window && !arch_layer_windowed(h, layer) : period && (layer + 1) % period == 0;
    if (h->layer_turns ? !h->layer_turns[layer] : still)
        return -1;
    return h->rope_local.base > 0 && arch_layer_windowed(h, layer);
}

/* ---- Experts ---- */

static infer_status read_routing(struct hparams *h, const struct weights *w, infer_error *err)
{
    const bool gguf = w->format == WEIGHTS_GGUF;
    struct routing *r = &h->routing;
    char key[ARCH_MAX_NAME];
    struct text name, method;
    uint32_t number = 0;
    r->gating = h->arch->gating;
    r->normalise = arch_has(h, TRAIT_NORMALISE);
    snprintf(key, sizeof key, "%s.expert_weights_norm", gguf ? h->arch->gguf : "");
    if (meta_get_bool(w, gguf ? key : "norm_topk_prob", &r->normalise, err) == META_WRONG)
        return INFER_E_FORMAT;
    snprintf(key, sizeof key, "%s.expert_gating_func", gguf ? h->arch->gguf : "");
    if (gguf && meta_get_u32(w, key, &number, err) == META_WRONG)
        return INFER_E_FORMAT;
    const enum meta_result choosing = gguf ? META_ABSENT : meta_get_text(w, "topk_method", &method, err);
    if (choosing == META_WRONG)
        return INFER_E_FORMAT;
    if (choosing == META_FOUND && text_is(method, "greedy"))
        r->n_group = r->n_group_used = 0; /* whatever is said of groups */
    else if (choosing == META_FOUND && !text_is(method, "group_limited_greedy") && !text_is(method, "noaux_tc"))
        return fail(err, INFER_E_UNKNOWN,
                    "%s: topk_method is \"%.*s\", known are greedy, group_limited_greedy and noaux_tc", w->path,
                    (int)(method.n < 60 ? method.n : 60), method.p);
    const enum meta_result scoring = gguf ? META_ABSENT : meta_get_text(w, "scoring_func", &name, err);
    if (scoring == META_WRONG)
        return INFER_E_FORMAT;
    if (number > 2 || (scoring == META_FOUND && !text_is(name, "softmax") && !text_is(name, "sigmoid")))
        return fail(err, INFER_E_UNKNOWN,
                    "%s: experts are scored by a function that is not known; known are softmax (1) and "
                    "sigmoid (2)",
                    w->path);
    if (number == 2 || (scoring == META_FOUND && text_is(name, "sigmoid")))
        r->gating = GATING_SIGMOID;
    return INFER_OK;
}

/* Layers without experts: the first ones, those that config.json lists, and those between the steps. */
static infer_status read_dense_layers(struct hparams *h, const struct weights *w, struct arena *arena, infer_error *err)
{
    const struct meta *list = weights_meta(w, "mlp_only_layers");
    uint32_t step = 1;
    if (meta_get_u32(w, "decoder_sparse_step", &step, err) == META_WRONG)
        return INFER_E_FORMAT;
    uint8_t *dense = h->routing.n_expert ? arena_new(arena, h->n_layer, 1) : NULL;
    if (!dense)
        return h->routing.n_expert ? fail_memory(err, "the kinds of layers") : INFER_OK;
    for (uint32_t l = 0; l < h->n_layer; l++)
        dense[l] = l < h->n_dense || (step && (l + 1) % step != 0);
    for (uint64_t i = 0; list && list->type == META_ARRAY && i < list->n; i++) {
        const int64_t l = meta_element_i64(list, i);
        if (l >= 0 && l < h->n_layer)
            dense[l] = 1;
    }
    h->layer_dense = dense;
    return INFER_OK;
}

static infer_status check_routing(const struct hparams *h, const char *path, infer_error *err)
{
    enum { MAX_EXPERTS = 4096, MAX_USED = 64 };
    const struct routing *r = &h->routing;
    if (!r->n_expert)
        return arch_has(h, TRAIT_EXPERTS)
                   ? fail(err, INFER_E_FORMAT, "%s: the metadata has no number of experts, which a %s model needs",
                          path, h->name)
                   : INFER_OK;
    if (r->n_expert > MAX_EXPERTS || !r->n_used || r->n_used > r->n_expert || r->n_used > MAX_USED)
        return fail(err, INFER_E_FORMAT, "%s: %u of %u experts are used, expected 1 to %d of 1 to %d", path, r->n_used,
                    r->n_expert, MAX_USED, MAX_EXPERTS);
    if (!h->n_ff_expert || h->n_ff_expert > MAX_WIDTH || h->n_ff_shared > MAX_WIDTH)
        return fail(err, INFER_E_FORMAT, "%s: the experts' feed-forward widths are %u and %u, expected up to %d", path,
                    h->n_ff_expert, h->n_ff_shared, MAX_WIDTH);
    const uint32_t size = r->n_group ? r->n_expert / r->n_group : r->n_expert;
    if (r->n_group && (!size || r->n_expert % r->n_group || !r->n_group_used || r->n_group_used > r->n_group ||
                       (uint64_t)r->n_group_used * size < r->n_used))
        return fail(err, INFER_E_FORMAT, "%s: %u experts in %u groups, of which %u are used, give no %u experts", path,
                    r->n_expert, r->n_group, r->n_group_used, r->n_used);
    if (!(fabsf(r->scale) < 1e6f) || !(r->jitter >= 0 && r->jitter < 1))
        return fail(err, INFER_E_FORMAT, "%s: the experts' weights are scaled by %g, with a jitter of %g", path,
                    (double)r->scale, (double)r->jitter);
    return INFER_OK;
}

infer_status arch_read_layers(struct hparams *h, const struct weights *w, struct arena *arena, infer_error *err)
{
    infer_status status = read_windows(h, w, arena, err);
    if (status == INFER_OK)
        status = read_turns(h, w, arena, err);
    if (status == INFER_OK)
        status = read_routing(h, w, err);
    if (status == INFER_OK)
        status = check_routing(h, w->path, err);
    return status == INFER_OK ? read_dense_layers(h, w, arena, err) : status;
}
