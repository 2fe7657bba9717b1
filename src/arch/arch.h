/* arch.h - architectures as rows: what a model family is called, which tensors it has and which traits.
 *
 * A family whose traits are all known is a row in rows.c and a fixture in the tests; no other code. */
#ifndef ARCH_H
#define ARCH_H

#include "src/formats/formats.h"

/** What is there in one family and not in another. Of the first ones models differ too: they have the trait if its
 *  tensors are there. */
enum trait {
    TRAIT_QKV_BIAS = 1ull << 0,
    TRAIT_OUT_BIAS = 1ull << 1,    /* of the attention's output */
    TRAIT_FFN_BIAS = 1ull << 2,
    TRAIT_QK_NORM = 1ull << 3,     /* queries and keys are normalised, head by head, before the rotation */
    TRAIT_ROPE_FREQS = 1ull << 4,  /* a tensor of divisors of the frequencies */
    TRAIT_ROPE_FACTORS = 1ull << 5, /* two of them, for short contexts and for long ones */
    TRAIT_OUTPUT = 1ull << 6,      /* an output matrix of its own; without it the embedding serves */
    TRAIT_OUTPUT_BIAS = 1ull << 7,
    TRAIT_FUSED_QKV = 1ull << 8,   /* queries, keys and values are rows of one tensor */
    TRAIT_LATENT = 1ull << 40,   /* keys and values of all heads are made of one latent vector */
    TRAIT_QUERY_LATENT = 1ull << 41, /* so are queries, of another one */
    TRAIT_GROUPED_QKV = 1ull << 42, /* checkpoints: in one tensor, of each KV head its queries, key and value */
    TRAIT_FUSED_GATE_UP = 1ull << 9, /* so are the gate and what it gates, in this order */
    TRAIT_EXPERTS = 1ull << 10,    /* layers with a router choose among feed-forward networks */
    TRAIT_EXPERT_BIAS = 1ull << 11,
    TRAIT_ROUTER_BIAS = 1ull << 12,
    TRAIT_CHOICE_BIAS = 1ull << 13, /* is added to the experts' scores when they are chosen, but not when weighted */
    TRAIT_SHARED_EXPERT = 1ull << 14, /* one more expert that every token uses */
    TRAIT_SHARED_SWITCH = 1ull << 15, /* weighted by a sigmoid of its own */
    TRAIT_SINKS = 1ull << 16,      /* a score without a value joins each head's soft-max */
    TRAIT_WIDE_QK_NORM = 1ull << 17, /* queries and keys are normalised over all heads at once */
    TRAIT_LAYER_NORM = 1ull << 18, /* norms take the mean off; without it they are RMS norms */
    TRAIT_NORM_BIAS = 1ull << 19,
    TRAIT_NO_PRE_NORM = 1ull << 20, /* blocks read the residual stream as it is */
    TRAIT_POST_NORM = 1ull << 21,  /* what a block gives is normalised before it joins the residual stream */
    TRAIT_PARALLEL = 1ull << 22,   /* attention and feed-forward network read the same norm */
    TRAIT_PARALLEL_NORMS = 1ull << 43, /* both read the residual stream, each under a norm of its own */
    TRAIT_ATTN_NORM_2 = 1ull << 44, /* attention has a norm of its own instead */
    TRAIT_NO_GATE = 1ull << 23,    /* the feed-forward network is up, activation, down */
    TRAIT_CLAMPED_GATE = 1ull << 24, /* (u + 1) g sigmoid(alpha g), with g and u held within a limit */
    TRAIT_NORM_OFFSET = 1ull << 25, /* checkpoints, but not GGUF files, hold a norm's weights less one */
    TRAIT_EMBD_SCALE = 1ull << 26, /* embeddings are multiplied by the root of their width */
    TRAIT_LOGIT_DIVISOR = 1ull << 27, /* logits are divided by the number that others multiply them with */
    TRAIT_NORMALISE = 1ull << 28,  /* weights of the chosen experts are made to sum to 1, unless the file says not to */
    TRAIT_YARN_EXACT = 1ull << 29, /* YaRN's range is not widened to whole points */
    TRAIT_FUSED_EXPERTS = 1ull << 30, /* checkpoints hold all experts' gates and ups as rows of one tensor, in turn */
    TRAIT_ENCODER = 1ull << 31,     /* tokens see those after them too; hidden states come out, not logits */
    TRAIT_POSITIONS = 1ull << 32,   /* a learned vector for each position is added to the embedding */
    TRAIT_TOKEN_TYPES = 1ull << 33, /* so is one for the first or the second text of a pair */
    TRAIT_EMBD_NORM = 1ull << 34,   /* the sum is normalised */
    TRAIT_STREAM_NORM = 1ull << 35, /* the residual stream is normalised after each block has joined it */
    TRAIT_TURNED = 1ull << 36,      /* checkpoints hold a layer's matrices with the rows' axis last */
    TRAIT_POOLER = 1ull << 37,      /* a head: a layer over the first token's hidden state, then its tanh */
    TRAIT_CLASSES = 1ull << 38,     /* a score for each of some classes, over what the head gives */
    TRAIT_PAD_POSITIONS = 1ull << 48, /* checkpoints: positions begin behind the row of the padding's id */
    TRAIT_PLAIN_NORM = 1ull << 45,  /* norms of the residual stream have no weights */
    TRAIT_YARN_WHOLE = 1ull << 47,  /* GGUF files say mscale_all_dim of YaRN's, others a tenth of it */
    TRAIT_QK_NORM_LAST = 1ull << 46, /* the norms of queries and keys have their weights after the rotation */
    TRAIT_BARE_FIRST = 1ull << 49,  /* the first layer's attention reads the residual stream as it is */
    TRAIT_PROJECTION = 1ull << 39,  /* hidden states are multiplied into narrower vectors of tokens (ColBERT) */
};

