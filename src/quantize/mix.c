/* mix.c - the usual mixes as a table of exceptions: a mix, a kind of tensor, when, and the type it then gets. */
#include "src/quantize/mix.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum kind { OUTPUT, EMBEDDING, ATTENTION_V, ATTENTION_K, ATTENTION_OUTPUT, FFN_DOWN, OTHER };
enum when {
    ALWAYS,
    FIRST_2, FIRST_4, FIRST_8TH, FIRST_16TH, /* layers */
    MORE_BITS,                               /* the first and the last eighth, and every third layer between */
    FEW_KV_HEADS                             /* four or more query heads share one: its matrix is small */
};

static const struct mix mixes[] = {
    { "f32", 0, DTYPE_F32 },          { "f16", 1, DTYPE_F16 },         { "bf16", 32, DTYPE_BF16 },
    { "q8_0", 7, DTYPE_Q8_0 },        { "q4_0", 2, DTYPE_Q4_0 },       { "q4_1", 3, DTYPE_Q4_1 },
    { "q5_0", 8, DTYPE_Q5_0 },        { "q5_1", 9, DTYPE_Q5_1 },       { "q2_k", 10, DTYPE_Q2_K },
    { "q2_k_s", 21, DTYPE_Q2_K },     { "q3_k_s", 11, DTYPE_Q3_K },    { "q3_k_m", 12, DTYPE_Q3_K },
    { "q3_k_l", 13, DTYPE_Q3_K },     { "q4_k_s", 14, DTYPE_Q4_K },    { "q4_k_m", 15, DTYPE_Q4_K },
    { "q5_k_s", 16, DTYPE_Q5_K },     { "q5_k_m", 17, DTYPE_Q5_K },    { "q6_k", 18, DTYPE_Q6_K },
    { "iq4_nl", 25, DTYPE_IQ4_NL },   { "iq4_xs", 30, DTYPE_IQ4_XS },  { "mxfp4_moe", 38, DTYPE_MXFP4 },
    { "tq1_0", 36, DTYPE_TQ1_0 },     { "tq2_0", 37, DTYPE_TQ2_0 },    { "q1_0", 40, DTYPE_Q1_0 },
    { "q2_0", 41, DTYPE_Q2_0 },
};
enum { MIXES = sizeof mixes / sizeof *mixes };

/* The first that fits counts. */
static const struct rule {
    const char *mix;
    enum kind kind;
    enum when when;
    enum dtype type;
} rules[] = {
    { "q2_k", ATTENTION_V, FEW_KV_HEADS, DTYPE_Q4_K },
    { "q2_k", ATTENTION_V, ALWAYS, DTYPE_Q3_K },
    { "q2_k", ATTENTION_OUTPUT, ALWAYS, DTYPE_Q3_K },
    { "q2_k", FFN_DOWN, ALWAYS, DTYPE_Q3_K },
    { "q2_k_s", ATTENTION_V, FEW_KV_HEADS, DTYPE_Q4_K },
    { "q2_k_s", FFN_DOWN, FIRST_8TH, DTYPE_Q4_K },
    { "q3_k_m", ATTENTION_V, FIRST_2, DTYPE_Q5_K },
    { "q3_k_m", ATTENTION_V, ALWAYS, DTYPE_Q4_K },
    { "q3_k_m", ATTENTION_OUTPUT, ALWAYS, DTYPE_Q4_K },
    { "q3_k_m", FFN_DOWN, FIRST_16TH, DTYPE_Q5_K },
    { "q3_k_m", FFN_DOWN, ALWAYS, DTYPE_Q4_K },
    { "q3_k_l", ATTENTION_V, ALWAYS, DTYPE_Q5_K },
    { "q3_k_l", ATTENTION_OUTPUT, ALWAYS, DTYPE_Q5_K },
    { "q3_k_l", FFN_DOWN, ALWAYS, DTYPE_Q5_K },
    { "q4_k_s", ATTENTION_V, FIRST_4, DTYPE_Q5_K },
    { "q4_k_s", FFN_DOWN, FIRST_8TH, DTYPE_Q5_K },
    { "q4_k_m", ATTENTION_V, MORE_BITS, DTYPE_Q6_K },
    { "q4_k_m", FFN_DOWN, MORE_BITS, DTYPE_Q6_K },
    { "q5_k_m", ATTENTION_V, MORE_BITS, DTYPE_Q6_K },
    { "q5_k_m", FFN_DOWN, MORE_BITS, DTYPE_Q6_K },
    { "iq4_nl", ATTENTION_V, FEW_KV_HEADS, DTYPE_Q5_K },
    { "iq4_nl", FFN_DOWN, FIRST_8TH, DTYPE_Q5_K },
    { "iq4_xs", ATTENTION_V, FEW_KV_HEADS, DTYPE_Q5_K },
    { "iq4_xs", FFN_DOWN, FIRST_8TH, DTYPE_Q5_K },
    { "tq1_0", EMBEDDING, ALWAYS, DTYPE_Q4_K },
    { "tq2_0", EMBEDDING, ALWAYS, DTYPE_Q4_K },
    { "q2_0", EMBEDDING, ALWAYS, DTYPE_Q4_K },
};

