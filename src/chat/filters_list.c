/* filters_list.c - filters of lists, and of what can be made into one. */
#include "src/base/error.h"
#include "src/chat/text_ops.h"

#define FILTER(name) static struct value name(struct render *r, struct value self, const struct args *a)

/* ---- Parts of items ---- */

/* "a.b.0" of an item. Where something is missing, `absent` takes its place if there is one. */
static struct value part_by_path(struct render *r, struct value v, struct value path, struct value absent)
{
    if (!is_string(path))
        return path.type == V_NONE || path.type == V_ABSENT ? v : value_item(r, v, path);
    for (struct text rest = path.u.s; !r->failed;) {
        const char *dot = rest.n ? memchr(rest.p, '.', rest.n) : NULL;
        const struct text name = { rest.p, dot ? (size_t)(dot - rest.p) : rest.n };
        int64_t i;
        v = value_item(r, v, text_int(name, 10, &i) ? value_int(i) : value_text(name));
        if (v.type == V_UNDEFINED && absent.type != V_ABSENT && absent.type != V_NONE)
            v = absent;
        if (!dot)
            break;
        rest = (struct text){ dot + 1, rest.n - name.n - 1 };
    }
    return v;
}

/* What an item is compared by: its part, without case unless that matters. */
static struct value key_of(struct render *r, struct value v, struct value path, bool cased)
{
    const struct args none = { .rest = { { NULL, 0, 0 }, { NULL, 0, 0 } } };
    v = part_by_path(r, v, path, value_none());
    return is_string(v) && !cased ? text_lower(r, v, &none) : v;
}

/* ---- Ends, length, joining ---- */

FILTER(first)
{
    (void)a;
    const struct list *l = value_items(r, self);
    return l && l->n ? l->items[0] : value_undefined(text_of("the first of nothing"));
}

FILTER(last)
{
    (void)a;
    const struct list *l = value_items(r, self);
    return l && l->n ? l->items[l->n - 1] : value_undefined(text_of("the last of nothing"));
}

FILTER(length)
{
    (void)a;
    const int64_t n = render_charge(r, is_string(self) ? self.u.s.n / 64 : 0) ? value_length(self) : 0;
    return n < 0 ? render_fail(r, INFER_E_FORMAT, "object of type '%s' has no length", value_type_name(self))
                 : value_int(n);
}

/* (d="", attribute=none) */
FILTER(join)
{
    const struct list *l = value_items(r, self);
    const struct text by = a->v[0].type == V_ABSENT ? (struct text){ "", 0 } : value_text_of(r, a->v[0]);
    const size_t mark = r->n_out;
    for (size_t i = 0; l && i < l->n && render_charge(r, 1); i++) {
        const struct value v = part_by_path(r, l->items[i], a->v[1], value_none());
        put_bytes(r, by.p, i ? by.n : 0);
        put_value(r, v);
    }
    return put_taken(r, mark);
}

static struct list *copy_items(struct render *r, struct value v)
{
    const struct list *from = value_items(r, v);
    struct list *l = from ? list_new(r, from->n) : NULL;
    for (size_t i = 0; l && i < from->n && !r->failed; i++)
        list_add(r, l, from->items[i]);
    return l;
}

FILTER(list)
{
    (void)a;
    return list_value(copy_items(r, self), LIST_PLAIN);
}

FILTER(reverse)
{
    (void)a;
    const struct list *from = value_items(r, self);
    struct list *l = from ? list_new(r, from->n) : NULL;
    const size_t mark = r->n_out;
    for (size_t i = from ? from->n : 0; l && i && !r->failed; i--) {
        list_add(r, l, from->items[i - 1]);
        if (is_string(self))
            put_text(r, from->items[i - 1].u.s);
    }
    return is_string(self) ? put_finish(r, mark, self) : list_value(l, LIST_GENERATOR);
}

/* ---- map, select, reject ---- */

/* Of these filters None is nothing, as all that is not true. */
static const struct list *some_items(struct render *r, struct value v)
{
    return value_truth(v) ? value_items(r, v) : list_new(r, 0);
}

