/* test_locale.c - a host whose locale writes "1,5" reads the same metadata and sentences as any other. The locale is made
 * here: no machine is sure to have one. */
#include "tests/reference/reference.h"

#include "src/base/real.h"
#include "src/formats/formats.h"

#include <locale.h>
#include <unistd.h>

static char folder[] = "/tmp/infer-locale-XXXXXX";

/* False if the C library has no means to make a locale. */
static bool use_commas(void)
{
    char command[256];
    if (!mkdtemp(folder))
        return false;
    snprintf(command, sizeof command,
             "cd %s && printf 'LC_NUMERIC\\ndecimal_point \",\"\\nthousands_sep \".\"\\ngrouping 3\\nEND LC_NUMERIC\\n' "
             ">source && localedef -c -i source ./xx_XX >/dev/null 2>&1", folder);
    if (system(command) < 0 || setenv("LOCPATH", folder, 1))
        return false;
    return setlocale(LC_NUMERIC, "xx_XX") && *localeconv()->decimal_point == ',';
}

static int set_up(void **state)
{
    static bool commas;
    commas = use_commas();
    *state = &commas;
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    char command[64];
    setlocale(LC_NUMERIC, "C");
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) != 0;
}

static void need_commas(void **state)
{
    if (!*(const bool *)*state)
        skip();
}

static void numbers_have_points(void **state)
{
    need_commas(state);
    static const struct {
        double x;
        const char *text;
    } cases[] = { { 0, "0" }, { -0.5, "-0.5" }, { 1234567.25, "1234567.25" }, { 1e-30, "1e-30" }, { 2, "2" },
                  { 1.23456789e+120, "1.23456789e+120" }, { -1.23456789e-301, "-1.23456789e-301" } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[REAL_TEXT];
        assert_int_equal(real_text(text, cases[i].x), strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
    }
}

static void metadata_is_json(void **state)
{
    need_commas(state);
    infer_context *c = open_context(NULL, 1);
    infer_error err = { 0 };
    infer_model *m = infer_model_open(c, "tests/data/tiny/llama/model.gguf", NULL, &err);
    if (!m)
        fail_msg("%s", err.message);
    const char *key;
    char value[64];
    size_t length;
    bool found = false;
    for (size_t i = 0; infer_model_metadata(m, i, true, &key, value, sizeof value, &length); i++)
        if (!strcmp(key, "llama.attention.layer_norm_rms_epsilon")) {
            assert_string_equal(value, "0.00100000005");
            found = true;
        }
    assert_true(found);
    infer_model_close(&m);
    infer_context_close(&c);
}

static void errors_say_numbers_with_points(void **state)
{
    need_commas(state);
    infer_error err = { 0 };
    uint32_t value;
    struct weights *w = weights_open(&mem_default, "tests/data/tiny/llama/model.gguf", &err);
    if (!w)
        fail_msg("%s", err.message);
    assert_int_equal(meta_get_u32(w, "llama.attention.layer_norm_rms_epsilon", &value, &err), META_WRONG);
    assert_non_null(strstr(err.message, "is 0.00100000005 of type f32"));
    weights_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_points),
        cmocka_unit_test(metadata_is_json),
        cmocka_unit_test(errors_say_numbers_with_points),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
