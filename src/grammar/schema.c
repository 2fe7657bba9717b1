/* schema.c - references, schemas that apply together, and alternatives.
 *
 * What applies to a value is collected first: the schema, what it refers to, and its allOf. Then one keyword that
 * offers alternatives after the other (anyOf, if, ...) is dealt with by trying what it offers together with the rest,
 * until none is left. A conjunction with a reference in it becomes a rule, which ends recursion. */
#include "src/grammar/schema.h"

#include <stdio.h>

uint32_t schema_refuse(struct schemas *s, const char *keyword, const char *why)
{
    return exprs_fail(s->g, INFER_E_UNKNOWN, "schema keyword \"%.64s\": %s", keyword, why);
}

const json_t *schema_keep(struct schemas *s, json_t *made)
{
    if (!made || json_array_append_new(s->made, made)) {
        exprs_nomem(s->g);
        return NULL;
    }
    return made;
}

/* ---- References ---- */

/* One step of a JSON pointer: ~0 is ~, ~1 is /, and %XX a byte. */
static const json_t *step(const json_t *at, const char *part, size_t n)
{
    char key[256];
    size_t length = 0;
    for (size_t i = 0; i < n && length < sizeof key; i++) {
        unsigned byte = 0;
        if (part[i] == '~' && i + 1 < n && (part[i + 1] == '0' || part[i + 1] == '1')) {
            key[length++] = part[++i] == '0' ? '~' : '/';
        } else if (part[i] == '%' && i + 2 < n && sscanf(part + i + 1, "%2x", &byte) == 1) {
            key[length++] = (char)byte;
            i += 2;
        } else {
            key[length++] = part[i];
        }
    }
    if (length == sizeof key)
        return NULL;
    if (!json_is_array(at))
        return json_object_getn(at, key, length);
    size_t index = 0;
    for (size_t i = 0; i < length; i++)
        index = key[i] >= '0' && key[i] <= '9' && index < 1 << 24 ? 10 * index + (size_t)(key[i] - '0') : SIZE_MAX >> 4;
    return length ? json_array_get(at, index) : NULL;
}

static const json_t *find_anchor(const json_t *at, const char *name, unsigned depth)
{
    const char *anchor = json_string_value(json_object_get(at, "$anchor"));
    const char *key;
    const json_t *found = anchor && !strcmp(anchor, name) ? at : NULL;
    json_t *value;
    size_t i;
    if (depth > MOST_SCHEMAS)
        return NULL;
    if (!found && json_is_array(at))
        json_array_foreach((json_t *)at, i, value) found = found ? found : find_anchor(value, name, depth + 1);
    if (!found && json_is_object(at))
        json_object_foreach((json_t *)at, key, value) found = found ? found : find_anchor(value, name, depth + 1);
    return found;
}

static const json_t *resolve(struct schemas *s, const char *name)
{
    const char *id = json_string_value(json_object_get(s->root, "$id"));
    const json_t *at = s->root;
    const char *p = name;
    if (id && *id && !strncmp(p, id, strcspn(id, "#")))
        p += strcspn(id, "#");
    if (*p != '#' && *p) {
        exprs_fail(s->g, INFER_E_UNKNOWN, "\"$ref\" is \"%.100s\", expected a place within the schema (#...)", name);
        return NULL;
    }
    p += *p == '#';
    if (*p && *p != '/')
        at = find_anchor(at, p, 0);
    while (at && *p == '/') {
        const size_t n = strcspn(++p, "/");
        at = step(at, p, n);
        p += n;
    }
    if (!at)
        exprs_fail(s->g, INFER_E_FORMAT, "\"$ref\" is \"%.100s\", which is not there", name);
    return at;
}

/* ---- What applies together ---- */

void schema_add(struct schemas *s, struct together *all, const json_t *schema)
{
    size_t i;
    json_t *part;
    if (s->g->status || json_is_true(schema))
        return;
    if (!json_is_object(schema)) {
        all->never = true;
        if (!json_is_false(schema))
            exprs_fail(s->g, INFER_E_FORMAT, "a schema is neither an object nor true or false");
        return;
    }
    for (i = 0; i < all->n; i++)
        if (all->item[i] == schema)
            return;
    if (all->n == MOST_TOGETHER) {
        exprs_fail(s->g, INFER_E_UNKNOWN, "more than %d schemas apply to one value", MOST_TOGETHER);
        return;
    }
    all->done[all->n] = 0;
    all->item[all->n++] = schema;
    const json_t *all_of = json_object_get(schema, "allOf");
    if (all_of && !json_is_array(all_of))
        schema_refuse(s, "allOf", "expected an array");
    json_array_foreach((json_t *)all_of, i, part) schema_add(s, all, part);
    static const char *const names[] = { "$ref", "$dynamicRef" };
    for (i = 0; i < 2; i++) {
        const json_t *name = json_object_get(schema, names[i]);
        if (!name)
            continue;
        if (!json_is_string(name))
            schema_refuse(s, names[i], "expected a string");
        const json_t *target = s->g->status ? NULL : resolve(s, json_string_value(name));
        all->by_name = true;
        if (target)
            schema_add(s, all, target);
    }
}

