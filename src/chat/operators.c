/* operators.c - arithmetic, concatenation, slices. */
#include "src/base/error.h"
#include "src/chat/template.h"

#include <math.h>

static struct value mistyped(struct render *r, const char *op, struct value a, struct value b)
{
    if (!value_defined(r, a) || !value_defined(r, b))
        return a;
    return render_fail(r, INFER_E_FORMAT, "unsupported operand types for %s: '%s' and '%s'", op, value_type_name(a),
                     value_type_name(b));
}

struct value value_concat(struct render *r, struct value a, struct value b)
{
    const bool markup = a.kind || b.kind;
    const size_t mark = r->n_out;
    if (markup && !a.kind)
        put_escaped(r, a.u.s);
    else
        put_text(r, a.u.s);
    if (markup && !b.kind)
        put_escaped(r, b.u.s);
    else
        put_text(r, b.u.s);
    struct value v = put_taken(r, mark);
    v.kind = markup;
    return v;
}

static struct value join_lists(struct render *r, struct value a, struct value b)
{
    struct list *l = list_new(r, a.u.list->n + b.u.list->n);
    for (size_t i = 0; l && i < a.u.list->n && !r->failed; i++)
        list_add(r, l, a.u.list->items[i]);
    for (size_t i = 0; l && i < b.u.list->n && !r->failed; i++)
        list_add(r, l, b.u.list->items[i]);
    return list_value(l, a.kind);
}

static struct value repeat(struct render *r, struct value v, int64_t times)
{
    const size_t mark = r->n_out;
    if (is_string(v)) {
        for (; v.u.s.n && times > 0 && render_charge(r, 1); times--)
            put_text(r, v.u.s);
        struct value text = put_taken(r, mark);
        text.kind = v.kind;
        return text;
    }
    struct list *l = list_new(r, v.u.list->n);
    for (const size_t n = v.u.list->n; n && times > 0 && !r->failed; times--)
        for (size_t i = 0; i < n && !r->failed; i++)
            list_add(r, l, v.u.list->items[i]);
    return list_value(l, v.kind);
}

static struct value too_large(struct render *r)
{
    return render_fail(r, INFER_E_FORMAT, "a whole number beyond 64 bits");
}

static struct value divide_whole(struct render *r, char op, int64_t x, int64_t y)
{
    if (y == 0)
        return render_fail(r, INFER_E_FORMAT, "division by zero");
    if (y == -1) /* the smallest number has no opposite */
        return op == '%' ? value_int(0) : x == INT64_MIN ? too_large(r) : value_int(-x);
    const int64_t rest = x % y, floored = rest && (rest < 0) != (y < 0);
    return value_int(op == '%' ? rest + (floored ? y : 0) : x / y - floored);
}

static struct value power_whole(struct render *r, int64_t x, int64_t y)
{
    int64_t result = 1;
    for (; y; y >>= 1) {
        if ((y & 1) && __builtin_mul_overflow(result, x, &result))
            return too_large(r);
        if (y > 1 && __builtin_mul_overflow(x, x, &x))
            return too_large(r);
    }
    return value_int(result);
}

static struct value whole(struct render *r, char op, int64_t x, int64_t y)
{
    int64_t result;
    switch (op) {
    case '+': return __builtin_add_overflow(x, y, &result) ? too_large(r) : value_int(result);
    case '-': return __builtin_sub_overflow(x, y, &result) ? too_large(r) : value_int(result);
    case '*': return __builtin_mul_overflow(x, y, &result) ? too_large(r) : value_int(result);
    case '/':
        return y ? value_float((double)x / (double)y) : render_fail(r, INFER_E_FORMAT, "division by zero");
    case OP_POWER: return y < 0 ? value_float(pow((double)x, (double)y)) : power_whole(r, x, y);
    default: return divide_whole(r, op, x, y);
    }
}

static struct value real(struct render *r, char op, double x, double y)
{
    if (y == 0 && (op == '/' || op == '%' || op == OP_FLOOR))
        return render_fail(r, INFER_E_FORMAT, "division by zero");
    const double rest = op == '%' ? fmod(x, y) : 0;
    switch (op) {
    case '+': return value_float(x + y);
    case '-': return value_float(x - y);
    case '*': return value_float(x * y);
    case '/': return value_float(x / y);
    case '%': return value_float(rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest);
    case OP_FLOOR: return value_float(floor(x / y));
    default: return value_float(pow(x, y));
    }
}

