/* schema_types.c - a value of each type that a conjunction leaves, its constants, and what "not" takes away.
 *
 * What is excluded is known for a type if the excluded schema says nothing of it but what can be taken off as text. */
#include "src/grammar/schema.h"

#include <math.h>

static const struct {
    const char *name;
    unsigned types;
} type_names[] = {
    { "null", TYPE_NULL },     { "boolean", TYPE_BOOLEAN }, { "integer", TYPE_INTEGER }, { "number", TYPE_NUMBER },
    { "string", TYPE_STRING }, { "array", TYPE_ARRAY },     { "object", TYPE_OBJECT },
};

/* Assertions of each type, by which a "not" is known to speak of no other. */
static const char *const of_strings[] = { "minLength", "maxLength", "pattern", "format", NULL };
static const char *const of_numbers[] = { "minimum",          "maximum",    "exclusiveMinimum",
                                          "exclusiveMaximum", "multipleOf", NULL };
static const char *const of_others[] = { "items",
                                         "prefixItems",
                                         "minItems",
                                         "maxItems",
                                         "uniqueItems",
                                         "contains",
                                         "properties",
                                         "required",
                                         "additionalProperties",
                                         "patternProperties",
                                         "propertyNames",
                                         "minProperties",
                                         "maxProperties",
                                         "allOf",
                                         "anyOf",
                                         "oneOf",
                                         "not",
                                         "if",
                                         "$ref",
                                         NULL };

static unsigned type_of(struct schemas *s, const json_t *name)
{
    for (size_t i = 0; i < sizeof type_names / sizeof *type_names && json_is_string(name); i++)
        if (!strcmp(json_string_value(name), type_names[i].name))
            return type_names[i].types;
    schema_refuse(s, "type", "expected null, boolean, integer, number, string, array or object, or a list of them");
    return 0;
}

static unsigned types_of(struct schemas *s, const json_t *schema)
{
    const json_t *type = json_object_get(schema, "type");
    unsigned types = 0;
    size_t i;
    json_t *one;
    if (!type)
        return TYPE_ALL;
    if (!json_is_array(type))
        types = type_of(s, type);
    json_array_foreach((json_t *)type, i, one) types |= type_of(s, one);
    return json_is_true(json_object_get(schema, "nullable")) ? types | TYPE_NULL : types;
}

static unsigned type_of_value(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_NULL: return TYPE_NULL;
    case JSON_TRUE:
    case JSON_FALSE: return TYPE_BOOLEAN;
    case JSON_INTEGER: return TYPE_INTEGER;
    case JSON_REAL: return json_real_value(value) == floor(json_real_value(value)) ? TYPE_INTEGER : TYPE_FRACTION;
    case JSON_STRING: return TYPE_STRING;
    case JSON_ARRAY: return TYPE_ARRAY;
    case JSON_OBJECT: return TYPE_OBJECT;
    }
    return 0;
}

static bool has_any(const json_t *schema, const char *const *keywords)
{
    for (; *keywords; keywords++)
        if (json_object_get(schema, *keywords))
            return true;
    return false;
}

static bool any_has(const struct together *all, const char *const *keywords)
{
    bool has = false;
    for (size_t i = 0; i < all->n; i++)
        has |= has_any(all->item[i], keywords);
    return has;
}

/* ---- Constants ---- */

static bool is_among(const json_t *list, const json_t *value)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_equal(json_array_get(list, i), value))
            return true;
    return false;
}

/* The values that const and enum leave, in a new array; NULL if there is neither. */
static json_t *constants(struct schemas *s, const struct together *all)
{
    json_t *left = NULL;
    for (size_t i = 0; i < all->n; i++) {
        const json_t *one = json_object_get(all->item[i], "const"), *list = json_object_get(all->item[i], "enum");
        if (list && !json_is_array(list))
            schema_refuse(s, "enum", "expected an array");
        json_t *values[2] = { one ? json_pack("[O]", one) : NULL, list ? json_copy((json_t *)list) : NULL };
        for (int v = 0; v < 2; v++) {
            for (size_t j = json_array_size(left); j-- > 0 && values[v];)
                if (!is_among(values[v], json_array_get(left, j)))
                    json_array_remove(left, j);
            if (left)
                json_decref(values[v]);
            else
                left = values[v];
        }
    }
    return left;
}

