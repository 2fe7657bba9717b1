/* range.c - which type holds all weights of a module. Scales and zero points decide it, which are a hundredth of the
 * module; the codes are not looked at. */
#include "src/originals/module.h"

#include <math.h>

/* Bits of a number's fraction that are not zero at its end, the leading one counted; 0 for 0. */
static int significant_bits(float x)
{
    const uint32_t fraction = (f32_bits(x) & 0x7fffff) | 0x800000;
    return x != 0 ? 24 - __builtin_ctz(fraction) : 0;
}

/* F16 holds x times whole multiples of `unit` of `bits` significant bits, `most` at most: 11 bits of 2^-24 or more. */
static bool half_holds(float x, int bits, double unit, double most)
{
    const int own = significant_bits(x);
    int exponent;
    frexp((double)x, &exponent);
    return x == 0 || (own + bits <= 11 && fabs((double)x) * most <= 65504 && ldexp(unit, exponent - own) >= 0x1p-24);
}

static int bits_of(int n)
{
    return n ? 32 - __builtin_clz((unsigned)n) : 0;
}

infer_status module_range(struct range *r, const struct module *m, const struct weights *w, infer_error *err)
{
    const bool is_float = m->method->is_float;
    int low = INT32_MAX, high = 0; /* zero points */
    *r = (struct range){ .blocks = !is_float && !m->groups && !(m->group % 32 && m->n_groups > 1) && m->cols % 32 == 0,
                         .half = true };
    for (uint64_t row = 0; row < m->rows && !is_float; row++)
        for (uint64_t g = 0; g < m->n_groups; g++) {
            const int zero = zero_at(m, row, g);
            low = zero < low ? zero : low;
            high = zero > high ? zero : high;
        }
    if (!is_float) {
        r->lo = -high;
        r->hi = (1 << m->bits) - 1 - low;
    }
    const int most = r->hi > -r->lo ? r->hi : -r->lo, bits = is_float ? 4 : bits_of(most);
    for (uint64_t row = 0; row < m->rows; row += m->tall)
        for (uint64_t g = 0; g < m->n_groups; g++) {
            const float s = scale_at(m, row, g);
            if (!isfinite(s))
                return fail(err, INFER_E_FORMAT, "%s: tensor %s: the scale of row %llu, group %llu is not finite",
                            w->path, m->scales->name.p, (unsigned long long)row, (unsigned long long)g);
            r->blocks = r->blocks && f16_to_f32(f16_from_f32(s)) == s;
            r->half = r->half && half_holds(s, bits, is_float ? 0x1p-9 : 1, is_float ? 448 : most);
        }
    return INFER_OK;
}

enum dtype range_type(const struct range *r)
{
    if (r->blocks && r->lo >= -8 && r->hi <= 7)
        return DTYPE_Q4_0;
    if (r->blocks && r->lo >= -16 && r->hi <= 15)
        return DTYPE_Q5_0;
    if (r->blocks && r->lo >= -128 && r->hi <= 127)
        return DTYPE_Q8_0;
    return r->half ? DTYPE_F16 : DTYPE_F32;
}
