/* cpu.h - the CPU as a device: kernels over a thread pool. */
#ifndef ENGINE_CPU_H
#define ENGINE_CPU_H

#include "src/engine/context.h"
#include "src/engine/device.h"

#include <stdatomic.h>

extern const struct device_ops cpu_ops;

/** A device for steps of at most n_batch tokens of this network, whose keys and values go to caches like this one: they
 *  rotate as those of its n_ctx. Deterministic: a token's results have the same bits whichever other tokens are in the
 *  step. */
struct device *cpu_open(infer_context *c, const struct network *net, const struct kv *kv, uint32_t n_batch,
                        enum precision precision, bool deterministic, infer_error *err);
void cpu_close(struct device *d);
/** Of the steps that follow, or not any more: a token's results have the bits that it would have as the only one of its
 *  step. Tokens are segments of their own unless attention cuts them alike. */
void cpu_alone(struct device *d, bool alone);
/** Whether n tokens from `first` on, as one segment, see their context in the pieces in which each would see it alone. */
bool cpu_cuts_alike(const struct device *d, const struct kv *kv, uint32_t first, uint32_t n);
size_t cpu_bytes(const struct device *d);

/* ---- Inside the folder ---- */

/** A rotation, and its angles for the tokens of a step. NULL: the network has none such. */
struct rotation {
    const struct rope *rope;
    float *frequency; /* n_rot / 2 */
    float magnitude;
    float *cosine, *sine; /* (n_batch, n_rot / 2) */
};

