/* test_quantize.c - quantised rows: no more is lost than by llama.cpp, and every input has a defined result. */
#include "kernels/kernels.h"
#include "src/base/memory.h"
#include "src/formats/formats.h"
#include "src/quantize/quantize.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROW = 512, ROWS = 128 };
enum data { GAUSSIAN, TRAINED, N_DATA };

static const struct {
    enum dtype type;
    enum data data;
    double error[2];
} llama_cpp[] = {
#include "tests/data/quantize/errors.h"
};

static struct kernels kernels;
static struct quantizer *quantizers[DTYPE_COUNT];
static float *data[N_DATA];
static size_t n_data[N_DATA];
static float importance[ROW];

/* As make.py has them. */
static uint64_t state;
static uint64_t uniform(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> 44;
}

static void make_gaussian(void)
{
    n_data[GAUSSIAN] = ROW * ROWS;
    data[GAUSSIAN] = calloc(n_data[GAUSSIAN], sizeof(float));
    assert_non_null(data[GAUSSIAN]);
    state = 1;
    for (size_t i = 0; i < n_data[GAUSSIAN]; i++) {
        int64_t sum = -6 * (1 << 20);
        for (int k = 0; k < 12; k++)
            sum += (int64_t)uniform();
        data[GAUSSIAN][i] = (float)sum * 0x1p-20f;
    }
}

static void make_trained(void)
{
    static const char *const names[] = { "model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight",
                                         "model.layers.2.mlp.down_proj.weight" };
    infer_error err = { 0 };
    struct weights *w = weights_open(&mem_default, "tests/data/default-model", &err);
    if (!w)
        fail_msg("%s", err.message);
    const size_t part = ROW * ROWS / 2;
    n_data[TRAINED] = 3 * part;
    data[TRAINED] = calloc(n_data[TRAINED], sizeof(float));
    assert_non_null(data[TRAINED]);
    for (int i = 0; i < 3; i++) {
        const struct tensor *t = weights_tensor(w, text_of(names[i]));
        assert_non_null(t);
        assert_int_equal(t->type, DTYPE_BF16);
        assert_true(t->bytes >= 2 * part);
        kernels.dequantize[t->type](data[TRAINED] + (size_t)i * part, t->data, part);
    }
    weights_close(&w);
}

static int set_up(void **unused)
{
    (void)unused;
    kernels_init(&kernels, cpu_detect());
    for (enum dtype type = 0; type < DTYPE_COUNT; type++)
        if (quantize_has(type))
            assert_non_null(quantizers[type] = quantizer_open(&mem_default, &kernels, type, NULL));
    make_gaussian();
    make_trained();
    state = 1;
    for (int i = 0; i < ROW; i++) {
        const double u = (double)uniform() * 0x1p-20;
        importance[i] = (float)(u * u * u * u + 0x1p-10);
    }
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    for (enum dtype type = 0; type < DTYPE_COUNT; type++)
        quantizer_close(&quantizers[type]);
    for (int i = 0; i < N_DATA; i++)
        free(data[i]);
    return 0;
}

/* A row there and back. False if it was refused. */
static bool round_trip(enum dtype type, float *y, const float *x, size_t n, const float *weights)
{
    static uint8_t blocks[4 * ROW];
    uint64_t bytes;
    assert_true(dtype_row_bytes(type, n, &bytes) && bytes <= sizeof blocks);
    if (!quantize_row(quantizers[type], blocks, x, n, weights))
        return false;
    kernels.dequantize[type](y, blocks, n);
    return true;
}

/* sqrt(sum w (x - y)^2 / sum w x^2), quantised with `given` and counted with `counted`; NULL: all 1. */
static double error_of(enum dtype type, enum data which, const float *given, const float *counted)
{
    double lost = 0, all = 0;
    for (size_t row = 0; row < n_data[which]; row += ROW) {
        const float *x = data[which] + row;
        float y[ROW];
        assert_true(round_trip(type, y, x, ROW, given));
        for (int i = 0; i < ROW; i++) {
            const double w = counted ? counted[i] : 1, difference = (double)x[i] - y[i];
            lost += w * difference * difference;
            all += w * x[i] * x[i];
        }
    }
    return sqrt(lost / all);
}

