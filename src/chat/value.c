/* value.c - lists and dictionaries; what is true, equal, less; what belongs to a value. */
#include "src/base/error.h"
#include "src/base/utf8.h"
#include "src/chat/template.h"

#include <math.h>

const char *value_type_name(struct value v)
{
    static const char *const lists[] = { "list", "tuple", "generator", "dict view" };
    static const char *const names[V_TYPES] = {
        [V_ABSENT] = "nothing", [V_UNDEFINED] = "Undefined", [V_NONE] = "NoneType", [V_BOOL] = "bool",
        [V_INT] = "int",        [V_FLOAT] = "float",         [V_STRING] = "str",    [V_DICT] = "dict",
        [V_LOOP] = "LoopContext", [V_MACRO] = "Macro",       [V_BOUND] = "function", [V_NAMESPACE] = "Namespace",
    };
    return v.type == V_LIST ? lists[v.kind & 3] : names[v.type];
}

bool value_truth(struct value v)
{
    switch (v.type) {
    case V_ABSENT:
    case V_UNDEFINED:
    case V_NONE: return false;
    case V_BOOL: return v.u.truth;
    case V_INT: return v.u.i != 0;
    case V_FLOAT: return v.u.f != 0;
    case V_STRING: return v.u.s.n != 0;
    case V_LIST: return v.u.list->n || v.kind == LIST_GENERATOR;
    case V_DICT: return v.u.dict->n != 0;
    default: return true;
    }
}

/* ---- Lists and dictionaries ---- */

struct list *list_new(struct render *r, size_t room)
{
    struct list *l = render_new(r, 1, sizeof *l);
    if (!l)
        return NULL;
    l->items = room ? render_new(r, room, sizeof *l->items) : NULL;
    l->room = l->items ? room : 0;
    return l;
}

/* Twice the room, in the arena: the old one stays there unused. */
static bool grow(struct render *r, void *array, size_t n, size_t *room, size_t size)
{
    if (n < *room)
        return true;
    const size_t want = *room ? 2 * *room : 4;
    void *grown = render_new(r, want, size), *old;
    if (!grown)
        return false;
    memcpy(&old, array, sizeof old);
    if (n)
        memcpy(grown, old, n * size);
    memcpy(array, &grown, sizeof grown);
    *room = want;
    return true;
}

void list_add(struct render *r, struct list *l, struct value v)
{
    if (l && render_charge(r, 1) && grow(r, &l->items, l->n, &l->room, sizeof *l->items))
        l->items[l->n++] = v;
}

struct value list_value(struct list *l, enum list_kind kind)
{
    return l ? (struct value){ .type = V_LIST, .kind = kind, .u.list = l } : value_undefined((struct text){ NULL, 0 });
}

struct dict *dict_new(struct render *r, size_t room)
{
    struct dict *d = render_new(r, 1, sizeof *d);
    if (!d)
        return NULL;
    d->items = room ? render_new(r, room, sizeof *d->items) : NULL;
    d->room = d->items ? room : 0;
    return d;
}

struct value *dict_find(struct render *r, const struct dict *d, struct value key)
{
    if (!d || !render_charge(r, d->n / 8))
        return NULL;
    for (size_t i = 0; i < d->n; i++) {
        const struct value k = d->items[i].key;
        if (is_string(key) && is_string(k) ? text_equal(k.u.s, key.u.s) : value_same(r, k, key))
            return &d->items[i].value;
    }
    return NULL;
}

struct value *dict_get(struct render *r, const struct dict *d, const char *key)
{
    return dict_find(r, d, value_text(text_of(key)));
}

void dict_set(struct render *r, struct dict *d, struct value key, struct value v)
{
    struct value *there = dict_find(r, d, key);
    if (key.type == V_DICT || (key.type == V_LIST && key.kind != LIST_TUPLE))
        render_fail(r, INFER_E_FORMAT, "unhashable type: '%s' as the key of a dict", value_type_name(key));
    else if (there)
        *there = v;
    else if (d && !r->failed && grow(r, &d->items, d->n, &d->room, sizeof *d->items))
        d->items[d->n++] = (struct pair){ key, v };
}

struct list *value_items(struct render *r, struct value v)
{
    if (v.type == V_LIST)
        return v.u.list;
    if (v.type != V_STRING && v.type != V_DICT && v.type != V_UNDEFINED) {
        render_fail(r, INFER_E_FORMAT, "'%s' object is not iterable", value_type_name(v));
        return NULL;
    }
    struct list *l = list_new(r, v.type == V_DICT ? v.u.dict->n : v.type == V_STRING ? v.u.s.n : 0);
    for (size_t i = 0; l && v.type == V_DICT && i < v.u.dict->n; i++)
        list_add(r, l, v.u.dict->items[i].key);
    for (struct text rest = v.type == V_STRING ? v.u.s : (struct text){ NULL, 0 }, one; l && rest.n && !r->failed;) {
        text_next(&rest, &one);
        list_add(r, l, value_text(one));
    }
    return l;
}