struct value value_binary(struct render *r, char op, struct value a, struct value b)
{
    if (is_whole(a) && is_whole(b))
        return whole(r, op, as_int(a), as_int(b));
    if (is_number(a) && is_number(b))
        return real(r, op, as_float(a), as_float(b));
    if (op == '+' && is_string(a) && is_string(b))
        return value_concat(r, a, b);
    if (op == '+' && a.type == V_LIST && b.type == V_LIST && a.kind == b.kind)
        return join_lists(r, a, b);
    if (op == '+' && is_string(a) && value_defined(r, b))
        return render_fail(r, INFER_E_FORMAT, "can only concatenate str (not \"%s\") to str", value_type_name(b));
    if (op == '*' && (is_string(a) || a.type == V_LIST) && is_whole(b))
        return repeat(r, a, as_int(b));
    if (op == '*' && is_whole(a) && (is_string(b) || b.type == V_LIST))
        return repeat(r, b, as_int(a));
    if (op == '%' && is_string(a))
        return format_percent(r, a, b);
    const char name[3] = { op == OP_FLOOR ? '/' : op == OP_POWER ? '*' : op,
                           op == OP_FLOOR ? '/' : op == OP_POWER ? '*' : 0, 0 };
    return mistyped(r, name, a, b);
}

/* ---- Slices ---- */

/* An index of a slice as Python takes it: from the end if negative, within [low, high]. */
static bool bound(struct render *r, struct value v, int64_t n, int64_t low, int64_t high, int64_t absent, int64_t *out)
{
    *out = absent;
    if (v.type == V_NONE || v.type == V_ABSENT)
        return true;
    if (!is_whole(v)) {
        if (value_defined(r, v))
            render_fail(r, INFER_E_FORMAT, "slice indices must be integers, found '%s'", value_type_name(v));
        return false;
    }
    const int64_t i = as_int(v) < 0 ? as_int(v) + n : as_int(v);
    *out = i < low ? low : i > high ? high : i;
    return true;
}

static struct value slice_text(struct render *r, struct value v, int64_t from, int64_t to, int64_t step)
{
    if (step == 1) {
        v.u.s = from < to ? text_part(v.u.s, (size_t)from, (size_t)(to - from)) : (struct text){ "", 0 };
        return v;
    }
    struct list *chars = value_items(r, v);
    const size_t mark = r->n_out;
    for (int64_t i = from; chars && (step > 0 ? i < to : i > to) && render_charge(r, 1); i += step)
        put_text(r, chars->items[i].u.s);
    struct value text = put_taken(r, mark);
    text.kind = v.kind;
    return text;
}

struct value value_slice(struct render *r, struct value v, struct value from, struct value to, struct value step)
{
    int64_t by, i, end;
    if (!value_defined(r, v))
        return v;
    if (v.type != V_STRING && v.type != V_LIST)
        return value_undefined(text_of("a slice of what has none"));
    const int64_t n = value_length(v);
    if (!render_charge(r, v.type == V_STRING ? v.u.s.n / 64 : 0) || !bound(r, step, 0, -n - 1, n + 1, 1, &by))
        return v;
    if (by == 0)
        return render_fail(r, INFER_E_FORMAT, "slice step cannot be zero");
    const int64_t low = by < 0 ? -1 : 0, high = by < 0 ? n - 1 : n;
    if (!bound(r, from, n, low, high, by < 0 ? high : low, &i) ||
        !bound(r, to, n, low, high, by < 0 ? low : high, &end))
        return v;
    if (v.type == V_STRING)
        return slice_text(r, v, i, end, by);
    struct list *l = list_new(r, by == 1 && end > i ? (size_t)(end - i) : 0);
    for (; (by > 0 ? i < end : i > end) && !r->failed; i += by)
        list_add(r, l, v.u.list->items[i]);
    return list_value(l, v.kind == LIST_TUPLE ? LIST_TUPLE : LIST_PLAIN);
}
