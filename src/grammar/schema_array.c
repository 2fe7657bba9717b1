/* schema_array.c - arrays: items by their place, the others, how many, and some that must be among them. */
#include "src/grammar/schema.h"

/* The list of schemas by place: prefixItems, or items where that is a list (before 2020-12). */
static const json_t *places(const json_t *schema)
{
    const json_t *prefix = json_object_get(schema, "prefixItems"), *items = json_object_get(schema, "items");
    return prefix ? prefix : json_is_array(items) ? items : NULL;
}

/* Schemas of all items that have no place of their own. */
static const json_t *others(const json_t *schema)
{
    const json_t *items = json_object_get(schema, "items");
    return json_is_array(items) ? json_object_get(schema, "additionalItems") : items;
}

/* What holds for item i; `and_too`, which may be NULL, as well. */
static uint32_t item(struct schemas *s, const struct together *all, size_t i, const json_t *and_too)
{
    struct together here = { .n = 0 };
    if (and_too)
        schema_add(s, &here, and_too);
    for (size_t k = 0; k < all->n; k++) {
        const json_t *list = places(all->item[k]);
        const json_t *one = i < json_array_size(list) ? json_array_get(list, i) : others(all->item[k]);
        if (one)
            schema_add(s, &here, one);
    }
    return schema_together(s, &here);
}

static uint32_t after_comma(struct exprs *g, uint32_t x)
{
    const uint32_t comma = expr_seq(g, expr_literal(g, ","), json_space(g));
    return expr_seq(g, json_space(g), expr_seq(g, comma, x));
}

/* Items from place i on: those with a place are optional once there are enough; then the others. */
static uint32_t items_from(struct schemas *s, const struct together *all, size_t n_places, uint32_t least,
                           uint32_t most)
{
    struct exprs *g = s->g;
    const uint32_t placed = (uint32_t)n_places, left = least > placed ? least - placed : 0;
    const uint32_t room = most == UINT32_MAX ? most : most > placed ? most - placed : 0;
    uint32_t x = EXPR_EMPTY;
    if (room) {
        const uint32_t other = item(s, all, n_places, NULL);
        const uint32_t next = after_comma(g, other);
        if (n_places)
            x = expr_repeat(g, next, left, room);
        else
            x = expr_seq(g, other, expr_repeat(g, next, left ? left - 1 : 0, room == UINT32_MAX ? room : room - 1));
        if (!n_places && !left)
            x = expr_optional(g, x);
        if (other == EXPR_NEVER)
            x = left ? EXPR_NEVER : EXPR_EMPTY;
    }
    for (uint32_t i = placed < most ? placed : most; i-- > 0 && !g->status;) {
        const uint32_t one = item(s, all, i, NULL);
        x = expr_seq(g, i ? after_comma(g, one) : one, x);
        x = i < least ? x : expr_optional(g, x);
    }
    return x;
}

/* Some items, `count` of which also hold for `wanted`. */
static uint32_t containing(struct schemas *s, const struct together *all, const json_t *wanted, uint32_t count)
{
    struct exprs *g = s->g;
    const uint32_t some = item(s, all, 0, NULL), one = item(s, all, 0, wanted);
    const uint32_t before = expr_star(g, expr_seq(g, some, after_comma(g, EXPR_EMPTY)));
    uint32_t x = expr_star(g, after_comma(g, some));
    for (uint32_t i = 0; i < count && !g->status; i++) {
        const uint32_t more = expr_seq(g, before, expr_seq(g, one, x));
        x = i + 1 < count ? after_comma(g, more) : more;
    }
    return x;
}

static uint32_t brackets(struct exprs *g, uint32_t x)
{
    const uint32_t space = json_space(g);
    const uint32_t open = expr_seq(g, expr_literal(g, "["), space);
    return expr_seq(g, open, expr_seq(g, x, expr_seq(g, space, expr_literal(g, "]"))));
}

uint32_t schema_array(struct schemas *s, const struct together *all)
{
    const uint32_t least = schema_least(s, all, "minItems"), most = schema_most(s, all, "maxItems");
    size_t n_places = 0;
    const json_t *wanted = NULL;
    uint32_t count = 1;
    for (size_t i = 0; i < all->n; i++) {
        const size_t n = json_array_size(places(all->item[i]));
        const json_t *one = json_object_get(all->item[i], "contains");
        const uint32_t at_least = schema_count(s, all->item[i], "minContains", 1);
        n_places = n > n_places ? n : n_places;
        if (json_is_true(json_object_get(all->item[i], "uniqueItems")) && most > 1)
            return schema_refuse(s, "uniqueItems", "a grammar cannot remember all items");
        if (json_object_get(all->item[i], "unevaluatedItems"))
            return schema_refuse(s, "unevaluatedItems", "not known");
        if (one && json_object_get(all->item[i], "maxContains"))
            return schema_refuse(s, "maxContains", "not known");
        if (one && at_least) {
            if (wanted)
                return schema_refuse(s, "contains", "only one can be asked for");
            wanted = one;
            count = at_least;
        }
    }
    if (least > most)
        return EXPR_NEVER;
    if (!wanted)
        return brackets(s->g, items_from(s, all, n_places, least, most));
    if (n_places || least > count || most != UINT32_MAX || count > 16)
        return schema_refuse(s, "contains", "not together with prefixItems, minItems or maxItems, and at most 16");
    return brackets(s->g, containing(s, all, wanted, count));
}