int64_t value_length(struct value v)
{
    switch (v.type) {
    case V_STRING: return (int64_t)text_count(v.u.s);
    case V_LIST: return (int64_t)v.u.list->n;
    case V_DICT: return (int64_t)v.u.dict->n;
    case V_UNDEFINED: return 0;
    case V_LOOP: return (int64_t)v.u.loop->n;
    default: return -1;
    }
}

/* ---- Equality and order ---- */

static bool same_lists(struct render *r, const struct list *a, const struct list *b)
{
    bool equal = a->n == b->n;
    for (size_t i = 0; equal && a != b && i < a->n && i < b->n; i++)
        equal = value_same(r, a->items[i], b->items[i]);
    return equal;
}

static bool same_dicts(struct render *r, const struct dict *a, const struct dict *b)
{
    bool equal = a->n == b->n;
    for (size_t i = 0; equal && a != b && i < a->n; i++) {
        const struct value *other = dict_find(r, b, a->items[i].key);
        equal = other && value_same(r, a->items[i].value, *other);
    }
    return equal;
}

bool value_same(struct render *r, struct value a, struct value b)
{
    if (is_number(a) && is_number(b))
        return is_whole(a) && is_whole(b) ? as_int(a) == as_int(b) : as_float(a) == as_float(b);
    if (a.type != b.type || !render_enter(r))
        return false;
    bool equal = false;
    switch (a.type) {
    case V_UNDEFINED:
    case V_NONE: equal = true; break;
    case V_STRING: equal = text_equal(a.u.s, b.u.s); break;
    case V_LIST: equal = (a.kind == LIST_TUPLE) == (b.kind == LIST_TUPLE) && same_lists(r, a.u.list, b.u.list); break;
    case V_DICT: equal = same_dicts(r, a.u.dict, b.u.dict); break;
    default: equal = a.u.bound == b.u.bound; break;
    }
    render_leave(r);
    return equal && !r->failed;
}

static int order_texts(struct text a, struct text b)
{
    const size_t n = a.n < b.n ? a.n : b.n;
    const int first = n ? memcmp(a.p, b.p, n) : 0; /* bytes of UTF-8 are in the order of code points */
    return first ? first : (a.n > b.n) - (a.n < b.n);
}

int value_order(struct render *r, struct value a, struct value b)
{
    if (is_whole(a) && is_whole(b))
        return (as_int(a) > as_int(b)) - (as_int(a) < as_int(b));
    if (is_number(a) && is_number(b))
        return (as_float(a) > as_float(b)) - (as_float(a) < as_float(b));
    if (is_string(a) && is_string(b))
        return order_texts(a.u.s, b.u.s);
    int result = 0;
    if (a.type == V_LIST && b.type == V_LIST && a.kind == b.kind && render_enter(r)) {
        const size_t n = a.u.list->n < b.u.list->n ? a.u.list->n : b.u.list->n;
        for (size_t i = 0; i < n && !result && !r->failed; i++)
            if (!value_same(r, a.u.list->items[i], b.u.list->items[i]))
                result = value_order(r, a.u.list->items[i], b.u.list->items[i]);
        render_leave(r);
        return result ? result : (a.u.list->n > b.u.list->n) - (a.u.list->n < b.u.list->n);
    }
    if (value_defined(r, a) && value_defined(r, b))
        render_fail(r, INFER_E_FORMAT, "'%s' and '%s' have no order", value_type_name(a), value_type_name(b));
    return 0;
}

bool value_contains(struct render *r, struct value container, struct value v)
{
    if (container.type == V_STRING && is_string(v))
        return text_find(r, container.u.s, v.u.s, 0) != SIZE_MAX;
    if (container.type == V_DICT || container.type == V_NAMESPACE)
        return dict_find(r, container.u.dict, v) != NULL;
    if (container.type == V_STRING) {
        if (value_defined(r, v))
            render_fail(r, INFER_E_FORMAT, "'in <str>' requires a string, not '%s'", value_type_name(v));
        return false;
    }
    if (container.type != V_LIST && container.type != V_UNDEFINED) {
        render_fail(r, INFER_E_FORMAT, "argument of type '%s' is not iterable", value_type_name(container));
        return false;
    }
    for (size_t i = 0; i < list_count(container) && render_charge(r, 1); i++)
        if (value_same(r, container.u.list->items[i], v))
            return true;
    return false;
}

/* ---- What belongs to a value ---- */

bool value_defined(struct render *r, struct value v)
{
    if (v.type != V_UNDEFINED)
        return true;
    const struct text name = v.u.s;
    const int n = name.n < 100 ? (int)name.n : 100;
    if (v.kind)
        render_fail(r, INFER_E_FORMAT, "'%s' has no attribute '%.*s'",
                  v.kind == V_NONE ? "None" : value_type_name((struct value){ .type = v.kind }), n, name.p);
    else
        render_fail(r, INFER_E_FORMAT, "'%.*s' is undefined", n, name.n ? name.p : "");
    return false;
}

static struct value lacks(struct value v, struct text name)
{
    struct value u = value_undefined(name);
    u.kind = v.type;
    return u;
}