struct device {
    struct pool *pool;
    const struct kernels *k;
    const struct network *net;
    enum precision precision;
    bool deterministic, alone;
    const infer_allocator *a;
    size_t bytes;
    uint8_t *scratch; /* scratch_bytes for each thread */
    size_t scratch_bytes;
    uint8_t *prepared[ACT_COUNT]; /* activations of a product, n_batch rows; NULL where no weight wants that form */
    size_t prepared_bytes[ACT_COUNT];
    uint8_t *middle; /* activations between the two halves of a feed-forward network, n_batch rows */
    struct rotation rotations[2]; /* of hparams.rope and hparams.rope_local */
    struct expert_work *experts;  /* NULL: the network has none */
    float *parts;             /* attention to pieces of the context, n_parts floats */
    size_t n_parts;
    atomic_uint *pieces_left;
    struct attention_segment *segments; /* of a step, n_batch */
    uint32_t n_batch;
    struct low_rank_work *low; /* what adapters compute in; NULL: none has been there yet */
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

/** Run the tasks of a job that takes one thread about so many nanoseconds. What is too short to be worth handing out,
 *  the caller does alone. */
static inline void cpu_run(const struct device *d, uint64_t ns, int n_tasks, pool_task_fn *fn, void *job)
{
    enum { WORTH_SHARING = 4000 };
    if (ns >= WORTH_SHARING)
        pool_run(d->pool, n_tasks, fn, job);
    else
        for (int i = 0; i < n_tasks; i++)
            fn(job, i, 0);
}
/** About how long products take at least, which wait for memory and multiply. */
static inline uint64_t cpu_work_ns(uint64_t bytes, uint64_t multiply_adds)
{
    return bytes / 16 + multiply_adds / 32;
}

/** Activations of n rows in the forms that kernels read: row i at rows[form] + i * stride[form]. */
struct activations {
    const uint8_t *rows[ACT_COUNT]; /* NULL: not in this form */
    size_t stride[ACT_COUNT];
    const struct addition *additions; /* what adapters add to the products that read them */
    uint32_t n_additions;
};

/** Rows [first, first + n_rows) of a product's weights times the last p->n of n rows of activations. */
struct product_tile {
    const struct product *p;
    uint32_t n, first, n_rows;
    float *y;        /* of the first column, in p->y or elsewhere */
    size_t y_stride;
    float *sums;     /* cpu_tile_floats() */
};

/** The form of activations that a product of n columns with these weights reads. */
enum act cpu_activations(const struct device *d, const struct weight *w, uint32_t n);
/** Floats of the largest tile of up to n_batch columns, pairs counted twice. */
size_t cpu_tile_floats(uint32_t n_batch);
/** Rows of a task of a product of n columns: a multiple of 8, which fits. */
uint32_t cpu_tile_rows(const struct device *d, const struct weight *w, uint32_t n);
/** Scratch that a thread needs for products of up to n_batch columns: the kernels', then three tiles. */
size_t cpu_matmul_scratch(const struct device *d, uint32_t n_batch);
/** Have the rows [first, n) of x, k wide, in a form. */
void cpu_prepare(struct device *d, struct activations *a, enum act form, const struct operand *x, size_t k,
                 uint32_t first, uint32_t n);
void cpu_product_tile(const struct device *d, const struct product_tile *t, const struct activations *in, void *scratch);
/** All of some products, whose activations are there. */
void cpu_products(struct device *d, const struct product *products, int n_products, const struct activations *in,
                  uint32_t n);
void cpu_matmul(struct device *d, const struct product *products, int n_products, const struct operand *in, uint32_t n);
/** Scratch that a thread needs for products of heads, kernel scratch included. */
size_t cpu_heads_scratch(const struct device *d);
void cpu_head_products(struct device *d, const struct head_product *p, uint32_t n);
void cpu_feed_forward(struct device *d, const struct gated *in, const struct product *down, const struct operand *x,
                      uint32_t n);
/** Bytes of d->middle. */
size_t cpu_feed_forward_middle(const struct device *d, uint32_t n_batch);
void cpu_attention(struct device *d, const struct span *s, uint32_t layer, const struct attention *how, uint32_t n_q,
                   float *out, const struct head_rows *q, const struct head_rows *k, const struct head_rows *v);
/** A tile of w from row `first` on, in the way that is made for n columns; the tile's w, k and rows are filled in. */
void cpu_tile(const struct device *d, const struct weight *w, uint32_t n, uint32_t first, uint32_t n_rows,
              struct matmul_tile *tile);
/** One row of a norm. */
void cpu_norm_row(const struct device *d, float *y, const float *x, const struct norm *how, size_t width);
void cpu_experts(struct device *d, const struct layer *layer, const struct expert_rows *rows, uint32_t n);
/** Work buffers for steps of n_batch tokens, if the network has experts; false if memory is out. d->bytes grows. */
bool cpu_experts_open(struct device *d, uint32_t n_batch);
void cpu_experts_close(struct device *d);
/** Scratch that a thread needs for them, kernel scratch included. */
size_t cpu_experts_scratch(const struct device *d, uint32_t n_batch);
/** Uninitialised memory of the device, counted in d->bytes; NULL if memory is out. */
void *cpu_take(struct device *d, size_t count, size_t size);
/** Scratch that a thread needs for attention, kernel scratch included. */
size_t cpu_attention_scratch(const struct hparams *h);
/** Work buffers for the attention of steps of n_batch tokens; false if memory is out. d->bytes grows. */
bool cpu_attention_open(struct device *d, const struct kv *kv, uint32_t n_batch);
void cpu_attention_close(struct device *d);

/* Adapters: low_rank.c */
bool cpu_adapt(struct device *d, const struct span *s);
void cpu_adapt_close(struct device *d);
void cpu_steer(struct device *d, float *x, const struct span *s, uint32_t layer, uint32_t n);
/** Whether something is added to products with w of some of the last n_out rows of the step. */
bool cpu_adapts(const struct device *d, const struct weight *w);
/** The product of what is there as floats with the narrow matrices that adapters have for some products of the last n_out
 *  of n rows; `in` then says what is to be added. */
void cpu_low_rank(struct device *d, struct activations *in, const struct product *products, int n_products,
                  const struct operand *x, uint32_t n);
/** Add that to a tile of results; t->sums is overwritten. */
void cpu_add_low_rank(const struct device *d, const struct product_tile *t, const struct activations *in,
                      void *scratch);
/** Rows for the floats between the halves of a feed-forward network, act_row_bytes(ACT_F32, n_ff) each. */
uint8_t *cpu_adapted_middle(const struct device *d);
/** Add what adapters make of a token's embedding. */
void cpu_adapt_embedding(const struct device *d, const struct adaptation *how, const struct weight *table, int32_t id,
                         float *y, int thread);
/** What adapters have for a row of the step, or NULL. */
const struct adaptation *cpu_adaptation_of(const struct device *d, uint32_t row);
/** Room for 2 * cpu_low_rank_floats() of each choice of a token. */
float *cpu_low_rank_products(const struct device *d);
/** Floats that all parts of any adaptation of the step need for a row's products with their narrow matrices; 0: the
 *  step has none. */
size_t cpu_low_rank_floats(const struct device *d);
/** ax = those of x, aligned to 64, for w, or for an expert's matrix of it. */
void cpu_low_rank_row(const struct device *d, const struct adaptation *how, const struct weight *w, uint32_t expert,
                      const float *x, float *ax, void *scratch);
/** y[0..n) += what they give, of rows from `first` on; `sums` has room for n floats. */
void cpu_add_low_rank_row(const struct device *d, const struct adaptation *how, const struct weight *w, uint32_t expert,
                          const float *ax, uint32_t first, uint32_t n, float *y, float *sums, void *scratch);

#endif
