/* cpu.h - the CPU as a device: kernels over a thread pool. */
#ifndef ENGINE_CPU_H
#define ENGINE_CPU_H

#include "src/engine/context.h"
#include "src/engine/device.h"

#include <stdatomic.h>

extern const struct device_ops cpu_ops;

/** A device for steps of at most n_batch tokens of this network, whose keys and values go to this cache. */
struct device *cpu_open(infer_context *c, const struct network *net, const struct kv *kv, uint32_t n_batch,
                        enum precision precision, infer_error *err);
void cpu_close(struct device *d);
size_t cpu_bytes(const struct device *d);

/* ---- Inside the folder ---- */

struct device {
    struct pool *pool;
    const struct kernels *k;
    const struct network *net;
    enum precision precision;
    const infer_allocator *a;
    size_t bytes;
    uint8_t *scratch; /* scratch_bytes for each thread */
    size_t scratch_bytes;
    uint8_t *prepared[ACT_COUNT]; /* activations of a product, n_batch rows; NULL where no weight wants that form */
    size_t prepared_bytes[ACT_COUNT];
    float *sums;       /* (n_batch, n_embd): products before they join the residual stream */
    float *frequency;  /* n_rot / 2 */
    float magnitude;
    float *cosine, *sine; /* (n_batch, n_rot / 2) */
    float *parts;             /* attention to pieces of the context */
    atomic_uint *pieces_left; /* n_head_kv */
};

static inline void *cpu_scratch(const struct device *d, int thread)
{
    return d->scratch + (size_t)thread * d->scratch_bytes;
}

/** Rows of work that make a task worth handing out, for ops that touch `width` values a row. Independent of the number of
 *  threads. */
static inline uint32_t rows_per_task(uint32_t width)
{
    return width < 16384 ? 16384 / (width ? width : 1) : 1;
}
static inline int tasks_of(uint32_t n, uint32_t per_task)
{
    return (int)(n / per_task + (n % per_task != 0));
}

/** The form of activations that a product of n columns with these weights reads. */
enum act cpu_activations(const struct device *d, const struct weight *w, uint32_t n);
/** Scratch that a thread needs for products of up to n_batch columns, kernel scratch included. */
size_t cpu_matmul_scratch(const struct device *d, uint32_t n_batch);
void cpu_matmul(struct device *d, const struct product *products, int n_products, const float *x, uint32_t n);
void cpu_attention(struct device *d, const struct span *s, uint32_t layer, const struct attention *how, uint32_t n_q,
                   float *out, const float *q, const float *k, const float *v);
/** Scratch that a thread needs for attention, kernel scratch included. */
size_t cpu_attention_scratch(const struct hparams *h);
/** Floats that device.parts needs. */
size_t cpu_attention_parts(const struct hparams *h, const struct kv *kv);

#endif