/* loop.index and the like. */
static struct value loop_attribute(struct render *r, const struct loop *l, struct text name)
{
    const struct value at = { .type = V_LOOP };
    const struct {
        const char *name;
        struct value value;
    } rows[] = {
        { "index", value_int((int64_t)l->index + 1) },
        { "index0", value_int((int64_t)l->index) },
        { "revindex", value_int((int64_t)(l->n - l->index)) },
        { "revindex0", value_int((int64_t)(l->n - l->index) - 1) },
        { "first", value_bool(l->index == 0) },
        { "last", value_bool(l->index + 1 >= l->n) },
        { "length", value_int((int64_t)l->n) },
        { "depth", value_int((int64_t)l->depth) },
        { "depth0", value_int((int64_t)l->depth - 1) },
        { "previtem", l->index && l->index <= l->items->n ? l->items->items[l->index - 1] : lacks(at, name) },
        { "nextitem", l->index + 1 < l->items->n ? l->items->items[l->index + 1] : lacks(at, name) },
    };
    (void)r;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (text_is(name, rows[i].name))
            return rows[i].value;
    return lacks(at, name);
}

struct value value_attribute(struct render *r, struct value v, struct text name)
{
    if (!value_defined(r, v))
        return v;
    const struct builtin *method = builtin_method(v, name);
    if (method)
        return builtin_bind(r, method, v);
    if (v.type == V_LOOP)
        return loop_attribute(r, v.u.loop, name);
    struct value *found = NULL;
    if (v.type == V_DICT || v.type == V_NAMESPACE)
        found = dict_find(r, v.u.dict, value_text(name));
    if (v.type == V_MACRO && text_is(name, "name"))
        return value_text(r->t->names[v.u.macro->node->name]);
    return found ? *found : lacks(v, name);
}

struct value value_item(struct render *r, struct value v, struct value key)
{
    if (!value_defined(r, v))
        return v;
    if (v.type == V_DICT) {
        struct value *found = dict_find(r, v.u.dict, key);
        if (found)
            return *found;
    } else if ((v.type == V_LIST || v.type == V_STRING) && is_whole(key)) {
        const int64_t n = value_length(v), i = as_int(key) < 0 ? as_int(key) + n : as_int(key);
        if (i < 0 || i >= n)
            return lacks(v, (struct text){ "(an index out of range)", 23 });
        return v.type == V_LIST ? v.u.list->items[i] : value_text(text_part(v.u.s, (size_t)i, 1));
    }
    if (is_string(key))
        return value_attribute(r, v, key.u.s);
    return lacks(v, value_text_of(r, key));
}

/* ---- JSON ---- */

static struct value from_array(struct render *r, const json_t *json)
{
    struct list *l = list_new(r, json_array_size(json));
    for (size_t i = 0; l && i < json_array_size(json) && !r->failed; i++)
        list_add(r, l, value_from_json(r, json_array_get(json, i)));
    return list_value(l, LIST_PLAIN);
}

static struct value from_object(struct render *r, const json_t *json)
{
    struct dict *d = dict_new(r, json_object_size(json));
    json_t *object = (json_t *)(uintptr_t)json, *value; /* jansson's iterators take no const */
    for (void *at = json_object_iter(object); d && at && render_charge(r, 1); at = json_object_iter_next(object, at)) {
        const struct text key = render_copy(r, text_of(json_object_iter_key(at)));
        value = json_object_iter_value(at);
        if (d->n < d->room)
            d->items[d->n++] = (struct pair){ value_text(key), value_from_json(r, value) };
    }
    return d ? (struct value){ .type = V_DICT, .u.dict = d } : value_none();
}

struct value value_from_json(struct render *r, const json_t *json)
{
    struct value v = value_none();
    if (!render_enter(r))
        return v;
    switch (json ? json_typeof(json) : JSON_NULL) {
    case JSON_OBJECT: v = from_object(r, json); break;
    case JSON_ARRAY: v = from_array(r, json); break;
    case JSON_STRING:
        v = value_text(render_copy(r, (struct text){ json_string_value(json), json_string_length(json) }));
        break;
    case JSON_INTEGER: v = value_int(json_integer_value(json)); break;
    case JSON_REAL: v = value_float(json_real_value(json)); break;
    case JSON_TRUE:
    case JSON_FALSE: v = value_bool(json_is_true(json)); break;
    case JSON_NULL: break;
    }
    render_leave(r);
    return v;
}

struct value value_parse_json(struct render *r, struct text json, const char *what)
{
    json_error_t e = { .text = "" };
    const size_t flags = JSON_ALLOW_NUL | JSON_DECODE_ANY;
    json_t *root = json_loadb(json.n ? json.p : "", json.n, flags, &e);
    if (!root && json_error_code(&e) == json_error_numeric_overflow)
        root = json_loadb(json.p, json.n, flags | JSON_DECODE_INT_AS_REAL, &e);
    if (!root)
        return render_fail(r, json_error_code(&e) == json_error_out_of_memory ? INFER_E_NOMEM : INFER_E_ARGUMENT,
                         "%s: no JSON, line %d, column %d: %s", what, e.line, e.column, e.text);
    const struct value v = value_from_json(r, root);
    json_decref(root);
    return v;
}
