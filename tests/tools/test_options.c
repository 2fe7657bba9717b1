/* test_options.c - the table of a command line: what is accepted, what is refused, what is stored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/common/options.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct {
    const char *model;
    int32_t n;
    int64_t seed;
    float temp;
    int precision;
    bool quiet, echo;
    struct opt_list stops;
    const char *operand[2];
} o;

static const struct opt rows[] = {
    { OPT_GROUP, NULL, NULL, "Model", NULL, 0, 0 },
    { OPT_TEXT, "-m, --model", "PATH", "a file", &o.model, 0, 0 },
    { OPT_INT, "-n, --n-predict, --predict", "N", "tokens", &o.n, -1, INT32_MAX },
    { OPT_INT64, "-s, --seed", "N", "seed", &o.seed, 0, 0 },
    { OPT_FLOAT, "--temp", "T", "temperature", &o.temp, 0, 10 },
    { OPT_CHOICE, "--precision", "fast|exact", "of activations", &o.precision, 0, 0 },
    { OPT_FLAG, "-q, --quiet", NULL, "text only", &o.quiet, 0, 0 },
    { OPT_OFF, "--no-echo", NULL, "no prompt", &o.echo, 0, 0 },
    { OPT_LIST, "-r, --stop", "TEXT", "end there", &o.stops, 0, 0 },
    OPT_STANDARD,
};
static const struct command command = {
    .name = "program", .about = "test", .rows = rows, .n_rows = sizeof rows / sizeof *rows, .usage = "A [B]",
    .operands = o.operand, .max_operands = 2, .min_operands = 0,
};

static int set_up(void **state)
{
    (void)state;
    memset(&o, 0, sizeof o);
    o.n = 64;
    o.echo = true;
    return 0;
}

static enum options_result parse(int argc, char **argv)
{
    return options_parse(&command, argc, argv);
}
#define PARSE(...) \
    parse((int)(sizeof (char *[]){ __VA_ARGS__ } / sizeof(char *)) + 1, (char *[]){ "program", __VA_ARGS__, NULL })

static void test_every_type_is_stored(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-m", "x.gguf", "--n-predict", "5", "--seed=9000000000", "--temp", "0.5", "--precision",
                           "exact", "-q", "--no-echo", "--stop", "a", "-r", "b", "first", "--", "-second"),
                     OPTIONS_RUN);
    assert_string_equal(o.model, "x.gguf");
    assert_int_equal(o.n, 5);
    assert_true(o.seed == 9000000000);
    assert_true(o.temp == 0.5f);
    assert_int_equal(o.precision, 1);
    assert_true(o.quiet);
    assert_false(o.echo);
    assert_int_equal(o.stops.n, 2);
    assert_string_equal(o.stops.item[0], "a");
    assert_string_equal(o.stops.item[1], "b");
    assert_string_equal(o.operand[0], "first");
    assert_string_equal(o.operand[1], "-second");
}

static void test_values_may_be_attached_negative_or_look_like_options(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-n7"), OPTIONS_RUN);
    assert_int_equal(o.n, 7);
    assert_int_equal(PARSE("-n", "-1"), OPTIONS_RUN);
    assert_int_equal(o.n, -1);
    assert_int_equal(PARSE("--predict=3", "-m", "--quiet"), OPTIONS_RUN);
    assert_int_equal(o.n, 3);
    assert_string_equal(o.model, "--quiet");
    assert_false(o.quiet);
    assert_int_equal(PARSE("--model="), OPTIONS_RUN);
    assert_string_equal(o.model, "");
}

static void test_later_values_count(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-n", "1", "-n", "2"), OPTIONS_RUN);
    assert_int_equal(o.n, 2);
}

/* Run with stdout and stderr in /dev/null. */
static enum options_result quietly(int argc, char **argv)
{
    const int out = dup(1), err = dup(2);
    fflush(stdout);
    assert_non_null(freopen("/dev/null", "w", stderr));
    assert_non_null(freopen("/dev/null", "w", stdout));
    const enum options_result r = parse(argc, argv);
    fflush(NULL);
    dup2(out, 1);
    dup2(err, 2);
    close(out);
    close(err);
    return r;
}
#define QUIETLY(...) \
    quietly((int)(sizeof (char *[]){ __VA_ARGS__ } / sizeof(char *)) + 1, (char *[]){ "program", __VA_ARGS__, NULL })

