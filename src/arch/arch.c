/* arch.c - from a file's metadata to the model's numbers. */
#include "src/arch/read.h"

#include "src/base/error.h"

#include <math.h>
#include <stdio.h>

/* ---- Numbers by key ---- */

/* Where the two formats keep a number. "A|B": the first of them that is there. GGUF keys follow after "NAME.". */
struct field {
    const char *gguf, *hf;
    size_t offset;
    bool is_float, required;
    double fallback;
};
#define AT(member) offsetof(struct hparams, member)
#define ROPE(name) "rope_scaling." name "|rope_parameters." name "|rope_parameters.full_attention." name
static const struct field fields[] = {
    { "embedding_length", "hidden_size|n_embd|dim", AT(n_embd), false, true, 0 },
    { "block_count", "num_hidden_layers|n_layer|num_layers|n_layers", AT(n_layer), false, true, 0 },
    { "attention.head_count", "num_attention_heads|n_head|n_heads", AT(n_head), false, true, 0 },
    { "attention.head_count_kv", "num_key_value_heads|num_kv_heads|multi_query_group_num|num_query_groups",
      AT(n_head_kv), false, false, 0 },
    { "attention.key_length", "head_dim|kv_channels", AT(d_k), false, false, 0 },
    { "attention.value_length", "head_dim|kv_channels", AT(d_v), false, false, 0 },
    { "attention.kv_lora_rank", "kv_lora_rank", AT(n_latent), false, false, 0 },
    { "attention.q_lora_rank", "q_lora_rank", AT(n_query_latent), false, false, 0 },
    { "attention.key_length_mla", NULL, AT(d_head_k), false, false, 0 },
    { "attention.value_length_mla", "v_head_dim", AT(d_head_v), false, false, 0 },
    { NULL, "qk_nope_head_dim", AT(d_still), false, false, 0 },
    { "feed_forward_length", "intermediate_size|ffn_hidden_size|n_inner|hidden_dim", AT(n_ff), false, false, 0 },
    { "context_length", "max_position_embeddings|n_positions|seq_length|model_max_length", AT(n_ctx_train), false,
      false, 0 },
    { "attention.sliding_window", "sliding_window|local_attention", AT(window), false, false, 0 },
    { "attention.layer_norm_rms_epsilon|attention.layer_norm_epsilon",
      "rms_norm_eps|layer_norm_eps|norm_epsilon|layer_norm_epsilon|layernorm_epsilon|norm_eps", AT(eps), true,
      true, 0 },
    { "rope.dimension_count", "rotary_dim|qk_rope_head_dim", AT(rope.n_rot), false, false, 0 },
    { NULL, ROPE("alpha"), AT(rope.alpha), true, false, 0 },
    { NULL, "partial_rotary_factor|rope_parameters.partial_rotary_factor|rotary_pct", AT(rope.part), true, false, 0 },
    { "rope.freq_base",
      "rope_theta|rope_parameters.rope_theta|rope_parameters.full_attention.rope_theta|rotary_emb_base|"
      "global_rope_theta",
      AT(rope.base), true, false, 10000 },
    { "rope.freq_base_swa", "rope_local_base_freq|rope_parameters.sliding_attention.rope_theta|local_rope_theta",
      AT(rope_local.base), true, false, 0 },
    { "rope.scaling.factor", ROPE("factor"), AT(rope.factor), true, false, 1 },
    { "rope.scaling.original_context_length",
      ROPE("original_max_position_embeddings") "|original_max_position_embeddings",
      AT(rope.n_ctx_original), false, false, 0 },
    { NULL, ROPE("low_freq_factor"), AT(rope.low_freq_factor), true, false, 1 },
    { NULL, ROPE("high_freq_factor"), AT(rope.high_freq_factor), true, false, 4 },
    { "rope.scaling.yarn_beta_fast", ROPE("beta_fast"), AT(rope.beta_fast), true, false, 32 },
    { "rope.scaling.yarn_beta_slow", ROPE("beta_slow"), AT(rope.beta_slow), true, false, 1 },
    { "rope.scaling.attn_factor", ROPE("attention_factor") "|" ROPE("long_mscale"), AT(rope.attention_factor), true,
      false, 0 },
    { "rope.scaling.yarn_log_multiplier", ROPE("mscale_all_dim"), AT(rope.log_multiplier), true, false, 0 },
    { NULL, ROPE("mscale"), AT(rope.mscale), true, false, 1 },
    { "attention.scale", "attention_multiplier", AT(attention_scale), true, false, 0 },
    { NULL, "query_pre_attn_scalar", AT(query_scalar), true, false, 0 },
    { "attention.temperature_scale", ROPE("llama_4_scaling_beta"), AT(temperature), true, false, 0 },
    { "attention.temperature_length", NULL, AT(temperature_length), false, false, 0 },
    { "attn_logit_softcapping", "attn_logit_softcapping", AT(attention_cap), true, false, 0 },
    { "final_logit_softcapping", "final_logit_softcapping", AT(logit_cap), true, false, 0 },
    { "embedding_scale", "embedding_multiplier|scale_emb", AT(embd_scale), true, false, 1 },
    { "residual_scale", "residual_multiplier", AT(residual_scale), true, false, 1 },
    { "logit_scale", "logit_scale|logits_scaling", AT(logit_scale), true, false, 1 },
    { NULL, "scale_depth", AT(depth_scale), true, false, 0 },
    { NULL, "dim_model_base", AT(base_width), false, false, 0 },
    { NULL, "swiglu_limit", AT(gate_limit), true, false, 7 },
    { NULL, "swiglu_alpha", AT(gate_alpha), true, false, 1.702 },
    { "expert_count", "num_local_experts|num_experts|n_routed_experts|moe_num_experts", AT(routing.n_expert), false,
      false, 0 },
    { "expert_used_count", "num_experts_per_tok|moe_k|moe_topk", AT(routing.n_used), false, false, 0 },
    { "expert_feed_forward_length", "moe_intermediate_size", AT(n_ff_expert), false, false, 0 },
    { "expert_shared_feed_forward_length",
      "shared_expert_intermediate_size|shared_intermediate_size|moe_shared_expert_intermediate_size", AT(n_ff_shared),
      false, false, 0 },
    { "expert_shared_count", "n_shared_experts|moe_num_shared_experts|num_shared_experts|num_shared_expert",
      AT(n_shared), false, false, 0 },
    { "nextn_predict_layers", NULL, AT(n_next), false, false, 0 },
    { "leading_dense_block_count", "first_k_dense_replace|moe_layer_start_index", AT(n_dense), false, false, 0 },
    { "expert_group_count", "n_group", AT(routing.n_group), false, false, 0 },
    { "expert_group_used_count", "topk_group", AT(routing.n_group_used), false, false, 0 },
    { "expert_weights_scale", "routed_scaling_factor", AT(routing.scale), true, false, 1 },
    { NULL, "type_vocab_size", AT(n_types), false, false, 2 },
    { NULL, "pad_token_id", AT(first_position), false, false, 0 },
    { NULL, "router_jitter_noise", AT(routing.jitter), true, false, 0.01 },
};
#undef ROPE

