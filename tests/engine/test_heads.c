/* test_heads.c - products of each head with a matrix of its own against plain sums in double: matrices as they are and
 * transposed, of several types, for few rows and many. */
#include "src/engine/cpu/cpu.h"
#include "tests/reference/reference.h"
#include "tools/common/random_blocks.h"

#include <string.h>

enum { HEADS = 3, IN = 64, OUT = 96, REST = 5, X_WIDTH = IN + REST, Y_WIDTH = OUT + REST, MOST = 150 };

static uint64_t seed = 1;

struct rig {
    infer_context *c;
    struct layer layer;
    struct network net;
    struct device d;
    uint8_t *data;
    float *plain; /* (HEADS, rows as they stand, values) */
    const void *stack[HEADS];
    float x[MOST * HEADS * X_WIDTH], y[MOST * HEADS * Y_WIDTH];
};

/* A matrix for each head, in memory with a gap behind each, as if other rows stood there. */
static struct rig *open_rig(const char *cpu, int n_threads, enum dtype type, bool transposed, enum precision precision)
{
    struct rig *r = calloc(1, sizeof *r);
    const uint32_t k = transposed ? OUT : IN, rows = transposed ? IN : OUT;
    uint64_t stride;
    infer_context_options o = infer_context_defaults();
    o.cpu = cpu;
    o.n_threads = n_threads;
    r->c = infer_context_open(&o, NULL);
    if (!r->c) {
        free(r);
        return NULL; /* this machine has no such instruction set */
    }
    assert_true(dtype_row_bytes(type, k, &stride));
    const size_t blocks = (size_t)HEADS * (rows + 2) * k / dtype_info(type)->block;
    r->data = malloc(HEADS * (rows + 2) * stride);
    r->plain = malloc(blocks * dtype_info(type)->block * sizeof *r->plain);
    seed = 1;
    random_blocks(&seed, r->data, blocks, type, random_blocks_scale(&seed, &r->c->kernels, type, 0.125f));
    r->c->kernels.dequantize[type](r->plain, r->data, blocks * dtype_info(type)->block);
    for (uint32_t h = 0; h < HEADS; h++)
        r->stack[h] = r->data + h * (rows + 2) * stride;
    for (size_t i = 0; i < sizeof r->x / sizeof *r->x; i++)
        r->x[i] = random_uniform(&seed);
    r->layer.w[ATTN_K_B] = (struct weight){ .data = r->data,
                                            .stack = r->stack,
                                            .n_stack = HEADS,
                                            .type = type,
                                            .rows = OUT,
                                            .k = IN,
                                            .stride = stride,
                                            .transposed = transposed };
    r->net.h.n_layer = 1;
    r->net.layers = &r->layer;
    r->d = (struct device){ .pool = r->c->pool, .k = &r->c->kernels, .net = &r->net, .precision = precision };
    r->d.scratch_bytes = round_up(cpu_heads_scratch(&r->d), CACHE_LINE);
    r->d.scratch = aligned_alloc(CACHE_LINE, r->d.scratch_bytes * (size_t)n_threads);
    return r;
}

static void close_rig(struct rig *r)
{
    free(r->d.scratch);
    free(r->data);
    free(r->plain);
    infer_context_close(&r->c);
    free(r);
}

/* The last n_wanted of n rows. */
static void multiply(struct rig *r, uint32_t n, uint32_t n_wanted)
{
    const struct head_product p = { &r->layer.w[ATTN_K_B],
                                    r->x + (n - n_wanted) * HEADS * X_WIDTH,
                                    r->y + (n - n_wanted) * HEADS * Y_WIDTH,
                                    X_WIDTH,
                                    Y_WIDTH,
                                    n_wanted };
    memset(r->y, 0xff, sizeof r->y);
    cpu_head_products(&r->d, &p, n);
}

static double plain_product(const struct rig *r, const float *x, uint32_t head, uint32_t row)
{
    const bool t = r->layer.w[ATTN_K_B].transposed;
    const float *w = r->plain + (size_t)head * ((t ? IN : OUT) + 2) * (t ? OUT : IN);
    double sum = 0;
    for (uint32_t i = 0; i < IN; i++)
        sum += (double)x[i] * (double)(t ? w[i * OUT + row] : w[row * IN + i]);
    return sum;
}

static void check_rows(const struct rig *r, uint32_t n, double allowed)
{
    for (uint32_t i = 0; i < n * HEADS; i++) {
        const float *x = r->x + i * X_WIDTH, *y = r->y + i * Y_WIDTH;
        for (uint32_t row = 0; row < OUT; row++) {
            const double want = plain_product(r, x, i % HEADS, row);
            if (!(fabs((double)y[row] - want) <= allowed))
                fail_msg("%s, %u rows: row %u of head %u is %g, expected %g", r->c->kernels.name, n, row, i % HEADS,
                         (double)y[row], want);
        }
        assert_memory_equal(y + OUT, x + IN, REST * sizeof *x);
    }
}

static const enum dtype types[] = { DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_Q8_0, DTYPE_Q4_0 };
enum { N_TYPES = sizeof types / sizeof *types };

static void each_head_is_multiplied_with_its_matrix(void **state)
{
    (void)state;
    static const uint32_t rows[] = { 1, 3, 64, MOST };
    for (int level = 0; level < CPU_LEVELS; level++)
        for (int i = 0; i < 2 * N_TYPES; i++) {
            struct rig *r = open_rig(cpu_level_name((enum cpu_level)level), 2, types[i / 2], i % 2, PRECISION_EXACT);
            for (size_t j = 0; r && j < sizeof rows / sizeof *rows; j++) {
                multiply(r, rows[j], rows[j]);
                check_rows(r, rows[j], 1e-4);
            }
            if (r)
                close_rig(r);
        }
}

static void results_depend_neither_on_the_threads_nor_on_how_many_rows_are_wanted(void **state)
{
    (void)state;
    static float all[MOST * HEADS * Y_WIDTH];
    for (int i = 0; i < 2 * N_TYPES; i++)
        for (int n_threads = 1; n_threads <= 3; n_threads++) {
            struct rig *r = open_rig(NULL, n_threads, types[i / 2], i % 2, PRECISION_FAST);
            multiply(r, MOST, MOST);
            if (n_threads == 1)
                memcpy(all, r->y, sizeof all);
            assert_memory_equal(r->y, all, sizeof all);
            multiply(r, MOST, 1);
            const size_t last = (size_t)(MOST - 1) * HEADS * Y_WIDTH;
            assert_memory_equal(r->y + last, all + last, HEADS * Y_WIDTH * sizeof *all);
            assert_true(isnan(r->y[last - 1])); /* nothing else was written */
            multiply(r, MOST, 0);
            close_rig(r);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_head_is_multiplied_with_its_matrix),
        cmocka_unit_test(results_depend_neither_on_the_threads_nor_on_how_many_rows_are_wanted),
    };
    return cmocka_run_group_tests_name("products of heads", tests, NULL, NULL);
}
