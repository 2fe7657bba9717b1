/* device.h - the op table: what the forward pass asks of a device. The CPU (src/engine/cpu/) is the first one.
 *
 * Buffers are the device's own; the forward pass only hands them on. Rows of a buffer follow each other without gaps
 * unless a stride is given. n counts tokens. */
#ifndef ENGINE_DEVICE_H
#define ENGINE_DEVICE_H

#include "kernels/kernels.h"
#include "src/engine/adaptation.h"
#include "src/engine/kv.h"
#include "src/engine/network.h"

struct device; /* one per session: its work buffers, and where it computes */

/** Weights of a norm. */
struct norm {
    const struct weight *w, *b; /* b may be absent, or NULL */
    float eps;
    bool layer; /* takes the mean off; else the norm of the root mean square */
};

/** Rows that products read: x, or with a norm what that makes of each row of x. */
struct operand {
    const float *x;
    const struct norm *norm; /* NULL: none */
};

/** y (n, w->rows) = the last n rows of an operand, w->k wide, times wᵀ, + bias; with `residual`, y is added to instead
 *  of overwritten. */
struct product {
    const struct weight *w;
    const struct weight *bias; /* may be absent */
    uint32_t n;                /* may be 0 */
    float *y;
    size_t y_stride;
    bool residual;
};

/** Of each head h of n rows: the first w->k of its x_width values times its matrix wᵀ, then the values behind these as
 *  they are. Heads stand side by side: a row of x has x_width values of each of them, one of y has y_width. */
struct head_product {
    const struct weight *w; /* a stack of matrices, one for each head */
    const float *x;
    float *y;
    uint32_t x_width, y_width; /* y_width - w->rows = x_width - w->k */
    uint32_t n;                /* the last rows of the step; may be 0 */
};

/** act(x · gateᵀ + bias) * (x · upᵀ + bias), which `down` then reads; without a gate act(x · upᵀ + bias). */
struct gated {
    const struct weight *gate, *up; /* gate may be absent */
    const struct weight *gate_bias, *up_bias; /* may be absent */
    enum activation act;
};

/** A text among those of a step, by slots of the cache: its tokens count their positions from `begin`, and see no other
 *  text's. */
struct passage {
    uint32_t begin, end;
    uint32_t second; /* tokens from here on are those of a pair's second text */
};

/** Tokens in consecutive slots of one session's cache. */
struct segment {
    struct kv *kv;
    uint32_t first; /* slot of the first token */
    uint32_t n;     /* at least 1 */
    uint32_t row;   /* of the first token, among all of the step */
    const struct passage *passages; /* n: each token's text; NULL: all are of one that began in slot 0 */
    const struct adaptation *adaptation; /* what adapters change for its tokens; NULL: nothing */
};

/** Tokens of one step: a row for each, those of the segments one behind the other. */
struct span {
    const struct segment *segments; /* of caches of the same types */
    uint32_t n_segments;            /* at least 1 */
    uint32_t n;                     /* tokens of all */
    bool adapted; /* some segment has an adaptation */
    bool split; /* some cache has several segments: so that its last tokens' rows are among the step's last ones */
};

/** The text that a token of a segment belongs to. */
static inline struct passage segment_passage(const struct segment *s, uint32_t token)
{
    return s->passages ? s->passages[token] : (struct passage){ 0, s->first + s->n, UINT32_MAX };
}

/** The segment of a row. */
static inline const struct segment *span_segment(const struct span *s, uint32_t row)
{
    uint32_t low = 0, high = s->n_segments;
    while (high - low > 1) {
        const uint32_t middle = (low + high) / 2;
        if (s->segments[middle].row <= row)
            low = middle;
        else
            high = middle;
    }
    return &s->segments[low];
}

/** Tables whose rows are added to make a token's embedding: by its id, its position and which text of a pair it is of.
 *  The last two may be absent. */
struct tables {
    const struct weight *tokens, *positions, *types;
};

/** Queries, keys or values: those of a KV head are side by side, first + token * stride + head * head_stride. */
struct head_rows {
    const float *first;
    size_t stride, head_stride; /* values */
};