enum { MAX_KEY = ARCH_MAX_NAME };

/* Append a number's digits to n bytes of a key; returns how many there are then, more than MAX_KEY if it has no room.
 * */
static size_t put_number(char *key, size_t n, uint32_t x)
{
    char digits[10];
    size_t first = sizeof digits;
    do
        digits[--first] = (char)('0' + x % 10);
    while (x /= 10);
    if (n + sizeof digits - first <= MAX_KEY)
        memcpy(key + n, digits + first, sizeof digits - first);
    return n + sizeof digits - first;
}

/* The next key of an "A|B" list, as it stands in the file, with numbers in place of its at most two %u; false after the
 * last, and if it is too long. Opening a small model is to a fifth this, so it does not go through printf. */
static bool next_key(const char **list, const char *prefix, char key[MAX_KEY], const uint32_t numbers[2])
{
    const char *from = *list;
    size_t n = strlen(prefix);
    if (!from || !*from || n + 2 > MAX_KEY)
        return false;
    memcpy(key, prefix, n);
    if (n)
        key[n++] = '.';
    while (*from && *from != '|' && n < MAX_KEY) {
        if (numbers && *from == '%') {
            n = put_number(key, n, *numbers++);
            from += 2;
        } else {
            key[n++] = *from++;
        }
    }
    *list = from + (*from == '|');
    if (n >= MAX_KEY)
        return false;
    key[n] = 0;
    return true;
}

/* A list with a number for each layer is one, if all are the same. */
static enum meta_result read_number(const struct weights *w, const char *key, bool is_float, float *real,
                                    uint32_t *whole, infer_error *err)
{
    const struct meta *list = weights_meta(w, key);
    if (!list || list->type != META_ARRAY || list->element == META_STRING || !list->n)
        return is_float ? meta_get_f32(w, key, real, err) : meta_get_u32(w, key, whole, err);
    const double first = meta_element_f64(list, 0);
    for (uint64_t i = 1; i < list->n; i++)
        if (!(meta_element_f64(list, i) == first)) {
            fail(err, INFER_E_UNKNOWN, "%s: %s is not the same in all layers: %g and %g", w->path, key, first,
                 meta_element_f64(list, i));
            return META_WRONG;
        }
    *real = (float)first;
    *whole = first >= 0 && first < UINT32_MAX ? (uint32_t)first : UINT32_MAX;
    return META_FOUND;
}