static uint32_t constants_of(struct schemas *s, const json_t *values, unsigned types)
{
    uint32_t x = EXPR_NEVER;
    for (size_t i = json_array_size(values); i-- > 0;)
        if (type_of_value(json_array_get(values, i)) & types)
            x = expr_alt(s->g, json_constant(s->g, json_array_get(values, i)), x);
    return x;
}

/* ---- What is excluded ---- */

/* The texts of a type that one excluded schema has: taken off with expr_minus. `*gone`: all of the type. */
static uint32_t excluded(struct schemas *s, const json_t *schema, unsigned type, bool *gone)
{
    const bool strings = type == TYPE_STRING, numbers = (type & TYPE_NUMBER) != 0;
    const struct together one = { .item = { schema }, .n = 1 };
    if (!json_is_object(schema) || has_any(schema, of_others))
        return schema_refuse(s, "not", "only types, constants and conditions on strings and numbers can be excluded");
    if (!(types_of(s, schema) & type))
        return EXPR_NEVER;
    json_t *values = constants(s, &one);
    uint32_t x = EXPR_NEVER;
    const bool conditions = (strings && has_any(schema, of_strings)) || (numbers && has_any(schema, of_numbers));
    if (!values && !conditions)
        *gone = (types_of(s, schema) & type) == type;
    if (!values && strings && conditions)
        x = schema_string(s, &one, true);
    else if (!values && numbers && !*gone && (types_of(s, schema) & type) != type)
        x = schema_refuse(s, "not", "whole numbers cannot be excluded alone");
    else if (!values && numbers && !*gone)
        x = schema_number(s, &one, (type & TYPE_FRACTION) != 0, true);
    else if (values && conditions)
        x = schema_refuse(s, "not", "constants with conditions cannot be excluded");
    for (size_t i = 0; i < json_array_size(values); i++) {
        const json_t *value = json_array_get(values, i);
        if (!(type_of_value(value) & type))
            continue;
        if (type & (TYPE_ARRAY | TYPE_OBJECT))
            schema_refuse(s, "not", "arrays and objects cannot be excluded one by one");
        x = expr_alt(s->g, x, numbers ? schema_equal_number(s, value) : json_constant(s->g, value));
    }
    json_decref(values);
    return x;
}

static uint32_t take_off(struct schemas *s, const struct together *all, uint32_t x, unsigned type)
{
    for (size_t i = 0; i < all->n && x != EXPR_NEVER && !s->g->status; i++) {
        const json_t *schema = json_object_get(all->item[i], "not");
        bool gone = false;
        const uint32_t y = schema && !json_is_boolean(schema) && !json_object_get(schema, "properties") &&
                                   !json_object_get(schema, "required")
                               ? excluded(s, schema, type, &gone)
                               : EXPR_NEVER;
        x = gone ? EXPR_NEVER : expr_minus(s->g, x, y);
    }
    return x;
}

/* ---- Values of each type ---- */

static bool has_not(const struct together *all)
{
    static const char *const nots[] = { "not", NULL };
    return any_has(all, nots);
}

static uint32_t a_string(struct schemas *s, const struct together *all, const json_t *values)
{
    const bool conditions = any_has(all, of_strings), nots = has_not(all);
    if (!conditions && !nots)
        return values ? constants_of(s, values, TYPE_STRING) : schema_any_string(s);
    const uint32_t listed = values ? constants_of(s, values, TYPE_STRING) : EXPR_NEVER;
    uint32_t x = conditions || !values ? schema_string(s, all, nots || values) : listed;
    x = values && conditions ? expr_and(s->g, listed, x) : x;
    return take_off(s, all, x, TYPE_STRING);
}

static uint32_t a_number(struct schemas *s, const struct together *all, unsigned types, const json_t *values)
{
    const bool conditions = any_has(all, of_numbers) || has_not(all), fractions = types & TYPE_FRACTION;
    if (!(types & TYPE_NUMBER))
        return EXPR_NEVER;
    if (values && !conditions)
        return constants_of(s, values, types & TYPE_NUMBER);
    uint32_t x = schema_number(s, all, fractions, has_not(all));
    x = values ? expr_and(s->g, constants_of(s, values, types & TYPE_NUMBER), x) : x;
    return conditions ? take_off(s, all, x, types & TYPE_NUMBER) : x;
}

