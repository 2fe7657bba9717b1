/* meta.c - typed access to metadata. */
#include "src/formats/weights.h"

#include "src/base/numbers.h"
#include "src/base/real.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

enum class { UNSIGNED, SIGNED, FLOATING, BOOLEAN, OTHER };

static const struct {
    const char *name;
    uint8_t bytes; /* 0: not of fixed size */
    uint8_t class;
} types[META_TYPES] = {
    [META_U8] = { "u8", 1, UNSIGNED },    [META_I8] = { "i8", 1, SIGNED },
    [META_U16] = { "u16", 2, UNSIGNED },  [META_I16] = { "i16", 2, SIGNED },
    [META_U32] = { "u32", 4, UNSIGNED },  [META_I32] = { "i32", 4, SIGNED },
    [META_U64] = { "u64", 8, UNSIGNED },  [META_I64] = { "i64", 8, SIGNED },
    [META_F32] = { "f32", 4, FLOATING },  [META_F64] = { "f64", 8, FLOATING },
    [META_BOOL] = { "bool", 1, BOOLEAN }, [META_STRING] = { "string", 0, OTHER },
    [META_ARRAY] = { "array", 0, OTHER },
};

const char *meta_type_name(enum meta_type type)
{
    return (unsigned)type < META_TYPES ? types[type].name : "unknown";
}

size_t meta_type_bytes(enum meta_type type)
{
    return types[type].bytes;
}

void meta_read_number(struct meta *m, const uint8_t *p)
{
    switch (m->type) {
    case META_I8: m->value.i = (int8_t)*p; break;
    case META_I16: m->value.i = (int16_t)read_u16(p); break;
    case META_I32: m->value.i = (int32_t)read_u32(p); break;
    case META_I64: m->value.i = (int64_t)read_u64(p); break;
    case META_U16: m->value.u = read_u16(p); break;
    case META_U32: m->value.u = read_u32(p); break;
    case META_U64: m->value.u = read_u64(p); break;
    case META_F32: m->value.f = f32_from_bits(read_u32(p)); break;
    case META_F64: memcpy(&m->value.f, p, sizeof m->value.f); break;
    default: m->value.u = *p; break; /* u8, bool */
    }
}

static enum meta_result wrong(const struct weights *w, const struct meta *m, const char *wanted, infer_error *err)
{
    char found[40] = "a value";
    switch (types[m->type].class) {
    case UNSIGNED: snprintf(found, sizeof found, "%llu", (unsigned long long)m->value.u); break;
    case SIGNED: snprintf(found, sizeof found, "%lld", (long long)m->value.i); break;
    case FLOATING: real_text(found, m->value.f); break;
    }
    fail(err, INFER_E_FORMAT, "%s: %s is %s of type %s, expected %s", w->path, quote(m->key).s, found,
         types[m->type].name, wanted);
    return META_WRONG;
}

enum meta_result meta_get_u32(const struct weights *w, const char *key, uint32_t *value, infer_error *err)
{
    const struct meta *m = weights_meta(w, key);
    if (!m)
        return META_ABSENT;
    const int class = types[m->type].class;
    if (class == UNSIGNED && m->value.u <= UINT32_MAX)
        *value = (uint32_t)m->value.u;
    else if (class == SIGNED && m->value.i >= 0 && m->value.i <= UINT32_MAX)
        *value = (uint32_t)m->value.i;
    else
        return wrong(w, m, "an integer from 0 to 4294967295", err);
    return META_FOUND;
}

enum meta_result meta_get_f32(const struct weights *w, const char *key, float *value, infer_error *err)
{
    const struct meta *m = weights_meta(w, key);
    if (!m)
        return META_ABSENT;
    switch (types[m->type].class) {
    case UNSIGNED: *value = (float)m->value.u; return META_FOUND;
    case SIGNED: *value = (float)m->value.i; return META_FOUND;
    case FLOATING:
        if (isfinite(m->value.f) && fabs(m->value.f) > (double)FLT_MAX)
            break;
        *value = (float)m->value.f;
        return META_FOUND;
    }
    return wrong(w, m, "a number in the range of f32", err);
}

enum meta_result meta_get_bool(const struct weights *w, const char *key, bool *value, infer_error *err)
{
    const struct meta *m = weights_meta(w, key);
    if (!m)
        return META_ABSENT;
    if (m->type != META_BOOL)
        return wrong(w, m, "a bool", err);
    *value = m->value.u;
    return META_FOUND;
}

enum meta_result meta_get_text(const struct weights *w, const char *key, struct text *value, infer_error *err)
{
    const struct meta *m = weights_meta(w, key);
    if (!m)
        return META_ABSENT;
    if (m->type != META_STRING)
        return wrong(w, m, "a string", err);
    *value = m->value.s;
    return META_FOUND;
}

/* Element i of an array as an entry of its own. */
static struct meta element(const struct meta *m, uint64_t i)
{
    struct meta e = { .type = m->element };
    if (types[e.type].bytes)
        meta_read_number(&e, m->elements + i * types[e.type].bytes);
    return e;
}

double meta_element_f64(const struct meta *m, uint64_t i)
{
    const struct meta e = element(m, i);
    const int class = types[e.type].class;
    return class == FLOATING ? e.value.f : class == SIGNED ? (double)e.value.i : (double)e.value.u;
}

int64_t meta_element_i64(const struct meta *m, uint64_t i)
{
    const struct meta e = element(m, i);
    switch (types[e.type].class) {
    case SIGNED: return e.value.i;
    case FLOATING: /* 2^63 is the first double that does not fit */
        if (isnan(e.value.f))
            return 0;
        return e.value.f >= 0x1p63 ? INT64_MAX : e.value.f < -0x1p63 ? INT64_MIN : (int64_t)e.value.f;
    default: return e.value.u > INT64_MAX ? INT64_MAX : (int64_t)e.value.u;
    }
}

bool meta_strings(const struct meta *m, struct text *out)
{
    if (m->type != META_ARRAY || (m->element != META_STRING && m->n))
        return false;
    const uint8_t *p = m->elements;
    for (uint64_t i = 0; i < m->n; i++) {
        out[i] = (struct text){ (const char *)p + 8, (size_t)read_u64(p) };
        p += 8 + out[i].n;
    }
    return true;
}
