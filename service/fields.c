/* fields.c - reading a request's JSON. */
#include "service/fields.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct fields fields_of(const json_t *object)
{
    return (struct fields){ .object = object };
}

const char *json_kind(const json_t *value)
{
    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "a whole number";
    case JSON_REAL: return "a number";
    case JSON_NULL: return "null";
    default: return "true or false";
    }
}

void field_wrong(struct fields *f, const char *param, const char *format, ...)
{
    va_list args;
    if (f->param)
        return;
    f->param = param;
    va_start(args, format);
    vsnprintf(f->why, sizeof f->why, format, args);
    va_end(args);
}

bool fields_fail(const struct fields *f, infer_exchange *x)
{
    if (f->param)
        exchange_fail(x, 400, f->param, "invalid_value", "%s: %s", f->param, f->why);
    return f->param;
}

json_t *field_any(const struct fields *f, const char *name)
{
    json_t *const value = json_object_get(f->object, name);
    return json_is_null(value) ? NULL : value;
}

double field_number(struct fields *f, const char *name, double otherwise, double min, double max)
{
    const json_t *const value = field_any(f, name);
    if (!value)
        return otherwise;
    const double number = json_number_value(value);
    if (!json_is_number(value))
        field_wrong(f, name, "expected a number, found %s", json_kind(value));
    else if (!(number >= min && number <= max))
        field_wrong(f, name, "expected a number from %g to %g, found %g", min, max, number);
    else
        return number;
    return otherwise;
}

int64_t field_integer(struct fields *f, const char *name, int64_t otherwise, int64_t min, int64_t max)
{
    const json_t *const value = field_any(f, name);
    if (!value)
        return otherwise;
    /* Some clients write 10.0 */
    const double real = json_number_value(value);
    const bool whole = json_is_integer(value) || (json_is_real(value) && real == floor(real) && fabs(real) < 9e15);
    const int64_t number = json_is_integer(value) ? json_integer_value(value) : whole ? (int64_t)real : 0;
    if (!whole)
        field_wrong(f, name, "expected a whole number, found %s", json_kind(value));
    else if (number < min || number > max)
        field_wrong(f, name, "expected a whole number from %lld to %lld, found %lld", (long long)min, (long long)max,
                    (long long)number);
    else
        return number;
    return otherwise;
}

bool field_flag(struct fields *f, const char *name, bool otherwise)
{
    const json_t *const value = field_any(f, name);
    if (!value)
        return otherwise;
    if (!json_is_boolean(value))
        field_wrong(f, name, "expected true or false, found %s", json_kind(value));
    return json_is_true(value);
}

const char *field_text(struct fields *f, const char *name, const char *otherwise)
{
    const json_t *const value = field_any(f, name);
    if (!value)
        return otherwise;
    if (!json_is_string(value))
        field_wrong(f, name, "expected a string, found %s", json_kind(value));
    else if (strlen(json_string_value(value)) != json_string_length(value))
        field_wrong(f, name, "holds a NUL character");
    else
        return json_string_value(value);
    return otherwise;
}

json_t *field_array(struct fields *f, const char *name)
{
    json_t *const value = field_any(f, name);
    if (value && !json_is_array(value))
        field_wrong(f, name, "expected an array, found %s", json_kind(value));
    return json_is_array(value) ? value : NULL;
}

json_t *field_object(struct fields *f, const char *name)
{
    json_t *const value = field_any(f, name);
    if (value && !json_is_object(value))
        field_wrong(f, name, "expected an object, found %s", json_kind(value));
    return json_is_object(value) ? value : NULL;
}