uint32_t schema_value(struct schemas *s, const json_t *schema)
{
    struct together all = { .n = 0 };
    schema_add(s, &all, schema);
    return schema_together(s, &all);
}

/* ---- Alternatives ---- */

typedef uint32_t branch_fn(struct schemas *s, const struct together *all, const json_t *schema, const json_t *value);

/* Whatever holds for `all` and for two schemas more, of which NULL is none. */
static uint32_t with(struct schemas *s, const struct together *all, const json_t *x, const json_t *y)
{
    struct together more = *all;
    if (++s->n_branches > MOST_BRANCHES)
        return exprs_fail(s->g, INFER_E_UNKNOWN, "the schema has more than %d alternatives", MOST_BRANCHES);
    if (x)
        schema_add(s, &more, x);
    if (y)
        schema_add(s, &more, y);
    return schema_together(s, &more);
}

static uint32_t any_of(struct schemas *s, const struct together *all, const json_t *schema, const json_t *value)
{
    (void)schema;
    size_t i;
    json_t *part;
    uint32_t x = EXPR_NEVER;
    if (!json_is_array(value))
        return schema_refuse(s, "anyOf", "expected an array, as of \"oneOf\"");
    json_array_foreach((json_t *)value, i, part) x = expr_alt(s->g, x, with(s, all, part, NULL));
    return x;
}

/* Only of what kind a value is and which members it has. */
static bool is_shape(const json_t *schema)
{
    const bool properties = json_object_get(schema, "properties"), required = json_object_get(schema, "required");
    const bool type = json_object_get(schema, "type");
    return (properties || required) && json_object_size(schema) == (size_t)properties + required + type;
}

/* Whatever `schema` does not hold for, as alternatives: for objects one of its properties is wrong, or one that is
 * required missing. Anything else is left to schema_types, as a "not". */
static uint32_t without(struct schemas *s, const struct together *all, const json_t *schema, const json_t *more)
{
    const json_t *properties = json_object_get(schema, "properties"), *required = json_object_get(schema, "required");
    const char *key;
    size_t i;
    json_t *part;
    uint32_t x = EXPR_NEVER;
    if (json_is_boolean(schema))
        return json_is_true(schema) ? EXPR_NEVER : with(s, all, more, NULL);
    if (!is_shape(schema))
        return with(s, all, more, schema_keep(s, json_pack("{sO}", "not", schema)));
    if ((part = json_object_get(schema, "type")))
        x = with(s, all, more, schema_keep(s, json_pack("{s{sO}}", "not", "type", part)));
    json_object_foreach((json_t *)properties, key, part) x =
        expr_alt(s->g, x,
                 with(s, all, more,
                      schema_keep(s, json_pack("{ss,s[s],s{s{sO}}}", "type", "object", "required", key, "properties",
                                               key, "not", part))));
    json_array_foreach((json_t *)required, i, part) if (json_is_string(part)) x = expr_alt(
        s->g, x,
        with(s, all, more,
             schema_keep(s, json_pack("{ss,s{sb}}", "type", "object", "properties", json_string_value(part), 0))));
    return x;
}

static uint32_t if_then(struct schemas *s, const struct together *all, const json_t *schema, const json_t *value)
{
    const json_t *yes = json_object_get(schema, "then"), *no = json_object_get(schema, "else");
    if (!yes && !no)
        return with(s, all, NULL, NULL);
    return expr_alt(s->g, with(s, all, value, yes), without(s, all, value, no));
}

static uint32_t is_not(struct schemas *s, const struct together *all, const json_t *schema, const json_t *value)
{
    (void)schema;
    return is_shape(value) || json_is_boolean(value) ? without(s, all, value, NULL) : with(s, all, NULL, NULL);
}