static void no_more_is_lost_than_by_llama_cpp(void **unused)
{
    (void)unused;
    bool good = true;
    for (size_t i = 0; i < sizeof llama_cpp / sizeof *llama_cpp; i++)
        for (int weighted = 0; weighted < 2; weighted++) {
            const float *w = weighted ? importance : NULL;
            const double error = error_of(llama_cpp[i].type, llama_cpp[i].data, w, w);
            const double theirs = llama_cpp[i].error[weighted];
            const bool worse = !(error <= theirs * 1.00001);
            print_message("%-7s %-9s%-9s %.6f, llama.cpp %.6f: %.3f%s\n", dtype_name(llama_cpp[i].type),
                          llama_cpp[i].data == TRAINED ? "trained" : "gaussian", weighted ? " weighted" : "", error,
                          theirs, error / theirs, worse ? "  WORSE" : "");
            good = good && !worse;
        }
    assert_true(good);
}

static void importance_lowers_the_error_where_it_counts(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof llama_cpp / sizeof *llama_cpp; i++) {
        const enum dtype type = llama_cpp[i].type;
        if (type == DTYPE_MXFP4) /* powers of two leave little to choose */
            continue;
        const double with = error_of(type, llama_cpp[i].data, importance, importance);
        const double without = error_of(type, llama_cpp[i].data, NULL, importance);
        if (!(with < 0.999 * without))
            fail_msg("%s: %g with importance, %g without", dtype_name(type), with, without);
    }
}

/* Every type made, F32 and those of 16 bits included. */
#define FOR_TYPES(type) \
    for (enum dtype type = 0; type < DTYPE_COUNT; type++) \
        if (dtype_info(type) && quantize_has(type))

static void zeros_stay_zeros(void **unused)
{
    (void)unused;
    const float x[ROW] = { 0 }, no_importance[ROW] = { 0 };
    FOR_TYPES(type)
        for (int weighted = 0; weighted < 2; weighted++) {
            float y[ROW];
            assert_true(round_trip(type, y, x, ROW, weighted ? no_importance : NULL));
            for (int i = 0; i < ROW; i++)
                assert_true(y[i] == 0);
        }
}

/* Powers of two alone are off by up to a fifth, eight steps an octave with levels of their own by a 25th; of 0.01 the
 * scale of iq4_xs is so small that an f16 says it to 1 %. */
static void a_constant_row_is_kept(void **unused)
{
    (void)unused;
    static const float sizes[] = { 0.01f, 1, 3, 2000, 60000 };
    FOR_TYPES(type)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            for (int sign = -1; sign <= 1; sign += 2) {
                float x[ROW], y[ROW];
                for (int i = 0; i < ROW; i++)
                    x[i] = (float)sign * sizes[s];
                const bool fits = type != DTYPE_NVFP4 || sizes[s] < 3000; /* 6 times 448 */
                assert_int_equal(round_trip(type, y, x, ROW, NULL), fits);
                const float bound = sizes[s] * (type == DTYPE_MXFP4 ? 0.2f : type == DTYPE_NVFP4 ? 0.04f : 0.012f);
                for (int i = 0; i < ROW && fits; i++)
                    if (!(fabsf(y[i] - x[i]) <= bound))
                        fail_msg("%s: %g became %g", dtype_name(type), (double)x[i], (double)y[i]);
            }
}

static bool can_say_zero(enum dtype type)
{
    return type != DTYPE_Q1_0 && !(type >= DTYPE_IQ2_XXS && type <= DTYPE_IQ1_S) && type != DTYPE_IQ3_S &&
           type != DTYPE_IQ2_S && type != DTYPE_IQ1_M;
}

/* One value among zeros: all that is needed is one code and a scale. */
static void a_lone_value_is_kept(void **unused)
{
    (void)unused;
    FOR_TYPES(type) {
        if (!can_say_zero(type))
            continue;
        for (int at = 0; at < ROW; at += 7)
            for (int sign = -1; sign <= 1; sign += 2) {
                float x[ROW] = { 0 }, y[ROW];
                x[at] = (float)sign * 0.75f;
                assert_true(round_trip(type, y, x, ROW, NULL));
                for (int i = 0; i < ROW; i++)
                    if (!(fabsf(y[i] - x[i]) <= 0.01f))
                        fail_msg("%s: value %d of %g became %g", dtype_name(type), i, (double)x[i], (double)y[i]);
            }
    }
}

static void tiny_values_become_small_ones(void **unused)
{
    (void)unused;
    static const float sizes[] = { 1e-7f, 1e-12f, 1e-30f, 1e-38f, 1e-45f };
    FOR_TYPES(type)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            float x[ROW], y[ROW];
            for (int i = 0; i < ROW; i++)
                x[i] = data[GAUSSIAN][i] * sizes[s];
            assert_true(round_trip(type, y, x, ROW, NULL));
            for (int i = 0; i < ROW; i++)
                assert_true(fabsf(y[i]) < 1e-5f);
        }
}