static infer_status read_field(struct hparams *h, const struct weights *w, const struct field *f, const char *prefix,
                               infer_error *err)
{
    const char *list = w->format == WEIGHTS_GGUF ? f->gguf : f->hf;
    void *at = (char *)h + f->offset;
    float real = (float)f->fallback;
    uint32_t whole = (uint32_t)f->fallback;
    enum meta_result result = META_ABSENT;
    char key[MAX_KEY] = "";
    while (result == META_ABSENT && next_key(&list, prefix, key, NULL))
        result = read_number(w, key, f->is_float, &real, &whole, err);
    if (result == META_WRONG)
        return INFER_E_FORMAT;
    if (result == META_ABSENT && f->offset == AT(eps))
        real = h->arch->eps_usual;
    if (result == META_ABSENT && f->required && !(f->offset == AT(eps) && real > 0))
        return fail(err, INFER_E_FORMAT, "%s: the metadata has no %s, which a %s model needs", w->path, key, h->name);
    if (f->is_float)
        memcpy(at, &real, sizeof real);
    else
        memcpy(at, &whole, sizeof whole);
    return INFER_OK;
}

/* Of two names the second is the one of norms that take the mean off. Where they do, readers differ in which of the two
 * they look for: such models have the first one as well, behind all others. */
bool arch_number(const struct hparams *h, size_t i, struct arch_number *number)
{
    enum { N = sizeof fields / sizeof *fields };
    const bool layer_norm = arch_has(h, TRAIT_LAYER_NORM), again = i == N && layer_norm;
    for (size_t j = 0; again && j < N; j++)
        if (fields[j].offset == AT(eps))
            i = j;
    if (i >= N)
        return false;
    const struct field *f = &fields[i];
    const void *at = (const char *)h + f->offset;
    const char *key = f->gguf ? f->gguf : "";
    if (layer_norm && !again && strchr(key, '|'))
        key = strchr(key, '|') + 1;
    *number = (struct arch_number){ .is_float = f->is_float, .usual = f->fallback };
    snprintf(number->key, sizeof number->key, "%.*s", (int)strcspn(key, "|"), key);
    if (number->is_float)
        memcpy(&number->real, at, sizeof number->real);
    else
        memcpy(&number->whole, at, sizeof number->whole);
    return true;
}

static enum meta_result read_text(const struct weights *w, const char *list, const char *prefix, struct text *value,
                                  infer_error *err)
{
    enum meta_result result = META_ABSENT;
    char key[MAX_KEY];
    while (result == META_ABSENT && next_key(&list, prefix, key, NULL))
        result = meta_get_text(w, key, value, err);
    return result;
}

/* ---- Rope ---- */

static infer_status read_rope(struct hparams *h, const struct weights *w, infer_error *err)
{
    static const struct {
        const char *name;
        enum rope_scaling scaling;
    } kinds[] = {
        { "none", SCALING_NONE },     { "default", SCALING_NONE }, { "linear", SCALING_LINEAR },
        { "llama3", SCALING_LLAMA3 }, { "yarn", SCALING_YARN },
        { "mrope", SCALING_NONE }, /* of text: its parts have one position */
        { "dynamic", SCALING_NONE }, /* but in contexts longer than the trained one */
        { "longrope", SCALING_LONGROPE }, { "su", SCALING_LONGROPE },
    };
    const bool gguf = w->format == WEIGHTS_GGUF;
    struct rope *r = &h->rope;
    float ratio = 1;
    if (!gguf && meta_get_f32(w, "rope_ratio", &ratio, err) == META_WRONG)
        return INFER_E_FORMAT;
    r->base *= ratio;
    r->kind = gguf ? h->arch->rope_gguf : h->arch->rope_hf;
    r->scaling = SCALING_NONE;
    r->exact_range = arch_has(h, TRAIT_YARN_EXACT);
    bool pairs = r->kind == ROPE_PAIRS;
    if (!gguf && arch_has(h, TRAIT_LATENT) && meta_get_bool(w, "rope_interleave", &pairs, err) == META_WRONG)
        return INFER_E_FORMAT;
    r->kind = pairs ? ROPE_PAIRS : ROPE_HALVES;
    struct text name;
    const enum meta_result result = read_text(
        w, gguf ? "rope.scaling.type" : "rope_scaling.rope_type|rope_scaling.type|rope_parameters.rope_type|"
                                        "rope_parameters.full_attention.rope_type",
        gguf ? h->arch->gguf : "", &name, err);
    if (result == META_WRONG)
        return INFER_E_FORMAT;
    if (result == META_ABSENT)
        return INFER_OK;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (text_is(name, kinds[i].name)) {
            r->scaling = kinds[i].scaling;
            if (text_is(name, "dynamic") && r->alpha > 0 && r->n_rot > 2)
                r->base *= powf(r->alpha, (float)r->n_rot / (float)(r->n_rot - 2));
            return INFER_OK;
        }
    return fail(err, INFER_E_UNKNOWN,
                "%s: rope scaling \"%.*s\" is not known; known are linear, llama3, yarn, longrope", w->path,
                (int)(name.n < 60 ? name.n : 60), name.p);
}

