/* test_memory.c - blocks and arenas from the caller's allocator. */
#include "src/base/memory.h"
#include "tests/common/counting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static bool all_zero(const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((const uint8_t *)p)[i])
            return false;
    return true;
}

static void blocks_are_zeroed_and_aligned(void **state)
{
    (void)state;
    for (size_t n = 0; n < 300; n += 7) {
        uint8_t *p = mem_new(&mem_default, n, 3);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % CACHE_LINE, 0);
        assert_true(all_zero(p, n * 3));
        memset(p, 0xff, n * 3);
        mem_free(&mem_default, p);
    }
    mem_free(&mem_default, NULL);
}

static void sizes_that_overflow_are_no_memory(void **state)
{
    (void)state;
    struct counting c;
    counting_init(&c, SIZE_MAX);
    assert_null(mem_new(&c.allocator, SIZE_MAX / 2 + 1, 2));
    assert_null(mem_new(&c.allocator, SIZE_MAX, SIZE_MAX));
    assert_int_equal(c.calls, 0); /* the allocator is not even asked */
    assert_null(mem_default.alloc(mem_default.user, SIZE_MAX));
    assert_null(mem_default.alloc(mem_default.user, SIZE_MAX - CACHE_LINE + 1));
    size_t x = 5;
    assert_true(mul_size(3, 4, &x) && x == 12 && add_size(3, 4, &x) && x == 7);
    assert_false(mul_size((size_t)1 << (sizeof x * 4), (size_t)1 << (sizeof x * 4), &x));
    assert_false(add_size(SIZE_MAX, 1, &x));
    assert_true(round_up(0, 8) == 0 && round_up(1, 8) == 8 && round_up(8, 8) == 8);
}

static void a_growing_array_keeps_what_it_had(void **state)
{
    (void)state;
    struct counting c;
    counting_init(&c, SIZE_MAX);
    int *array = NULL;
    size_t capacity = 0;
    for (int i = 0; i < 10000; i++) {
        assert_true(mem_grow(&c.allocator, &array, &capacity, (size_t)i + 1, sizeof *array));
        array[i] = i;
    }
    for (int i = 0; i < 10000; i++)
        assert_int_equal(array[i], i);
    assert_true(c.calls < 30); /* it grows in steps that grow */
    assert_true(all_zero(array + 10000, (capacity - 10000) * sizeof *array));
    mem_free(&c.allocator, array);
    assert_int_equal(c.live, 0);
}

static void an_array_that_cannot_grow_stays_as_it_was(void **state)
{
    (void)state;
    struct counting c;
    counting_init(&c, 1);
    int *array = NULL;
    size_t capacity = 0;
    assert_true(mem_grow(&c.allocator, &array, &capacity, 1, sizeof *array));
    array[0] = 42;
    int *const before = array;
    const size_t room = capacity;
    assert_false(mem_grow(&c.allocator, &array, &capacity, room + 1, sizeof *array));
    assert_false(mem_grow(&c.allocator, &array, &capacity, SIZE_MAX, sizeof *array));
    assert_ptr_equal(array, before);
    assert_int_equal(capacity, room);
    assert_int_equal(array[0], 42);
    mem_free(&c.allocator, array);
}

static void pieces_of_an_arena_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    struct counting c;
    counting_init(&c, SIZE_MAX);
    struct arena arena;
    arena_init(&arena, &c.allocator);
    uint8_t *pieces[500];
    for (size_t i = 0; i < 500; i++) {
        pieces[i] = arena_new(&arena, i, 7);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        assert_true(all_zero(pieces[i], i * 7));
        memset(pieces[i], (int)(i & 0xff), i * 7);
    }
    for (size_t i = 0; i < 500; i++)
        for (size_t j = 0; j < i * 7; j++)
            assert_int_equal(pieces[i][j], i & 0xff);
    assert_true(c.calls < 20);
    assert_int_equal(c.bytes, arena.bytes);
    arena_free(&arena);
    assert_int_equal(c.live, 0);
    assert_int_equal(arena.bytes, 0);
    assert_non_null(arena_new(&arena, 1, 1)); /* and it can be used again */
    arena_free(&arena);
}

static void an_arena_holds_pieces_larger_than_its_blocks(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, &mem_default);
    const size_t large = (size_t)5 << 20;
    uint8_t *p = arena_new(&arena, large, 1), *q = arena_new(&arena, 1, 1);
    assert_non_null(p);
    assert_non_null(q);
    memset(p, 1, large);
    assert_int_equal(*q, 0);
    arena_free(&arena);
}

static void an_arena_without_memory_gives_null_and_keeps_what_it_gave(void **state)
{
    (void)state;
    struct counting c;
    counting_init(&c, 1);
    struct arena arena;
    arena_init(&arena, &c.allocator);
    char *text = arena_text(&arena, "kept", 4);
    assert_string_equal(text, "kept");
    while (arena_new(&arena, 100, 1))
        ;
    assert_string_equal(text, "kept");
    assert_null(arena_new(&arena, SIZE_MAX, 2));
    assert_null(arena_new(&arena, SIZE_MAX - 3, 1)); /* rounding up would overflow */
    assert_null(arena_text(&arena, "x", SIZE_MAX));
    arena_free(&arena);
    assert_int_equal(c.live, 0);
}

static void texts_in_an_arena_are_terminated(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, &mem_default);
    assert_string_equal(arena_text(&arena, "abcdef", 3), "abc");
    assert_string_equal(arena_text(&arena, NULL, 0), "");
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_zeroed_and_aligned),
        cmocka_unit_test(sizes_that_overflow_are_no_memory),
        cmocka_unit_test(a_growing_array_keeps_what_it_had),
        cmocka_unit_test(an_array_that_cannot_grow_stays_as_it_was),
        cmocka_unit_test(pieces_of_an_arena_are_zeroed_aligned_and_apart),
        cmocka_unit_test(an_arena_holds_pieces_larger_than_its_blocks),
        cmocka_unit_test(an_arena_without_memory_gives_null_and_keeps_what_it_gave),
        cmocka_unit_test(texts_in_an_arena_are_terminated),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
