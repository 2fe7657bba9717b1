/* methods.c - methods of lists, dictionaries, numbers and loops.
 *
 * Python's sandbox refuses those that change a list or a dictionary. Templates that call them mean it, so here they
 * work: everything belongs to the rendering. */
#include "src/base/error.h"
#include "src/chat/template.h"

#include <math.h>

#define METHOD(name) static struct value name(struct render *r, struct value self, const struct args *a)

/* ---- Lists ---- */

METHOD(list_append)
{
    list_add(r, self.u.list, a->v[0]);
    return value_none();
}

METHOD(list_extend)
{
    const struct list *from = value_items(r, a->v[0]);
    for (size_t i = 0, n = from ? from->n : 0; i < n && !r->failed; i++)
        list_add(r, self.u.list, from->items[i]);
    return value_none();
}

METHOD(list_insert)
{
    struct list *l = self.u.list;
    int64_t i = arg_int(r, a, 0, 0), n = (int64_t)l->n;
    i = i < 0 ? i + n : i;
    i = i < 0 ? 0 : i > n ? n : i;
    list_add(r, l, a->v[1]);
    if (!r->failed && render_charge(r, l->n / 8)) {
        memmove(l->items + i + 1, l->items + i, (size_t)(n - i) * sizeof *l->items);
        l->items[i] = a->v[1];
    }
    return value_none();
}

static void list_cut(struct render *r, struct list *l, size_t i)
{
    if (render_charge(r, l->n / 8))
        memmove(l->items + i, l->items + i + 1, (--l->n - i) * sizeof *l->items);
}

METHOD(list_pop)
{
    struct list *l = self.u.list;
    const int64_t n = (int64_t)l->n, given = arg_int(r, a, 0, -1), i = given < 0 ? given + n : given;
    if (i < 0 || i >= n)
        return render_fail(r, INFER_E_FORMAT, "pop index out of range");
    const struct value v = l->items[i];
    list_cut(r, l, (size_t)i);
    return v;
}

/* Place of a value; -1 if it is not there. */
static int64_t list_find(struct render *r, const struct list *l, struct value v)
{
    for (size_t i = 0; i < l->n && render_charge(r, 1); i++)
        if (value_same(r, l->items[i], v))
            return (int64_t)i;
    return -1;
}

METHOD(list_index)
{
    const int64_t i = list_find(r, self.u.list, a->v[0]);
    return i < 0 ? render_fail(r, INFER_E_FORMAT, "the value is not in the list") : value_int(i);
}

METHOD(list_remove)
{
    const int64_t i = list_find(r, self.u.list, a->v[0]);
    if (i < 0)
        return render_fail(r, INFER_E_FORMAT, "the value is not in the list");
    list_cut(r, self.u.list, (size_t)i);
    return value_none();
}

METHOD(list_occurrences)
{
    int64_t n = 0;
    for (size_t i = 0; i < self.u.list->n && render_charge(r, 1); i++)
        n += value_same(r, self.u.list->items[i], a->v[0]);
    return value_int(n);
}

static struct value by_filter(struct render *r, const char *filter, struct value v, const struct args *a)
{
    return builtin_filter(text_of(filter))->run(r, v, a);
}

METHOD(list_copy)
{
    return by_filter(r, "list", self, a);
}

METHOD(list_reverse)
{
    const struct value v = by_filter(r, "reverse", self, a);
    if (!r->failed)
        *self.u.list = *v.u.list;
    return value_none();
}

METHOD(list_sort)
{
    struct args how = { .v = { a->v[0], value_bool(true) } };
    const struct value v = by_filter(r, "sort", self, &how);
    if (!r->failed)
        *self.u.list = *v.u.list;
    return value_none();
}

METHOD(list_clear)
{
    (void)r, (void)a;
    self.u.list->n = 0;
    return value_none();
}

/* ---- Dictionaries ---- */

METHOD(dict_get_method)
{
    const struct value *v = dict_find(r, self.u.dict, a->v[0]);
    return v ? *v : a->v[1].type == V_ABSENT ? value_none() : a->v[1];
}

static struct value view(struct render *r, struct value self, bool keys, bool values)
{
    const struct dict *d = self.u.dict;
    struct list *l = list_new(r, d->n);
    for (size_t i = 0; l && i < d->n && !r->failed; i++) {
        struct list *pair = keys && values ? list_new(r, 2) : NULL;
        list_add(r, pair, d->items[i].key);
        list_add(r, pair, d->items[i].value);
        list_add(r, l, pair ? list_value(pair, LIST_TUPLE) : keys ? d->items[i].key : d->items[i].value);
    }
    return list_value(l, LIST_VIEW);
}