const struct mix *mix_at(size_t i)
{
    return i < MIXES ? &mixes[i] : NULL;
}

const struct mix *mix_find(const char *name)
{
    for (int i = 0; i < MIXES; i++)
        if (!strcasecmp(mixes[i].name, name))
            return &mixes[i];
    return NULL;
}

struct mix_model mix_model_of(const struct weights *w)
{
    struct mix_model model = { .n_layer = 1, .n_head = 1 };
    const struct {
        const char *key;
        uint32_t *value;
    } numbers[] = { { "block_count", &model.n_layer }, { "attention.head_count", &model.n_head },
                    { "attention.head_count_kv", &model.n_head_kv }, { "expert_count", &model.n_expert } };
    struct text arch = { "", 0 };
    infer_error unused;
    meta_get_text(w, "general.architecture", &arch, &unused);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char key[128];
        snprintf(key, sizeof key, "%.*s.%s", (int)(arch.n < 64 ? arch.n : 64), arch.p, numbers[i].key);
        meta_get_u32(w, key, numbers[i].value, &unused);
    }
    if (!model.n_head_kv)
        model.n_head_kv = model.n_head ? model.n_head : 1;
    model.is_tied = !weights_tensor(w, text_of("output.weight"));
    return model;
}

static bool has(const struct tensor *t, const char *part)
{
    return strstr(t->name.p, part) != NULL;
}

/* Tensors that are looked up or added rather than multiplied with, or that are small and sensitive. */
static bool stays(const struct tensor *t)
{
    static const char *const parts[] = {
        "_norm.weight", "ffn_gate_inp.weight", "position_embd", "token_types.weight", "altup", "laurel",
        "per_layer_model_proj", "ssm_conv1d", "shortconv.conv.weight", "attn_rel_b.weight", "time_mix_first.weight",
        "time_mix_w0.weight", "time_mix_w1.weight", "time_mix_w2.weight", "time_mix_v0.weight", "time_mix_v1.weight",
        "time_mix_v2.weight", "time_mix_a0.weight", "time_mix_a1.weight", "time_mix_a2.weight", "time_mix_g1.weight",
        "time_mix_g2.weight", "time_mix_decay_w1.weight", "time_mix_decay_w2.weight", "time_mix_lerp_fused.weight",
        "indexer.k_proj.weight", "indexer.q_proj.weight", "ffn_gate_tid2eid.weight", ".rel_pos", ".patch_embd",
        ".patch_merger",
    };
    const size_t n = t->name.n;
    if ((t->ne[1] <= 1 && t->ne[2] <= 1 && t->ne[3] <= 1) || n < 6 || memcmp(t->name.p + n - 6, "weight", 6) != 0)
        return true;
    if (dtype_info(t->type)->block == 1 && t->type != DTYPE_F32 && t->type != DTYPE_F16 && t->type != DTYPE_BF16 &&
        t->type != DTYPE_F64) /* whole numbers */
        return true;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (has(t, parts[i]))
            return true;
    return false;
}

static enum kind kind_of(const struct tensor *t)
{
    static const struct {
        const char *part;
        enum kind kind;
    } kinds[] = {
        { "attn_qkv.weight", ATTENTION_V }, { "attn_kv_b.weight", ATTENTION_V }, { "attn_v.weight", ATTENTION_V },
        { "attn_k.weight", ATTENTION_K }, { "attn_output.weight", ATTENTION_OUTPUT }, { "ffn_down", FFN_DOWN },
    };
    if (text_is(t->name, "output.weight"))
        return OUTPUT;
    if (text_is(t->name, "token_embd.weight") || text_is(t->name, "per_layer_token_embd.weight"))
        return EMBEDDING;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (has(t, kinds[i].part))
            return kinds[i].kind;
    return OTHER;
}