enum rope_kind { ROPE_PAIRS, ROPE_HALVES }; /* which two values of a head are one rotating point */
enum rope_scaling { SCALING_NONE, SCALING_LINEAR, SCALING_LLAMA3, SCALING_YARN, SCALING_LONGROPE };
enum ffn_activation { FFN_SILU, FFN_GELU, FFN_GELU_TANH, FFN_RELU, FFN_RELU2 };

/** How a token's experts are chosen and weighted. */
enum gating { GATING_SOFTMAX, GATING_SIGMOID, GATING_SPARSEMIXER };
struct routing {
    enum gating gating;
    uint32_t n_expert, n_used;      /* n_expert 0: none */
    uint32_t n_group, n_group_used; /* experts stand in groups, only those of the best ones are chosen; 0: no groups */
    bool normalise;                 /* the weights of the chosen ones sum to 1, */
    float scale;                    /* then they are multiplied */
    float jitter;                   /* sparsemixer: scores so near the best one share its soft-max */
};

/** What a config.json calls an activation; NULL past the last. The first name of each is the usual one. */
struct activation_name {
    const char *name;
    enum ffn_activation activation;
};
const struct activation_name *arch_activation_name(size_t i);

/** Widths that shapes are made of. */
enum dim {
    DIM_ONE,
    DIM_VOCAB, /* found from the embedding's shape */
    DIM_EMBD,
    DIM_Q,     /* n_head * d_k */
    DIM_QKV,   /* all three, where they stand in one tensor */
    DIM_Q_BUFFER, /* DIM_Q, or DIM_QKV where they come out of one product */
    DIM_QUERIES, /* n_head * d_head_k */
    DIM_QUERY_LATENT,
    DIM_LATENT,
    DIM_STILL, /* of a head's key, what does not rotate */
    DIM_HEAD_V, /* d_head_v */
    DIM_VALUES, /* n_head * d_head_v */
    DIM_HEADS_OWN, /* the larger of DIM_QUERIES and DIM_VALUES, with a latent vector; else 0 */
    DIM_K,     /* n_head_kv * d_k */
    DIM_V,     /* n_head_kv * d_v */
    DIM_OUT,   /* n_head * d_v */
    DIM_Q_NORM, /* what is normalised at once: d_k, or all heads */
    DIM_K_NORM,
    DIM_HEADS, /* n_head */
    DIM_HALF_ROT, /* n_rot / 2 */
    DIM_FF,
    DIM_EXPERTS, /* n_expert */
    DIM_FF_EXPERT,
    DIM_FF_SHARED,
    DIM_NORMED, /* n_embd, if several things read a norm's result; else 0 */
    DIM_POSITIONS, /* first_position + n_ctx_train */
    DIM_TYPES,   /* found from the table's shape, */
    DIM_CLASSES, /* so are these, */
    DIM_PROJECTED, /* and these, */
    DIM_DENSE_1, DIM_DENSE_2, /* and these */
    DIM_BRANCH, /* n_embd, if what a block gives is changed before it joins the residual stream; else 0 */
    DIM_COUNT
};

