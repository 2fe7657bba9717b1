/* feed_forward.c - two products side by side, what their activation gives, and the product that reads it.
 *
 * A task computes the same rows of both, multiplies them and brings the result into the form that the last product
 * reads while it is in the cache: so it is nowhere kept as floats, and no job lies between those of the products. */
#include "src/engine/cpu/cpu.h"

enum { PIECE = 32 }; /* rows of a task are a multiple: activations are brought into a form in blocks of so many */

struct middle_job {
    const struct device *d;
    const struct gated *gated;
    const struct activations *in;
    enum act form; /* of what is made */
    uint8_t *to;
    size_t stride;
    uint8_t *floats; /* the same as floats, for adapters of the last product; or NULL */
    uint32_t n, n_out, tile_rows;
};

size_t cpu_feed_forward_middle(const struct device *d, uint32_t n_batch)
{
    size_t most = 0;
    for (uint32_t l = 0; l < d->net->h.n_layer; l++) {
        const struct weight *down = &d->net->layers[l].w[FFN_DOWN];
        const size_t few = down->data ? act_row_bytes(cpu_activations(d, down, 1), down->k) : 0;
        const size_t many = down->data ? act_row_bytes(cpu_activations(d, down, n_batch), down->k) : 0;
        const size_t bytes = few > many ? few : many;
        most = bytes > most ? bytes : most;
    }
    return most;
}

/* y (n_out, rows) = rows of a product, one column behind the other. */
static void multiply(const struct middle_job *job, const struct weight *w, const struct weight *bias, uint32_t first,
                     uint32_t rows, float *y, void *scratch, float *sums)
{
    const struct product product = { .w = w, .bias = bias, .n = job->n_out };
    const struct product_tile tile = {
        .p = &product, .n = job->n, .first = first, .n_rows = rows, .y = y, .y_stride = rows, .sums = sums,
    };
    cpu_product_tile(job->d, &tile, job->in, scratch);
}

static void middle_task(void *arg, int task, int thread)
{
    const struct middle_job *job = arg;
    const struct kernels *k = job->d->k;
    const struct gated *in = job->gated;
    const uint32_t n_ff = in->up->rows, first = (uint32_t)task * job->tile_rows;
    const uint32_t rows = n_ff - first < job->tile_rows ? n_ff - first : job->tile_rows;
    uint8_t *const scratch = cpu_scratch(job->d, thread);
    const size_t most = cpu_tile_floats(job->n);
    float *const g = (float *)(scratch + KERNEL_SCRATCH_BYTES), *const u = g + most, *const sums = u + most;
    multiply(job, in->up, in->up_bias, first, rows, u, scratch, sums);
    if (in->gate->data) {
        multiply(job, in->gate, in->gate_bias, first, rows, g, scratch, sums);
        k->gate[in->act](g, g, u, (size_t)rows * job->n_out);
    } else {
        k->activate[in->act](g, u, (size_t)rows * job->n_out);
    }
    const size_t skipped = job->n - job->n_out, floats_stride = act_row_bytes(ACT_F32, n_ff);
    uint8_t *to = job->to + skipped * job->stride;
    for (uint32_t c = 0; c < job->n_out; c++, to += job->stride)
        k->prepare[job->form](to, g + (size_t)c * rows, n_ff, first, rows);
    for (uint32_t c = 0; c < job->n_out && job->floats; c++)
        k->prepare[ACT_F32](job->floats + (skipped + c) * floats_stride, g + (size_t)c * rows, n_ff, first, rows);
}

/* Rows of a task: as many of each matrix as a product by itself would take, for with a change from one to the other
 * every 70 KB fewer bytes a second came from memory. */
static uint32_t middle_rows(const struct device *d, const struct gated *in, uint32_t n)
{
    const uint32_t up = cpu_tile_rows(d, in->up, n), gate = in->gate->data ? cpu_tile_rows(d, in->gate, n) : up;
    return (uint32_t)round_up(gate < up ? gate : up, PIECE);
}

void cpu_feed_forward(struct device *d, const struct gated *in, const struct product *down, const struct operand *x,
                      uint32_t n)
{
    struct activations a = { 0 }, middle = { 0 };
    const uint32_t n_out = down->n, first = n - n_out;
    if (!n_out)
        return;
    const struct weight *const w[] = { in->up, in->gate };
    uint64_t ns = 0;
    for (int i = 0; i < (in->gate->data ? 2 : 1); i++) {
        cpu_prepare(d, &a, cpu_activations(d, w[i], n), x, w[i]->k, first, n);
        ns += w[i]->rows * cpu_work_ns(w[i]->stride, n_out * (uint64_t)w[i]->k);
    }
    const struct product halves[] = { { .w = in->up, .n = n_out }, { .w = in->gate, .n = n_out } };
    cpu_low_rank(d, &a, halves, in->gate->data ? 2 : 1, x, n);
    const enum act form = cpu_activations(d, down->w, n);
    middle.rows[form] = d->middle;
    middle.stride[form] = act_row_bytes(form, down->w->k);
    struct middle_job job = {
        .d = d, .gated = in, .in = &a, .form = form, .to = d->middle, .stride = middle.stride[form], .n = n,
        .n_out = n_out, .tile_rows = middle_rows(d, in, n),
    };
    if (cpu_adapts(d, down->w) && form != ACT_F32) {
        middle.rows[ACT_F32] = job.floats = cpu_adapted_middle(d);
        middle.stride[ACT_F32] = act_row_bytes(ACT_F32, down->w->k);
    }
    cpu_run(d, ns, tasks_of(in->up->rows, job.tile_rows), middle_task, &job);
    cpu_low_rank(d, &middle, down, 1, NULL, n);
    cpu_products(d, down, 1, &middle, n);
}