/* (filter, its arguments ...) or (attribute=, default=) */
FILTER(map)
{
    const struct list *from = some_items(r, self);
    struct list *l = list_new(r, from ? from->n : 0);
    const struct list *given = &a->rest.positional;
    const struct value *path = dict_get(r, &a->rest.named, "attribute"),
                       *absent = dict_get(r, &a->rest.named, "default");
    const struct builtin *filter =
        !path && given->n && is_string(given->items[0]) ? builtin_filter(given->items[0].u.s) : NULL;
    if (!path && !filter)
        return render_fail(r, INFER_E_FORMAT, "map needs the name of a filter or attribute=");
    const struct call call = { filter ? (struct list){ given->items + 1, given->n - 1, 0 } : *given,
                               filter ? a->rest.named : (struct dict){ NULL, 0, 0 } };
    for (size_t i = 0; from && i < from->n && !r->failed; i++)
        list_add(r, l, filter ? call_builtin(r, filter, from->items[i], &call)
                              : part_by_path(r, from->items[i], *path, absent ? *absent : value_none()));
    return list_value(l, LIST_GENERATOR);
}

/* Items, or parts of them, that a test holds for: the first of `given` is the part's path, then come the test and its
 * arguments. Without a test, what is true. */
static struct value choose(struct render *r, struct value self, const struct args *a, bool by_part, bool wanted)
{
    const struct list *from = some_items(r, self);
    struct list *l = list_new(r, 0), given = a->rest.positional;
    const struct value path = by_part && given.n ? given.items[0] : value_none();
    if (by_part && !given.n)
        return render_fail(r, INFER_E_FORMAT, "the name of an attribute is needed");
    if (by_part)
        given = (struct list){ given.items + 1, given.n - 1, 0 };
    const struct builtin *test = given.n && is_string(given.items[0]) ? builtin_test(given.items[0].u.s) : NULL;
    if (given.n && !test)
        return render_fail(r, INFER_E_FORMAT, "there is no such test to choose by");
    const struct call call = { given.n ? (struct list){ given.items + 1, given.n - 1, 0 } : given, a->rest.named };
    for (size_t i = 0; from && i < from->n && render_charge(r, 1); i++) {
        const struct value part = part_by_path(r, from->items[i], path, value_none());
        if (value_truth(test ? call_builtin(r, test, part, &call) : part) == wanted)
            list_add(r, l, from->items[i]);
    }
    return list_value(l, LIST_GENERATOR);
}

FILTER(select_items) { return choose(r, self, a, false, true); }
FILTER(reject) { return choose(r, self, a, false, false); }
FILTER(selectattr) { return choose(r, self, a, true, true); }
FILTER(rejectattr) { return choose(r, self, a, true, false); }

/* ---- Sorting ---- */

struct entry {
    struct value key, value;
};

/* As value_order, but what is missing on both sides is equal. */
static int order_keys(struct render *r, struct value a, struct value b)
{
    return a.type == V_UNDEFINED && b.type == V_UNDEFINED ? 0 : value_order(r, a, b);
}

/* Merge sort, which keeps equal ones in their order. */
static void merge_sort(struct render *r, struct entry *e, struct entry *spare, size_t n, bool down)
{
    if (n < 2 || !render_enter(r))
        return;
    const size_t half = n / 2;
    merge_sort(r, e, spare, half, down);
    merge_sort(r, e + half, spare, n - half, down);
    for (size_t i = 0, left = 0, right = half; i < n && render_charge(r, 1); i++) {
        const bool take_left = right == n || (left < half && (down ? order_keys(r, e[left].key, e[right].key) >= 0
                                                                   : order_keys(r, e[left].key, e[right].key) <= 0));
        spare[i] = e[take_left ? left++ : right++];
    }
    if (!r->failed)
        memcpy(e, spare, n * sizeof *e);
    render_leave(r);
}

static struct entry *sorted(struct render *r, const struct list *l, struct value path, bool cased, bool down)
{
    struct entry *e = l ? render_new(r, l->n, sizeof *e) : NULL, *spare = l ? render_new(r, l->n, sizeof *e) : NULL;
    if (!e || !spare)
        return NULL;
    for (size_t i = 0; i < l->n && !r->failed; i++)
        e[i] = (struct entry){ key_of(r, l->items[i], path, cased), l->items[i] };
    merge_sort(r, e, spare, l->n, down);
    return r->failed ? NULL : e;
}

