/* test_stops.c - stop strings: found wherever the pieces are cut, never shown, and nothing is held back for longer than
 * it may still become one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "src/runtime/stops.h"

#include <stdio.h>

enum { MAX_PIECE = 64 };

/* What is shown of text cut into pieces of `cut` bytes; "|" marks the end of what a piece shows, "!" a stop string. */
static const char *shown(const char *const *stops, size_t n_stops, const char *text, size_t cut)
{
    static char out[512];
    struct stops s;
    infer_error err = { 0 };
    if (stops_open(&s, &mem_default, stops, n_stops, MAX_PIECE, &err) != INFER_OK)
        fail_msg("%s", err.message);
    size_t at = 0, n;
    bool found = false;
    const char *some;
    for (size_t i = 0, length = strlen(text); i < length && !found; i += cut) {
        some = stops_take(&s, text + i, length - i < cut ? length - i : cut, &n, &found);
        at += (size_t)snprintf(out + at, sizeof out - at, "%.*s%s", (int)n, some, found ? "!" : "|");
    }
    if (!found) {
        some = stops_end(&s, &n);
        snprintf(out + at, sizeof out - at, "%.*s", (int)n, some);
    }
    stops_close(&s);
    return out;
}

/* The same without the marks between pieces. */
static const char *joined(const char *const *stops, size_t n_stops, const char *text, size_t cut)
{
    static char out[512];
    size_t n = 0;
    for (const char *p = shown(stops, n_stops, text, cut); *p; p++)
        if (*p != '|')
            out[n++] = *p;
    out[n] = 0;
    return out;
}
#define STOPS(...) (const char *const[]){ __VA_ARGS__ }, sizeof (const char *const[]){ __VA_ARGS__ } / sizeof(char *)

static void test_text_passes_at_once_where_nothing_may_match(void **state)
{
    (void)state;
    assert_string_equal(shown(NULL, 0, "abcdef", 2), "ab|cd|ef|");
    assert_string_equal(shown(STOPS("xyz"), "abcdef", 2), "ab|cd|ef|");
}

static void test_a_beginning_is_held_back_until_it_is_clear(void **state)
{
    (void)state;
    assert_string_equal(shown(STOPS("User:"), "a User b", 2), "a |||User b|");
    assert_string_equal(shown(STOPS("abc"), "ababab", 1), "||ab||ab||ab");
    assert_string_equal(shown(STOPS("aab"), "aaaa", 1), "||a|a|aa");
    assert_string_equal(shown(STOPS("User:"), "Us", 1), "||Us");
}

static void test_a_stop_string_is_found_wherever_the_pieces_are_cut(void **state)
{
    (void)state;
    for (size_t cut = 1; cut < 14; cut++)
        assert_string_equal(joined(STOPS("\nUser:"), "Hi.\nUser: me", cut), "Hi.!");
}

static void test_the_string_complete_first_wins_and_of_several_the_longest(void **state)
{
    (void)state;
    for (size_t cut = 1; cut < 8; cut++) /* "abc" and "c" end at the same byte */
        assert_string_equal(joined(STOPS("bcde", "c", "abc"), "xabcde", cut), "x!");
    assert_string_equal(shown(STOPS("abX", "bY"), "abY", 1), "||a!");
}

static void test_every_text_over_two_letters_agrees_with_plain_search(void **state)
{
    (void)state;
    const char *const stops[] = { "aab", "abab", "bbb" };
    for (unsigned bits = 0; bits < 1u << 10; bits++) {
        char text[11] = "";
        for (int i = 0; i < 10; i++)
            text[i] = bits >> i & 1 ? 'b' : 'a';
        size_t first = 10, length = 0; /* end and length of the string that is complete first */
        for (size_t end = 1; end <= 10 && !length; end++)
            for (int i = 0; i < 3; i++) {
                const size_t n = strlen(stops[i]);
                if (n <= end && n > length && !memcmp(text + end - n, stops[i], n))
                    first = end, length = n;
            }
        char expected[16];
        snprintf(expected, sizeof expected, "%.*s%s", (int)(first - length), text, length ? "!" : "");
        for (size_t cut = 1; cut <= 4; cut++)
            assert_string_equal(joined(stops, 3, text, cut), expected);
    }
}

static void test_stop_strings_that_cannot_work_are_refused(void **state)
{
    (void)state;
    struct stops s;
    infer_error err = { 0 };
    assert_int_equal(stops_open(&s, &mem_default, (const char *const[]){ "a", "" }, 2, 8, &err), INFER_E_ARGUMENT);
    assert_non_null(strstr(err.message, "2 of 2"));
    stops_close(&s);
    assert_int_equal(stops_open(&s, &mem_default, (const char *const[]){ "\xa9" }, 1, 8, &err), INFER_E_ARGUMENT);
    stops_close(&s);
    assert_int_equal(stops_open(&s, &mem_default, NULL, 1, 8, &err), INFER_E_ARGUMENT);
    stops_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_passes_at_once_where_nothing_may_match),
        cmocka_unit_test(test_a_beginning_is_held_back_until_it_is_clear),
        cmocka_unit_test(test_a_stop_string_is_found_wherever_the_pieces_are_cut),
        cmocka_unit_test(test_the_string_complete_first_wins_and_of_several_the_longest),
        cmocka_unit_test(test_every_text_over_two_letters_agrees_with_plain_search),
        cmocka_unit_test(test_stop_strings_that_cannot_work_are_refused),
    };
    return cmocka_run_group_tests_name("stops", tests, NULL, NULL);
}