static infer_status check_rope(const struct hparams *h, const char *path, infer_error *err)
{
    const struct rope *r = &h->rope;
    if (!r->n_rot || r->n_rot % 2 || r->n_rot > h->d_k - r->first)
        return fail(err, INFER_E_FORMAT, "%s: rope rotates %u values of a head, expected an even number up to %u", path,
                    r->n_rot, h->d_k - r->first);
    if (!(r->base > 1 && r->base < 1e15f) || !(r->factor > 0 && r->factor < 1e9f))
        return fail(err, INFER_E_FORMAT, "%s: rope base %g and factor %g, expected base > 1 and factor > 0", path,
                    (double)r->base, (double)r->factor);
    if (!(r->high_freq_factor > r->low_freq_factor && r->low_freq_factor > 0) ||
        !(r->beta_fast > 0 && r->beta_slow > 0))
        return fail(err, INFER_E_FORMAT, "%s: rope scaling: low and high frequency factors %g, %g, yarn betas %g, %g",
                    path, (double)r->low_freq_factor, (double)r->high_freq_factor, (double)r->beta_fast,
                    (double)r->beta_slow);
    return INFER_OK;
}

/* ---- All of it ---- */

static infer_status check_widths(const struct hparams *h, const char *path, infer_error *err)
{
    const bool latent = arch_has(h, TRAIT_LATENT);
    const struct {
        const char *what;
        uint32_t value, most;
    } widths[] = {
        { "the hidden width", h->n_embd, MAX_WIDTH },     { "the number of layers", h->n_layer, MAX_LAYERS },
        { "the number of heads", h->n_head, MAX_WIDTH },  { "the number of KV heads", h->n_head_kv, MAX_WIDTH },
        { "the width of the latent vector", latent ? h->n_latent : 1, 1 << 14 },
        { "the width of the queries' latent vector", h->n_query_latent ? h->n_query_latent : 1, MAX_WIDTH },
        { "the width of a key", h->d_k, 1 << 14 },        { "the width of a value", h->d_v, 1 << 14 },
        { "the width of a head's query", h->d_head_k, 1 << 14 },
        { "the width of a head's value", h->d_head_v, 1 << 14 },
        { "the width of a key that does not rotate", latent ? h->d_still : 1, 1 << 14 },
        { "the feed-forward width", h->n_ff, MAX_WIDTH }, { "the context length", h->n_ctx_train, 1 << 30 },
    };
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        if (!widths[i].value || widths[i].value > widths[i].most)
            return fail(err, INFER_E_FORMAT, "%s: %s is %u, expected 1 to %u", path, widths[i].what, widths[i].value,
                        widths[i].most);
    if (h->n_head % h->n_head_kv)
        return fail(err, INFER_E_FORMAT, "%s: %u heads are no multiple of %u KV heads", path, h->n_head, h->n_head_kv);
    if ((uint64_t)h->n_head * h->d_k > MAX_WIDTH || (uint64_t)h->n_head * h->d_v > MAX_WIDTH ||
        (uint64_t)h->n_head * h->d_head_k > MAX_WIDTH || (uint64_t)h->n_head * h->d_head_v > MAX_WIDTH)
        return fail(err, INFER_E_FORMAT, "%s: %u heads of %u and %u values are too wide", path, h->n_head, h->d_k,
                    h->d_v);
    if (!(h->eps >= 0 && h->eps < 1))
        return fail(err, INFER_E_FORMAT, "%s: the norm's epsilon is %g, expected 0 to 1", path, (double)h->eps);
    return INFER_OK;
}

