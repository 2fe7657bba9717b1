/* mix.c - the usual mixes as a table of exceptions: mixes, a kind of tensor, when, and the type it then gets. */
#include "src/quantize/mix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum kind {
    OUTPUT, EMBEDDING, ATTENTION_Q, ATTENTION_K, ATTENTION_V, ATTENTION_OUTPUT, FFN_GATE, FFN_UP, FFN_DOWN, OTHER,
    KINDS
};

/* Conditions: all those of a rule must hold. */
enum {
    FIRST_2 = 1 << 0, FIRST_4 = 1 << 1, FIRST_8TH = 1 << 2, FIRST_16TH = 1 << 3, /* layers */
    MORE_BITS = 1 << 4, /* the first and the last eighth, and every third layer between */
    MIDDLE = 1 << 5,    /* neither the first nor the last eighth */
    GQA_4 = 1 << 6,     /* four or more query heads share one: its matrix is small */
    EXPERTS_4 = 1 << 7, /* four or more */
    EXPERTS_8 = 1 << 8, /* exactly: attention is a small part of the model and gets more bits */
    PLAIN = 1 << 9,     /* no importance matrix */
    WEIGHTED = 1 << 10, /* there is one */
    FALCON = 1 << 11, ALWAYS = 0
};

/* X(name, number, type of most): the mixes. */
#define MIXES(X) \
    X(f32, 0, F32) X(f16, 1, F16) X(bf16, 32, BF16) X(q8_0, 7, Q8_0) X(q4_0, 2, Q4_0) X(q4_1, 3, Q4_1) \
    X(q5_0, 8, Q5_0) X(q5_1, 9, Q5_1) X(q2_k, 10, Q2_K) X(q2_k_s, 21, Q2_K) X(q3_k_s, 11, Q3_K) \
    X(q3_k_m, 12, Q3_K) X(q3_k_l, 13, Q3_K) X(q4_k_s, 14, Q4_K) X(q4_k_m, 15, Q4_K) X(q5_k_s, 16, Q5_K) \
    X(q5_k_m, 17, Q5_K) X(q6_k, 18, Q6_K) X(iq1_s, 24, IQ1_S) X(iq1_m, 31, IQ1_M) X(iq2_xxs, 19, IQ2_XXS) \
    X(iq2_xs, 20, IQ2_XS) X(iq2_s, 28, IQ2_XS) X(iq2_m, 29, IQ2_S) X(iq3_xxs, 23, IQ3_XXS) X(iq3_xs, 22, IQ3_S) \
    X(iq3_s, 26, IQ3_S) X(iq3_m, 27, IQ3_S) X(iq4_nl, 25, IQ4_NL) X(iq4_xs, 30, IQ4_XS) X(mxfp4_moe, 38, MXFP4) \
    X(nvfp4, 39, NVFP4) X(tq1_0, 36, TQ1_0) X(tq2_0, 37, TQ2_0) X(q1_0, 40, Q1_0) X(q2_0, 41, Q2_0)

#define ROW(name, number, type) { #name, number, DTYPE_##type },
static const struct mix mixes[] = { MIXES(ROW) };
#undef ROW
enum { N_MIXES = sizeof mixes / sizeof *mixes };

/* A bit for each mix. */
typedef uint64_t mix_set;
#define NUMBER(name, number, type) MIX_##name,
enum { MIXES(NUMBER) };
#undef NUMBER
_Static_assert(N_MIXES <= 64, "a bit for each mix");

#define M(name) ((mix_set)1 << MIX_##name)
#define IQ1 (M(iq1_s) | M(iq1_m))
#define IQ2_SMALL (M(iq2_xxs) | M(iq2_xs))
#define IQ2_LARGE (M(iq2_s) | M(iq2_m))
#define LOW (IQ1 | IQ2_SMALL | IQ2_LARGE)
#define IQ4 (M(iq4_nl) | M(iq4_xs))
#define ALL (~(mix_set)0)