static void values_that_do_not_fit_are_refused(void **unused)
{
    (void)unused;
    const float bad[] = { INFINITY, -INFINITY, NAN };
    FOR_TYPES(type) {
        float x[ROW], y[ROW];
        for (size_t b = 0; b < 3; b++)
            for (int at = 0; at < ROW; at += 73) {
                memcpy(x, data[GAUSSIAN], sizeof x);
                x[at] = bad[b];
                assert_false(round_trip(type, y, x, ROW, NULL));
            }
        memcpy(x, data[GAUSSIAN], sizeof x);
        x[77] = 1e35f; /* far above what a scale of 16 bits reaches, but fine where exponents have 8 bits */
        const bool wide = type == DTYPE_F32 || type == DTYPE_BF16 || type == DTYPE_MXFP4;
        if (round_trip(type, y, x, ROW, NULL) != wide)
            fail_msg("%s: 1e35 is %s", dtype_name(type), wide ? "refused" : "taken");
    }
}

/* An f16 goes up to 65504: with the outermost code that is about what these sizes need. */
static void values_that_need_the_largest_scale_are_kept(void **unused)
{
    (void)unused;
    static const struct {
        enum dtype type;
        float size;
    } cases[] = { { DTYPE_Q4_0, 510e3f }, { DTYPE_Q5_0, 1030e3f }, { DTYPE_Q8_0, 8.3e6f } };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (int sign = -1; sign <= 1; sign += 2) {
            float x[ROW], y[ROW];
            for (int i = 0; i < ROW; i++)
                x[i] = i % 32 ? 0 : (float)sign * cases[c].size;
            if (!round_trip(cases[c].type, y, x, ROW, NULL))
                fail_msg("%s: %g is refused", dtype_name(cases[c].type), (double)x[0]);
            assert_true(fabsf(y[0] - x[0]) <= 0.02f * cases[c].size);
        }
}

static void every_instruction_set_writes_the_same_bytes(void **unused)
{
    (void)unused;
    static uint8_t want[4 * ROW], got[4 * ROW];
    FOR_TYPES(type)
        for (int level = CPU_SCALAR; level <= (int)cpu_detect(); level++) {
            struct kernels k;
            kernels_init(&k, (enum cpu_level)level);
            struct quantizer *q = quantizer_open(&mem_default, &k, type, NULL);
            assert_non_null(q);
            for (int row = 0; row < 8; row++) {
                const float *x = data[row % N_DATA] + row * ROW, *weights = row % 3 ? NULL : importance;
                memset(want, 0, sizeof want);
                memset(got, 0, sizeof got);
                assert_true(quantize_row(quantizers[type], want, x, ROW, weights));
                assert_true(quantize_row(q, got, x, ROW, weights));
                if (memcmp(got, want, sizeof got) != 0)
                    fail_msg("%s: %s writes other bytes", dtype_name(type), cpu_level_name((enum cpu_level)level));
            }
            quantizer_close(&q);
        }
}

static void other_types_and_parts_of_blocks_are_refused(void **unused)
{
    (void)unused;
    const float x[256] = { 0 };
    uint8_t blocks[1024];
    static const enum dtype others[] = { DTYPE_Q8_1, DTYPE_Q8_K, DTYPE_I8, DTYPE_F64, DTYPE_COUNT };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        infer_error err = { 0 };
        assert_false(quantize_has(others[i]));
        assert_null(quantizer_open(&mem_default, &kernels, others[i], &err));
        assert_int_equal(err.code, INFER_E_ARGUMENT);
    }
    assert_false(quantize_row(quantizers[DTYPE_Q4_0], blocks, x, 33, NULL));
    assert_false(quantize_row(quantizers[DTYPE_Q4_K], blocks, x, 32, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_more_is_lost_than_by_llama_cpp),
        cmocka_unit_test(importance_lowers_the_error_where_it_counts),
        cmocka_unit_test(zeros_stay_zeros),
        cmocka_unit_test(a_constant_row_is_kept),
        cmocka_unit_test(a_lone_value_is_kept),
        cmocka_unit_test(tiny_values_become_small_ones),
        cmocka_unit_test(values_that_do_not_fit_are_refused),
        cmocka_unit_test(values_that_need_the_largest_scale_are_kept),
        cmocka_unit_test(every_instruction_set_writes_the_same_bytes),
        cmocka_unit_test(other_types_and_parts_of_blocks_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