/** Roles of tensors: of the whole model, and of each layer. Those of one job, or of a fused tensor, are neighbours. */
enum model_role {
    TOKEN_EMBD, POSITION_EMBD, TYPE_EMBD, EMBD_NORM, EMBD_NORM_BIAS,
    OUTPUT_NORM, OUTPUT_NORM_BIAS, OUTPUT, OUTPUT_BIAS, POOLER, POOLER_BIAS, CLASSES, CLASSES_BIAS, PROJECTION,
    DENSE_1, DENSE_1_BIAS, DENSE_2, DENSE_2_BIAS,
    ROPE_FREQS, ROPE_SHORT, ROPE_LONG,
    MODEL_ROLES
};
enum layer_role {
    ATTN_NORM, ATTN_NORM_BIAS, ATTN_NORM_2, ATTN_NORM_2_BIAS, ATTN_QKV, ATTN_QKV_BIAS,
    ATTN_Q_A, ATTN_KV_A, ATTN_Q, ATTN_K, ATTN_V, ATTN_Q_B, ATTN_K_B, ATTN_V_B, ATTN_OUT,
    ATTN_Q_BIAS, ATTN_K_BIAS, ATTN_V_BIAS, ATTN_OUT_BIAS,
    ATTN_Q_NORM, ATTN_K_NORM, ATTN_Q_A_NORM, LATENT_NORM, ATTN_SINKS, ATTN_POST_NORM, ATTN_STREAM_NORM,
    ATTN_STREAM_NORM_BIAS,
    FFN_NORM, FFN_NORM_BIAS, FFN_GATE, FFN_UP, FFN_DOWN, FFN_GATE_BIAS, FFN_UP_BIAS, FFN_DOWN_BIAS, FFN_POST_NORM,
    FFN_STREAM_NORM, FFN_STREAM_NORM_BIAS,
    ROUTER, ROUTER_BIAS, CHOICE_BIAS, EXPERT_GATE, EXPERT_UP, EXPERT_DOWN, EXPERT_GATE_BIAS, EXPERT_UP_BIAS,
    EXPERT_DOWN_BIAS, SHARED_GATE, SHARED_UP, SHARED_DOWN, SHARED_SWITCH,
    LAYER_ROLES
};

/** Which layers have a tensor: all, or those without or with a router. */
enum layer_kind { LAYER_ANY, LAYER_DENSE, LAYER_EXPERTS };

struct tensor_spec {
    /* Names; "%u" stands for the layer's number. "A|B": the first that is there. NULL: this format has none. Where a
     * directory has a tensor for each expert, a second "%u" stands for the expert's; it may have one for all, too.
     * Where a checkpoint holds no more than the base model, its names lack the first part ("model.", "bert."). Where it
     * sees pictures too, they have a further part ("language_model."). */
    const char *gguf, *hf;
    enum dim rows, cols; /* a matrix (rows, cols) multiplies vectors of cols values; rows DIM_ONE: a vector */
    uint64_t trait;      /* needed by models of all these traits only; 0: by all */
    uint64_t unless;     /* models of one of these traits have none */
    uint64_t optional;   /* layers, or models, of one of these traits may have none */
    bool any_family;     /* models of all families may have it */
    enum layer_kind kind;
    enum dim each; /* one for each expert (DIM_EXPERTS) or head (DIM_HEADS) */
    bool norm;    /* weights of a norm */
};
extern const struct tensor_spec model_tensors[MODEL_ROLES], layer_tensors[LAYER_ROLES];

/** Roles whose rows stand in one tensor, one behind the other; of experts, for each of them. */
struct fusion {
    const char *gguf, *hf; /* as in struct tensor_spec */
    enum layer_role first;
    int n;
    uint64_t trait;
};
extern const struct fusion fusions[];
extern const size_t n_fusions;