static bool applies(enum when when, const struct mix_model *model, const struct tensor *t)
{
    unsigned i = 0;
    const unsigned n = model->n_layer;
    sscanf(t->name.p, "blk.%8u.", &i);
    switch (when) {
    case ALWAYS: return true;
    case FIRST_2: return i < 2;
    case FIRST_4: return i < 4;
    case FIRST_8TH: return i < n / 8;
    case FIRST_16TH: return i < n / 16;
    case MORE_BITS: return i < n / 8 || i >= 7 * (uint64_t)n / 8 || (i - n / 8) % 3 == 2;
    case FEW_KV_HEADS: return model->n_head / model->n_head_kv >= 4;
    }
    return false;
}

/* With eight experts the attention is a small part of the model and gets more bits. */
static bool eight_experts(const struct mix *mix, enum kind kind, enum dtype *type)
{
    static const char *const output_mixes[] = { "q2_k", "q3_k_s", "q3_k_m", "q4_k_s", "q4_k_m", "iq4_nl", "iq4_xs" };
    if (kind == ATTENTION_V || kind == ATTENTION_K)
        *type = DTYPE_Q8_0;
    for (size_t i = 0; kind == ATTENTION_OUTPUT && i < sizeof output_mixes / sizeof *output_mixes; i++)
        if (!strcmp(mix->name, output_mixes[i]))
            *type = DTYPE_Q5_K;
    return kind == ATTENTION_V || kind == ATTENTION_K || kind == ATTENTION_OUTPUT;
}

static enum dtype choose_by_rule(const struct mix *mix, const struct mix_model *model, const struct tensor *t,
                                 enum kind kind)
{
    enum dtype type = mix->type;
    if (model->n_expert == 8 && eight_experts(mix, kind, &type))
        return type;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].kind == kind && !strcmp(rules[i].mix, mix->name) && applies(rules[i].when, model, t)) {
            type = rules[i].type;
            break;
        }
    /* Llama 2 70B and its like: eight heads share a small matrix. */
    if (kind == ATTENTION_V && model->n_layer == 80 && model->n_head != model->n_head_kv &&
        (type == DTYPE_Q3_K || type == DTYPE_Q4_K))
        type = DTYPE_Q5_K;
    return type;
}

/* What a row gets that is no whole number of blocks. */
static enum dtype that_divides(enum dtype type, uint64_t n)
{
    static const enum dtype instead[DTYPE_COUNT] = {
        [DTYPE_IQ4_XS] = DTYPE_IQ4_NL, [DTYPE_Q2_0] = DTYPE_Q4_0, [DTYPE_Q2_K] = DTYPE_Q4_0,
        [DTYPE_Q3_K] = DTYPE_Q4_0, [DTYPE_TQ1_0] = DTYPE_Q4_0, [DTYPE_TQ2_0] = DTYPE_Q4_0, [DTYPE_Q4_K] = DTYPE_Q5_0,
        [DTYPE_Q5_K] = DTYPE_Q5_1, [DTYPE_Q6_K] = DTYPE_Q8_0, [DTYPE_Q1_0] = DTYPE_Q4_0,
    };
    if (n % dtype_info(type)->block && instead[type])
        type = instead[type];
    return n % dtype_info(type)->block ? DTYPE_F16 : type;
}

enum dtype mix_choose(const struct mix *mix, const struct mix_model *model, const struct tensor *t)
{
    const enum kind kind = kind_of(t);
    const uint16_t block = dtype_info(mix->type)->block;
    enum dtype type;
    if (stays(t))
        return t->type;
    if (block == 1)
        return mix->type;
    if (kind == OUTPUT || (kind == EMBEDDING && model->is_tied))
        type = mix->type == DTYPE_MXFP4 || mix->type == DTYPE_Q8_0 || t->ne[0] % block ? DTYPE_Q8_0 : DTYPE_Q6_K;
    else if (mix->type == DTYPE_MXFP4) /* made for experts */
        type = t->ne[2] > 1 ? DTYPE_MXFP4 : DTYPE_Q8_0;
    else
        type = choose_by_rule(mix, model, t, kind);
    return that_divides(type, t->ne[0]);
}
