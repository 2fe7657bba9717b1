/* schema_object.c - objects: their properties in the order of the schema, then those that have no name in it.
 *
 * As a property may be missing, what may follow depends on whether one came before: then a comma has to. Both ways are
 * built from the last property to the first, so that all share what follows. Where members are counted there is such a
 * way for each count. */
#include "src/grammar/schema.h"

enum { MOST_PATTERNS = 3, MOST_COUNTED = 64 };

struct property {
    const char *name;
    size_t length;
    bool required;
};

struct object {
    struct schemas *s;
    const struct together *all;
    struct property *list;
    size_t n, room;
    uint32_t key;   /* the inside of keys, as propertyNames have it; UINT32_MAX: any */
    uint32_t extra; /* a member that has no name; EXPR_NEVER: there is none */
    uint32_t least, most;
};

/* ---- Names ---- */

static bool has_name(const struct object *o, const char *name, size_t length)
{
    for (size_t i = 0; i < o->n; i++)
        if (o->list[i].length == length && !memcmp(o->list[i].name, name, length))
            return true;
    return false;
}

static void add_name(struct object *o, const char *name, size_t length)
{
    if (has_name(o, name, length))
        return;
    if (mem_grow(o->s->g->a, &o->list, &o->room, o->n + 1, sizeof *o->list))
        o->list[o->n++] = (struct property){ name, length, false };
    else
        exprs_nomem(o->s->g);
}

static void collect_names(struct object *o)
{
    const char *name;
    size_t length, j;
    json_t *value;
    for (size_t i = 0; i < o->all->n; i++) {
        const json_t *properties = json_object_get(o->all->item[i], "properties");
        if (properties && !json_is_object(properties))
            schema_refuse(o->s, "properties", "expected an object");
        json_object_keylen_foreach((json_t *)properties, name, length, value) add_name(o, name, length);
    }
    for (size_t i = 0; i < o->all->n && !o->s->g->status; i++)
        json_array_foreach(json_object_get(o->all->item[i], "required"), j, value)
        {
            const char *wanted = json_string_value(value);
            if (!wanted)
                continue;
            add_name(o, wanted, json_string_length(value));
            for (size_t k = 0; k < o->n; k++)
                o->list[k].required |= o->list[k].length == json_string_length(value) &&
                                       !memcmp(o->list[k].name, wanted, o->list[k].length);
        }
}

/* ---- Values ---- */

/* Whether a name holds for a pattern: asked of the pattern's automaton. */
static bool pattern_has(struct schemas *s, const char *pattern, const struct property *p)
{
    return regex_matches(s->g, text_of(pattern), (struct text){ p->name, p->length });
}

/* What one schema says of a property. */
static void add_property(struct schemas *s, const json_t *schema, const struct property *p, struct together *here)
{
    const json_t *named = json_object_getn(json_object_get(schema, "properties"), p->name, p->length);
    bool known = named != NULL;
    const char *pattern;
    json_t *value;
    if (named)
        schema_add(s, here, named);
    json_object_foreach(json_object_get(schema, "patternProperties"), pattern, value) if (pattern_has(s, pattern, p))
    {
        schema_add(s, here, value);
        known = true;
    }
    const json_t *additional = json_object_get(schema, "additionalProperties");
    if (!known && additional)
        schema_add(s, here, additional);
}

static uint32_t member(struct object *o, uint32_t key, uint32_t value)
{
    struct exprs *g = o->s->g;
    const uint32_t colon = expr_seq(g, json_space(g), expr_seq(g, expr_literal(g, ":"), json_space(g)));
    return expr_seq(g, json_quoted(g, key), expr_seq(g, colon, value));
}

static uint32_t named_member(struct object *o, const struct property *p)
{
    struct together here = { .n = 0 };
    uint32_t key = json_inside(o->s->g, p->name, p->length);
    for (size_t i = 0; i < o->all->n; i++)
        add_property(o->s, o->all->item[i], p, &here);
    if (o->key != UINT32_MAX)
        key = expr_and(o->s->g, key, o->key);
    return member(o, key, schema_together(o->s, &here));
}

/* ---- Members without a name in the schema ---- */

struct patterns {
    const char *text[MOST_PATTERNS];
    const json_t *schema[MOST_PATTERNS], *of[MOST_PATTERNS]; /* what it says, and whose patternProperties it is in */
    size_t n;
};

static void collect_patterns(struct object *o, struct patterns *p)
{
    const char *pattern;
    json_t *value;
    for (size_t i = 0; i < o->all->n; i++)
        json_object_foreach(json_object_get(o->all->item[i], "patternProperties"), pattern, value)
        {
            if (p->n == MOST_PATTERNS) {
                schema_refuse(o->s, "patternProperties", "more than 3 patterns");
                return;
            }
            p->text[p->n] = pattern;
            p->of[p->n] = o->all->item[i];
            p->schema[p->n++] = value;
        }
}

/* Keys that match the patterns whose bits are set and no other, with what they must have. */
static uint32_t extra_of(struct object *o, const struct patterns *p, unsigned set, uint32_t keys)
{
    struct schemas *s = o->s;
    struct exprs *g = s->g;
    struct together here = { .n = 0 };
    bool allowed = set != 0;
    for (size_t i = 0; i < p->n; i++) {
        const uint32_t matches = regex_read_as(g, text_of(p->text[i]), false, true);
        keys = set >> i & 1 ? expr_and(g, keys, matches) : expr_minus(g, keys, matches);
        if (set >> i & 1)
            schema_add(s, &here, p->schema[i]);
    }
    for (size_t i = 0; i < o->all->n; i++) {
        const json_t *additional = json_object_get(o->all->item[i], "additionalProperties");
        const json_t *rest = json_object_get(o->all->item[i], "unevaluatedProperties");
        bool known = false;
        for (size_t k = 0; k < p->n; k++)
            known |= p->of[k] == o->all->item[i] && (set >> k & 1);
        if (additional && !known)
            schema_add(s, &here, additional);
        if (rest && !set && !additional)
            schema_add(s, &here, rest);
        allowed |= additional || rest;
    }
    for (size_t i = 0; i < o->all->n && !o->n && !p->n; i++)
        allowed |= !json_object_get(o->all->item[i], "properties");
    allowed |= !o->n && !o->all->n;
    return allowed ? member(o, keys, schema_together(s, &here)) : EXPR_NEVER;
}

