/* test_lookup.c - what followed the last time is found as a search of the whole text finds it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "src/runtime/lookup.h"
#include "tests/common/counting.h"

enum { LENGTH = 3000, GUESSES = 8, TRIES = 16 };

static uint32_t state = 1;

static uint32_t chance(uint32_t n)
{
    state = state * 1664525 + 1013904223;
    return (state >> 16) % n;
}

/* The longest run before one of the latest TRIES places with the same two tokens before them. */
static uint32_t search(const int32_t *t, uint32_t n, uint32_t *place)
{
    uint32_t longest = 0;
    int tries = 0;
    for (uint32_t p = n - 1; p >= 2 && tries < TRIES; p--) {
        uint32_t same = 0;
        while (same < p && same < LOOKUP_LONGEST && t[p - 1 - same] == t[n - 1 - same])
            same++;
        tries += same >= 2;
        if (same >= 2 && same > longest) {
            longest = same;
            *place = p;
        }
    }
    return longest;
}

/* Tokens of a small alphabet repeat themselves by chance, others where a piece of the text is copied. */
static void guesses_are_those_of_a_search(void **unused)
{
    (void)unused;
    static int32_t t[LENGTH];
    for (uint32_t alphabet = 1; alphabet <= 1000; alphabet *= 10) {
        struct lookup l;
        uint32_t n_found = 0;
        assert_true(lookup_open(&l, &mem_default, LENGTH));
        for (uint32_t n = 0; n < LENGTH; n++) {
            int32_t guesses[GUESSES];
            uint32_t place = 0;
            const uint32_t want = n > 2 ? search(t, n, &place) : 0;
            assert_int_equal(lookup_guess(&l, t, n, guesses, GUESSES), want);
            for (uint32_t i = 0; i < GUESSES && want; i++)
                assert_int_equal(guesses[i], place + i < n ? t[place + i] : guesses[place + i - n]);
            n_found += want > 0;
            t[n] = n > 100 && n % 50 < 30 ? t[n - 97] : (int32_t)chance(alphabet);
        }
        assert_true(n_found > LENGTH / 3);
        lookup_close(&l);
    }
}

static void a_text_that_became_shorter_is_learned_anew(void **unused)
{
    (void)unused;
    const int32_t first[] = { 1, 2, 3, 4, 5, 1, 2 }, second[] = { 1, 2, 9, 1, 2 };
    int32_t guess;
    struct lookup l;
    assert_true(lookup_open(&l, &mem_default, 16));
    assert_int_equal(lookup_guess(&l, first, 7, &guess, 1), 2);
    assert_int_equal(guess, 3);
    assert_int_equal(lookup_guess(&l, second, 5, &guess, 1), 2);
    assert_int_equal(guess, 9);
    lookup_close(&l);
}

static void memory_is_bounded_and_the_latest_tokens_are_known(void **unused)
{
    (void)unused;
    enum { LONG = 3 * LOOKUP_PLACES };
    struct counting memory;
    struct lookup l;
    counting_init(&memory, SIZE_MAX);
    int32_t guess, *const t = mem_new(&mem_default, LONG, sizeof *t);
    for (int32_t i = 0; i < LONG; i++)
        t[i] = i;
    assert_true(lookup_open(&l, &memory.allocator, 1u << 27));
    assert_true(memory.bytes <= 2 * sizeof(uint32_t) * LOOKUP_PLACES);
    memcpy(t + LONG - 3, t + LONG - 1000, 3 * sizeof *t);
    assert_int_equal(lookup_guess(&l, t, LONG, &guess, 1), 3);
    assert_int_equal(guess, LONG - 997);
    memcpy(t + LONG - 3, t, 3 * sizeof *t); /* too long ago */
    assert_int_equal(lookup_guess(&l, t, LONG, &guess, 1), 0);
    lookup_close(&l);
    assert_int_equal(memory.live, 0);
    for (size_t n = 0; n < 2; n++) {
        counting_init(&memory, n);
        assert_false(lookup_open(&l, &memory.allocator, 16));
        assert_int_equal(memory.live, 0);
    }
    mem_free(&mem_default, t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guesses_are_those_of_a_search),
        cmocka_unit_test(a_text_that_became_shorter_is_learned_anew),
        cmocka_unit_test(memory_is_bounded_and_the_latest_tokens_are_known),
    };
    return cmocka_run_group_tests_name("lookup", tests, NULL, NULL);
}