struct arch {
    const char *family; /* as people call it */
    const char *gguf;   /* general.architecture; a file is of the first row that has its name */
    const char *hf;     /* model_type in config.json */
    enum rope_kind rope_gguf, rope_hf;
    const char *hf_class; /* of the models that are this row's, where several rows have the same model_type; or NULL */
    uint64_t must; /* traits that every model of the family has */
    uint64_t may;  /* traits that a model has if its tensors are there, or its numbers say so */
    enum ffn_activation activation; /* where a file does not say it */
    bool activation_fixed;          /* whatever a config.json says, as older ones of the family name another */
    enum gating gating;
    uint32_t n_ctx_usual;   /* where a file does not say it */
    /* The same of embd_scale, depth_scale and base_width; 0: none. */
    float embd_scale_usual, depth_scale_usual;
    uint32_t base_width_usual;
    uint32_t n_layer_alibi; /* models of so many layers see by distance (alibi), though no file says so; 0: none do */
    float eps_usual; /* 0: every file says it */
    float part_usual; /* of rope; 0: all of a head */
    uint32_t window_period; /* where there is a window: each layer of this number sees all; */
    bool first_sees_all;    /* counted from the first layer, not to the last one of them */
    uint32_t still_period;  /* each layer of this number has no rotation; as window_period: if there are windows; 1:
                             * there is none */
    float local_base;       /* rope base of windowed layers, which then have no scaling; 0: as the others */
#define LOCAL_UNSCALED (-1.0f) /* the same base */
    bool second_names;      /* where tensors have two names in GGUF files, those of this family have the second */
    /* GGUF files do not say that models of this many layers divide scores by the root of n_embd / n_head, not d_k. */
    uint32_t n_layer_wide_query;
};

struct rope {
    enum rope_kind kind;
    enum rope_scaling scaling;
    uint32_t first, n_rot; /* values of a head that rotate: where they begin, and how many there are */
    float alpha;    /* the base grows by its power n_rot / (n_rot - 2), where the scaling is "dynamic"; 0: it does not */
    float part;     /* of a head that rotates, where n_rot is not said */
    float base;
    float factor;
    uint32_t n_ctx_original;
    float low_freq_factor, high_freq_factor;           /* llama3 */
    float beta_fast, beta_slow, attention_factor;      /* yarn; attention_factor 0: from the factor */
    float log_multiplier, mscale; /* yarn with a latent vector: scores grow by (1 + log_multiplier ln factor)^2 */
    bool exact_range;                                  /* yarn */
};

/** A model's numbers, all checked: no product of two of them overflows 64 bits, none that divides is 0. */
struct hparams {
    const struct arch *arch;
    const char *name; /* of the architecture, as the file has it */
    uint64_t traits;  /* that this model has whatever its tensors are: the family's, as far as its numbers agree */
    uint32_t n_vocab; /* 0 until the embedding is bound */
    uint32_t n_embd, n_layer, n_head, n_head_kv, d_k, d_v, n_ff, n_ctx_train;
    uint32_t first_position; /* row of the table of positions that the first one has */
    uint32_t n_types, n_classes, n_projected; /* texts of a pair, scores of a head, width of a vector; as n_vocab */
    uint32_t n_dense_out[2]; /* width of a text's vector after each of two more layers, 0: there is none; as n_vocab */
    bool dense_tanh[2];
    /* With a latent vector keys and values are one thing to attention: the latent vector, and behind it what rotates of
     * a key. All heads share it: n_head_kv is 1, d_k and d_v are its widths. A head's own query is brought to that form
     * by its part of K_B, and what it gets from it becomes d_head_v values by its part of V_B. */
    uint32_t n_latent, n_query_latent; /* 0: none */
    uint32_t d_head_k, d_head_v; /* of a head's own query and value; d_k and d_v without a latent vector */
    uint32_t d_still;            /* of d_head_k, what does not rotate, which comes first */
    uint32_t n_ff_expert, n_ff_shared, n_shared; /* n_ff_shared: of all n_shared together */
    uint32_t n_next;     /* layers behind the last of n_layer that predict tokens further ahead: not used */
    uint32_t n_dense;    /* layers before the first that has experts */
    const uint8_t *layer_dense; /* n_layer flags: has no experts, as far as the numbers say; NULL without experts */
    enum ffn_activation activation;
    struct routing routing;
    uint32_t window;     /* as the file says it, 0: none; arch_window() */
    uint32_t window_period;  /* as of arch */
    uint32_t first_windowed; /* layers from this one on are windowed, unless layer_windowed says it for each */
    const uint8_t *layer_windowed; /* n_layer flags, or NULL */
    const uint8_t *layer_turns;    /* n_layer flags: has a rotation; or NULL */
    bool tied;           /* output is the embedding, whatever the file has besides */
    float eps;
    float attention_scale, query_scalar; /* as the file says it, 0 if it does not: arch_attention_scale() */
    /* Queries grow with their position p, by 1 + temperature ln(1 + floor(p / temperature_length)); 0: they do not. */
    float temperature;
    uint32_t temperature_length;
    float attention_cap, logit_cap;      /* x becomes cap * tanh(x / cap); 0: none */
    float embd_scale, residual_scale, logit_scale; /* as the file says it: arch_embd_scale(), arch_logit_scale() */
    float depth_scale;   /* blocks' results are multiplied by this and divided by the root of n_layer; 0: not said */
    uint32_t base_width; /* logits are divided by n_embd / base_width; 0: not said */
    float gate_limit, gate_alpha;                  /* of a clamped gate */
    struct rope rope;       /* of all layers */
    struct rope rope_local; /* but the windowed ones; base 0: no other */
};

