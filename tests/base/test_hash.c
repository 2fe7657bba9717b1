/* test_hash.c - the checksum notices what changes, and nothing else. */
#include "src/base/hash.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

enum { N = 300 };
static uint8_t data[N];

static int set_up(void **state)
{
    (void)state;
    for (int i = 0; i < N; i++)
        data[i] = (uint8_t)(i * 37 + i / 7);
    return 0;
}

static void pieces_give_the_hash_of_the_whole(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 80; piece++) {
        struct hash h;
        hash_init(&h);
        for (size_t at = 0; at < N; at += piece) {
            assert_true(hash_value(&h) == hash_bytes(data, at));
            hash_add(&h, data + at, piece < N - at ? piece : N - at);
        }
        assert_true(hash_value(&h) == hash_bytes(data, N));
    }
}

static void every_bit_counts(void **state)
{
    (void)state;
    const uint64_t before = hash_bytes(data, N);
    for (int bit = 0; bit < 8 * N; bit++) {
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_true(hash_bytes(data, N) != before);
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_true(hash_bytes(data, N) == before);
}

static void zeros_at_the_end_count(void **state)
{
    (void)state;
    static const uint8_t zeros[100];
    for (size_t n = 0; n < 99; n++)
        assert_true(hash_bytes(zeros, n) != hash_bytes(zeros, n + 1));
}

static void words_that_change_places_count(void **state)
{
    (void)state;
    const uint64_t before = hash_bytes(data, N);
    for (int word = 0; word + 1 < N / 8; word++) {
        uint8_t other[N];
        for (int i = 0; i < N; i++)
            other[i] = data[i / 8 == word ? i + 8 : i / 8 == word + 1 ? i - 8 : i];
        assert_true(hash_bytes(other, N) != before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_give_the_hash_of_the_whole),
        cmocka_unit_test(every_bit_counts),
        cmocka_unit_test(zeros_at_the_end_count),
        cmocka_unit_test(words_that_change_places_count),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