static infer_status check_scales(const struct hparams *h, const char *path, infer_error *err)
{
    const struct {
        const char *what;
        float value, least;
    } scales[] = {
        { "the attention's scale", h->attention_scale, -1e6f }, { "the query scalar", h->query_scalar, 0 },
        { "the cap of scores", h->attention_cap, 0 },           { "the cap of logits", h->logit_cap, 0 },
        { "the embedding's scale", h->embd_scale, -1e6f },      { "the residual scale", h->residual_scale, -1e6f },
        { "the temperature of attention", h->temperature, 0 },
        { "the depth's scale", h->depth_scale, 0 },             { "the logits' scale", h->logit_scale, -1e6f },
        { "the gate's limit", h->gate_limit, 0 },
        { "yarn's scale of scores", h->rope.log_multiplier, 0 }, { "yarn's mscale", h->rope.mscale, 0 },
        { "the gate's steepness", h->gate_alpha, 1e-3f },       { "the local rope base", h->rope_local.base, 0 },
    };
    for (size_t i = 0; i < sizeof scales / sizeof *scales; i++)
        if (!(scales[i].value >= scales[i].least && scales[i].value <= 1e15f))
            return fail(err, INFER_E_FORMAT, "%s: %s is %g, expected %g to 1e15", path, scales[i].what,
                        (double)scales[i].value, (double)scales[i].least);
    return INFER_OK;
}

/* What flags and numbers say of the family's traits. */
static infer_status read_traits(struct hparams *h, const struct weights *w, infer_error *err)
{
    const bool gguf = w->format == WEIGHTS_GGUF;
    const uint64_t may = h->arch->may;
    bool alibi = false, biased = false, parallel = true, grouped = true, one_head = false;
    char key[MAX_KEY];
    h->traits = h->arch->must;
    h->traits |= h->n_query_latent ? may & TRAIT_QUERY_LATENT : 0;
    h->traits |= h->n_shared || h->n_ff_shared ? may & TRAIT_SHARED_EXPERT : 0;
    h->traits |= gguf ? 0 : may & TRAIT_GROUPED_QKV;
    snprintf(key, sizeof key, "%s.use_parallel_residual", gguf ? h->arch->gguf : "");
    if (meta_get_bool(w, gguf ? key : "use_parallel_residual", &parallel, err) == META_WRONG ||
        meta_get_bool(w, "parallel_attn", &parallel, err) == META_WRONG ||
        meta_get_bool(w, "alibi", &alibi, err) == META_WRONG ||
        meta_get_bool(w, "attention_bias", &biased, err) == META_WRONG ||
        meta_get_bool(w, "new_decoder_architecture", &grouped, err) == META_WRONG ||
        meta_get_bool(w, "multi_query", &one_head, err) == META_WRONG)
        return INFER_E_FORMAT;
    if (alibi || (h->arch->n_layer_alibi && h->n_layer == h->arch->n_layer_alibi))
        return fail(err, INFER_E_UNKNOWN, "%s: attention with biases by distance (alibi) is not known", w->path);
    if (biased && arch_has(h, TRAIT_LATENT))
        return fail(err, INFER_E_UNKNOWN, "%s: attention_bias is set, but latent attention with biases is not known",
                    w->path);
    if (!parallel)
        h->traits &= ~(uint64_t)(TRAIT_PARALLEL | TRAIT_PARALLEL_NORMS);
    if (one_head && !h->n_head_kv)
        h->n_head_kv = 1;
    if (!grouped) /* Falcon's number of KV heads counts in its newer models only */
        h->n_head_kv = one_head ? 1 : h->n_head;
    return INFER_OK;
}

/* Files say of heads what they are before or after keys and values become one thing, older ones only the former. */
static void fill_in_latent(struct hparams *h)
{
    if (!arch_has(h, TRAIT_LATENT)) {
        h->n_latent = h->n_query_latent = 0;
        h->d_head_k = h->d_k;
        h->d_head_v = h->d_v;
        return;
    }
    if (!h->d_head_k)
        h->d_head_k = h->d_still ? h->d_still + h->rope.n_rot : h->d_k;
    if (!h->d_head_v)
        h->d_head_v = h->d_v;
    h->d_still = h->d_head_k - h->rope.n_rot; /* what wraps around here and below is refused as too wide */
    h->n_head_kv = 1;
    h->d_k = h->n_latent + h->rope.n_rot;
    h->d_v = h->n_latent;
    h->rope.first = h->n_latent;
}

