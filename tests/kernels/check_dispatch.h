/* check_dispatch.h - levels and their names, complete tables, the layout of activations. */
#ifndef TESTS_KERNELS_CHECK_DISPATCH_H
#define TESTS_KERNELS_CHECK_DISPATCH_H

#include "tests/kernels/weights.h"

static void every_level_is_found_by_its_name(void **state)
{
    (void)state;
    for (int level = 0; level < CPU_LEVELS; level++)
        assert_int_equal(cpu_level_find(cpu_level_name((enum cpu_level)level)), level);
    assert_int_equal(cpu_level_find("avx"), -1);
    assert_int_equal(cpu_level_find(""), -1);
    assert_string_equal(cpu_level_name(CPU_LEVELS), "unknown");
    for (int level = 0; level < CPU_LEVELS; level++)
        assert_true(strstr(cpu_level_list, cpu_level_name((enum cpu_level)level)) != NULL);
}

static void a_level_above_the_machine_gives_the_machines_own(void **state)
{
    (void)state;
    struct kernels k;
    kernels_init(&k, (enum cpu_level)(CPU_LEVELS - 1));
    assert_string_equal(k.name, cpu_level_name(cpu_detect()));
    kernels_init(&k, CPU_SCALAR);
    assert_string_equal(k.name, "scalar");
}

#if defined(__x86_64__)
static void features_belong_to_a_level_the_machine_has(void **state)
{
    (void)state;
    const struct cpu_features f = cpu_features();
    if (cpu_detect() < CPU_AVX512)
        assert_false(f.avx512_vnni || f.avx512_bf16 || f.avx512_vbmi);
    if (cpu_detect() < CPU_AVX2)
        assert_false(f.avx_vnni);
}
#endif

static void every_table_is_complete(void **state)
{
    (void)state;
    for (int level = 0; level < CPU_LEVELS && tables[level].name; level++) {
        const struct kernels *const k = &tables[level];
        for (int t = 0; t < N_WEIGHT_TYPES; t++) {
            const enum dtype dtype = weight_types[t].dtype;
            assert_non_null(k->dequantize[dtype]);
            for (int p = 0; p < PRECISION_COUNT && !weight_types[t].no_product; p++) {
                const struct way *const way = k->matmul[p][dtype].way;
                assert_true(way[0].fn && way[0].from == 1 && way[0].act < ACT_Q8_PAIR);
                for (int i = 1; i < MATMUL_WAYS && way[i].fn; i++)
                    assert_true(way[i - 1].fn && way[i].from > way[i - 1].from && way[i].act < ACT_Q8_PAIR);
            }
        }
        for (int i = 0; i < ACT_COUNT; i++)
            assert_non_null(k->prepare[i]);
        for (int i = 0; i < ACTIVATION_COUNT; i++)
            assert_true(k->activate[i] && k->gate[i]);
        assert_true(k->rms_norm && k->layer_norm && k->softmax && k->add && k->mul && k->scale && k->dot);
        assert_true(k->angles && k->rope_pairs && k->rope_halves && k->attend[PRECISION_FAST] && k->attend[PRECISION_EXACT]);
        assert_true(k->store_key && k->store_value);
    }
}

static void way_of_a_number_of_columns(const struct matmul *m, int n_cols, int from)
{
    assert_int_equal(matmul_way(m, n_cols)->from, from);
}

static void a_product_goes_the_last_way_that_is_for_so_few_columns(void **state)
{
    (void)state;
    matmul_fn *const fn = tables[CPU_SCALAR].matmul[PRECISION_FAST][DTYPE_F32].way->fn;
    struct matmul m = { { { ACT_F32, 1, fn } } };
    way_of_a_number_of_columns(&m, 1, 1);
    way_of_a_number_of_columns(&m, 1000, 1);
    matmul_set_way(&m, (struct way){ ACT_Q8, 5, fn });
    matmul_set_way(&m, (struct way){ ACT_Q8, 64, fn });
    way_of_a_number_of_columns(&m, 4, 1);
    way_of_a_number_of_columns(&m, 5, 5);
    way_of_a_number_of_columns(&m, 63, 5);
    way_of_a_number_of_columns(&m, 64, 64);
}

static void a_way_takes_the_place_of_those_for_as_many_columns(void **state)
{
    (void)state;
    matmul_fn *const fn = tables[CPU_SCALAR].matmul[PRECISION_FAST][DTYPE_F32].way->fn;
    const struct matmul both = { { { ACT_F32, 1, fn }, { ACT_Q8, 5, fn }, { ACT_Q8, 64, fn } } };
    struct matmul m = both;
    matmul_set_way(&m, (struct way){ ACT_BF16, 24, fn });
    way_of_a_number_of_columns(&m, 23, 5);
    way_of_a_number_of_columns(&m, 64, 24);
    assert_int_equal(matmul_way(&m, 64)->act, ACT_BF16);
    m = both;
    matmul_set_way(&m, (struct way){ ACT_BF16, 5, fn });
    way_of_a_number_of_columns(&m, 4, 1);
    way_of_a_number_of_columns(&m, 64, 5);
    assert_true(!m.way[2].fn);
}

static void parts_of_an_activation_row_are_aligned_and_apart(void **state)
{
    (void)state;
    for (size_t k = 32; k <= 4096; k += 32) {
        assert_true(act_q8_d(k) >= k && act_q8_d(k) % 64 == 0);
        assert_true(act_q8_s(k) >= act_q8_d(k) + k / 32 * sizeof(float) && act_q8_s(k) % 64 == 0);
        assert_true(act_row_bytes(ACT_Q8, k) >= act_q8_s(k) + k / 16 * sizeof(float));
        assert_true(act_row_bytes(ACT_Q8_PAIR, k) == 2 * act_row_bytes(ACT_Q8, k));
    }
    for (size_t k = 1; k < 300; k++) {
        assert_true(act_row_bytes(ACT_F32, k) >= k * 4 && act_row_bytes(ACT_F32, k) % 64 == 0);
        assert_true(act_row_bytes(ACT_BF16, k) >= (k + 31) / 32 * 64 && act_row_bytes(ACT_BF16, k) % 64 == 0);
    }
}

static int run_dispatch(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_is_found_by_its_name),
        cmocka_unit_test(a_level_above_the_machine_gives_the_machines_own),
#if defined(__x86_64__)
        cmocka_unit_test(features_belong_to_a_level_the_machine_has),
#endif
        cmocka_unit_test(every_table_is_complete),
        cmocka_unit_test(a_product_goes_the_last_way_that_is_for_so_few_columns),
        cmocka_unit_test(a_way_takes_the_place_of_those_for_as_many_columns),
        cmocka_unit_test(parts_of_an_activation_row_are_aligned_and_apart),
    };
    const bool wanted = !only_units || strcmp(only_units, "dispatch") == 0;
    return wanted ? cmocka_run_group_tests_name("dispatch", tests, NULL, NULL) : 0;
}

#endif