/* The first that fits counts. DTYPE_COUNT: the type of most matrices. */
static const struct rule {
    mix_set mixes;
    enum kind kind;
    unsigned when;
    enum dtype type;
} rules[] = {
    { LOW | M(iq3_xxs), OUTPUT, ALWAYS, DTYPE_Q5_K },
    { M(mxfp4_moe) | M(q8_0), OUTPUT, ALWAYS, DTYPE_Q8_0 },
    { ALL, OUTPUT, ALWAYS, DTYPE_Q6_K },

    { IQ1 | IQ2_SMALL, EMBEDDING, ALWAYS, DTYPE_Q2_K },
    { IQ2_LARGE | M(iq3_xxs), EMBEDDING, ALWAYS, DTYPE_IQ3_S },
    { M(tq1_0) | M(tq2_0) | M(q2_0), EMBEDDING, ALWAYS, DTYPE_Q4_K },

    { LOW, ATTENTION_V, GQA_4, DTYPE_Q4_K },
    { LOW, ATTENTION_V, EXPERTS_4, DTYPE_Q4_K },
    { IQ2_LARGE, ATTENTION_V, ALWAYS, DTYPE_IQ3_S },
    { LOW, ATTENTION_V, ALWAYS, DTYPE_Q2_K },
    { ALL, ATTENTION_V, EXPERTS_8, DTYPE_Q8_0 },
    { M(q2_k), ATTENTION_V, GQA_4, DTYPE_Q4_K },
    { M(q2_k), ATTENTION_V, ALWAYS, DTYPE_Q3_K },
    { M(q2_k_s) | M(iq3_xxs) | M(iq3_xs) | M(iq3_s), ATTENTION_V, GQA_4, DTYPE_Q4_K },
    { M(iq3_xxs), ATTENTION_V, PLAIN, DTYPE_IQ3_S },
    { M(iq3_m), ATTENTION_V, ALWAYS, DTYPE_Q4_K },
    { M(q3_k_m), ATTENTION_V, FIRST_2, DTYPE_Q5_K },
    { M(q3_k_m), ATTENTION_V, ALWAYS, DTYPE_Q4_K },
    { M(q3_k_l), ATTENTION_V, ALWAYS, DTYPE_Q5_K },
    { IQ4, ATTENTION_V, GQA_4, DTYPE_Q5_K },
    { M(q4_k_m) | M(q5_k_m), ATTENTION_V, MORE_BITS, DTYPE_Q6_K },
    { M(q4_k_s), ATTENTION_V, FIRST_4, DTYPE_Q5_K },

    { LOW, ATTENTION_K, EXPERTS_8, DTYPE_Q4_K },
    { ALL, ATTENTION_K, EXPERTS_8, DTYPE_Q8_0 },
    { M(iq3_xs), ATTENTION_K, ALWAYS, DTYPE_IQ3_XXS },
    { M(iq3_xxs), ATTENTION_K, ALWAYS, DTYPE_IQ2_S },
    { M(iq3_xs), ATTENTION_Q, ALWAYS, DTYPE_IQ3_XXS },
    { M(iq3_xxs), ATTENTION_Q, ALWAYS, DTYPE_IQ2_S },

    { LOW, ATTENTION_OUTPUT, EXPERTS_8, DTYPE_Q5_K },
    { IQ1, ATTENTION_OUTPUT, ALWAYS, DTYPE_IQ2_XXS },
    { IQ2_LARGE, ATTENTION_OUTPUT, ALWAYS, DTYPE_IQ3_S },
    { M(q3_k_l), ATTENTION_OUTPUT, FALCON, DTYPE_Q4_K },
    { ALL, ATTENTION_OUTPUT, FALCON, DTYPE_COUNT },
    { M(q2_k) | M(iq3_xs) | M(iq3_xxs) | M(q3_k_s) | M(q3_k_m) | IQ4 | M(q4_k_s) | M(q4_k_m) | M(iq3_s) | M(iq3_m),
      ATTENTION_OUTPUT, EXPERTS_8, DTYPE_Q5_K },
    { ALL, ATTENTION_OUTPUT, EXPERTS_8, DTYPE_COUNT },
    { M(q2_k), ATTENTION_OUTPUT, ALWAYS, DTYPE_Q3_K },
    { M(iq3_xxs), ATTENTION_OUTPUT, ALWAYS, DTYPE_IQ3_S },
    { M(q3_k_m) | M(iq3_m), ATTENTION_OUTPUT, ALWAYS, DTYPE_Q4_K },
    { M(q3_k_l), ATTENTION_OUTPUT, ALWAYS, DTYPE_Q5_K },

    { M(iq3_xs), FFN_GATE, MIDDLE, DTYPE_IQ3_XXS },
    { M(iq3_xs), FFN_UP, MIDDLE, DTYPE_IQ3_XXS },

    { IQ2_LARGE, FFN_DOWN, FIRST_8TH, DTYPE_IQ3_S },
    { LOW, FFN_DOWN, FIRST_8TH, DTYPE_Q2_K },
    { M(q2_k), FFN_DOWN, ALWAYS, DTYPE_Q3_K },
    { M(q2_k_s), FFN_DOWN, FIRST_8TH, DTYPE_Q4_K },
    { M(iq3_xxs), FFN_DOWN, PLAIN | FIRST_8TH, DTYPE_Q4_K },
    { M(iq3_xxs), FFN_DOWN, PLAIN, DTYPE_Q3_K },
    { M(iq3_m), FFN_DOWN, FIRST_8TH, DTYPE_Q4_K },
    { M(iq3_m), FFN_DOWN, EXPERTS_8 | MORE_BITS, DTYPE_Q4_K },
    { M(q3_k_m), FFN_DOWN, FIRST_16TH, DTYPE_Q5_K },
    { M(q3_k_m), FFN_DOWN, FALCON | MORE_BITS, DTYPE_Q4_K },
    { M(q3_k_m), FFN_DOWN, FALCON, DTYPE_Q3_K },
    { M(q3_k_m), FFN_DOWN, ALWAYS, DTYPE_Q4_K },
    { M(q3_k_l), FFN_DOWN, FALCON, DTYPE_Q4_K },
    { M(q3_k_l), FFN_DOWN, ALWAYS, DTYPE_Q5_K },
    { M(q4_k_m), FFN_DOWN, FALCON | FIRST_16TH, DTYPE_Q6_K },
    { M(q4_k_m), FFN_DOWN, FALCON | MORE_BITS, DTYPE_Q5_K },
    { M(q4_k_m) | M(q4_k_s), FFN_DOWN, FALCON, DTYPE_Q4_K },
    { M(q4_k_m) | M(q5_k_m), FFN_DOWN, MORE_BITS, DTYPE_Q6_K },
    { M(q4_k_s), FFN_DOWN, FIRST_8TH, DTYPE_Q5_K },
    { IQ4, FFN_DOWN, PLAIN | FIRST_8TH, DTYPE_Q5_K },
    { M(q4_0), FFN_DOWN, WEIGHTED | FIRST_8TH, DTYPE_Q4_1 },
    { M(q5_0), FFN_DOWN, WEIGHTED | FIRST_8TH, DTYPE_Q5_1 },
};