/* (reverse=false, case_sensitive=false, attribute=none); of several attributes, the last is sorted by first */
FILTER(sort)
{
    struct list *l = copy_items(r, self);
    struct text paths = is_string(a->v[2]) ? a->v[2].u.s : (struct text){ NULL, 0 };
    for (bool more = true; more && l && render_charge(r, 1);) {
        const char *comma = paths.n ? memrchr(paths.p, ',', paths.n) : NULL;
        struct value path = a->v[2];
        if (comma) {
            path.u.s = (struct text){ comma + 1, paths.n - (size_t)(comma - paths.p) - 1 };
            paths.n = (size_t)(comma - paths.p);
        } else if (is_string(path)) {
            path.u.s = paths;
        }
        more = comma != NULL;
        const struct entry *e = sorted(r, l, path, arg_bool(a, 1, false), arg_bool(a, 0, false));
        for (size_t i = 0; e && i < l->n; i++)
            l->items[i] = e[i].value;
    }
    return list_value(l, LIST_PLAIN);
}

/* (case_sensitive=false, by="key", reverse=false) */
FILTER(dictsort)
{
    const struct text by = arg_text(r, a, 1, "key");
    if (self.type != V_DICT)
        return value_defined(r, self) ? render_fail(r, INFER_E_FORMAT, "dictsort of '%s'", value_type_name(self))
                                      : self;
    const struct args none = { .rest = { { NULL, 0, 0 }, { NULL, 0, 0 } } };
    const struct value pairs = builtin_method(self, text_of("items"))->run(r, self, &none);
    const struct entry *e = sorted(r, value_items(r, pairs), value_int(text_is(by, "value")), arg_bool(a, 0, false),
                                   arg_bool(a, 2, false));
    struct list *l = list_new(r, list_count(pairs));
    for (size_t i = 0; e && l && i < list_count(pairs); i++)
        list_add(r, l, e[i].value);
    return list_value(l, LIST_PLAIN);
}

static struct value extreme(struct render *r, struct value self, const struct args *a, int sign)
{
    const struct list *l = value_items(r, self);
    struct value best = value_undefined(text_of("an extreme of nothing")), best_key = best;
    for (size_t i = 0; l && i < l->n && render_charge(r, 1); i++) {
        const struct value key = key_of(r, l->items[i], a->v[1], arg_bool(a, 0, false));
        if (i && sign * value_order(r, key, best_key) <= 0)
            continue;
        best = l->items[i];
        best_key = key;
    }
    return best;
}

FILTER(min) { return extreme(r, self, a, -1); }
FILTER(max) { return extreme(r, self, a, 1); }

/* (case_sensitive=false, attribute=none) */
FILTER(unique)
{
    const struct list *from = value_items(r, self);
    struct list *l = list_new(r, 0), *keys = list_new(r, 0);
    for (size_t i = 0; from && l && keys && i < from->n && render_charge(r, 1); i++) {
        const struct value key = key_of(r, from->items[i], a->v[1], arg_bool(a, 0, false));
        if (value_contains(r, list_value(keys, LIST_PLAIN), key))
            continue;
        list_add(r, keys, key);
        list_add(r, l, from->items[i]);
    }
    return list_value(l, LIST_GENERATOR);
}

/* ---- Grouping ---- */

/* (attribute, default=none, case_sensitive=false): a list of (key, items) */
FILTER(groupby)
{
    const struct list *from = value_items(r, self);
    const bool cased = arg_bool(a, 2, false);
    struct list *l = list_new(r, 0), *group = NULL, *parts = list_new(r, 0);
    for (size_t i = 0; from && i < from->n && !r->failed; i++) { /* what is missing has to be there when it is sorted */
        struct list *pair = list_new(r, 2);
        list_add(r, pair, part_by_path(r, from->items[i], a->v[0], a->v[1]));
        list_add(r, pair, from->items[i]);
        list_add(r, parts, list_value(pair, LIST_TUPLE));
    }
    const struct entry *e = sorted(r, parts, value_int(0), cased, false);
    for (size_t i = 0; e && i < parts->n && !r->failed; i++) {
        if (!i || !value_same(r, e[i].key, e[i - 1].key)) {
            struct list *pair = list_new(r, 2);
            group = list_new(r, 0);
            list_add(r, pair, value_item(r, e[i].value, value_int(0)));
            list_add(r, pair, list_value(group, LIST_PLAIN));
            list_add(r, l, list_value(pair, LIST_TUPLE));
        }
        list_add(r, group, value_item(r, e[i].value, value_int(1)));
    }
    return list_value(l, LIST_PLAIN);
}