/** Find the row and read the numbers. The text of an error names the key. `arena` holds what h points to. */
infer_status arch_read(struct hparams *h, const struct weights *w, struct arena *arena, infer_error *err);
/** Number i of a model as GGUF files keep it, for writing them; false past the last. key "": they do not have it. */
struct arch_number {
    char key[64]; /* follows after "NAME." */
    bool is_float;
    double usual; /* what counts where it is not said */
    uint32_t whole;
    float real;
};
bool arch_number(const struct hparams *h, size_t i, struct arch_number *number);
/** How a model makes one vector of a text's; what `*pooling` was, if its files do not say. */
infer_status arch_read_pooling(infer_pooling *pooling, const struct weights *w, const struct hparams *h,
                               infer_error *err);
/** What GGUF files call it. */
uint32_t arch_pooling_number(infer_pooling pooling);
/** The key of the most tokens of a text that sentence-transformers reads of it, in both formats. */
#define ARCH_MAX_SEQUENCE "sentence_bert_config.max_seq_length"
enum { ARCH_POOLING_RANK = 4 }; /* GGUF: a head scores what stands at the first token */
/** The activations of further layers over a text's vector, which are the same in all families. */
infer_status arch_read_dense(struct hparams *h, const struct weights *w, infer_error *err);
/** The number of the model that is found from a table's shape: how many rows it has; NULL for other rows. */
uint32_t *arch_found(struct hparams *h, enum dim rows);
uint64_t arch_dim(const struct hparams *h, enum dim dim);
bool arch_layer_windowed(const struct hparams *h, uint32_t layer);
/** What a token sees in windowed layers: itself and so many - 1 before it; in encoders as many behind it, too. */
uint32_t arch_window(const struct hparams *h);
/** Which rotation a layer has: 0 rope, 1 rope_local, -1 none. */
int arch_layer_rope(const struct hparams *h, uint32_t layer);
/** Width of what comes out for each token: logits, or an encoder's hidden state. */
uint32_t arch_output_width(const struct hparams *h);
/** What scores of queries and keys, embeddings and logits are multiplied with. */
float arch_attention_scale(const struct hparams *h);
float arch_embd_scale(const struct hparams *h);
float arch_logit_scale(const struct hparams *h);
static inline bool arch_has(const struct hparams *h, uint64_t trait)
{
    return h->traits & trait;
}
/** Whether models of this row need a tensor, or may have it, in a layer with or without experts. */
enum need { NEED_NOT, NEED_MAY, NEED_MUST };
enum need arch_needs(const struct hparams *h, const struct tensor_spec *spec, bool experts);
/** The next name of an "A|B" list, with numbers filled in; false after the last. */
enum { ARCH_MAX_NAME = 160 };
bool arch_next_name(const char **list, char name[ARCH_MAX_NAME], uint32_t layer, uint32_t expert);
/** The first tensor of a list that is there, its name filled in; or NULL, and the first name. */
const struct tensor *arch_find_tensor(const struct weights *w, const char *list, uint32_t layer, uint32_t expert,
                                      char name[ARCH_MAX_NAME]);
/** The name that a tensor gets in a GGUF file. */
void arch_gguf_name(const struct hparams *h, const struct tensor_spec *spec, uint32_t layer, char name[ARCH_MAX_NAME]);
/** The row of a name in GGUF files, or in config.json; or NULL. */
const struct arch *arch_named(const char *name, bool gguf);
/** Rows, for listings: NULL past the last. */
const struct arch *arch_row(size_t i);

#endif