static uint32_t extra_member(struct object *o)
{
    struct exprs *g = o->s->g;
    struct patterns p = { .n = 0 };
    collect_patterns(o, &p);
    uint32_t names = EXPR_NEVER, x = EXPR_NEVER;
    for (size_t i = o->n; i-- > 0 && !g->status;)
        names = expr_alt(g, json_inside(g, o->list[i].name, o->list[i].length), names);
    const bool conditions = o->n || p.n || o->key != UINT32_MAX;
    uint32_t keys = expr_star(g, conditions ? json_any_char(g) : json_free_char(g));
    keys = o->key != UINT32_MAX ? o->key : keys;
    keys = expr_minus(g, keys, names);
    for (unsigned set = 0; set < 1u << p.n && !g->status; set++)
        x = expr_alt(g, x, extra_of(o, &p, set, keys));
    return x;
}

/* ---- Members in a row ---- */

static uint32_t after_comma(struct exprs *g, uint32_t x)
{
    const uint32_t comma = expr_seq(g, expr_literal(g, ","), json_space(g));
    return expr_seq(g, json_space(g), expr_seq(g, comma, x));
}

/* Extra members where `count` members are there already. */
static uint32_t extras(const struct object *o, uint32_t count)
{
    struct exprs *g = o->s->g;
    const uint32_t next = after_comma(g, o->extra), left = o->least > count ? o->least - count : 0;
    const uint32_t room = o->most == UINT32_MAX ? o->most : o->most > count ? o->most - count : 0;
    if (o->most != UINT32_MAX && count > o->most)
        return EXPR_NEVER;
    if (count)
        return expr_repeat(g, next, left, room);
    if (!room || o->extra == EXPR_NEVER)
        return left ? EXPR_NEVER : EXPR_EMPTY;
    const uint32_t some =
        expr_seq(g, o->extra, expr_repeat(g, next, left ? left - 1 : 0, room == UINT32_MAX ? room : room - 1));
    return left ? some : expr_optional(g, some);
}

/* way[c]: what may come once c members are there; the last one is for that many or more. */
static uint32_t members(struct object *o)
{
    struct exprs *g = o->s->g;
    uint32_t way[MOST_COUNTED + 2];
    const uint32_t bound = o->most == UINT32_MAX ? o->least : o->most + 1, last = bound > 1 ? bound : 1;
    if (last > MOST_COUNTED)
        return schema_refuse(o->s, "minProperties", "counts of more than 63 properties");
    for (uint32_t c = 0; c <= last; c++)
        way[c] = extras(o, c);
    for (size_t i = o->n; i-- > 0 && !g->status;) {
        const uint32_t one = named_member(o, &o->list[i]), next = after_comma(g, one);
        for (uint32_t c = 0; c <= last; c++) {
            const uint32_t with = expr_seq(g, c ? next : one, way[c < last ? c + 1 : last]);
            way[c] = o->list[i].required ? with : expr_alt(g, with, way[c]);
        }
    }
    return way[0];
}

/* Counts that the properties keep by themselves are no conditions. */
static void simplify_counts(struct object *o)
{
    uint32_t required = 0;
    for (size_t i = 0; i < o->n; i++)
        required += o->list[i].required;
    if (o->least <= required)
        o->least = 0;
    if (o->extra == EXPR_NEVER && o->most >= o->n)
        o->most = UINT32_MAX;
}

static void read_names(struct object *o)
{
    for (size_t i = 0; i < o->all->n; i++) {
        const json_t *names = json_object_get(o->all->item[i], "propertyNames");
        const struct together one = { .item = { names }, .n = 1 };
        if (!names || json_is_true(names))
            continue;
        if (!json_is_object(names) || json_object_get(names, "$ref") || json_object_get(names, "enum") ||
            json_object_get(names, "const") || json_object_get(names, "allOf") || json_object_get(names, "anyOf") ||
            json_object_get(names, "oneOf") || json_object_get(names, "not")) {
            schema_refuse(o->s, "propertyNames", "only pattern, format and lengths are known here");
            return;
        }
        const uint32_t inside = schema_inside(o->s, &one);
        o->key = o->key == UINT32_MAX ? inside : expr_and(o->s->g, o->key, inside);
    }
}

uint32_t schema_object(struct schemas *s, const struct together *all)
{
    struct exprs *g = s->g;
    struct object o = { .s = s,
                        .all = all,
                        .key = UINT32_MAX,
                        .least = schema_least(s, all, "minProperties"),
                        .most = schema_most(s, all, "maxProperties") };
    collect_names(&o);
    read_names(&o);
    o.extra = g->status ? EXPR_NEVER : extra_member(&o);
    simplify_counts(&o);
    const uint32_t inside = g->status || o.least > o.most ? EXPR_NEVER : members(&o);
    mem_free(g->a, o.list);
    const uint32_t open = expr_seq(g, expr_literal(g, "{"), json_space(g));
    return expr_seq(g, open, expr_seq(g, inside, expr_seq(g, json_space(g), expr_literal(g, "}"))));
}
