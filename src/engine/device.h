/* device.h - the op table: what the forward pass asks of a device. The CPU (src/engine/cpu/) is the first one.
 *
 * Buffers are the device's own; the forward pass only hands them on. Rows of a buffer follow each other without gaps
 * unless a stride is given. n counts tokens. */
#ifndef ENGINE_DEVICE_H
#define ENGINE_DEVICE_H

#include "kernels/kernels.h"
#include "src/engine/kv.h"
#include "src/engine/network.h"

struct device; /* one per session: its work buffers, and where it computes */

/** y (n, w->rows) = x (n, w->k) · wᵀ + bias; with `residual`, y is added to instead of overwritten. */
struct product {
    const struct weight *w;
    const struct weight *bias; /* may be absent */
    float *y;
    size_t y_stride;
    bool residual;
};

/** Tokens of one step: n of them at consecutive positions of one session. */
struct span {
    struct kv *kv;
    uint32_t first; /* position of the first token */
    uint32_t n;
};

struct device_ops {
    const char *name;
    /* y (n, table->k): rows of the table. */
    void (*embed)(struct device *d, float *y, const struct weight *table, const int32_t *ids, uint32_t n);
    /* n rows of `width` values, y_row by y_row; y may be x. */
    void (*norm)(struct device *d, float *y, const float *x, const struct weight *w, uint32_t n, uint32_t width, float eps);
    /* Products that read the same x (n, k). */
    void (*matmul)(struct device *d, const struct product *products, int n_products, const float *x, uint32_t n);
    /* Angles for the span's positions, used by `rotate` until the next call. */
    void (*angles)(struct device *d, const struct span *s);
    /* Rotate q (n, n_head * d_k) and k, then put k and v into the span's pages of the layer. */
    void (*rotate_store)(struct device *d, const struct span *s, uint32_t layer, float *q, float *k, const float *v);
    /* out (n, n_head * d_v): attention of the span's tokens to all up to themselves, at most `window` back (0: all). */
    void (*attention)(struct device *d, const struct span *s, uint32_t layer, uint32_t window, float *out, const float *q);
    /* y = act(g) * u, n rows of `width`; y may be g or u. */
    void (*gate)(struct device *d, enum activation act, float *y, const float *g, const float *u, uint32_t n, uint32_t width);
};

#endif