METHOD(dict_keys) { return (void)a, view(r, self, true, false); }
METHOD(dict_values) { return (void)a, view(r, self, false, true); }
METHOD(dict_items) { return (void)a, view(r, self, true, true); }

METHOD(dict_copy)
{
    (void)a;
    struct dict *d = dict_new(r, self.u.dict->n);
    for (size_t i = 0; d && d->room && i < self.u.dict->n && render_charge(r, 1); i++)
        d->items[d->n++] = self.u.dict->items[i];
    return d ? (struct value){ .type = V_DICT, .u.dict = d } : value_none();
}

METHOD(dict_update)
{
    const struct dict *sources[2] = { a->v[0].type == V_DICT ? a->v[0].u.dict : NULL, &a->rest.named };
    if (a->v[0].type != V_ABSENT && !sources[0])
        return render_fail(r, INFER_E_FORMAT, "update needs a dict, found '%s'", value_type_name(a->v[0]));
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; sources[k] && i < sources[k]->n && !r->failed; i++)
            dict_set(r, self.u.dict, sources[k]->items[i].key, sources[k]->items[i].value);
    return value_none();
}

METHOD(dict_pop)
{
    struct dict *d = self.u.dict;
    struct value *v = dict_find(r, d, a->v[0]);
    if (!v)
        return a->v[1].type != V_ABSENT ? a->v[1] : render_fail(r, INFER_E_FORMAT, "pop: there is no such key");
    const struct value result = *v;
    struct pair *p = d->items;
    while (&p->value != v)
        p++;
    if (render_charge(r, d->n / 8))
        memmove(p, p + 1, (size_t)(d->items + --d->n - p) * sizeof *p);
    return result;
}

METHOD(dict_setdefault)
{
    const struct value *v = dict_find(r, self.u.dict, a->v[0]);
    const struct value absent = a->v[1].type == V_ABSENT ? value_none() : a->v[1];
    if (!v)
        dict_set(r, self.u.dict, a->v[0], absent);
    return v ? *v : absent;
}

METHOD(dict_clear)
{
    (void)r, (void)a;
    self.u.dict->n = 0;
    return value_none();
}

/* ---- Numbers and loops ---- */

METHOD(is_integer)
{
    (void)r, (void)a;
    return value_bool(floor(self.u.f) == self.u.f && isfinite(self.u.f));
}

METHOD(loop_cycle)
{
    const struct list *all = &a->rest.positional;
    if (!all->n)
        return render_fail(r, INFER_E_FORMAT, "no items for cycling given");
    return all->items[self.u.loop->index % all->n];
}

METHOD(loop_changed)
{
    struct list *now = list_new(r, a->rest.positional.n);
    for (size_t i = 0; now && i < a->rest.positional.n; i++)
        list_add(r, now, a->rest.positional.items[i]);
    const struct value v = list_value(now, LIST_PLAIN), before = self.u.loop->changed;
    const bool changed = before.type == V_ABSENT || !value_same(r, v, before);
    self.u.loop->changed = v;
    return value_bool(changed);
}

const struct builtin methods_other[] = {
    { "get", dict_get_method, "key default", 1, V_DICT, 0 },
    { "items", dict_items, "", 0, V_DICT, 0 },
    { "keys", dict_keys, "", 0, V_DICT, 0 },
    { "values", dict_values, "", 0, V_DICT, 0 },
    { "copy", dict_copy, "", 0, V_DICT, 0 },
    { "update", dict_update, "other **", 0, V_DICT, 0 },
    { "pop", dict_pop, "key default", 1, V_DICT, 0 },
    { "setdefault", dict_setdefault, "key default", 1, V_DICT, 0 },
    { "clear", dict_clear, "", 0, V_DICT, 0 },
    { "append", list_append, "object", 1, V_LIST, 0 },
    { "extend", list_extend, "iterable", 1, V_LIST, 0 },
    { "insert", list_insert, "index object", 2, V_LIST, 0 },
    { "pop", list_pop, "index", 0, V_LIST, 0 },
    { "index", list_index, "value", 1, V_LIST, 0 },
    { "count", list_occurrences, "value", 1, V_LIST, 0 },
    { "remove", list_remove, "value", 1, V_LIST, 0 },
    { "copy", list_copy, "", 0, V_LIST, 0 },
    { "reverse", list_reverse, "", 0, V_LIST, 0 },
    { "sort", list_sort, "reverse", 0, V_LIST, 0 },
    { "clear", list_clear, "", 0, V_LIST, 0 },
    { "is_integer", is_integer, "", 0, V_FLOAT, 0 },
    { "cycle", loop_cycle, "*", 1, V_LOOP, 0 },
    { "changed", loop_changed, "*", 0, V_LOOP, 0 },
    { .name = NULL },
};
