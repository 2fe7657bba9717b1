/* test_listing.c - which models are found below a directory, and why the rest is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/common/counting.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static infer_context *context;
static struct counting counting;
static char dir[64];

static const char *at(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void make_file(const char *name, const char *text)
{
    FILE *f = fopen(at(name), "wb");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int open_all(void **state)
{
    (void)state;
    counting_init(&counting, SIZE_MAX);
    infer_context_options o = infer_context_defaults();
    o.n_threads = 1;
    o.allocator = counting.allocator;
    context = infer_context_open(&o, NULL);
    strcpy(dir, "/tmp/test_listing.XXXXXX");
    if (!context || !mkdtemp(dir))
        return -1;
    static const char *const folders[] = { "b", "b/c", "hf", "hf/1_Pooling", "plain" };
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        mkdir(at(folders[i]), 0777);
    make_file("a.gguf", "GGUF12345");
    make_file("z.gguf", "not at all");
    make_file("notes.txt", "");
    make_file("lone.safetensors", "12345678");
    make_file(".hidden.gguf", "GGUF");
    for (int i = 1; i <= 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "b/split-%05d-of-00003.gguf", i);
        make_file(name, "GGUF1");
    }
    make_file("b/c/half-00002-of-00003.gguf", "GGUF");
    make_file("b/c/half-00003-of-00003.gguf", "GGUF");
    make_file("b/c/lost-00001-of-00002.gguf", "GGUF");
    make_file("hf/config.json", "{}");
    make_file("hf/model-00001-of-00002.safetensors", "1234");
    make_file("hf/model-00002-of-00002.safetensors", "123456");
    make_file("hf/1_Pooling/config.json", "{}");
    make_file("hf/same.gguf", "GGUF");
    make_file("plain/config.json", "{}");
    symlink("..", at("b/up"));
    symlink("../a.gguf", at("plain/link.gguf"));
    symlink("nowhere", at("plain/nowhere.gguf"));
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    char command[96];
    infer_context_close(&context);
    snprintf(command, sizeof command, "rm -r %s", dir);
    return counting.live || system(command);
}

struct seen {
    char text[4096];
    int n, stop_after;
};

static bool see(void *user, const infer_listed *found)
{
    struct seen *s = user;
    const size_t used = strlen(s->text);
    if (found->reason)
        snprintf(s->text + used, sizeof s->text - used, "%s: %s\n", found->path + strlen(dir), found->reason);
    else
        snprintf(s->text + used, sizeof s->text - used, "%s %s %d %u\n", found->path + strlen(dir), found->format,
                 (int)found->bytes, found->n_files);
    return ++s->n != s->stop_after;
}

static void test_models_are_found_and_split_files_are_one(void **state)
{
    (void)state;
    struct seen s = { "", 0, 0 };
    assert_int_equal(infer_list_models(context, dir, NULL, see, &s, NULL), INFER_OK);
    assert_string_equal(s.text, "/a.gguf GGUF 9 1\n"
                                "/b/split-00001-of-00003.gguf GGUF 15 3\n"
                                "/hf SafeTensors 10 2\n"
                                "/hf/same.gguf GGUF 4 1\n"
                                "/plain/link.gguf GGUF 9 1\n");
}

static void test_what_is_no_model_is_told_with_the_reason(void **state)
{
    (void)state;
    struct seen s = { "", 0, 0 };
    infer_list_options o = infer_list_defaults();
    o.others = true;
    assert_int_equal(infer_list_models(context, dir, &o, see, &s, NULL), INFER_OK);
    assert_string_equal(s.text, "/a.gguf GGUF 9 1\n"
                                "/b/c/half-00002-of-00003.gguf: part 1 of 3 is missing\n"
                                "/b/c/half-00003-of-00003.gguf: part 1 of 3 is missing\n"
                                "/b/c/lost-00001-of-00002.gguf: part 2 of 2 is missing\n"
                                "/b/split-00001-of-00003.gguf GGUF 15 3\n"
                                "/b/up: leads back to a directory above\n"
                                "/hf SafeTensors 10 2\n"
                                "/hf/same.gguf GGUF 4 1\n"
                                "/lone.safetensors: has no config.json beside it\n"
                                "/notes.txt: is neither a GGUF nor a SafeTensors file\n"
                                "/plain/config.json: has no .safetensors file beside it\n"
                                "/plain/link.gguf GGUF 9 1\n"
                                "/plain/nowhere.gguf: cannot be examined\n"
                                "/z.gguf: does not begin with GGUF\n");
}

static void test_a_listing_has_bounds(void **state)
{
    (void)state;
    struct seen s = { "", 0, 0 };
    infer_error err;
    infer_list_options o = infer_list_defaults();
    o.max_depth = 0;
    assert_int_equal(infer_list_models(context, dir, &o, see, &s, NULL), INFER_OK);
    assert_string_equal(s.text, "/a.gguf GGUF 9 1\n");
    o = infer_list_defaults();
    o.max_entries = 10;
    assert_int_equal(infer_list_models(context, dir, &o, see, &s, &err), INFER_E_FULL);
    o.max_entries = 0;
    assert_int_equal(infer_list_models(context, dir, &o, see, &s, &err), INFER_E_ARGUMENT);
    o = infer_list_defaults();
    o.max_depth = 65;
    assert_int_equal(infer_list_models(context, dir, &o, see, &s, &err), INFER_E_ARGUMENT);
    s = (struct seen){ "", 0, 2 };
    assert_int_equal(infer_list_models(context, dir, NULL, see, &s, &err), INFER_E_CANCELLED);
    assert_int_equal(s.n, 2);
    assert_int_equal(infer_list_models(context, at("a.gguf"), NULL, see, &s, &err), INFER_E_IO);
    assert_non_null(strstr(err.message, "a.gguf"));
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    const size_t live = counting.live;
    infer_status status = INFER_E_NOMEM;
    for (size_t n = 0; status != INFER_OK && n < 1000; n++) {
        struct seen s = { "", 0, 0 };
        counting.refuse_from = counting.calls + n;
        status = infer_list_models(context, dir, NULL, see, &s, NULL);
        counting.refuse_from = SIZE_MAX;
        assert_true(status == INFER_OK || status == INFER_E_NOMEM);
        assert_int_equal(counting.live, live);
    }
    assert_int_equal(status, INFER_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models_are_found_and_split_files_are_one),
        cmocka_unit_test(test_what_is_no_model_is_told_with_the_reason),
        cmocka_unit_test(test_a_listing_has_bounds),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("listing", tests, open_all, close_all);
}
