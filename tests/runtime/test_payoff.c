/* test_payoff.c - guessing where it pays, on a clock that the test moves: a step of n columns takes what it is said to
 * take, and guesses come true as often as they are said to. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "src/runtime/payoff.h"

static uint32_t state;

static double chance(void)
{
    state = state * 1664525 + 1013904223;
    return (state >> 8) / 16777216.0;
}

/* A text of n tokens. */
struct text {
    double column;  /* a step of n columns takes 1 + (n - 1) * column */
    double noise;   /* up to so many times as long, by chance */
    double often;   /* that a guess comes true */
    double found;   /* that there is something to guess from */
    uint32_t alike; /* tokens before a guess */
    double draft;   /* seconds of a drafted token; 0: guesses are looked up */
    double likely;  /* what the draft thinks of its guesses */
};

/* Seconds that n tokens take. */
static double write_text(struct payoff *p, const struct text *t, int n)
{
    double all = 0;
    while (n > 0) {
        uint8_t kinds[MOST_GUESSES];
        uint32_t n_guesses = 0, n_true = 0;
        double drafting = 0;
        if (t->draft > 0) {
            const uint32_t most = payoff_drafts(p, 8, 1);
            while (n_guesses < most && (!n_guesses || payoff_goes_on(p, kinds, n_guesses)))
                kinds[n_guesses++] = (uint8_t)payoff_draft_kind(t->likely);
            drafting = n_guesses * t->draft;
            payoff_drafted(p, n_guesses, false, drafting);
        } else if (chance() < t->found) {
            for (; n_guesses < 8; n_guesses++)
                kinds[n_guesses] = (uint8_t)payoff_lookup_kind(t->alike + n_guesses);
        }
        const uint32_t width = payoff_width(p, kinds, n_guesses, drafting);
        const double seconds = (1 + width * t->column) * (1 + t->noise * chance());
        while (n_true < width && chance() < t->often)
            n_true++;
        payoff_step(p, width + 1, seconds);
        if (width)
            payoff_learn(p, kinds, width, n_true, seconds + drafting);
        else if (n_guesses)
            payoff_lose(p, drafting);
        all += seconds + drafting;
        n -= 1 + (int)n_true;
    }
    return all;
}

static double time_of(const struct text *t, int n)
{
    struct payoff p;
    payoff_open(&p, t->draft > 0, false);
    payoff_drafted(&p, 1, false, t->draft);
    state = 7;
    return write_text(&p, t, n);
}

static void what_does_not_come_true_costs_little(void **unused)
{
    (void)unused;
    static const double columns[] = { 0.1, 0.3, 1 };
    for (int i = 0; i < 3; i++)
        for (uint32_t alike = 2; alike <= 32; alike *= 2) {
            const struct text looked_up = { .column = columns[i], .found = 1, .alike = alike };
            const struct text drafted = { .column = columns[i], .draft = 0.2, .likely = alike / 33.0 };
            assert_true(time_of(&looked_up, 1000) < 1000 * 1.02);
            assert_true(time_of(&looked_up, 100) < 100 * 1.03);
            assert_true(time_of(&drafted, 1000) < 1000 * 1.02);
            assert_true(time_of(&drafted, 100) < 100 * 1.03);
        }
}

static void what_comes_true_pays_almost_all_it_can(void **unused)
{
    (void)unused;
    const struct text sure = { .column = 0.25, .often = 1, .found = 1, .alike = 8 };
    assert_true(time_of(&sure, 1800) < 1.1 * 200 * (1 + 8 * 0.25));
    const struct text half = { .column = 0.2, .often = 0.5, .found = 1, .alike = 4 };
    assert_true(time_of(&half, 1000) < 1000 * 0.85); /* two at a time: 1.4 for 1.75 tokens */
    const struct text drafted = { .column = 0.2, .often = 0.9, .draft = 0.1, .likely = 0.8 };
    assert_true(time_of(&drafted, 1000) < 1000 * 0.55);
}

static void columns_that_cost_as_much_as_steps_are_not_added(void **unused)
{
    (void)unused;
    const struct text dear = { .column = 1, .often = 0.95, .found = 1, .alike = 8 };
    assert_true(time_of(&dear, 1000) < 1000 * 1.02);
    const struct text slow_draft = { .column = 0.3, .often = 0.95, .draft = 0.9, .likely = 0.95 };
    assert_true(time_of(&slow_draft, 1000) < 1000 * 1.02);
}

static void a_noisy_clock_changes_little(void **unused)
{
    (void)unused;
    const struct text sure = { .column = 0.25, .noise = 1, .often = 1, .found = 1, .alike = 8 };
    assert_true(time_of(&sure, 1800) < 1.2 * 200 * 1.5 * (1 + 8 * 0.25));
    const struct text never = { .column = 0.3, .noise = 1, .found = 1, .alike = 3 };
    assert_true(time_of(&never, 1000) < 1.5 * 1000 * 1.03);
}

static void it_is_tried_again_where_a_text_changes(void **unused)
{
    (void)unused;
    struct payoff p;
    const struct text never = { .column = 0.25, .found = 1, .alike = 8 };
    const struct text sure = { .column = 0.25, .often = 1, .found = 1, .alike = 8 };
    state = 7;
    payoff_open(&p, false, false);
    assert_true(write_text(&p, &never, 1000) < 1020);
    assert_true(write_text(&p, &sure, 2000) < 2000 * 0.6);
    assert_true(write_text(&p, &never, 1000) < 1000 * 1.02);
}

static void it_guesses_always_where_that_is_asked_for(void **unused)
{
    (void)unused;
    struct payoff p;
    const uint8_t kinds[8] = { 0 };
    payoff_open(&p, true, true);
    assert_int_equal(payoff_width(&p, kinds, 8, 0), 8);
    assert_int_equal(payoff_drafts(&p, 5, 1000), 5);
    assert_true(payoff_goes_on(&p, kinds, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_come_true_costs_little),
        cmocka_unit_test(what_comes_true_pays_almost_all_it_can),
        cmocka_unit_test(columns_that_cost_as_much_as_steps_are_not_added),
        cmocka_unit_test(a_noisy_clock_changes_little),
        cmocka_unit_test(it_is_tried_again_where_a_text_changes),
        cmocka_unit_test(it_guesses_always_where_that_is_asked_for),
    };
    return cmocka_run_group_tests_name("payoff", tests, NULL, NULL);
}