const struct mix *mix_at(size_t i)
{
    return i < N_MIXES ? &mixes[i] : NULL;
}

const struct mix *mix_find(const char *name)
{
    static const char *const short_names[][2] = { { "q3_k", "q3_k_m" }, { "q4_k", "q4_k_m" }, { "q5_k", "q5_k_m" } };
    for (size_t i = 0; i < sizeof short_names / sizeof *short_names; i++)
        if (!strcasecmp(short_names[i][0], name))
            name = short_names[i][1];
    for (int i = 0; i < N_MIXES; i++)
        if (!strcasecmp(mixes[i].name, name))
            return &mixes[i];
    return NULL;
}

static void read_number(const struct weights *w, const char *key, uint32_t *value)
{
    const struct meta *m = weights_meta(w, key);
    infer_error unused;
    if (m && m->type == META_ARRAY && m->n && m->element != META_STRING) {
        const int64_t first = meta_element_i64(m, 0);
        *value = first > 0 && first < UINT32_MAX ? (uint32_t)first : 0;
    } else {
        meta_get_u32(w, key, value, &unused);
    }
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
        read_number(w, key, numbers[i].value);
    }
    if (!model.n_head_kv)
        model.n_head_kv = model.n_head ? model.n_head : 1;
    model.is_tied = !weights_tensor(w, text_of("output.weight"));
    model.is_falcon = text_is(arch, "falcon");
    return model;
}

static bool has(const struct tensor *t, const char *part)
{
    return strstr(t->name.p, part) != NULL;
}

