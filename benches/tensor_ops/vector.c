/* vector.c - what is done to one row of floats: norms, soft-max, activations, gates, sums, rotation. */
#include "benches/tensor_ops/tensor_ops.h"

#include <stdio.h>
#include <string.h>

enum { MAX_N = 65536, HEAD = 128 };

struct vectors {
    const float *a, *b;
    float *y;
};

/* An op on n values; `index` chooses among those of a kind. */
typedef void op_fn(const struct kernels *k, const struct vectors *v, size_t n, int index);

struct op {
    const char *name;
    op_fn *fn;
    int index;
    size_t offset;  /* of its entry in the table */
    double vectors; /* read and written */
};

struct op_case {
    const struct kernels *k; /* set by bench_add_levels */
    const struct op *op;
    size_t n;
};

static void op_dot(const struct kernels *k, const struct vectors *v, size_t n, int index)
{
    (void)index;
    v->y[0] = k->dot(v->a, v->b, n);
}
static void op_add(const struct kernels *k, const struct vectors *v, size_t n, int index)
{
    (void)index;
    k->add(v->y, v->a, v->b, n);
}
static void op_mul(const struct kernels *k, const struct vectors *v, size_t n, int index)
{
    (void)index;
    k->mul(v->y, v->a, v->b, n);
}
static void op_scale(const struct kernels *k, const struct vectors *v, size_t n, int index)
{
    (void)index;
    k->scale(v->y, v->a, 0.5f, n);
}
static void op_rms_norm(const struct kernels *k, const struct vectors *v, size_t n, int index)
{
    (void)index;
    k->rms_norm(v->y, v->a, v->b, n, 1e-6f);
}
static void op_layer_norm(const struct kernels *k, const struct vectors *v, size_t n, int index)
{
    (void)index;
    k->layer_norm(v->y, v->a, v->b, v->b, n, 1e-6f);
}
static void op_softmax(const struct kernels *k, const struct vectors *v, size_t n, int index)
{
    (void)index;
    memcpy(v->y, v->a, n * sizeof *v->y); /* in place, so from the same values each time */
    k->softmax(v->y, n);
}
static void op_activate(const struct kernels *k, const struct vectors *v, size_t n, int index)
{
    k->activate[index](v->y, v->a, n);
}
static void op_gate(const struct kernels *k, const struct vectors *v, size_t n, int index)
{
    k->gate[index](v->y, v->a, v->b, n);
}
static void op_rope(const struct kernels *k, const struct vectors *v, size_t n, int halves)
{
    for (size_t i = 0; i < n; i += HEAD) /* every head by the same angles, here of no turn: values stay as they are */
        (halves ? k->rope_halves : k->rope_pairs)(v->y + i, v->b, v->a, HEAD);
}

#define OP(name, fn, index, entry, vectors) { name, fn, index, offsetof(struct kernels, entry), vectors }
static const struct op ops[] = {
    OP("dot", op_dot, 0, dot, 2),
    OP("add", op_add, 0, add, 3),
    OP("mul", op_mul, 0, mul, 3),
    OP("scale", op_scale, 0, scale, 2),
    OP("relu", op_activate, ACTIVATION_RELU, activate[ACTIVATION_RELU], 2),
    OP("relu2", op_activate, ACTIVATION_RELU2, activate[ACTIVATION_RELU2], 2),
    OP("gelu", op_activate, ACTIVATION_GELU, activate[ACTIVATION_GELU], 2),
    OP("gelu_tanh", op_activate, ACTIVATION_GELU_TANH, activate[ACTIVATION_GELU_TANH], 2),
    OP("silu", op_activate, ACTIVATION_SILU, activate[ACTIVATION_SILU], 2),
    OP("gate_relu", op_gate, ACTIVATION_RELU, gate[ACTIVATION_RELU], 3),
    OP("gate_relu2", op_gate, ACTIVATION_RELU2, gate[ACTIVATION_RELU2], 3),
    OP("gate_gelu", op_gate, ACTIVATION_GELU, gate[ACTIVATION_GELU], 3),
    OP("gate_gelu_tanh", op_gate, ACTIVATION_GELU_TANH, gate[ACTIVATION_GELU_TANH], 3),
    OP("gate_silu", op_gate, ACTIVATION_SILU, gate[ACTIVATION_SILU], 3),
    OP("softmax", op_softmax, 0, softmax, 2),
    OP("rms_norm", op_rms_norm, 0, rms_norm, 3),
    OP("layer_norm", op_layer_norm, 0, layer_norm, 4),
    OP("rope_pairs", op_rope, false, rope_pairs, 2),
    OP("rope_halves", op_rope, true, rope_halves, 2),
};
#undef OP

static void run_op(struct bench *b, const void *arg)
{
    static struct vectors v;
    static float *angles;
    const struct op_case *c = arg;
    if (!v.y) {
        float *const x = bench_memory(2 * MAX_N * sizeof *x);
        bench_fill(x, (size_t)2 * MAX_N);
        angles = bench_memory(HEAD * sizeof *angles);
        for (int i = 0; i < HEAD / 2; i++)
            angles[i] = 1; /* cosines; the sines behind them are 0 */
        v = (struct vectors){ x, x + MAX_N, bench_memory(MAX_N * sizeof(float)) };
    }
    const struct vectors rotation = { angles + HEAD / 2, angles, v.y };
    const struct vectors *const used = c->op->fn == op_rope ? &rotation : &v;
    bench_one_thread(b);
    while (bench_next(b))
        c->op->fn(c->k, used, c->n, c->op->index);
    bench_bytes(b, c->op->vectors * (double)c->n * sizeof(float), 0);
}

void add_vector(void)
{
    static const size_t sizes[] = { 256, 4096, MAX_N };
    char name[64];
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            struct op_case c = { NULL, &ops[i], sizes[s] };
            snprintf(name, sizeof name, "%s/f32/%zu", ops[i].name, sizes[s]);
            bench_add_levels(name, ops[i].offset, CPU_SCALAR, run_op, &c, sizeof c);
        }
}
