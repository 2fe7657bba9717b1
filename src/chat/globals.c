/* globals.c - functions that every template knows. */
#include "src/base/error.h"
#include "src/chat/template.h"

#define GLOBAL(name) static struct value name(struct render *r, struct value self, const struct args *a)

enum { MAX_RANGE = 100000 }; /* as Jinja's sandbox has it */

GLOBAL(range)
{
    (void)self;
    const bool one = a->v[1].type == V_ABSENT;
    const int64_t from = one ? 0 : arg_int(r, a, 0, 0), to = arg_int(r, a, one ? 0 : 1, 0), step = arg_int(r, a, 2, 1);
    if (step == 0)
        return render_fail(r, INFER_E_FORMAT, "range: the step is zero");
    const bool any = step > 0 ? from < to : from > to;
    const uint64_t span = step > 0 ? (uint64_t)to - (uint64_t)from : (uint64_t)from - (uint64_t)to;
    const uint64_t size = step > 0 ? (uint64_t)step : -(uint64_t)step, n = any ? (span - 1) / size + 1 : 0;
    if (n > MAX_RANGE)
        return render_fail(r, INFER_E_FORMAT, "range: more than %d numbers", MAX_RANGE);
    struct list *l = list_new(r, (size_t)n);
    for (uint64_t i = 0; i < n && !r->failed; i++)
        list_add(r, l, value_int((int64_t)((uint64_t)from + i * (uint64_t)step)));
    return list_value(l, LIST_PLAIN);
}

static struct value make_dict(struct render *r, const struct args *a, enum value_type type)
{
    struct dict *d = dict_new(r, 0);
    struct value from = a->v[0];
    if (from.type == V_DICT)
        for (size_t i = 0; i < from.u.dict->n && !r->failed; i++)
            dict_set(r, d, from.u.dict->items[i].key, from.u.dict->items[i].value);
    else if (from.type != V_ABSENT) {
        const struct list *pairs = value_items(r, from);
        for (size_t i = 0; pairs && i < pairs->n && !r->failed; i++) {
            const struct list *pair = value_items(r, pairs->items[i]);
            if (pair && pair->n == 2)
                dict_set(r, d, pair->items[0], pair->items[1]);
            else
                render_fail(r, INFER_E_FORMAT, "a dict is made of pairs");
        }
    }
    for (size_t i = 0; i < a->rest.named.n && !r->failed; i++)
        dict_set(r, d, a->rest.named.items[i].key, a->rest.named.items[i].value);
    return d ? (struct value){ .type = (uint8_t)type, .u.dict = d } : value_none();
}

GLOBAL(dict)
{
    return (void)self, make_dict(r, a, V_DICT);
}

GLOBAL(namespace)
{
    return (void)self, make_dict(r, a, V_NAMESPACE);
}

GLOBAL(raise_exception)
{
    (void)self;
    const struct text s = value_text_of(r, a->v[0]);
    return render_fail(r, INFER_E_ARGUMENT, "%.*s", s.n < 380 ? (int)s.n : 380, s.p);
}

GLOBAL(strftime_now)
{
    return (void)self, format_time(r, arg_text(r, a, 0, ""), r->now);
}

/* A joiner is a cycler that does not come round again: nothing first, then its text. Both keep their place in a list of
 * one number, which is what they are bound to. */
GLOBAL(next_of)
{
    (void)a;
    const struct list *state = self.u.list;
    struct list *items = state->items[1].u.list;
    const int64_t i = state->items[0].u.i, n = (int64_t)items->n;
    const int64_t again = value_truth(state->items[2]) ? (i + 1) % n : i + 1 < n ? i + 1 : i;
    (void)r;
    state->items[0] = value_int(again);
    return items->items[i];
}

static const struct builtin next_row = { "next", next_of, "", 0, 0, 0 };

static struct value turn_taker(struct render *r, struct list *items, bool round)
{
    struct list *state = list_new(r, 3);
    list_add(r, state, value_int(0));
    list_add(r, state, list_value(items, LIST_PLAIN));
    list_add(r, state, value_bool(round));
    return r->failed ? value_none() : builtin_bind(r, &next_row, list_value(state, LIST_PLAIN));
}

GLOBAL(joiner)
{
    (void)self;
    struct list *items = list_new(r, 2);
    list_add(r, items, value_text((struct text){ "", 0 }));
    list_add(r, items, value_text(arg_text(r, a, 0, ", ")));
    return turn_taker(r, items, false);
}

/* c.next() is the bound function itself, as an entry of a namespace. */
GLOBAL(cycler)
{
    (void)self;
    struct list *items = list_new(r, 0);
    struct dict *d = dict_new(r, 1);
    for (size_t i = 0; i < a->rest.positional.n && !r->failed; i++)
        list_add(r, items, a->rest.positional.items[i]);
    dict_set(r, d, value_text(text_of("next")), turn_taker(r, items, true));
    return d ? (struct value){ .type = V_NAMESPACE, .u.dict = d } : value_none();
}

const struct builtin template_globals[] = {
    { "range", range, "start stop step", 1, 0, 0 },
    { "dict", dict, "mapping **", 0, 0, 0 },
    { "namespace", namespace, "mapping **", 0, 0, 0 },
    { "raise_exception", raise_exception, "message", 1, 0, 0 },
    { "strftime_now", strftime_now, "format", 1, 0, 0 },
    { "joiner", joiner, "sep", 0, 0, 0 },
    { "cycler", cycler, "*", 1, 0, 0 },
    { .name = NULL },
};