bool mix_keeps(const struct tensor *t)
{
    static const char *const parts[] = {
        "_norm.weight", "ffn_gate_inp.weight", "position_embd", "token_types.weight", "altup", "laurel",
        "per_layer_model_proj", "ssm_conv1d", "shortconv.conv.weight", "attn_rel_b.weight", "time_mix_first.weight",
        "time_mix_w0.weight", "time_mix_w1.weight", "time_mix_w2.weight", "time_mix_v0.weight", "time_mix_v1.weight",
        "time_mix_v2.weight", "time_mix_a0.weight", "time_mix_a1.weight", "time_mix_a2.weight", "time_mix_g1.weight",
        "time_mix_g2.weight", "time_mix_decay_w1.weight", "time_mix_decay_w2.weight", "time_mix_lerp_fused.weight",
        "indexer.k_proj.weight", "indexer.q_proj.weight", "ffn_gate_tid2eid.weight", ".rel_pos", ".patch_embd",
        ".patch_merger", "sam.pos_embd", "sam.neck.", "sam.net_", "a.rvq.codebook", "mm.a.code_embd",
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

static bool is_embedding(const struct tensor *t)
{
    return text_is(t->name, "token_embd.weight") || text_is(t->name, "per_layer_token_embd.weight");
}

static enum kind kind_of(const struct tensor *t, const struct mix_model *model)
{
    static const struct {
        const char *part;
        enum kind kind;
    } kinds[] = {
        { "attn_qkv.weight", ATTENTION_V }, { "attn_kv_b.weight", ATTENTION_V }, { "attn_v.weight", ATTENTION_V },
        { "attn_k.weight", ATTENTION_K },   { "attn_q.weight", ATTENTION_Q },
        { "attn_output.weight", ATTENTION_OUTPUT }, { "ffn_up", FFN_UP }, { "ffn_gate", FFN_GATE },
        { "ffn_down", FFN_DOWN },
    };
    if (text_is(t->name, "output.weight"))
        return OUTPUT;
    if (is_embedding(t))
        return model->is_tied ? OUTPUT : EMBEDDING;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (has(t, kinds[i].part))
            return kinds[i].kind;
    return OTHER;
}

static int layer_of(const struct tensor *t)
{
    int layer = -1;
    sscanf(t->name.p, "blk.%9d.", &layer);
    return layer;
}

/* ---- The plan: tensors one after the other, counted by kind ---- */

struct plan {
    const struct mix *mix;
    const struct mix_model *model;
    unsigned seen[KINDS]; /* tensors of each kind so far */
    unsigned n_v;         /* of ATTENTION_V in all */
};

static bool is_one_of(const struct mix *mix, mix_set set)
{
    return set >> (mix - mixes) & 1;
}

/* All conditions that hold for the next tensor of a kind. Layers count by the tensors of the kind; in models of
 * experts, where there may be several in a layer, by their names. */
static unsigned conditions(const struct plan *p, const struct tensor *t, enum kind kind)
{
    const struct mix_model *m = p->model;
    const bool by_name = m->n_expert > 1 && kind != ATTENTION_V && !is_one_of(p->mix, LOW);
    const unsigned i = by_name ? (unsigned)layer_of(t) : p->seen[kind], n = kind == ATTENTION_V ? p->n_v : m->n_layer;
    const bool first_8th = i < n / 8, last_8th = i >= (uint64_t)7 * n / 8;
    return (i < 2 ? FIRST_2 : 0) | (i < 4 ? FIRST_4 : 0) | (first_8th ? FIRST_8TH : 0) |
           (i < n / 16 ? FIRST_16TH : 0) | (first_8th || last_8th || (i - n / 8) % 3 == 2 ? MORE_BITS : 0) |
           (!first_8th && !last_8th ? MIDDLE : 0) | (m->n_head / m->n_head_kv >= 4 ? GQA_4 : 0) |
           (m->n_expert >= 4 ? EXPERTS_4 : 0) | (m->n_expert == 8 ? EXPERTS_8 : 0) |
           (m->has_importance ? WEIGHTED : PLAIN) | (m->is_falcon ? FALCON : 0);
}

static enum dtype choose_by_rule(const struct plan *p, const struct tensor *t, enum kind kind)
{
    const struct mix_model *m = p->model;
    const unsigned true_here = conditions(p, t, kind);
    enum dtype type = DTYPE_COUNT;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].kind == kind && is_one_of(p->mix, rules[i].mixes) && !(rules[i].when & ~true_here)) {
            type = rules[i].type;
            break;
        }
    if (type == DTYPE_COUNT)
        type = p->mix->type;
    /* Llama 2 70B and its like: eight heads share a small matrix. */
    if (kind == ATTENTION_V && m->n_layer == 80 && m->n_head != m->n_head_kv && !is_one_of(p->mix, LOW) &&
        (type == DTYPE_Q3_K || type == DTYPE_Q4_K))
        type = DTYPE_Q5_K;
    return type;
}