/* For each key: it is missing, or it is there and more has to hold. The other keys are left to a schema made here. */
static uint32_t depends(struct schemas *s, const struct together *all, const json_t *schema, const json_t *value)
{
    (void)schema;
    void *first = json_object_iter((json_t *)value);
    if (!first)
        return with(s, all, NULL, NULL);
    const char *key = json_object_iter_key(first);
    const json_t *what = json_object_iter_value(first);
    json_t *rest = json_copy((json_t *)value);
    json_object_del(rest, key);
    const json_t *others = schema_keep(s, json_pack("{so}", "dependentSchemas", rest));
    const json_t *missing = schema_keep(s, json_pack("{s{sb}}", "properties", key, 0));
    const json_t *there = schema_keep(s, json_pack("{s[s]}", "required", key));
    if (json_is_array(what))
        what = schema_keep(s, json_pack("{sO}", "required", what));
    if (s->g->status)
        return EXPR_NEVER;
    struct together more = *all;
    schema_add(s, &more, others);
    return expr_alt(s->g, with(s, &more, missing, NULL), with(s, &more, there, what));
}

static const struct branching {
    const char *keyword;
    branch_fn *run;
} branchings[] = {
    { "anyOf", any_of },
    { "oneOf", any_of },
    { "if", if_then },
    { "not", is_not },
    { "dependentRequired", depends },
    { "dependentSchemas", depends },
    { "dependencies", depends },
};
_Static_assert(sizeof branchings / sizeof *branchings <= 8, "together.done has a bit for each");

static uint32_t alternatives(struct schemas *s, const struct together *all)
{
    for (size_t i = 0; i < all->n; i++)
        for (size_t b = 0; b < sizeof branchings / sizeof *branchings; b++) {
            const json_t *value = json_object_get(all->item[i], branchings[b].keyword);
            if (!value || all->done[i] >> b & 1)
                continue;
            struct together rest = *all;
            rest.done[i] |= (uint8_t)(1u << b);
            return branchings[b].run(s, &rest, all->item[i], value);
        }
    return schema_types(s, all);
}

/* ---- Rules ---- */

static uint32_t *rule_of(struct schemas *s, const struct together *all, bool *added)
{
    uint32_t words[3 * MOST_TOGETHER];
    for (size_t i = 0; i < all->n; i++) {
        const uintptr_t p = (uintptr_t)all->item[i];
        words[3 * i] = (uint32_t)p;
        words[3 * i + 1] = (uint32_t)((uint64_t)p >> 32);
        words[3 * i + 2] = all->done[i];
    }
    const uint32_t id = intern_add(&s->seen, words, 3 * all->n, added);
    if (id == INTERN_NONE || !mem_grow(s->g->a, &s->seen_rule, &s->room_seen, s->seen.n, sizeof *s->seen_rule)) {
        exprs_nomem(s->g);
        return NULL;
    }
    return &s->seen_rule[id];
}

uint32_t schema_together(struct schemas *s, const struct together *all)
{
    if (all->never || s->g->status)
        return EXPR_NEVER;
    if (!all->n)
        return schema_any(s);
    if (++s->depth > MOST_SCHEMAS)
        return exprs_fail(s->g, INFER_E_UNKNOWN, "schemas within each other more than %d deep", MOST_SCHEMAS);
    uint32_t x;
    if (all->by_name) {
        bool added;
        struct together named = *all;
        named.by_name = false;
        uint32_t *slot = rule_of(s, all, &added), rule = 0;
        if (slot)
            rule = *slot = added ? exprs_add_rule(s->g, text_of("$ref")) : *slot;
        if (!s->g->status && added) {
            x = alternatives(s, &named);
            s->g->rules[rule].expr = x;
        }
        x = s->g->status ? EXPR_NEVER : expr_rule(s->g, rule);
    } else {
        x = alternatives(s, all);
    }
    s->depth--;
    return x;
}

uint32_t schema_read(struct exprs *g, struct text text)
{
    json_error_t why;
    json_t *root = json_loadb(text.p, text.n, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &why);
    if (!root)
        return exprs_fail(g, INFER_E_FORMAT, "the schema is no JSON: line %d: %.160s", why.line, why.text);
    struct schemas s = { .g = g,
                         .root = root,
                         .made = json_array(),
                         .string = UINT32_MAX,
                         .number = UINT32_MAX,
                         .integer = UINT32_MAX,
                         .value = UINT32_MAX };
    intern_init(&s.seen, g->a);
    const uint32_t x = s.made ? schema_value(&s, root) : exprs_nomem(g);
    intern_free(&s.seen);
    mem_free(g->a, s.seen_rule);
    json_decref(s.made);
    json_decref(root);
    return x;
}
