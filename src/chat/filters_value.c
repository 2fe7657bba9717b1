/* filters_value.c - filters for numbers, for what may be missing, and for JSON. */
#include "src/base/error.h"
#include "src/chat/template.h"

#include <math.h>

#define FILTER(name) static struct value name(struct render *r, struct value self, const struct args *a)

/* (default_value="", boolean=false) */
FILTER(default_value)
{
    (void)r;
    const struct value absent = a->v[0].type == V_ABSENT ? value_text((struct text){ "", 0 }) : a->v[0];
    return self.type == V_UNDEFINED || (arg_bool(a, 1, false) && !value_truth(self)) ? absent : self;
}

/* (default=0, base=10); what is no number gives the default. */
FILTER(to_int)
{
    const struct value absent = a->v[0].type == V_ABSENT ? value_int(0) : a->v[0];
    const int64_t base = arg_int(r, a, 1, 10);
    double f = 0;
    int64_t i = 0;
    if (!value_defined(r, self))
        return self;
    if (is_whole(self))
        return value_int(as_int(self));
    if (is_string(self) && base >= 2 && base <= 36 && text_int(self.u.s, (unsigned)base, &i))
        return value_int(i);
    if (self.type == V_FLOAT ? (f = self.u.f, true) : is_string(self) && text_real(self.u.s, &f))
        return fabs(f) < 9.2e18 ? value_int((int64_t)f) : render_fail(r, INFER_E_FORMAT, "int: beyond 64 bits");
    return absent;
}

FILTER(to_float)
{
    const struct value absent = a->v[0].type == V_ABSENT ? value_float(0) : a->v[0];
    double f = 0;
    if (!value_defined(r, self))
        return self;
    if (is_number(self))
        return value_float(as_float(self));
    return is_string(self) && text_real(self.u.s, &f) ? value_float(f) : absent;
}

FILTER(absolute)
{
    (void)a;
    if (is_whole(self))
        return as_int(self) < 0 ? value_binary(r, '-', value_int(0), self) : value_int(as_int(self));
    if (self.type == V_FLOAT)
        return value_float(fabs(self.u.f));
    return value_defined(r, self) ? render_fail(r, INFER_E_FORMAT, "abs of '%s'", value_type_name(self)) : self;
}

/* The nearest number of so many decimal digits, halves to the even one, judged by the number's exact value: printing
 * does that, and what is printed is read again. */
static double round_decimal(struct render *r, double f, int64_t precision)
{
    const size_t mark = r->n_out;
    double rounded = f;
    if (precision < 0) {
        const double unit = pow(10, (double)-precision);
        return nearbyint(f / unit) * unit;
    }
    put_fixed(r, f, 'f', precision);
    text_real(put_taken(r, mark).u.s, &rounded);
    return rounded;
}

/* (precision=0, method="common") */
FILTER(round_number)
{
    const int64_t precision = arg_int(r, a, 0, 0);
    const struct text method = arg_text(r, a, 1, "common");
    if (!is_number(self))
        return value_defined(r, self) ? render_fail(r, INFER_E_FORMAT, "round of '%s'", value_type_name(self)) : self;
    if (precision > 17 || precision < -17 || !isfinite(as_float(self)) || fabs(as_float(self)) > 1e17)
        return self;
    const double unit = pow(10, (double)precision), f = as_float(self);
    if (text_is(method, "ceil"))
        return value_float(ceil(f * unit) / unit);
    if (text_is(method, "floor"))
        return value_float(floor(f * unit) / unit);
    if (!text_is(method, "common"))
        return render_fail(r, INFER_E_FORMAT, "round: the method must be common, ceil or floor");
    return self.type == V_FLOAT ? value_float(round_decimal(r, f, precision)) : value_int(as_int(self));
}

FILTER(attribute)
{
    const struct text name = arg_text(r, a, 0, "");
    struct value v = value_undefined(name);
    v.kind = self.type;
    /* attributes alone: of a dictionary the methods, not the keys */
    return self.type == V_DICT && !builtin_method(self, name) ? v : value_attribute(r, self, name);
}

/* (ensure_ascii=false, indent=none, separators=none, sort_keys=false), those of json.dumps */
FILTER(to_json)
{
    const bool lines = !arg_absent(a, 1);
    struct json_style style = { .ascii = arg_bool(a, 0, false),
                                .sort = arg_bool(a, 3, false),
                                .comma = text_of(lines ? "," : ", "),
                                .colon = text_of(": ") };
    if (lines) {
        const struct value width = a->v[1];
        style.indent = is_string(width) ? width.u.s : value_binary(r, '*', value_text(text_of(" ")), width).u.s;
    }
    if (list_count(a->v[2]) == 2 && is_string(a->v[2].u.list->items[0]) && is_string(a->v[2].u.list->items[1])) {
        style.comma = a->v[2].u.list->items[0].u.s;
        style.colon = a->v[2].u.list->items[1].u.s;
    }
    if (r->failed || !value_defined(r, self))
        return self;
    const size_t mark = r->n_out;
    put_json(r, self, &style, 0);
    return put_taken(r, mark);
}

FILTER(from_json)
{
    (void)a;
    if (!is_string(self))
        return value_defined(r, self) ? render_fail(r, INFER_E_FORMAT, "from_json of '%s'", value_type_name(self))
                                      : self;
    return value_parse_json(r, self.u.s, "from_json");
}

FILTER(pprint)
{
    (void)a;
    const size_t mark = r->n_out;
    put_repr(r, self);
    return put_taken(r, mark);
}

#define ROW(name, run, parameters, least) { name, run, parameters, least, 0, 0 }
const struct builtin filters_value[] = {
    ROW("default", default_value, "default_value boolean", 0),
    ROW("d", default_value, "default_value boolean", 0),
    ROW("int", to_int, "default base", 0),
    ROW("float", to_float, "default", 0),
    ROW("abs", absolute, "", 0),
    ROW("round", round_number, "precision method", 0),
    ROW("attr", attribute, "name", 1),
    ROW("tojson", to_json, "ensure_ascii indent separators sort_keys", 0),
    ROW("from_json", from_json, "", 0),
    ROW("fromjson", from_json, "", 0),
    ROW("pprint", pprint, "", 0),
    { .name = NULL },
};
