/* schema_string.c - strings by length, pattern and format. */
#include "src/grammar/schema.h"

/* Formats as regular expressions, which are within what their standards say. Others only tell something. */
#define TIME "([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
#define DATE                                                                                                           \
    "(?!0000)([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|"                  \
    "02-(0[1-9]|1[0-9]|2[0-8]))|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)"
#define BYTE "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define IPV4 "(" BYTE "\\.){3}" BYTE
#define H16 "[0-9a-fA-F]{1,4}"
#define LS32 "(" H16 ":" H16 "|" IPV4 ")"
#define LABEL "[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"

static const struct {
    const char *name, *pattern;
} formats[] = {
    { "date", "^" DATE "$" },
    { "time", "^" TIME "$" },
    { "date-time", "^" DATE "[Tt]" TIME "$" },
    { "duration", "^P([0-9]+W|([0-9]+Y([0-9]+M([0-9]+D)?)?|[0-9]+M([0-9]+D)?|[0-9]+D)"
                  "(T([0-9]+H([0-9]+M([0-9]+S)?)?|[0-9]+M([0-9]+S)?|[0-9]+S))?|"
                  "T([0-9]+H([0-9]+M([0-9]+S)?)?|[0-9]+M([0-9]+S)?|[0-9]+S))$" },
    { "email", "^[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+)*@" LABEL "(\\." LABEL ")*$" },
    { "hostname", "^" LABEL "(\\." LABEL ")*$" },
    { "ipv4", "^" IPV4 "$" },
    { "ipv6", "^((" H16 ":){6}" LS32 "|::(" H16 ":){5}" LS32 "|(" H16 ")?::(" H16 ":){4}" LS32 "|((" H16 ":){0,1}" H16
              ")?::(" H16 ":){3}" LS32 "|((" H16 ":){0,2}" H16 ")?::(" H16 ":){2}" LS32 "|((" H16 ":){0,3}" H16
              ")?::" H16 ":" LS32 "|((" H16 ":){0,4}" H16 ")?::" LS32 "|((" H16 ":){0,5}" H16 ")?::" H16 "|((" H16
              ":){0,6}" H16 ")?::)$" },
    { "uuid", "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$" },
    { "uri",
      "^[a-zA-Z][a-zA-Z0-9+.-]*:(//(([a-zA-Z0-9._~!$&'()*+,;=:-]|%[0-9a-fA-F]{2})*@)?"
      "(\\[[0-9a-fA-F:.]+\\]|([a-zA-Z0-9._~!$&'()*+,;=-]|%[0-9a-fA-F]{2})*)(:[0-9]*)?"
      "(/([a-zA-Z0-9._~!$&'()*+,;=:@/-]|%[0-9a-fA-F]{2})*)?"
      "|/?([a-zA-Z0-9._~!$&'()*+,;=:@-]|%[0-9a-fA-F]{2})([a-zA-Z0-9._~!$&'()*+,;=:@/-]|%[0-9a-fA-F]{2})*)?"
      "(\\?([a-zA-Z0-9._~!$&'()*+,;=:@/?-]|%[0-9a-fA-F]{2})*)?(#([a-zA-Z0-9._~!$&'()*+,;=:@/?-]|%[0-9a-fA-F]{2})*)?$" },
    { "json-pointer", "^(/([^~/]|~[01])*)*$" },
};

uint32_t schema_pattern(struct schemas *s, const json_t *pattern)
{
    if (!json_is_string(pattern))
        return schema_refuse(s, "pattern", "expected a string");
    const struct text text = { json_string_value(pattern), json_string_length(pattern) };
    const bool failed_before = s->g->status;
    const uint32_t x = regex_read_as(s->g, text, false, true);
    if (s->g->status && !failed_before)
        fail_prefix(s->g->err, "schema keyword \"pattern\"");
    return x;
}

static uint32_t format_of(struct schemas *s, const json_t *format)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats && json_is_string(format); i++)
        if (!strcmp(json_string_value(format), formats[i].name))
            return regex_read_as(s->g, text_of(formats[i].pattern), false, true);
    return EXPR_NEVER; /* none that is known */
}

static uint32_t both(struct exprs *g, uint32_t x, uint32_t y)
{
    return x == UINT32_MAX ? y : expr_and(g, x, y);
}

/* The inside of a string; UINT32_MAX if there is no condition at all. */
static uint32_t inside(struct schemas *s, const struct together *all, bool conditions)
{
    struct exprs *g = s->g;
    const uint32_t least = schema_least(s, all, "minLength"), most = schema_most(s, all, "maxLength");
    uint32_t x = UINT32_MAX;
    for (size_t i = 0; i < all->n; i++) {
        const json_t *pattern = json_object_get(all->item[i], "pattern"),
                     *format = json_object_get(all->item[i], "format");
        const uint32_t known = format_of(s, format);
        if (pattern)
            x = both(g, x, schema_pattern(s, pattern));
        if (known != EXPR_NEVER)
            x = both(g, x, known);
    }
    conditions |= x != UINT32_MAX;
    if (!conditions && !least && most == UINT32_MAX)
        return UINT32_MAX;
    if (least || most != UINT32_MAX || x == UINT32_MAX)
        x = both(g, x, expr_repeat(g, conditions ? json_any_char(g) : json_free_char(g), least, most));
    return x;
}

uint32_t schema_inside(struct schemas *s, const struct together *all)
{
    return inside(s, all, true);
}

uint32_t schema_string(struct schemas *s, const struct together *all, bool conditions)
{
    const uint32_t x = inside(s, all, conditions);
    return x == UINT32_MAX ? schema_any_string(s) : json_quoted(s->g, x);
}
