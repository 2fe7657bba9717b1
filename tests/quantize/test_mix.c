/* test_mix.c - each mix gives each matrix the type that llama.cpp gives it. */
#include "src/quantize/mix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct {
    int model;
    const char *mix, *types; /* letters: 'A' plus the type's number */
} wanted[] = {
#include "tests/data/quantize/mixes.h"
};

/* As make_mixes.py has them. */
static const struct {
    struct mix_model model;
    uint64_t width, inner;
} models[] = {
    { { 16, 8, 2, 0, false }, 256, 256 }, { { 17, 2, 2, 0, true }, 256, 256 }, { { 3, 4, 2, 0, false }, 64, 96 },
    { { 80, 4, 1, 0, false }, 256, 256 }, { { 9, 8, 4, 8, false }, 256, 256 },
};

static struct tensor matrix(const char *name, uint64_t width, uint64_t experts)
{
    return (struct tensor){ .name = text_of(name), .type = DTYPE_F32, .n_dims = 3, .ne = { width, 32, experts, 1 } };
}

/* Matrix i in the order of mixes.h. */
static struct tensor matrix_at(int model, int i, char *name, size_t size)
{
    static const char *const parts[] = { "attn_k", "attn_v", "attn_output", "ffn_down" };
    const struct mix_model *m = &models[model].model;
    const int first = m->is_tied ? 1 : 2;
    if (i < first)
        return matrix(i ? "output.weight" : "token_embd.weight", models[model].width, 1);
    const int part = (i - first) % 4;
    const bool is_down = part == 3, has_experts = is_down && m->n_expert;
    snprintf(name, size, "blk.%d.%s%s.weight", (i - first) / 4, parts[part], has_experts ? "_exps" : "");
    return matrix(name, is_down ? models[model].inner : models[model].width, has_experts ? m->n_expert : 1);
}

static void matrices_get_the_types_that_llama_cpp_gives(void **unused)
{
    (void)unused;
    for (size_t row = 0; row < sizeof wanted / sizeof *wanted; row++) {
        const struct mix *mix = mix_find(wanted[row].mix);
        assert_non_null(mix);
        for (int i = 0; wanted[row].types[i]; i++) {
            char name[64];
            const struct tensor t = matrix_at(wanted[row].model, i, name, sizeof name);
            const enum dtype got = mix_choose(mix, &models[wanted[row].model].model, &t);
            const enum dtype want = (enum dtype)(wanted[row].types[i] - 'A');
            if (got != want)
                fail_msg("model %d, %s: %s becomes %s, expected %s", wanted[row].model, mix->name, t.name.p,
                         dtype_name(got), dtype_name(want));
        }
    }
}

static void what_is_no_matrix_stays(void **unused)
{
    (void)unused;
    static const char *const names[] = { "blk.0.attn_norm.weight", "blk.0.ffn_gate_inp.weight", "blk.0.attn_q.bias",
                                         "position_embd.weight", "token_types.weight", "x" };
    for (size_t m = 0; mix_at(m); m++) {
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            const struct tensor t = matrix(names[i], 256, 1);
            assert_int_equal(mix_choose(mix_at(m), &models[0].model, &t), DTYPE_F32);
        }
        struct tensor vector = matrix("blk.0.attn_q.weight", 256, 1), whole = vector;
        vector.ne[1] = 1;
        whole.type = DTYPE_I32;
        assert_int_equal(mix_choose(mix_at(m), &models[0].model, &vector), DTYPE_F32);
        assert_int_equal(mix_choose(mix_at(m), &models[0].model, &whole), DTYPE_I32);
    }
}

static void names_are_found_in_any_case(void **unused)
{
    (void)unused;
    assert_string_equal(mix_find("Q4_K_M")->name, "q4_k_m");
    assert_null(mix_find("q4_k_x"));
    assert_null(mix_find(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matrices_get_the_types_that_llama_cpp_gives),
        cmocka_unit_test(what_is_no_matrix_stays),
        cmocka_unit_test(names_are_found_in_any_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
