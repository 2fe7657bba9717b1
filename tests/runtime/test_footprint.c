/* test_footprint.c - the memory that a process takes: the weights once, the cache, the work buffers, little else. */
#include "tests/common/sanitized.h"
#include "tests/reference/reference.h"

#include <malloc.h>

#define MODEL "tools/default-model/model.gguf"

/* A line of /proc/self/status in bytes. */
static double status_bytes(const char *name)
{
    char line[128];
    double kilobytes = 0;
    FILE *f = fopen("/proc/self/status", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (!strncmp(line, name, strlen(name)))
            kilobytes = atof(line + strlen(name));
    fclose(f);
    assert_true(kilobytes > 0);
    return kilobytes * 1024;
}

/* From here on the peak counts anew. */
static void forget_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    assert_non_null(f);
    assert_true(fputs("5", f) >= 0 && fclose(f) == 0);
}

/* Peak memory of the process over what it had before, beside what the weights and a session should take. */
static void assert_footprint(bool no_mmap)
{
    enum { N = 300 };
    malloc_trim(0);
    forget_peak();
    const double before = status_bytes("VmRSS:");
    infer_context *c = open_context(NULL, 2);
    infer_model_options mo = infer_model_defaults();
    mo.no_mmap = no_mmap;
    infer_model *m = infer_model_open(c, MODEL, &mo, NULL);
    infer_session_options so = infer_session_defaults();
    so.n_ctx = 512;
    so.n_batch = 64;
    infer_session *s = m ? infer_session_open(m, &so, NULL) : NULL;
    assert_non_null(s);
    int32_t ids[N];
    for (int i = 0; i < N; i++)
        ids[i] = i * 7 % 500;
    assert_int_equal(infer_session_eval(s, ids, N, NULL), INFER_OK);
    for (int i = 0; i < 16; i++)
        assert_int_equal(infer_session_eval(s, ids + i, 1, NULL), INFER_OK);

    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(m, &info);
    const double used = status_bytes("VmHWM:") - before, session = (double)infer_session_bytes(s);
    const double rest = 2 << 20; /* vocabulary, stacks, pages of the library */
    const double most = 1.05 * ((double)info.bytes + session) + rest;
    if (used > most)
        fail_msg("%.2f MB more than before, expected at most %.2f: weights %.2f, session %.2f", used / 1e6, most / 1e6,
                 (double)info.bytes / 1e6, session / 1e6);
    infer_session_close(&s);
    infer_model_close(&m);
    infer_context_close(&c);
}

static void mapped_weights_are_in_memory_once(void **state)
{
    (void)state;
    if (SANITIZED)
        skip();
    assert_footprint(false);
}

static void weights_that_are_read_in_are_in_memory_once(void **state)
{
    (void)state;
    if (SANITIZED)
        skip();
    assert_footprint(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mapped_weights_are_in_memory_once),
        cmocka_unit_test(weights_that_are_read_in_are_in_memory_once),
    };
    return cmocka_run_group_tests_name("footprint", tests, NULL, NULL);
}
