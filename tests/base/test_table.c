/* test_table.c - the hash table from strings to numbers. */
#include "src/base/table.h"
#include "tests/common/counting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

enum { MANY = 20000 };
static char names[MANY][12];

static struct text name(int i)
{
    snprintf(names[i], sizeof names[i], "key %d", i);
    return text_of(names[i]);
}

static void what_was_added_is_found_and_nothing_else(void **state)
{
    (void)state;
    struct table t;
    table_init(&t, &mem_default);
    for (uint32_t i = 0; i < MANY; i++)
        assert_int_equal(table_add(&t, name((int)i), i), TABLE_ADDED);
    assert_int_equal(t.n, MANY);
    assert_true(t.n <= t.n_slots / 4 * 3);
    for (uint32_t i = 0, value; i < MANY; i++) {
        assert_true(table_find(&t, text_of(names[i]), &value));
        assert_int_equal(value, i);
    }
    uint32_t value = 77;
    assert_false(table_find(&t, text_of("key"), &value));
    assert_false(table_find(&t, text_of("key 20000"), &value));
    assert_int_equal(value, 77);
    table_free(&t);
    assert_false(table_find(&t, text_of("key 1"), &value));
}

static void a_key_added_again_keeps_its_value(void **state)
{
    (void)state;
    struct table t;
    uint32_t value = 0;
    table_init(&t, &mem_default);
    assert_int_equal(table_add(&t, text_of("a"), 1), TABLE_ADDED);
    assert_int_equal(table_add(&t, text_of("a"), 2), TABLE_THERE);
    assert_true(table_find(&t, text_of("a"), &value));
    assert_int_equal(value, 1);
    assert_int_equal(t.n, 1);
    table_free(&t);
}

static void keys_may_be_empty_and_hold_any_byte(void **state)
{
    (void)state;
    struct table t;
    uint32_t value = 0;
    table_init(&t, &mem_default);
    const struct text keys[] = { { NULL, 0 },       { "\0", 1 },       { "\0\0", 2 },      { "a\0b", 3 },
                                 { "a\0c", 3 },     { "12345678", 8 }, { "123456789", 9 }, { "12345678\0", 9 } };
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(table_add(&t, keys[i], i), TABLE_ADDED);
    for (uint32_t i = 0; i < 8; i++)
        assert_true(table_find(&t, keys[i], &value) && value == i);
    table_free(&t);
}

static void room_that_was_reserved_needs_no_more_memory(void **state)
{
    (void)state;
    struct counting c;
    counting_init(&c, SIZE_MAX);
    struct table t;
    table_init(&t, &c.allocator);
    assert_true(table_reserve(&t, MANY));
    const size_t calls = c.calls;
    for (uint32_t i = 0; i < MANY; i++)
        assert_int_equal(table_add(&t, name((int)i), i), TABLE_ADDED);
    assert_int_equal(c.calls, calls);
    table_free(&t);
    assert_int_equal(c.live, 0);
}

static void without_memory_the_table_stays_as_it_was(void **state)
{
    (void)state;
    struct counting c;
    counting_init(&c, 1);
    struct table t;
    uint32_t i = 0, value;
    table_init(&t, &c.allocator);
    while (table_add(&t, name((int)i), i) == TABLE_ADDED)
        i++;
    assert_int_equal(t.n, i);
    assert_true(i > 0 && i < MANY);
    for (uint32_t k = 0; k < i; k++)
        assert_true(table_find(&t, text_of(names[k]), &value) && value == k);
    assert_false(table_reserve(&t, SIZE_MAX));
    table_free(&t);
    assert_int_equal(c.live, 0);
}

static void texts_are_compared_by_length_and_bytes(void **state)
{
    (void)state;
    assert_true(text_equal((struct text){ NULL, 0 }, text_of("")));
    assert_true(text_is(text_of("abc"), "abc"));
    assert_false(text_is(text_of("abc"), "ab"));
    assert_false(text_is(text_of("abc"), "abd"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_is_found_and_nothing_else),
        cmocka_unit_test(a_key_added_again_keeps_its_value),
        cmocka_unit_test(keys_may_be_empty_and_hold_any_byte),
        cmocka_unit_test(room_that_was_reserved_needs_no_more_memory),
        cmocka_unit_test(without_memory_the_table_stays_as_it_was),
        cmocka_unit_test(texts_are_compared_by_length_and_bytes),
    };
    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