static void test_mistakes_are_refused_and_store_nothing(void **state)
{
    (void)state;
    assert_int_equal(QUIETLY("-n", "5", "--tmep", "1"), OPTIONS_WRONG);
    assert_int_equal(o.n, 64);
    assert_int_equal(QUIETLY("-n"), OPTIONS_WRONG);
    assert_int_equal(QUIETLY("-n", "5x"), OPTIONS_WRONG);
    assert_int_equal(QUIETLY("-n", ""), OPTIONS_WRONG);
    assert_int_equal(QUIETLY("-n", "-2"), OPTIONS_WRONG);
    assert_int_equal(QUIETLY("-n", "99999999999"), OPTIONS_WRONG);
    assert_int_equal(QUIETLY("--seed", "99999999999999999999"), OPTIONS_WRONG);
    assert_int_equal(QUIETLY("--temp", "nan"), OPTIONS_WRONG);
    assert_int_equal(QUIETLY("--temp", "inf"), OPTIONS_WRONG);
    assert_int_equal(QUIETLY("--temp", "-1"), OPTIONS_WRONG);
    assert_int_equal(QUIETLY("--precision", "fas"), OPTIONS_WRONG);
    assert_int_equal(QUIETLY("--precision", "exactly"), OPTIONS_WRONG);
    assert_int_equal(QUIETLY("--quiet=1"), OPTIONS_WRONG);
    assert_int_equal(QUIETLY("-qq"), OPTIONS_WRONG);
    assert_int_equal(QUIETLY("one", "two", "three"), OPTIONS_WRONG);
    assert_null(o.operand[0]);
}

static void test_a_list_has_an_end(void **state)
{
    (void)state;
    char *argv[1 + 2 * 33 + 1] = { "program" };
    for (int i = 0; i < 33; i++) {
        argv[1 + 2 * i] = "--stop";
        argv[2 + 2 * i] = "x";
    }
    assert_int_equal(quietly(1 + 2 * 32, argv), OPTIONS_RUN);
    assert_int_equal(o.stops.n, 32);
    o.stops.n = 0;
    assert_int_equal(quietly(1 + 2 * 33, argv), OPTIONS_WRONG);
}

static void test_help_and_version_end_the_walk_before_anything_is_stored(void **state)
{
    (void)state;
    assert_int_equal(QUIETLY("-n", "5", "--help"), OPTIONS_DONE);
    assert_int_equal(o.n, 64);
    assert_int_equal(QUIETLY("--version"), OPTIONS_DONE);
}

static void test_missing_operands_are_told(void **state)
{
    (void)state;
    struct command needs_one = command;
    needs_one.min_operands = 1;
    const int err = dup(2);
    assert_non_null(freopen("/dev/null", "w", stderr));
    const enum options_result r = options_parse(&needs_one, 1, (char *[]){ "program", NULL });
    fflush(stderr);
    dup2(err, 2);
    close(err);
    assert_int_equal(r, OPTIONS_WRONG);
}

static enum options_result store_quietly(const struct command *c, const char *name, const char *value)
{
    const int err = dup(2);
    assert_non_null(freopen("/dev/null", "w", stderr));
    const enum options_result r = options_store(c, name, value);
    fflush(stderr);
    dup2(err, 2);
    close(err);
    return r;
}

static void test_what_stands_elsewhere_gives_way_to_the_command_line(void **state)
{
    bool given[sizeof rows / sizeof *rows] = { false };
    struct command c = command;
    (void)state;
    c.given = given;
    c.place = "file:3";
    assert_int_equal(options_parse(&c, 5, (char *[]){ "program", "-n", "5", "--stop", "a", NULL }), OPTIONS_RUN);
    assert_int_equal(options_store(&c, "predict", "7"), OPTIONS_RUN);
    assert_int_equal(options_store(&c, "stop", "b"), OPTIONS_RUN);
    assert_int_equal(options_store(&c, "temp", "0.5"), OPTIONS_RUN);
    assert_int_equal(options_store(&c, "quiet", "yes"), OPTIONS_RUN);
    assert_int_equal(options_store(&c, "no-echo", "false"), OPTIONS_RUN);
    assert_int_equal(o.n, 5);
    assert_int_equal(o.stops.n, 1);
    assert_true(o.temp == 0.5f);
    assert_true(o.quiet);
    assert_true(o.echo);
    assert_int_equal(store_quietly(&c, "n", "1"), OPTIONS_WRONG);
    assert_int_equal(store_quietly(&c, "help", "true"), OPTIONS_WRONG);
    assert_int_equal(store_quietly(&c, "quiet", "maybe"), OPTIONS_WRONG);
    assert_int_equal(store_quietly(&c, "temp", "warm"), OPTIONS_WRONG);
    assert_int_equal(store_quietly(&c, "predict", "much"), OPTIONS_WRONG); /* though it would not count */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_every_type_is_stored, set_up),
        cmocka_unit_test_setup(test_values_may_be_attached_negative_or_look_like_options, set_up),
        cmocka_unit_test_setup(test_later_values_count, set_up),
        cmocka_unit_test_setup(test_mistakes_are_refused_and_store_nothing, set_up),
        cmocka_unit_test_setup(test_a_list_has_an_end, set_up),
        cmocka_unit_test_setup(test_help_and_version_end_the_walk_before_anything_is_stored, set_up),
        cmocka_unit_test_setup(test_missing_operands_are_told, set_up),
        cmocka_unit_test_setup(test_what_stands_elsewhere_gives_way_to_the_command_line, set_up),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