/* Numbers that a file may leave out follow from others. */
static void fill_in(struct hparams *h, bool gguf)
{
    h->first_position = !gguf && arch_has(h, TRAIT_PAD_POSITIONS) && h->first_position < h->n_ctx_train
                            ? h->first_position + 1 : 0;
    h->n_ctx_train -= h->first_position;
    if (h->n_next < h->n_layer)
        h->n_layer -= h->n_next;
    if (!h->n_ctx_train)
        h->n_ctx_train = h->arch->n_ctx_usual;
    if (!h->n_ff && h->n_embd <= MAX_WIDTH) /* as GPT-2 and Falcon have it, where it is not said */
        h->n_ff = 4 * h->n_embd;
    if (!h->n_head_kv)
        h->n_head_kv = h->n_head;
    if (!h->d_k && h->n_head)
        h->d_k = h->n_embd / h->n_head;
    if (!h->d_v)
        h->d_v = h->d_k;
    fill_in_latent(h);
    if (h->rope.part == 0)
        h->rope.part = h->arch->part_usual > 0 ? h->arch->part_usual : 1;
    if (!h->rope.n_rot && h->rope.part > 0 && h->rope.part <= 1)
        h->rope.n_rot = (uint32_t)((float)h->d_k * h->rope.part);
    if (!h->rope.n_ctx_original)
        h->rope.n_ctx_original = h->n_ctx_train;
    if (!h->n_shared && !h->n_ff_shared && arch_has(h, TRAIT_SHARED_EXPERT))
        h->n_shared = 1;
    if (h->temperature > 0 && !h->temperature_length)
        h->temperature_length = h->rope.n_ctx_original;
    if (!h->n_ff_expert)
        h->n_ff_expert = h->n_ff;
    if (!h->n_ff_shared && h->n_shared <= MAX_WIDTH && h->n_ff_expert <= MAX_WIDTH)
        h->n_ff_shared = (uint64_t)h->n_shared * h->n_ff_expert < MAX_WIDTH ? h->n_shared * h->n_ff_expert : 0;
    if (h->routing.n_group <= 1)
        h->routing.n_group = h->routing.n_group_used = 0;
}

/* Scales of models that were tuned at another width and depth (MiniCPM, arXiv 2404.06395; muP), as others have them. */
static void derive_scales(struct hparams *h)
{
    const struct arch *a = h->arch;
    const bool unsaid = h->embd_scale == 1 && h->residual_scale == 1 && h->logit_scale == 1;
    if (a->embd_scale_usual > 0 && unsaid && h->depth_scale == 0 && !h->base_width) {
        h->embd_scale = a->embd_scale_usual;
        h->depth_scale = a->depth_scale_usual;
        h->base_width = a->base_width_usual;
    }
    if (h->depth_scale > 0)
        h->residual_scale = h->depth_scale / sqrtf((float)h->n_layer);
    if (h->base_width)
        h->logit_scale = (float)h->n_embd / (float)h->base_width;
}

/* YaRN as DeepSeek has it: mscale_all_dim is about the scores, and is said in GGUF files as what the factor's logarithm
 * is multiplied with; mscale is about the rotation, of which the former is taken off. */
static void derive_yarn(struct hparams *h, bool gguf)
{
    struct rope *r = &h->rope;
    const float tenth = arch_has(h, TRAIT_YARN_WHOLE) ? 1 : 0.1f;
    if (!gguf)
        r->log_multiplier *= tenth;
    if (r->scaling != SCALING_YARN || !(r->factor > 1) || r->log_multiplier == 0 || r->attention_factor != 0)
        return;
    const float log_factor = logf(r->factor);
    r->attention_factor = gguf ? 1 : (0.1f * r->mscale * log_factor + 1) /
                                         (0.1f / tenth * r->log_multiplier * log_factor + 1);
}

/* What the numbers say together with the row. */
static void derive(struct hparams *h, bool gguf)
{
    struct rope *r = &h->rope;
    const uint32_t wide = h->arch->n_layer_wide_query;
    if (gguf && wide && h->n_layer == wide)
        h->query_scalar = (float)h->n_embd / (float)h->n_head;
    if (h->attention_scale == 0 && h->query_scalar > 0 && h->query_scalar != (float)h->d_k)
        h->attention_scale = 1 / sqrtf(h->query_scalar);
    if (r->scaling == SCALING_LONGROPE && r->attention_factor == 0 && h->n_ctx_train > r->n_ctx_original &&
        r->n_ctx_original > 1)
        r->attention_factor =
            sqrtf(1 + logf((float)h->n_ctx_train / (float)r->n_ctx_original) / logf((float)r->n_ctx_original));
    derive_yarn(h, gguf);
    derive_scales(h);
    const float local = h->rope_local.base > 0 ? h->rope_local.base : h->arch->local_base;
    if (local != 0) {
        h->rope_local = *r;
        h->rope_local.base = local > 0 ? local : r->base;
        h->rope_local.scaling = SCALING_NONE;
        h->rope_local.attention_factor = 0;
    }
}

