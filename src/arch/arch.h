/* arch.h - architectures as rows: what a model family is called, which tensors it has and which traits.
 *
 * A family whose traits are all known is a row in arch.c and a fixture in the tests; no other code. */
#ifndef ARCH_H
#define ARCH_H

#include "src/formats/formats.h"

/** What may be there in one family and not in another. */
enum trait {
    TRAIT_QKV_BIAS = 1 << 0,
    TRAIT_OUT_BIAS = 1 << 1, /* of the attention's output */
    TRAIT_FFN_BIAS = 1 << 2,
    TRAIT_QK_NORM = 1 << 3,  /* queries and keys are normalised, head by head, before the rotation */
    TRAIT_ROPE_FREQS = 1 << 4, /* a tensor of divisors of the frequencies */
    TRAIT_OUTPUT = 1 << 5,   /* an output matrix of its own; without it the embedding serves */
};

enum rope_kind { ROPE_PAIRS, ROPE_HALVES }; /* which two values of a head are one rotating point */
enum rope_scaling { SCALING_NONE, SCALING_LINEAR, SCALING_LLAMA3, SCALING_YARN };

/** Widths that shapes are made of. */
enum dim {
    DIM_ONE,
    DIM_VOCAB, /* found from the embedding's shape */
    DIM_EMBD,
    DIM_Q,     /* n_head * d_k */
    DIM_K,     /* n_head_kv * d_k */
    DIM_V,     /* n_head_kv * d_v */
    DIM_OUT,   /* n_head * d_v */
    DIM_HEAD,  /* d_k */
    DIM_HALF_ROT, /* n_rot / 2 */
    DIM_FF,
    DIM_COUNT
};

/** Roles of tensors: of the whole model, and of each layer. */
enum model_role { TOKEN_EMBD, OUTPUT_NORM, OUTPUT, ROPE_FREQS, MODEL_ROLES };
enum layer_role {
    ATTN_NORM, ATTN_Q, ATTN_K, ATTN_V, ATTN_OUT, ATTN_Q_BIAS, ATTN_K_BIAS, ATTN_V_BIAS, ATTN_OUT_BIAS, ATTN_Q_NORM, ATTN_K_NORM,
    FFN_NORM, FFN_GATE, FFN_UP, FFN_DOWN, FFN_GATE_BIAS, FFN_UP_BIAS, FFN_DOWN_BIAS,
    LAYER_ROLES
};

struct tensor_spec {
    const char *gguf, *hf; /* names; "%u" stands for the layer's number. NULL: this format has none */
    enum dim rows, cols;   /* a matrix (rows, cols) multiplies vectors of cols values; rows DIM_ONE: a vector */
    unsigned trait;        /* needed by models of this trait only; 0: by all */
};
extern const struct tensor_spec model_tensors[MODEL_ROLES], layer_tensors[LAYER_ROLES];

struct arch {
    const char *gguf; /* general.architecture; NULL: no GGUF of this family */
    const char *hf;   /* model_type in config.json */
    enum rope_kind rope_gguf, rope_hf;
    unsigned must; /* traits that every model of the family has */
    unsigned may;  /* traits that a model has if its tensors are there */
};

struct rope {
    enum rope_kind kind;
    enum rope_scaling scaling;
    uint32_t n_rot; /* values of a head that rotate */
    float base;
    float factor;
    uint32_t n_ctx_original;
    float low_freq_factor, high_freq_factor;           /* llama3 */
    float beta_fast, beta_slow, attention_factor;      /* yarn; attention_factor 0: from the factor */
};

/** A model's numbers, all checked: no product of two of them overflows 64 bits, none that divides is 0. */
struct hparams {
    const struct arch *arch;
    const char *name; /* of the architecture, as the file has it */
    uint32_t n_vocab; /* 0 until the embedding is bound */
    uint32_t n_embd, n_layer, n_head, n_head_kv, d_k, d_v, n_ff, n_ctx_train;
    uint32_t window;     /* a token sees itself and the window - 1 before it in windowed layers; 0: all */
    uint32_t first_windowed; /* layers from this one on are windowed, unless layer_windowed says it for each */
    const uint8_t *layer_windowed; /* n_layer flags, or NULL */
    bool tied;           /* output is the embedding, whatever the file has besides */
    float eps;
    struct rope rope;
};

/** Find the row and read the numbers. The text of an error names the key. `arena` holds what h points to. */
infer_status arch_read(struct hparams *h, const struct weights *w, struct arena *arena, infer_error *err);
/** Number i of a model as GGUF files keep it, for writing them; false past the last. key NULL: they do not have it. */
struct arch_number {
    const char *key; /* follows after "NAME." */
    bool is_float;
    uint32_t whole;
    float real;
};
bool arch_number(const struct hparams *h, size_t i, struct arch_number *number);
uint64_t arch_dim(const struct hparams *h, enum dim dim);
bool arch_layer_windowed(const struct hparams *h, uint32_t layer);
/** Rows, for listings: NULL past the last. */
const struct arch *arch_row(size_t i);

#endif
