/* test_map.c - files mapped, read in at the same addresses, locked; huge pages. */
#include "src/base/map.h"
#include "src/base/memory.h"
#include "tests/common/sanitized.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

enum { SIZE = 300001 };

static char path[] = "/tmp/test_map.XXXXXX";

static uint8_t byte_at(size_t i)
{
    return (uint8_t)(i * 7 + i / 251);
}

static int write_file(void **state)
{
    (void)state;
    const int fd = mkstemp(path);
    static uint8_t bytes[SIZE];
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = byte_at(i);
    const bool good = fd >= 0 && write(fd, bytes, SIZE) == SIZE;
    close(fd);
    return good ? 0 : -1;
}

static int remove_file(void **state)
{
    (void)state;
    unlink(path);
    memset(path + strlen(path) - 6, 'X', 6);
    return 0;
}

static struct mapping open_file(void)
{
    struct mapping m;
    infer_error err;
    if (map_open(&m, path, &err) != INFER_OK)
        fail_msg("%s", err.message);
    assert_int_equal(m.size, SIZE);
    return m;
}

static void assert_content(const struct mapping *m)
{
    for (size_t i = 0; i < SIZE; i++)
        if (m->data[i] != byte_at(i))
            fail_msg("byte %zu is %d", i, m->data[i]);
}

static void a_file_is_mapped_as_it_is(void **state)
{
    (void)state;
    struct mapping m = open_file();
    map_close_file(&m);
    assert_content(&m);
    map_close(&m);
    assert_null(m.data);
    map_close(&m); /* nothing is left to close */
}

static void what_is_read_in_stands_at_the_same_address_and_outlives_the_file(void **state)
{
    (void)state;
    struct mapping m = open_file();
    const uint8_t *const before = m.data;
    assert_int_equal(map_begin_read(&m, true, NULL), INFER_OK);
    for (size_t at = 0; at < SIZE; at += 65536) /* the last piece asks for more than there is */
        assert_int_equal(map_read(&m, at, 65536, NULL), INFER_OK);
    map_end_read(&m);
    map_close_file(&m);
    assert_ptr_equal(m.data, before);
    assert_int_equal(truncate(path, 0), 0);
    assert_content(&m);
    map_close(&m);
}

static void a_file_that_became_shorter_is_an_error(void **state)
{
    (void)state;
    struct mapping m = open_file();
    infer_error err;
    assert_int_equal(map_begin_read(&m, false, NULL), INFER_OK);
    assert_int_equal(truncate(path, SIZE - 1000), 0);
    assert_int_equal(map_read(&m, 0, SIZE - 1000, &err), INFER_OK);
    assert_int_equal(map_read(&m, 0, SIZE, &err), INFER_E_IO);
    assert_string_equal(err.message, "cannot be read at byte 299001 of 300001: the file has become shorter");
    map_close(&m);
}

static void an_empty_file_has_no_data(void **state)
{
    (void)state;
    struct mapping m;
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(map_open(&m, path, NULL), INFER_OK);
    assert_null(m.data);
    assert_int_equal(m.size, 0);
    assert_int_equal(map_begin_read(&m, false, NULL), INFER_OK);
    map_end_read(&m);
    assert_true(map_lock(&m));
    map_close(&m);
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    struct mapping m;
    infer_error err;
    assert_int_equal(map_open(&m, "/tmp", &err), INFER_E_IO);
    assert_string_equal(err.message, "/tmp: not a regular file");
    assert_int_equal(map_open(&m, "/tmp/no such file", &err), INFER_E_IO);
    assert_string_equal(err.message, "/tmp/no such file: cannot be opened: No such file or directory");
    assert_true(m.fd < 0 && !m.data);
}

static bool system_has_huge_pages(void)
{
    char modes[64] = "[never]";
    FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
    if (f && !fgets(modes, sizeof modes, f))
        modes[0] = 0;
    if (f)
        fclose(f);
    return f && !strstr(modes, "[never]");
}

static void large_blocks_are_in_huge_pages_where_the_system_has_them(void **state)
{
    (void)state;
    enum { BYTES = 32 << 20 };
    char *p = mem_huge.alloc(mem_huge.user, BYTES), *small = mem_huge.alloc(mem_huge.user, 100);
    assert_true(p && small);
    assert_true((uintptr_t)p % 64 == 0 && (uintptr_t)small % 64 == 0);
    /* Nothing has been touched yet, but for what a sanitizer writes before a block. */
    assert_in_range(map_huge_bytes(p, BYTES), 0, SANITIZED ? 2 << 20 : 0);
    memset(p, 1, BYTES);
    memset(small, 1, 100);
    const size_t huge = map_huge_bytes(p, BYTES);
    mem_huge.free(mem_huge.user, p);
    mem_huge.free(mem_huge.user, small);
    if (!system_has_huge_pages())
        skip();
    assert_in_range(huge, 2 << 20, BYTES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, write_file, remove_file)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_mapped_as_it_is),
        TEST(what_is_read_in_stands_at_the_same_address_and_outlives_the_file),
        TEST(a_file_that_became_shorter_is_an_error),
        TEST(an_empty_file_has_no_data),
        TEST(what_is_no_file_is_refused),
        cmocka_unit_test(large_blocks_are_in_huge_pages_where_the_system_has_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
