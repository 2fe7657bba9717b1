/* test_regex.c - regular expressions as grammars of whole texts. */
#include "tests/grammar/grammar_test.h"

static void notation(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        { "abc|d", { "abc", "d" }, { "", "ab" }, { "abcd", "x" } },
        { "^(?:a|b)+?c*$", { "a", "abc", "bacc" }, { "" }, { "c", "ca" } },
        { "[^a-c\\d]", { "d", "\xc3\xa9", "\n" }, { "" }, { "a", "5" } },
        { "\\w+@\\w+\\.com", { "a_b@c.com" }, { "a@" }, { "@", "a@b.cx" } },
        { "a{2,3}b{2}c{1,}", { "aabbc", "aaabbcc" }, { "aabb" }, { "abbc", "aabbbc" } },
        { "a{,2}{x", { "a{,2}{x" }, { "a{" }, { "aa" } },
        { "[\\]\\-x-z-]+", { "]", "-", "xyz-" }, { "" }, { "a" } },
        { "\\u00e9\\x41\\u{1F600}\\t\\/",
          { "\xc3\xa9"
            "A\xf0\x9f\x98\x80\t/" },
          { "" },
          { "e" } },
        { "(?<year>\\d{4})-(?P<m>\\d\\d)", { "2026-01" }, { "2026-" }, { "26-01" } },
        { "\\p{Lu}\\p{Ll}*\\P{L}",
          { "\xc3\x89t\xc3\xa9"
            "1",
            "A " },
          { "A" },
          { "a" } },
        { ".", { "a", "\xe6\xbc\xa2" }, { "\xe6\xbc" }, { "\n", "ab" } },
        { "(?=.*\\d)(?!.*x)[a-z\\d]{3,4}", { "a1b", "1234" }, { "a1", "abc" }, { "x", "abcd", "12345" } },
        { "\\d{2,200}", { "12", "123456789012345678901234567890" }, { "1" }, { "a" } },
        { "", { "" }, { NULL }, { "a" } },
        { "\\s\\S[\\s\\S]", { " aa", "\t.\n" }, { " " }, { "a" } },
    };
    check_samples(INFER_REGEX, samples, COUNT(samples));
}

static void wrong_notation(void **state)
{
    (void)state;
    static const struct refused refused[] = {
        { "(a", "expected ')'" },
        { "a)", "expected the end" },
        { "[a", "character" },
        { "*a", "something to repeat" },
        { "(a)\\1", "back references" },
        { "a\\b", "\\b" },
        { "a(?=b)", "look-around" },
        { "(?<=a)b", "look-around" },
        { "a^b", "elsewhere" },
        { "a$b", "elsewhere" },
        { "\\q", "escape that is known" },
        { "[z-a]", "range" },
        { "a{3,2}", "at least 3" },
        { "\\p{Qq}", "category" },
        { "\\xg", "hexadecimal" },
        { "(?=b)a", "no text at all" },
        { "\xff", "UTF-8" },
        { ".*a.{30}", "too complex" },
    };
    check_refused(INFER_REGEX, refused, COUNT(refused));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "a regular expression matches whole texts as others have it", notation, NULL, NULL, NULL },
        { "what is no regular expression, or more than one, is refused", wrong_notation, NULL, NULL, NULL },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