/* What a row gets that is no whole number of blocks. */
static enum dtype that_divides(enum dtype type, uint64_t n)
{
    static const enum dtype instead[DTYPE_COUNT] = {
        [DTYPE_IQ1_S] = DTYPE_IQ4_NL, [DTYPE_IQ1_M] = DTYPE_IQ4_NL, [DTYPE_IQ2_XXS] = DTYPE_IQ4_NL,
        [DTYPE_IQ2_XS] = DTYPE_IQ4_NL, [DTYPE_IQ2_S] = DTYPE_IQ4_NL, [DTYPE_IQ3_XXS] = DTYPE_IQ4_NL,
        [DTYPE_IQ3_S] = DTYPE_IQ4_NL, [DTYPE_IQ4_XS] = DTYPE_IQ4_NL, [DTYPE_Q2_0] = DTYPE_Q4_0,
        [DTYPE_Q2_K] = DTYPE_Q4_0, [DTYPE_Q3_K] = DTYPE_Q4_0, [DTYPE_TQ1_0] = DTYPE_Q4_0, [DTYPE_TQ2_0] = DTYPE_Q4_0,
        [DTYPE_Q4_K] = DTYPE_Q5_0, [DTYPE_Q5_K] = DTYPE_Q5_1, [DTYPE_Q6_K] = DTYPE_Q8_0, [DTYPE_Q1_0] = DTYPE_Q4_0,
        [DTYPE_NVFP4] = DTYPE_MXFP4,
    };
    if (n % dtype_info(type)->block && instead[type])
        type = instead[type];
    return n % dtype_info(type)->block ? DTYPE_F16 : type;
}

static enum dtype choose(struct plan *p, const struct tensor *t)
{
    const enum kind kind = kind_of(t, p->model);
    const bool ragged = t->ne[0] % dtype_info(p->mix->type)->block != 0;
    enum dtype type;
    if (mix_keeps(t))
        return t->type;
    if (dtype_info(p->mix->type)->block == 1)
        return p->mix->type;
    if (kind == OUTPUT && (ragged || p->model->is_falcon))
        type = DTYPE_Q8_0;
    else if (p->mix->type == DTYPE_MXFP4 && kind != OUTPUT) /* made for experts */
        type = t->ne[2] > 1 ? DTYPE_MXFP4 : DTYPE_Q8_0;
    else
        type = choose_by_rule(p, t, kind);
    p->seen[kind]++;
    return that_divides(type, t->ne[0]);
}

/* By layer, then by name: the order in which llama.cpp counts. */
struct place {
    const struct tensor *tensor;
    int layer;
};

static int compare(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return x->layer != y->layer ? (x->layer > y->layer) - (x->layer < y->layer)
                                : strcmp(x->tensor->name.p, y->tensor->name.p);
}

bool mix_plan(enum dtype *types, const struct mix *mix, const struct mix_model *model, const struct tensor *tensors,
              size_t n, const infer_allocator *a)
{
    struct plan plan = { .mix = mix, .model = model };
    struct place *places = mem_new(a, n, sizeof *places);
    if (!places)
        return false;
    for (size_t i = 0; i < n; i++) {
        places[i] = (struct place){ &tensors[i], layer_of(&tensors[i]) };
        plan.n_v += kind_of(&tensors[i], model) == ATTENTION_V;
    }
    qsort(places, n, sizeof *places, compare);
    for (size_t i = 0; i < n; i++)
        types[places[i].tensor - tensors] = choose(&plan, places[i].tensor);
    mem_free(a, places);
    return true;
}

bool mix_needs_importance(const struct mix *mix, const struct tensor *t, enum dtype type)
{
    static const enum dtype needy[] = { DTYPE_IQ1_S,  DTYPE_IQ1_M, DTYPE_IQ2_XXS,
                                        DTYPE_IQ2_XS, DTYPE_IQ2_S, DTYPE_IQ3_XXS };
    if (is_embedding(t) || text_is(t->name, "output.weight") || type == t->type)
        return false;
    for (size_t i = 0; i < sizeof needy / sizeof *needy; i++)
        if (type == needy[i])
            return true;
    return type == DTYPE_Q2_K && is_one_of(mix, M(q2_k_s));
}
