/* value.h - what a template computes with: Python's values, as far as templates see them.
 *
 * A value is passed by value; what it points to lies in the arena of the rendering and lives as long as that. Lists and
 * dictionaries are shared by all values that point to them, and can be changed. */
#ifndef CHAT_VALUE_H
#define CHAT_VALUE_H

#include "src/base/table.h"

enum value_type {
    V_ABSENT, /* an argument that was not given; no expression has it */
    V_UNDEFINED,
    V_NONE,
    V_BOOL,
    V_INT,
    V_FLOAT,
    V_STRING,
    V_LIST,
    V_DICT,
    V_NAMESPACE,
    V_LOOP,
    V_MACRO,
    V_BOUND, /* a function, or a method with the value that it belongs to */
    V_TYPES
};

/* What a V_LIST is to be for Python. All are lists here; they differ in how they print, compare and count as true. */
enum list_kind { LIST_PLAIN, LIST_TUPLE, LIST_GENERATOR, LIST_VIEW };

struct value {
    uint8_t type;
    uint8_t
        kind; /* V_LIST: enum list_kind. V_STRING: 1 for Markup. V_UNDEFINED: type of the object that lacks it, or 0 */
    union {
        bool truth;
        int64_t i;
        double f;
        struct text s; /* V_STRING; V_UNDEFINED: the name that has no value */
        struct list *list;
        struct dict *dict; /* V_DICT, V_NAMESPACE */
        struct loop *loop;
        const struct macro *macro;
        const struct bound *bound;
    } u;
};

struct list {
    struct value *items;
    size_t n, room;
};

/* Keys in the order in which they came. */
struct dict {
    struct pair {
        struct value key, value;
    } *items;
    size_t n, room;
};

static inline struct value value_none(void)
{
    return (struct value){ .type = V_NONE };
}
static inline struct value value_undefined(struct text name)
{
    return (struct value){ .type = V_UNDEFINED, .u.s = name };
}
static inline struct value value_bool(bool truth)
{
    return (struct value){ .type = V_BOOL, .u.truth = truth };
}
static inline struct value value_int(int64_t i)
{
    return (struct value){ .type = V_INT, .u.i = i };
}
static inline struct value value_float(double f)
{
    return (struct value){ .type = V_FLOAT, .u.f = f };
}
static inline struct value value_text(struct text s)
{
    return (struct value){ .type = V_STRING, .u.s = s };
}
static inline bool is_string(struct value v)
{
    return v.type == V_STRING;
}
/** Whole numbers, True and False among them. */
static inline bool is_whole(struct value v)
{
    return v.type == V_INT || v.type == V_BOOL;
}
static inline bool is_number(struct value v)
{
    return is_whole(v) || v.type == V_FLOAT;
}
static inline int64_t as_int(struct value v)
{
    return v.type == V_BOOL ? v.u.truth : v.u.i;
}
static inline double as_float(struct value v)
{
    return v.type == V_FLOAT ? v.u.f : (double)as_int(v);
}
/** The list's items; of any other value none. */
static inline size_t list_count(struct value v)
{
    return v.type == V_LIST ? v.u.list->n : 0;
}

#endif
