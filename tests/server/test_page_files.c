/* test_page_files.c - the page that the server carries is the one in server/page, and nothing else can be asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/page/page.h"

static bool is_source(const char *name)
{
    const char *dot = strrchr(name, '.');
    return name[0] == '.' || !dot || strcmp(dot, ".c") == 0 || strcmp(dot, ".h") == 0;
}

static void test_every_file_of_the_folder_is_carried_as_it_is(void **state)
{
    (void)state;
    DIR *folder = opendir("server/page");
    assert_non_null(folder);
    int n = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (is_source(entry->d_name))
            continue;
        char path[300];
        snprintf(path, sizeof path, "server/page/%s", entry->d_name);
        FILE *file = fopen(path, "rb");
        assert_non_null(file);
        unsigned char *bytes = malloc(1 << 20);
        size_t size = fread(bytes, 1, 1 << 20, file);
        fclose(file);
        snprintf(path, sizeof path, "/%s", entry->d_name);
        struct page_file found;
        if (!page_find(path, &found))
            fail_msg("%s is not carried", path);
        assert_int_equal(found.size, size);
        assert_memory_equal(found.data, bytes, size);
        free(bytes);
        n++;
    }
    closedir(folder);
    assert_true(n > 3);
}

static void test_the_root_is_the_index(void **state)
{
    (void)state;
    struct page_file root, index;
    assert_true(page_find("/", &root));
    assert_true(page_find("/index.html", &index));
    assert_ptr_equal(root.data, index.data);
    assert_string_equal(root.type, "text/html; charset=utf-8");
    assert_memory_equal(root.data, "<!DOCTYPE html>", 15);
}

static void test_types_are_those_that_browsers_want(void **state)
{
    (void)state;
    struct page_file found;
    assert_true(page_find("/page.js", &found));
    assert_string_equal(found.type, "text/javascript; charset=utf-8");
    assert_true(page_find("/page.css", &found));
    assert_string_equal(found.type, "text/css; charset=utf-8");
    assert_true(page_find("/icon.svg", &found));
    assert_string_equal(found.type, "image/svg+xml; charset=utf-8");
}

static void test_an_etag_is_quoted_and_a_hash(void **state)
{
    (void)state;
    struct page_file found;
    assert_true(page_find("/", &found));
    assert_int_equal(strlen(found.etag), 18);
    assert_true(found.etag[0] == '"' && found.etag[17] == '"');
    assert_int_equal(strspn(found.etag + 1, "0123456789abcdef"), 16);
}

static void test_nothing_else_is_found(void **state)
{
    (void)state;
    static const char *const paths[] = { "",
                                         "page.js",
                                         "/page.c",
                                         "/page.h",
                                         "//page.js",
                                         "/./page.js",
                                         "/../Makefile",
                                         "/page.js/",
                                         "/PAGE.JS",
                                         "/page.js?x",
                                         "/server/page/page.js" };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct page_file found;
        if (page_find(paths[i], &found))
            fail_msg("%s is found", paths[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_file_of_the_folder_is_carried_as_it_is),
        cmocka_unit_test(test_the_root_is_the_index),
        cmocka_unit_test(test_types_are_those_that_browsers_want),
        cmocka_unit_test(test_an_etag_is_quoted_and_a_hash),
        cmocka_unit_test(test_nothing_else_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
