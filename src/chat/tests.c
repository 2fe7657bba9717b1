/* tests.c - what stands after `is`. */
#include "src/base/error.h"
#include "src/chat/template.h"

#include <utf8proc.h>

#define TEST(name) static struct value name(struct render *r, struct value v, const struct args *a)
#define UNUSED ((void)r, (void)v, (void)a)

TEST(is_defined) { UNUSED; return value_bool(v.type != V_UNDEFINED); }
TEST(is_undefined) { UNUSED; return value_bool(v.type == V_UNDEFINED); }
TEST(is_none) { UNUSED; return value_bool(v.type == V_NONE); }
TEST(is_boolean) { UNUSED; return value_bool(v.type == V_BOOL); }
TEST(is_true) { UNUSED; return value_bool(v.type == V_BOOL && v.u.truth); }
TEST(is_false) { UNUSED; return value_bool(v.type == V_BOOL && !v.u.truth); }
TEST(is_integer) { UNUSED; return value_bool(v.type == V_INT); }
TEST(is_float) { UNUSED; return value_bool(v.type == V_FLOAT); }
TEST(is_a_number) { UNUSED; return value_bool(is_number(v)); }
TEST(is_a_string) { UNUSED; return value_bool(is_string(v)); }
TEST(is_mapping) { UNUSED; return value_bool(v.type == V_DICT); }
TEST(is_callable) { UNUSED; return value_bool(v.type == V_BOUND || v.type == V_MACRO || v.type == V_LOOP); }
TEST(is_escaped) { UNUSED; return value_bool(is_string(v) && v.kind); }

TEST(is_iterable)
{
    UNUSED;
    return value_bool(v.type == V_STRING || v.type == V_LIST || v.type == V_DICT || v.type == V_UNDEFINED ||
                      v.type == V_LOOP);
}

TEST(is_sequence)
{
    UNUSED;
    return value_bool(v.type == V_STRING || v.type == V_DICT || v.type == V_UNDEFINED ||
                      (v.type == V_LIST && (v.kind == LIST_PLAIN || v.kind == LIST_TUPLE)));
}

static struct value leaves(struct render *r, struct value v, struct value by, int64_t rest)
{
    return value_bool(value_same(r, value_binary(r, '%', v, by), value_int(rest)));
}

TEST(is_odd) { return (void)a, leaves(r, v, value_int(2), 1); }
TEST(is_even) { return (void)a, leaves(r, v, value_int(2), 0); }
TEST(is_divisible) { return leaves(r, v, a->v[0], 0); }
TEST(is_equal) { return value_bool(value_same(r, v, a->v[0])); }
TEST(is_unequal) { return value_bool(!value_same(r, v, a->v[0])); }
TEST(is_less) { return value_bool(value_order(r, v, a->v[0]) < 0); }
TEST(is_at_most) { return value_bool(value_order(r, v, a->v[0]) <= 0); }
TEST(is_greater) { return value_bool(value_order(r, v, a->v[0]) > 0); }
TEST(is_at_least) { return value_bool(value_order(r, v, a->v[0]) >= 0); }
TEST(is_in) { return value_bool(value_contains(r, a->v[0], v)); }

/* Identity: of what is shared the same thing, of the rest the same value. */
TEST(is_same)
{
    const struct value other = a->v[0];
    if (v.type == V_LIST || v.type == V_DICT)
        return value_bool(v.type == other.type && v.u.list == other.u.list);
    return value_bool(v.type == other.type && value_same(r, v, other));
}

/* At least one letter that has the case, and none of the other one. */
static bool has_case(struct text s, utf8proc_category_t wanted, utf8proc_category_t other)
{
    bool found = false;
    while (s.n) {
        const utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)text_next(&s, NULL));
        if (c == other || c == UTF8PROC_CATEGORY_LT)
            return false;
        found |= c == wanted;
    }
    return found;
}

TEST(is_lower)
{
    UNUSED;
    return value_bool(has_case(value_text_of(r, v), UTF8PROC_CATEGORY_LL, UTF8PROC_CATEGORY_LU));
}

TEST(is_upper)
{
    UNUSED;
    return value_bool(has_case(value_text_of(r, v), UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LL));
}

TEST(is_filter) { UNUSED; return value_bool(is_string(v) && builtin_filter(v.u.s)); }
TEST(is_test) { UNUSED; return value_bool(is_string(v) && builtin_test(v.u.s)); }

#define NONE .parameters = ""
#define ONE .parameters = "other", .least = 1
const struct builtin template_tests[] = {
    { "defined", is_defined, NONE },
    { "undefined", is_undefined, NONE },
    { "none", is_none, NONE },
    { "boolean", is_boolean, NONE },
    { "true", is_true, NONE },
    { "false", is_false, NONE },
    { "integer", is_integer, NONE },
    { "float", is_float, NONE },
    { "number", is_a_number, NONE },
    { "string", is_a_string, NONE },
    { "mapping", is_mapping, NONE },
    { "iterable", is_iterable, NONE },
    { "sequence", is_sequence, NONE },
    { "callable", is_callable, NONE },
    { "escaped", is_escaped, NONE },
    { "odd", is_odd, NONE },
    { "even", is_even, NONE },
    { "lower", is_lower, NONE },
    { "upper", is_upper, NONE },
    { "filter", is_filter, NONE },
    { "test", is_test, NONE },
    { "divisibleby", is_divisible, ONE },
    { "eq", is_equal, ONE },
    { "equalto", is_equal, ONE },
    { "==", is_equal, ONE },
    { "ne", is_unequal, ONE },
    { "!=", is_unequal, ONE },
    { "lt", is_less, ONE },
    { "lessthan", is_less, ONE },
    { "<", is_less, ONE },
    { "le", is_at_most, ONE },
    { "<=", is_at_most, ONE },
    { "gt", is_greater, ONE },
    { "greaterthan", is_greater, ONE },
    { ">", is_greater, ONE },
    { "ge", is_at_least, ONE },
    { ">=", is_at_least, ONE },
    { "in", is_in, ONE },
    { "sameas", is_same, ONE },
    { .name = NULL },
};