/** How the tokens of a layer see each other. */
struct attention {
    float scale;        /* of the scores */
    float soft_cap;     /* scores become cap * tanh(score / cap); 0: none */
    float temperature;  /* queries at position p grow by 1 + temperature ln(1 + floor(p / temperature_length)) */
    uint32_t temperature_length; /* 0: they do not grow */
    uint32_t window;    /* a token sees no position that is `window` or more away from its own; 0: all */
    bool causal;        /* no token sees one after it; else it sees what there is of its text */
    const float *sinks; /* n_head scores without a value that join every soft-max, or NULL */
    /* d_k values that queries and keys are multiplied with after the rotation; or NULL */
    const float *q_weights, *k_weights;
    int rope;           /* the rotation of queries and keys: 0 or 1, of those of the network; -1: none */
};

/** Rows that go through the experts: y += what they give, or with `residual` unset y = that. */
struct expert_rows {
    const float *x; /* (n, n_embd) */
    float *scores;  /* (n, n_expert), overwritten */
    float *y;       /* (n, n_embd) */
    bool residual;
    uint32_t n;
};

/* What a step computes for a token does not depend on which other tokens' results are wanted: `n` below is the step's
 * number of tokens and chooses the way, even if a product's rows are fewer. */
struct device_ops {
    const char *name;
    /* y (s->n, tables->tokens->k): sums of the tables' rows. */
    void (*embed)(struct device *d, float *y, const struct tables *tables, const int32_t *ids, const struct span *s);
    /* The first `width` values of n rows, which are `stride` apart; y may be x. how NULL: whole rows as they are. */
    void (*norm)(struct device *d, float *y, const float *x, const struct norm *how, uint32_t n, uint32_t width,
                 uint32_t stride);
    /* Products that read the same n rows. */
    void (*matmul)(struct device *d, const struct product *products, int n_products, const struct operand *in,
                   uint32_t n);
    void (*head_products)(struct device *d, const struct head_product *p, uint32_t n);
    /* The product `down` of what `in` makes of n rows. */
    void (*feed_forward)(struct device *d, const struct gated *in, const struct product *down, const struct operand *x,
                         uint32_t n);
    /* Each row through the experts that its scores choose, and through the shared one, weighted. The rows are the last
     * of a step of n. */
    void (*experts)(struct device *d, const struct layer *layer, const struct expert_rows *rows, uint32_t n);
    /* y = cap * tanh(by * y / cap), n rows of `width`; cap 0: y = by * y. */
    void (*scale)(struct device *d, float *y, float by, float cap, uint32_t n, uint32_t width);
    /* y += by * x, n rows of `width`. */
    void (*add)(struct device *d, float *y, const float *x, float by, uint32_t n, uint32_t width);
    /* The ops that follow are of a step of this span: where its segments have adaptations, products and embeddings of
     * their rows are with these. NULL: of none. False if there is no memory for what that takes. */
    bool (*adapt)(struct device *d, const struct span *s);
    /* The last n rows of x, n_embd wide, plus the directions of the layer that their segments' adaptations have. */
    void (*steer)(struct device *d, float *x, const struct span *s, uint32_t layer, uint32_t n);
    /* Angles of all rotations for the span's positions, used by `attention` until the next call. */
    void (*angles)(struct device *d, const struct span *s);
    /* Rotate k (n tokens, d_k a KV head) and put it and v (d_v a head) into the segments' pages of the layer. Then
     * out (n_q, n_head * d_v) is the attention of the span's last n_q rows, whose queries q (n_q rows, of a KV head
     * n_head / n_head_kv times d_k) are rotated too. n_q may be 0. Where the network has a latent vector, values are the
     * first d_v numbers of the keys, and v is not read. */
    void (*attention)(struct device *d, const struct span *s, uint32_t layer, const struct attention *how, uint32_t n_q,
                      float *out, const struct head_rows *q, const struct head_rows *k, const struct head_rows *v);
};

#endif
