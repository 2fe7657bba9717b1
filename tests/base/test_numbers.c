/* test_numbers.c - small floating-point formats against their definition in double arithmetic, every bit pattern. */
#include "src/base/numbers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

/* A format of `exponent` and `mantissa` bits below the sign, as IEEE 754 defines it. */
struct format {
    int exponent, mantissa;
};
static const struct format half = { 5, 10 }, brain = { 8, 7 };

static double value_of(struct format f, uint16_t bits)
{
    const int bias = (1 << (f.exponent - 1)) - 1, e = bits >> f.mantissa & ((1 << f.exponent) - 1);
    const int m = bits & ((1 << f.mantissa) - 1);
    const double sign = bits & 0x8000 ? -1 : 1;
    if (e == (1 << f.exponent) - 1)
        return m ? (double)NAN : sign * (double)INFINITY;
    return sign * (e ? ldexp(m + (1 << f.mantissa), e - bias - f.mantissa) : ldexp(m, 1 - bias - f.mantissa));
}

/* Round to nearest, ties to even, by search among the neighbours: the bit patterns from 0 to infinity are in order. */
static uint16_t nearest(struct format f, double x)
{
    const uint16_t sign = signbit(x) ? 0x8000 : 0, infinity = (uint16_t)(((1 << f.exponent) - 1) << f.mantissa);
    int low = 0, high = infinity; /* value_of(low) <= |x| < value_of(high), or |x| is infinity */
    x = fabs(x);
    if (isinf(x))
        return sign | infinity;
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        *(value_of(f, (uint16_t)middle) <= x ? &low : &high) = middle;
    }
    /* The step from the largest number to infinity rounds as if there were one number more. */
    const double a = value_of(f, (uint16_t)low);
    const double b = high < infinity ? value_of(f, (uint16_t)high) : 2 * a - value_of(f, (uint16_t)(low - 1));
    const double to_a = x - a, to_b = b - x;
    return sign | (uint16_t)(to_a < to_b || (to_a == to_b && !(low & 1)) ? low : high);
}

static void check_widening(struct format f, float (*widen)(uint16_t))
{
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        const double want = value_of(f, (uint16_t)bits);
        const float got = widen((uint16_t)bits);
        if (isnan(want) ? !isnan(got) : (double)got != want || !signbit(got) != !signbit(want))
            fail_msg("%04x is %g, want %g", bits, (double)got, want);
    }
}

static void check_one(struct format f, uint16_t (*narrow)(float), float x)
{
    const uint16_t got = narrow(x);
    if (isnan(x) ? !isnan(value_of(f, got)) : got != nearest(f, (double)x))
        fail_msg("%a becomes %04x, want %04x", (double)x, got, nearest(f, (double)x));
}

/* Every number of the format, the middle to the next one, and the floats around both. */
static void check_narrowing(struct format f, uint16_t (*narrow)(float))
{
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        const double a = value_of(f, (uint16_t)bits), b = value_of(f, (uint16_t)(bits + 1));
        const double points[2] = { a, isfinite(a) && isfinite(b) ? (a + b) / 2 : a };
        for (int i = 0; i < 2; i++) {
            const float x = (float)points[i];
            check_one(f, narrow, x);
            check_one(f, narrow, nextafterf(x, INFINITY));
            check_one(f, narrow, nextafterf(x, -INFINITY));
        }
    }
    const uint32_t odd[] = { 0x7f800001, 0xff800001, 0x7fffffff, 0x7f7fffff, 0xff7fffff, 0x00000001, 0x80000001,
                             0x477fefff, 0x477ff000, 0x47800000, 0x33000000, 0x33000001, 0x32ffffff };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        check_one(f, narrow, f32_from_bits(odd[i]));
}

static void f16_widens_exactly(void **state)
{
    (void)state;
    check_widening(half, f16_to_f32);
}

static void bf16_widens_exactly(void **state)
{
    (void)state;
    check_widening(brain, bf16_to_f32);
}

static void f16_rounds_to_nearest_even(void **state)
{
    (void)state;
    check_narrowing(half, f16_from_f32);
}

static void bf16_rounds_to_nearest_even(void **state)
{
    (void)state;
    check_narrowing(brain, bf16_from_f32);
}

static void e8m0_is_a_power_of_two(void **state)
{
    (void)state;
    for (int x = 0; x < 255; x++)
        assert_true((double)e8m0_to_f32((uint8_t)x) == ldexp(1, x - 127));
    assert_true(isnan(e8m0_to_f32(255)));
}

static void ue4m3_widens_exactly(void **state)
{
    (void)state;
    for (int x = 0; x < 0x7f; x++) {
        const int e = x >> 3, m = x & 7;
        assert_true((double)ue4m3_to_f32((uint8_t)x) == (e ? ldexp(8 + m, e - 10) : ldexp(m, -9)));
        assert_true(ue4m3_to_f32((uint8_t)(x | 0x80)) == ue4m3_to_f32((uint8_t)x));
    }
    assert_true(ue4m3_to_f32(0x7e) == 448);
    assert_true(ue4m3_to_f32(0x7f) == 0);
}

static void integers_are_read_from_any_address(void **state)
{
    (void)state;
    const uint8_t bytes[] = { 0, 1, 2, 3, 4, 5, 6, 7, 0xf8 };
    assert_int_equal(read_u16(bytes + 1), 0x0201);
    assert_int_equal(read_u32(bytes + 1), 0x04030201);
    assert_true(read_u64(bytes + 1) == 0xf807060504030201);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f16_widens_exactly),         cmocka_unit_test(bf16_widens_exactly),
        cmocka_unit_test(f16_rounds_to_nearest_even), cmocka_unit_test(bf16_rounds_to_nearest_even),
        cmocka_unit_test(e8m0_is_a_power_of_two),     cmocka_unit_test(ue4m3_widens_exactly),
        cmocka_unit_test(integers_are_read_from_any_address),
    };
    return cmocka_run_group_tests_name("numbers", tests, NULL, NULL);
}
