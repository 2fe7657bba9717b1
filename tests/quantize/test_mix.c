/* test_mix.c - each mix gives each matrix the type that llama.cpp gives it. */
#include "src/quantize/mix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct {
    int model;
    const char *mix;
    bool weighted;
    const char *types; /* letters: 'A' plus the type's number */
} wanted[] = {
#include "tests/data/quantize/mixes.h"
};

/* As make_mixes.py has them. */
static const struct {
    struct mix_model model;
    uint64_t width, inner;
} models[] = {
    { { 16, 8, 2, 0, false, false, false }, 256, 256 }, { { 17, 2, 2, 0, true, false, false }, 256, 256 },
    { { 3, 4, 2, 0, false, false, false }, 64, 96 },    { { 80, 4, 1, 0, false, false, false }, 256, 256 },
    { { 9, 8, 4, 8, false, false, false }, 256, 256 },  { { 9, 4, 4, 4, false, false, false }, 256, 256 },
    { { 18, 4, 4, 0, false, true, false }, 256, 256 },
};

enum { MOST = 2 + 80 * 7 };
static char names[MOST][48];
static struct tensor tensors[MOST];
static enum dtype types[MOST];

static struct tensor matrix(const char *name, uint64_t width, uint64_t experts)
{
    return (struct tensor){ .name = text_of(name), .type = DTYPE_F32, .n_dims = 3, .ne = { width, 32, experts, 1 } };
}

static struct tensor *add(size_t *n, const char *format, unsigned layer, uint64_t width, uint64_t experts)
{
    assert_true(*n < MOST);
    snprintf(names[*n], sizeof *names, format, layer);
    tensors[*n] = matrix(names[*n], width, experts);
    return &tensors[(*n)++];
}

/* The matrices of a model in the order of mixes.h. */
static size_t make_model(int number)
{
    static const char *const usual[] = { "attn_q",   "attn_k", "attn_v",  "attn_output",
                                         "ffn_gate", "ffn_up", "ffn_down" };
    static const char *const falcon[] = { "attn_qkv", "attn_output", "ffn_up", "ffn_down" };
    const struct mix_model *m = &models[number].model;
    const char *const *parts = m->is_falcon ? falcon : usual;
    size_t n = 0;
    add(&n, "token_embd.weight", 0, models[number].width, 1);
    if (!m->is_tied)
        add(&n, "output.weight", 0, models[number].width, 1);
    for (unsigned layer = 0; layer < m->n_layer; layer++)
        for (int part = 0; part < (m->is_falcon ? 4 : 7); part++) {
            char format[48];
            const bool experts = m->n_expert && !strncmp(parts[part], "ffn_", 4);
            snprintf(format, sizeof format, "blk.%%u.%s%s.weight", parts[part], experts ? "_exps" : "");
            add(&n, format, layer, strcmp(parts[part], "ffn_down") ? models[number].width : models[number].inner,
                experts ? m->n_expert : 1);
        }
    return n;
}

static void matrices_get_the_types_that_llama_cpp_gives(void **unused)
{
    (void)unused;
    for (size_t row = 0; row < sizeof wanted / sizeof *wanted; row++) {
        const struct mix *mix = mix_find(wanted[row].mix);
        const size_t n = make_model(wanted[row].model);
        struct mix_model model = models[wanted[row].model].model;
        model.has_importance = wanted[row].weighted;
        assert_non_null(mix);
        assert_true(mix_plan(types, mix, &model, tensors, n, &mem_default));
        assert_int_equal(strlen(wanted[row].types), n);
        for (size_t i = 0; i < n; i++) {
            const enum dtype want = (enum dtype)(wanted[row].types[i] - 'A');
            if (types[i] != want)
                fail_msg("model %d, %s%s: %s becomes %s, expected %s", wanted[row].model, mix->name,
                         model.has_importance ? " with importance" : "", names[i], dtype_name(types[i]),
                         dtype_name(want));
        }
    }
}

/* What llama.cpp makes without importance needs none; of what it refuses something does. */
static void types_that_are_worthless_without_importance_are_known(void **unused)
{
    (void)unused;
    const size_t n = make_model(0);
    for (size_t m = 0; mix_at(m); m++) {
        const struct mix *mix = mix_at(m);
        bool is_made = !strcmp(mix->name, "f32") || !strcmp(mix->name, "nvfp4") || !strcmp(mix->name, "q2_0");
        bool needs = false;
        for (size_t row = 0; row < sizeof wanted / sizeof *wanted; row++)
            is_made |= wanted[row].model == 0 && !wanted[row].weighted && !strcmp(wanted[row].mix, mix->name);
        assert_true(mix_plan(types, mix, &models[0].model, tensors, n, &mem_default));
        for (size_t i = 0; i < n; i++)
            needs |= mix_needs_importance(mix, &tensors[i], types[i]);
        if (needs == is_made)
            fail_msg("%s %s importance", mix->name, needs ? "needs" : "does not need");
    }
}

static void layers_are_counted_in_their_order_not_the_files(void **unused)
{
    (void)unused;
    const size_t n = make_model(0);
    const struct mix *mix = mix_find("q4_k_m");
    enum dtype reversed[MOST];
    struct tensor backwards[MOST];
    assert_true(mix_plan(types, mix, &models[0].model, tensors, n, &mem_default));
    for (size_t i = 0; i < n; i++)
        backwards[i] = tensors[n - 1 - i];
    assert_true(mix_plan(reversed, mix, &models[0].model, backwards, n, &mem_default));
    for (size_t i = 0; i < n; i++)
        assert_int_equal(reversed[i], types[n - 1 - i]);
}

static enum dtype type_alone(const struct mix *mix, const struct tensor *t)
{
    enum dtype type;
    assert_true(mix_plan(&type, mix, &models[0].model, t, 1, &mem_default));
    return type;
}

static void what_is_no_matrix_stays(void **unused)
{
    (void)unused;
    static const char *const others[] = { "blk.0.attn_norm.weight", "blk.0.ffn_gate_inp.weight", "blk.0.attn_q.bias",
                                          "position_embd.weight", "token_types.weight", "x" };
    for (size_t m = 0; mix_at(m); m++) {
        for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
            const struct tensor t = matrix(others[i], 256, 1);
            assert_int_equal(type_alone(mix_at(m), &t), DTYPE_F32);
        }
        struct tensor vector = matrix("blk.0.attn_q.weight", 256, 1), whole = vector;
        vector.ne[1] = 1;
        whole.type = DTYPE_I32;
        assert_int_equal(type_alone(mix_at(m), &vector), DTYPE_F32);
        assert_int_equal(type_alone(mix_at(m), &whole), DTYPE_I32);
    }
}

static void names_are_found_in_any_case(void **unused)
{
    (void)unused;
    assert_string_equal(mix_find("Q4_K_M")->name, "q4_k_m");
    assert_string_equal(mix_find("Q5_K")->name, "q5_k_m");
    assert_null(mix_find("q4_k_x"));
    assert_null(mix_find(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matrices_get_the_types_that_llama_cpp_gives),
        cmocka_unit_test(types_that_are_worthless_without_importance_are_known),
        cmocka_unit_test(layers_are_counted_in_their_order_not_the_files),
        cmocka_unit_test(what_is_no_matrix_stays),
        cmocka_unit_test(names_are_found_in_any_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