infer_status arch_read(struct hparams *h, const struct weights *w, struct arena *arena, infer_error *err)
{
    *h = (struct hparams){ 0 };
    infer_status status = arch_find_row(h, w, arena, err);
    const bool gguf = w->format == WEIGHTS_GGUF;
    const char *prefix = gguf && status == INFER_OK ? h->arch->gguf : "";
    for (size_t i = 0; status == INFER_OK && i < sizeof fields / sizeof *fields; i++)
        status = read_field(h, w, &fields[i], prefix, err);
    if (status == INFER_OK)
        status = read_traits(h, w, err);
    if (status != INFER_OK)
        return status;
    fill_in(h, gguf);
    if ((status = check_widths(h, w->path, err)) != INFER_OK || (status = check_scales(h, w->path, err)) != INFER_OK ||
        (status = read_rope(h, w, err)) != INFER_OK || (status = check_rope(h, w->path, err)) != INFER_OK ||
        (status = arch_read_layers(h, w, arena, err)) != INFER_OK ||
        (status = arch_read_activation(h, w, err)) != INFER_OK ||
        (status = arch_check_settings(h, w, err)) != INFER_OK || (status = arch_read_dense(h, w, err)) != INFER_OK)
        return status;
    derive(h, gguf);
    if (meta_get_bool(w, "tie_word_embeddings", &h->tied, err) == META_WRONG)
        return INFER_E_FORMAT;
    return INFER_OK;
}

uint32_t arch_output_width(const struct hparams *h)
{
    return arch_has(h, TRAIT_ENCODER) ? h->n_embd : h->n_vocab;
}

float arch_attention_scale(const struct hparams *h)
{
    const struct rope *r = &h->rope;
    const bool stretched = arch_has(h, TRAIT_LATENT) && r->scaling == SCALING_YARN && r->factor > 1;
    const float stretch = stretched ? 1 + r->log_multiplier * logf(r->factor) : 1;
    return h->attention_scale != 0 ? h->attention_scale : stretch * stretch / sqrtf((float)h->d_head_k);
}

float arch_embd_scale(const struct hparams *h)
{
    return h->embd_scale * (arch_has(h, TRAIT_EMBD_SCALE) ? sqrtf((float)h->n_embd) : 1);
}

float arch_logit_scale(const struct hparams *h)
{
    return arch_has(h, TRAIT_LOGIT_DIVISOR) && h->logit_scale != 0 ? 1 / h->logit_scale : h->logit_scale;
}

/* ---- Tensors ---- */

enum need arch_needs(const struct hparams *h, const struct tensor_spec *spec, bool experts)
{
    const uint64_t must = h->traits, told = TRAIT_QUERY_LATENT | TRAIT_GROUPED_QKV; /* by the numbers, not by tensors */
    const uint64_t may = h->arch->may & ~told;
    if ((must & spec->unless) || (spec->trait == TRAIT_OUTPUT && h->tied) ||
        (spec->kind != LAYER_ANY && experts != (spec->kind == LAYER_EXPERTS)))
        return NEED_NOT;
    if (spec->any_family || (must & spec->optional))
        return NEED_MAY;
    if ((must & spec->trait) == spec->trait || (experts && spec->trait == TRAIT_EXPERTS))
        return NEED_MUST;
    return ((must | may) & spec->trait) == spec->trait ? NEED_MAY : NEED_NOT;
}

bool arch_next_name(const char **list, char name[ARCH_MAX_NAME], uint32_t layer, uint32_t expert)
{
    return next_key(list, "", name, (const uint32_t[]){ layer, expert });
}

