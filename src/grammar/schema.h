/* schema.h - JSON Schema to expressions, in parts. A value is held to a conjunction: all schemas that apply at once.
 *
 * schema.c         references, what applies together, alternatives
 * schema_types.c   a value of each type, constants, what is excluded
 * schema_number.c, schema_string.c, schema_array.c, schema_object.c */
#ifndef GRAMMAR_SCHEMA_H
#define GRAMMAR_SCHEMA_H

#include "src/grammar/json_text.h"
#include "src/grammar/notations.h"

enum {
    MOST_TOGETHER = 64,   /* schemas that apply to one value */
    MOST_SCHEMAS = 60,    /* within each other */
    MOST_BRANCHES = 20000 /* alternatives looked at, over all */
};

enum type {
    TYPE_NULL = 1,
    TYPE_BOOLEAN = 2,
    TYPE_INTEGER = 4,
    TYPE_FRACTION = 8,
    TYPE_STRING = 16,
    TYPE_ARRAY = 32,
    TYPE_OBJECT = 64,
    TYPE_ALL = 127,
    TYPE_NUMBER = TYPE_INTEGER | TYPE_FRACTION
};

struct together {
    const json_t *item[MOST_TOGETHER]; /* objects, none twice */
    uint8_t done[MOST_TOGETHER];       /* bit i: branching keyword i has been dealt with */
    size_t n;
    bool never;   /* one of them was false */
    bool by_name; /* one of them was referred to */
};

struct schemas {
    struct exprs *g;
    const json_t *root;
    json_t *made;       /* an array that keeps schemas made here */
    struct intern seen; /* conjunctions with references in them: pointers, marks */
    uint32_t *seen_rule;
    size_t room_seen;
    unsigned depth, n_branches;
    uint32_t string, number, integer, value; /* rules that need no schema; UINT32_MAX until they are asked for */
};

/** A value that all of these hold for. */
uint32_t schema_together(struct schemas *s, const struct together *all);
/** The same for one schema. */
uint32_t schema_value(struct schemas *s, const json_t *schema);
void schema_add(struct schemas *s, struct together *all, const json_t *schema);
/** Keep a schema made here; NULL (and failed) if memory is out. Steals the reference. */
const json_t *schema_keep(struct schemas *s, json_t *made);
/** Any value; rules made once. */
uint32_t schema_any(struct schemas *s);
uint32_t schema_any_string(struct schemas *s);

/** Of a conjunction without alternatives. */
uint32_t schema_types(struct schemas *s, const struct together *all);
/** plain: without exponents, even if there are no conditions. */
uint32_t schema_number(struct schemas *s, const struct together *all, bool fractions, bool plain);
/** The numbers equal to a constant, however they are written. */
uint32_t schema_equal_number(struct schemas *s, const json_t *value);
/** With its quotes. conditions: there are more of them, so each character has one form. */
uint32_t schema_string(struct schemas *s, const struct together *all, bool conditions);
/** Without them, each character in its one form. */
uint32_t schema_inside(struct schemas *s, const struct together *all);
/** The inside of strings that a pattern matches somewhere. */
uint32_t schema_pattern(struct schemas *s, const json_t *pattern);
uint32_t schema_array(struct schemas *s, const struct together *all);
uint32_t schema_object(struct schemas *s, const struct together *all);

/** The keyword's value if it is a count, else `absent`; fails if it is something else. */
uint32_t schema_count(struct schemas *s, const json_t *schema, const char *keyword, uint32_t absent);
/** Over all: the largest of the least, or the smallest of the most. */
uint32_t schema_least(struct schemas *s, const struct together *all, const char *keyword);
uint32_t schema_most(struct schemas *s, const struct together *all, const char *keyword);
uint32_t schema_refuse(struct schemas *s, const char *keyword, const char *why);

#endif