/* Arrays and objects: constants are taken as they are, if nothing else is asked of them. */
static uint32_t a_container(struct schemas *s, const struct together *all, unsigned type, const json_t *values)
{
    if (values) {
        const uint32_t x = constants_of(s, values, type);
        return x != EXPR_NEVER && any_has(all, of_others)
                   ? schema_refuse(s, "enum", "arrays and objects listed cannot be held to other conditions")
                   : x;
    }
    bool gone = false;
    for (size_t i = 0; i < all->n && !gone; i++) {
        const json_t *schema = json_object_get(all->item[i], "not");
        if (schema && !json_is_boolean(schema) && !json_object_get(schema, "properties") &&
            !json_object_get(schema, "required"))
            excluded(s, schema, type, &gone);
    }
    return gone ? EXPR_NEVER : type == TYPE_ARRAY ? schema_array(s, all) : schema_object(s, all);
}

uint32_t schema_types(struct schemas *s, const struct together *all)
{
    struct exprs *g = s->g;
    unsigned types = TYPE_ALL;
    for (size_t i = 0; i < all->n; i++)
        types &= types_of(s, all->item[i]);
    json_t *values = constants(s, all);
    uint32_t x = EXPR_NEVER, one;
    if (types & TYPE_OBJECT)
        x = expr_alt(g, x, a_container(s, all, TYPE_OBJECT, values));
    if (types & TYPE_ARRAY)
        x = expr_alt(g, x, a_container(s, all, TYPE_ARRAY, values));
    if (types & TYPE_STRING)
        x = expr_alt(g, x, a_string(s, all, values));
    x = expr_alt(g, x, a_number(s, all, types, values));
    static const struct {
        unsigned type;
        const char *text;
    } words[] = { { TYPE_BOOLEAN, "true" }, { TYPE_BOOLEAN, "false" }, { TYPE_NULL, "null" } };
    for (size_t i = 0; i < 3; i++) {
        if (!(types & words[i].type))
            continue;
        one = expr_literal(g, words[i].text);
        if (values) /* true is not false: the word has to be listed */
            one = expr_and(g, one, constants_of(s, values, words[i].type));
        x = expr_alt(g, x, take_off(s, all, one, words[i].type));
    }
    json_decref(values);
    return g->status ? EXPR_NEVER : x;
}

/* ---- Rules for what needs no schema ---- */

static uint32_t rule_for(struct schemas *s, uint32_t *slot, const char *name, bool *is_new)
{
    *is_new = *slot == UINT32_MAX;
    if (*is_new) {
        *slot = exprs_add_rule(s->g, text_of(name));
        if (!s->g->status)
            s->g->rules[*slot].apart = true;
    }
    return s->g->status ? EXPR_NEVER : expr_rule(s->g, *slot);
}

uint32_t schema_any_string(struct schemas *s)
{
    bool is_new;
    const uint32_t x = rule_for(s, &s->string, "string", &is_new);
    if (is_new && !s->g->status)
        s->g->rules[s->string].expr = json_quoted(s->g, expr_star(s->g, json_free_char(s->g)));
    return x;
}

uint32_t schema_any(struct schemas *s)
{
    bool is_new;
    const struct together none = { .n = 0 };
    const uint32_t x = rule_for(s, &s->value, "value", &is_new);
    if (is_new && !s->g->status) {
        const uint32_t body = schema_types(s, &none);
        s->g->rules[s->value].expr = body;
    }
    return x;
}

/* ---- Counts ---- */

uint32_t schema_count(struct schemas *s, const json_t *schema, const char *keyword, uint32_t absent)
{
    const json_t *value = json_object_get(schema, keyword);
    const double count = json_number_value(value);
    if (!value)
        return absent;
    if (!json_is_number(value) || !(count >= 0) || count != floor(count)) {
        schema_refuse(s, keyword, "expected a count");
        return absent;
    }
    return count < UINT32_MAX ? (uint32_t)count : UINT32_MAX - 1;
}

uint32_t schema_least(struct schemas *s, const struct together *all, const char *keyword)
{
    uint32_t least = 0;
    for (size_t i = 0; i < all->n; i++) {
        const uint32_t one = schema_count(s, all->item[i], keyword, 0);
        least = one > least ? one : least;
    }
    return least;
}

uint32_t schema_most(struct schemas *s, const struct together *all, const char *keyword)
{
    uint32_t most = UINT32_MAX;
    for (size_t i = 0; i < all->n; i++) {
        const uint32_t one = schema_count(s, all->item[i], keyword, UINT32_MAX);
        most = one < most ? one : most;
    }
    return most;
}
