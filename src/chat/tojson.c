/* tojson.c - values as json.dumps of Python writes them. */
#include "src/chat/template.h"

#include <math.h>
#include <stdio.h>

static void put_json_string(struct render *r, struct text s, bool ascii)
{
    static const char letters[] = "\"\"\\\\\nn\rr\tt\bb\ff";
    char hex[16];
    put_char(r, '"');
    for (struct text rest = s, bytes; rest.n && !r->failed;) {
        size_t plain = 0; /* bytes that stand for themselves, all at once */
        while (plain < rest.n && (uint8_t)rest.p[plain] >= 0x20 && rest.p[plain] != '"' && rest.p[plain] != '\\' &&
               !(ascii && (uint8_t)rest.p[plain] >= 0x7f))
            plain++;
        put_bytes(r, rest.p, plain);
        rest = (struct text){ rest.p + plain, rest.n - plain };
        if (!rest.n)
            break;
        const uint32_t code = text_next(&rest, &bytes);
        const char *letter = letters;
        while (*letter && (uint32_t)*letter != code)
            letter += 2;
        if (*letter)
            put_bytes(r, (char[]){ '\\', letter[1] }, 2);
        else if (code == 0x7f)
            put_char(r, 0x7f);
        else if (code < 0x10000)
            put_bytes(r, hex, (size_t)snprintf(hex, sizeof hex, "\\u%04x", code));
        else
            put_bytes(r, hex, (size_t)snprintf(hex, sizeof hex, "\\u%04x\\u%04x", 0xd800 + ((code - 0x10000) >> 10),
                                         0xdc00 + (code & 0x3ff)));
    }
    put_char(r, '"');
}

static void put_break(struct render *r, const struct json_style *style, unsigned level)
{
    if (!style->indent.p)
        return;
    put_char(r, '\n');
    for (; level && !r->failed; level--)
        put_text(r, style->indent);
}

static void put_json_list(struct render *r, const struct list *l, const struct json_style *style, unsigned level)
{
    put_char(r, '[');
    for (size_t i = 0; i < l->n && render_charge(r, 1); i++) {
        if (i)
            put_text(r, style->comma);
        put_break(r, style, level + 1);
        put_json(r, l->items[i], style, level + 1);
    }
    if (l->n)
        put_break(r, style, level);
    put_char(r, ']');
}

static void put_key(struct render *r, struct value key, bool ascii)
{
    if (is_string(key)) {
        put_json_string(r, key.u.s, ascii);
    } else if (is_number(key) || key.type == V_NONE) {
        put_char(r, '"');
        put_json(r, key, &(struct json_style){ .ascii = ascii }, 0);
        put_char(r, '"');
    } else {
        render_fail(r, INFER_E_FORMAT, "a key of JSON cannot be of type %s", value_type_name(key));
    }
}

/* Insertion into place: stable, and objects are small; every step is charged. */
static struct pair *sorted(struct render *r, const struct dict *d)
{
    struct pair *items = render_new(r, d->n, sizeof *items);
    for (size_t i = 0; items && i < d->n; i++) {
        size_t at = i;
        for (; at && render_charge(r, 1) && value_order(r, items[at - 1].key, d->items[i].key) > 0; at--)
            items[at] = items[at - 1];
        items[at] = d->items[i];
    }
    return items;
}

static void put_json_dict(struct render *r, const struct dict *d, const struct json_style *style, unsigned level)
{
    const struct pair *items = style->sort ? sorted(r, d) : d->items;
    put_char(r, '{');
    for (size_t i = 0; items && i < d->n && render_charge(r, 1); i++) {
        if (i)
            put_text(r, style->comma);
        put_break(r, style, level + 1);
        put_key(r, items[i].key, style->ascii);
        put_text(r, style->colon);
        put_json(r, items[i].value, style, level + 1);
    }
    if (d->n)
        put_break(r, style, level);
    put_char(r, '}');
}

void put_json(struct render *r, struct value v, const struct json_style *style, unsigned level)
{
    if (!render_enter(r))
        return;
    switch (v.type) {
    case V_NONE: put_string(r, "null"); break;
    case V_BOOL: put_string(r, v.u.truth ? "true" : "false"); break;
    case V_INT: put_int(r, v.u.i); break;
    case V_FLOAT:
        if (isfinite(v.u.f))
            put_real(r, v.u.f);
        else
            put_string(r, isnan(v.u.f) ? "NaN" : v.u.f < 0 ? "-Infinity" : "Infinity");
        break;
    case V_STRING: put_json_string(r, v.u.s, style->ascii); break;
    case V_LIST: put_json_list(r, v.u.list, style, level); break;
    case V_DICT: put_json_dict(r, v.u.dict, style, level); break;
    default: render_fail(r, INFER_E_FORMAT, "a value of type %s cannot be written as JSON", value_type_name(v)); break;
    }
    render_leave(r);
}