const struct tensor *arch_find_tensor(const struct weights *w, const char *list, uint32_t layer, uint32_t expert,
                                      char name[ARCH_MAX_NAME])
{
    static const struct {
        const char *base, *others[3]; /* what the first part of a name may be instead */
    } bases[] = { { "model.", { "", "language_model.model.", "model.language_model." } },
                  { "bert.", { "", "roberta.", "distilbert." } },
                  { "transformer.", { "" } },
                  { "lm_head.", { "language_model.lm_head." } } };
    const char *names = list;
    char other[ARCH_MAX_NAME];
    *name = 0;
    while (arch_next_name(&names, name, layer, expert)) {
        const struct tensor *t = weights_tensor(w, text_of(name));
        for (size_t i = 0; !t && w->format == WEIGHTS_HF && i < sizeof bases / sizeof *bases; i++)
            for (int j = 0; j < 3 && bases[i].others[j] && !t; j++) {
                const size_t n = strlen(bases[i].base);
                if (strncmp(name, bases[i].base, n) != 0)
                    break;
                snprintf(other, sizeof other, "%s%s", bases[i].others[j], name + n);
                t = weights_tensor(w, text_of(other));
            }
        if (t)
            return t;
    }
    arch_next_name(&list, name, layer, expert);
    return NULL;
}

void arch_gguf_name(const struct hparams *h, const struct tensor_spec *spec, uint32_t layer, char name[ARCH_MAX_NAME])
{
    const char *list = spec->gguf;
    arch_next_name(&list, name, layer, 0);
    if (h->arch->second_names)
        arch_next_name(&list, name, layer, 0);
}

uint32_t *arch_found(struct hparams *h, enum dim rows)
{
    switch (rows) {
    case DIM_VOCAB: return &h->n_vocab;
    case DIM_TYPES: return &h->n_types;
    case DIM_CLASSES: return &h->n_classes;
    case DIM_PROJECTED: return &h->n_projected;
    case DIM_DENSE_1: return &h->n_dense_out[0];
    case DIM_DENSE_2: return &h->n_dense_out[1];
    default: return NULL;
    }
}

uint64_t arch_dim(const struct hparams *h, enum dim dim)
{
    switch (dim) {
    case DIM_ONE: return 1;
    case DIM_VOCAB: return h->n_vocab;
    case DIM_EMBD: return h->n_embd;
    case DIM_Q: return (uint64_t)h->n_head * h->d_k;
    case DIM_QKV: return arch_dim(h, DIM_Q) + arch_dim(h, DIM_K) + arch_dim(h, DIM_V);
    case DIM_Q_BUFFER: return arch_dim(h, arch_has(h, TRAIT_GROUPED_QKV) ? DIM_QKV : DIM_Q);
    case DIM_QUERIES: return (uint64_t)h->n_head * h->d_head_k;
    case DIM_QUERY_LATENT: return h->n_query_latent;
    case DIM_LATENT: return h->n_latent;
    case DIM_STILL: return h->d_still;
    case DIM_HEAD_V: return h->d_head_v;
    case DIM_VALUES: return (uint64_t)h->n_head * h->d_head_v;
    case DIM_HEADS_OWN:
        return h->n_latent ? (uint64_t)h->n_head * (h->d_head_k > h->d_head_v ? h->d_head_k : h->d_head_v) : 0;
    case DIM_K: return (uint64_t)h->n_head_kv * h->d_k;
    case DIM_V: return h->n_latent ? 0 : (uint64_t)h->n_head_kv * h->d_v;
    case DIM_OUT: return (uint64_t)h->n_head * h->d_v;
    case DIM_Q_NORM: return arch_has(h, TRAIT_WIDE_QK_NORM) ? arch_dim(h, DIM_Q) : h->d_k;
    case DIM_K_NORM: return arch_has(h, TRAIT_WIDE_QK_NORM) ? arch_dim(h, DIM_K) : h->d_k;
    case DIM_HEADS: return h->n_head;
    case DIM_HALF_ROT: return h->rope.n_rot / 2;
    case DIM_FF: return h->n_ff;
    case DIM_EXPERTS: return h->routing.n_expert;
    case DIM_FF_EXPERT: return h->n_ff_expert;
    case DIM_FF_SHARED: return h->n_ff_shared;
    case DIM_NORMED:
        return arch_has(h, TRAIT_PARALLEL | TRAIT_PARALLEL_NORMS) || h->routing.n_expert ? h->n_embd : 0;
    case DIM_POSITIONS: return (uint64_t)h->first_position + h->n_ctx_train;
    case DIM_TYPES: return h->n_types;
    case DIM_CLASSES: return h->n_classes;
    case DIM_PROJECTED: return h->n_projected;
    case DIM_DENSE_1: return h->n_dense_out[0];
    case DIM_DENSE_2: return h->n_dense_out[1];
    case DIM_BRANCH: return arch_has(h, TRAIT_POST_NORM) || h->residual_scale != 1 ? h->n_embd : 0;
    case DIM_COUNT: break;
    }
    return 0;
}
