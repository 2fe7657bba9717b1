/* cmocka.h - as much of cmocka as the tests of the kernels use, for machines that it is not installed for. Its lines
 * are those of cmocka, so that tests/run counts them. */
#ifndef TESTS_CROSS_CMOCKA_H
#define TESTS_CROSS_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*test_func)(void **state);
    int (*setup_func)(void **state), (*teardown_func)(void **state);
    void *initial_state;
};

static jmp_buf test_end; /* to where a test goes that cannot go on, with one of these */
enum { TEST_PASSED, TEST_FAILED, TEST_SKIPPED };

#define print_message printf
#define fail_msg(...) \
    (printf("[  ERROR   ] --- "), printf(__VA_ARGS__), printf("\n%s:%d\n", __FILE__, __LINE__), \
     longjmp(test_end, TEST_FAILED))
#define skip() longjmp(test_end, TEST_SKIPPED)

#define assert_true(is) ((is) ? (void)0 : fail_msg("%s", #is))
#define assert_false(is) assert_true(!(is))
#define assert_non_null(p) assert_true((p) != NULL)
#define assert_int_equal(a, b) \
    ((a) == (b) ? (void)0 : fail_msg("%s = %lld, want %s = %lld", #a, (long long)(a), #b, (long long)(b)))
#define assert_string_equal(a, b) (strcmp(a, b) == 0 ? (void)0 : fail_msg("\"%s\", want \"%s\"", a, b))
#define assert_memory_equal(a, b, n) assert_true(memcmp(a, b, n) == 0)

#define cmocka_unit_test(f) { #f, f, NULL, NULL, NULL }
#define cmocka_run_group_tests_name(name, tests, setup, teardown) \
    _cmocka_run_group_tests(name, tests, sizeof tests / sizeof *tests, setup, teardown)
#define cmocka_run_group_tests(tests, setup, teardown) cmocka_run_group_tests_name(#tests, tests, setup, teardown)

static inline int run_test(const struct CMUnitTest *t)
{
    static const char *const results[] = { "       OK ", "  FAILED  ", "  SKIPPED " };
    void *state = t->initial_state;
    printf("[ RUN      ] %s\n", t->name);
    fflush(stdout);
    const int result = setjmp(test_end);
    if (result == TEST_PASSED) {
        if (t->setup_func)
            t->setup_func(&state);
        t->test_func(&state);
    }
    if (t->teardown_func)
        t->teardown_func(&state);
    printf("[%s] %s\n", results[result], t->name);
    return result;
}

static inline int _cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t n,
                                          int (*setup)(void **), int (*teardown)(void **))
{
    int failed = 0;
    void *state = NULL;
    printf("[==========] %s: Running %zu test(s).\n", name, n);
    if (setup)
        setup(&state);
    for (size_t i = 0; i < n; i++)
        failed += run_test(&tests[i]) == TEST_FAILED;
    if (teardown)
        teardown(&state);
    printf("[==========] %s: %zu test(s) run.\n", name, n);
    return failed;
}

#endif
