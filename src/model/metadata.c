/* metadata.c - metadata entries as JSON text, for people and tools to read. */
#include "src/model/model.h"

#include "src/base/real.h"

#include <math.h>
#include <stdio.h>

/* Text that is cut at `max` but counted whole. */
struct out {
    char *text;
    size_t max, n;
};

static void put(struct out *o, const char *bytes, size_t n)
{
    if (o->n < o->max)
        memcpy(o->text + o->n, bytes, n < o->max - o->n ? n : o->max - o->n);
    o->n += n;
}

/* Bytes from 0x80 on are written as the file has them: UTF-8, if the file keeps to its specification. */
static void put_string(struct out *o, struct text s)
{
    put(o, "\"", 1);
    for (size_t i = 0; i < s.n; i++) {
        const unsigned char c = (unsigned char)s.p[i];
        char escape[8];
        if (c == '"' || c == '\\')
            put(o, (const char[]){ '\\', (char)c }, 2);
        else if (c < 0x20 || c == 0x7f)
            put(o, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", c));
        else
            put(o, (const char *)&s.p[i], 1);
    }
    put(o, "\"", 1);
}

static void put_real(struct out *o, double x)
{
    char number[REAL_TEXT];
    if (isfinite(x))
        put(o, number, real_text(number, x));
    else
        put(o, "null", 4);
}

static void put_whole(struct out *o, int64_t x, bool is_unsigned)
{
    char number[24];
    const int n = is_unsigned ? snprintf(number, sizeof number, "%llu", (unsigned long long)x)
                              : snprintf(number, sizeof number, "%lld", (long long)x);
    put(o, number, (size_t)n);
}

static bool is_unsigned(enum meta_type t)
{
    return t == META_U8 || t == META_U16 || t == META_U32 || t == META_U64;
}

static void put_array(struct out *o, const struct meta *m, bool brief)
{
    enum { BRIEF = 8 };
    const uint64_t shown = brief && m->n > BRIEF ? BRIEF : m->n;
    const uint8_t *at = m->elements; /* of the next string */
    put(o, "[", 1);
    for (uint64_t i = 0; i < shown; i++) {
        if (i)
            put(o, ", ", 2);
        if (m->element == META_STRING) {
            const struct text s = meta_next_string(&at);
            put_string(o, s);
        } else if (m->element == META_F32 || m->element == META_F64) {
            put_real(o, meta_element_f64(m, i));
        } else if (m->element == META_BOOL) {
            const bool set = meta_element_i64(m, i) != 0;
            put(o, set ? "true" : "false", set ? 4 : 5);
        } else {
            put_whole(o, meta_element_i64(m, i), is_unsigned(m->element));
        }
    }
    if (shown < m->n)
        put(o, ", \"...\"", 7);
    put(o, "]", 1);
}

bool infer_model_metadata(const infer_model *model, size_t index, bool brief, const char **key, char *value, size_t max,
                          size_t *length)
{
    if (index >= model->weights->n_metas)
        return false;
    const struct meta *m = &model->weights->metas[index];
    struct out o = { value, max ? max - 1 : 0, 0 };
    switch (m->type) {
    case META_STRING: put_string(&o, m->value.s); break;
    case META_ARRAY: put_array(&o, m, brief); break;
    case META_BOOL: put(&o, m->value.u ? "true" : "false", m->value.u ? 4 : 5); break;
    case META_F32:
    case META_F64: put_real(&o, m->value.f); break;
    default: put_whole(&o, m->value.i, is_unsigned(m->type)); break;
    }
    if (max)
        value[o.n < max - 1 ? o.n : max - 1] = 0;
    *key = m->key.p;
    *length = o.n;
    return true;
}