/* (linecount, fill_with=none) */
FILTER(batch)
{
    const struct list *from = value_items(r, self);
    const int64_t size = arg_int(r, a, 0, 1);
    struct list *l = list_new(r, 0), *line = NULL;
    if (size < 1)
        return render_fail(r, INFER_E_FORMAT, "batch: a size below 1");
    for (size_t i = 0; from && i < from->n && !r->failed; i++) {
        if (i % (size_t)size == 0)
            list_add(r, l, list_value(line = list_new(r, 0), LIST_PLAIN));
        list_add(r, line, from->items[i]);
    }
    while (line && !arg_absent(a, 1) && line->n < (size_t)size && !r->failed)
        list_add(r, line, a->v[1]);
    return list_value(l, LIST_GENERATOR);
}

/* (slices, fill_with=none): so many lists, the first ones longer by one */
FILTER(slice)
{
    const struct list *from = value_items(r, self);
    const int64_t n = arg_int(r, a, 0, 1);
    struct list *l = list_new(r, 0);
    if (n < 1)
        return render_fail(r, INFER_E_FORMAT, "slice: fewer than 1");
    for (size_t i = 0, at = 0; from && i < (size_t)n && render_charge(r, 1); i++) {
        const size_t size = from->n / (size_t)n + (i < from->n % (size_t)n);
        struct list *part = list_new(r, size);
        for (size_t k = 0; k < size && !r->failed; k++)
            list_add(r, part, from->items[at++]);
        if (!arg_absent(a, 1) && from->n % (size_t)n && i >= from->n % (size_t)n)
            list_add(r, part, a->v[1]);
        list_add(r, l, list_value(part, LIST_PLAIN));
    }
    return list_value(l, LIST_GENERATOR);
}

/* (attribute=none, start=0) */
FILTER(sum)
{
    const struct list *from = value_items(r, self);
    struct value total = a->v[1].type == V_ABSENT ? value_int(0) : a->v[1];
    for (size_t i = 0; from && i < from->n && render_charge(r, 1); i++)
        total = value_binary(r, '+', total, part_by_path(r, from->items[i], a->v[0], value_none()));
    return total;
}

FILTER(items)
{
    if (self.type == V_UNDEFINED)
        return list_value(list_new(r, 0), LIST_GENERATOR);
    if (self.type != V_DICT)
        return render_fail(r, INFER_E_FORMAT, "Can only get item pairs from a mapping, found '%s'",
                           value_type_name(self));
    struct value v = builtin_method(self, text_of("items"))->run(r, self, a);
    v.kind = LIST_GENERATOR;
    return v;
}

#define ROW(name, run, parameters, least) { name, run, parameters, least, 0, 0 }
const struct builtin filters_list[] = {
    ROW("first", first, "", 0),
    ROW("last", last, "", 0),
    ROW("length", length, "", 0),
    ROW("count", length, "", 0),
    ROW("join", join, "d attribute", 0),
    ROW("list", list, "", 0),
    ROW("reverse", reverse, "", 0),
    ROW("map", map, "* **", 0),
    ROW("select", select_items, "* **", 0),
    ROW("reject", reject, "* **", 0),
    ROW("selectattr", selectattr, "* **", 0),
    ROW("rejectattr", rejectattr, "* **", 0),
    ROW("sort", sort, "reverse case_sensitive attribute", 0),
    ROW("dictsort", dictsort, "case_sensitive by reverse", 0),
    ROW("min", min, "case_sensitive attribute", 0),
    ROW("max", max, "case_sensitive attribute", 0),
    ROW("unique", unique, "case_sensitive attribute", 0),
    ROW("groupby", groupby, "attribute default case_sensitive", 1),
    ROW("batch", batch, "linecount fill_with", 1),
    ROW("slice", slice, "slices fill_with", 1),
    ROW("sum", sum, "attribute start", 0),
    ROW("items", items, "", 0),
    { .name = NULL },
};
