/* json.c - JSON objects as metadata.
 *
 * Keys are joined with dots; objects in an array have their "name" for a key. An object of a kind that no model has
 * (nested deeper than 32, keys of more than 255 bytes) is left out, which also bounds the memory that its keys could take
 * once they are written out in full. */
#include "src/formats/json.h"

#include <math.h>

enum { MAX_DEPTH = 32, MAX_JSON_KEY = 255, MAX_CONFIG = 16 << 20 };

struct flattener {
    struct weights *w;
    infer_error *err;
    bool reals; /* integers came as reals */
    char key[MAX_JSON_KEY + 1];
};

/* Any value; NULL and an error if it is none. */
static json_t *read_any(struct text text, bool *reals, infer_error *err)
{
    if (text.n > MAX_JSON)
        return fail_null(err, INFER_E_FORMAT, "%zu bytes of JSON, expected at most %d", text.n, MAX_JSON);
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
    json_error_t e;
    json_t *root = json_loadb(text.n ? text.p : "", text.n, flags, &e);
    *reals = !root && json_error_code(&e) == json_error_numeric_overflow;
    if (*reals) /* "model_max_length": 1000000000000000019884624838656 stands in many a tokenizer_config.json */
        root = json_loadb(text.p, text.n, flags | JSON_DECODE_INT_AS_REAL, &e);
    if (!root && json_error_code(&e) == json_error_out_of_memory)
        return fail_memory(err, "JSON"), NULL;
    if (!root)
        return fail_null(err, INFER_E_FORMAT, "JSON, line %d, column %d: %s", e.line, e.column,
                         quote(text_of(e.text)).s);
    return root;
}

json_t *json_read(struct text text, bool *reals, infer_error *err)
{
    json_t *root = read_any(text, reals, err);
    if (!root || json_is_object(root))
        return root;
    json_decref(root);
    return fail_null(err, INFER_E_FORMAT, "expected a JSON object");
}

json_t *json_read_list(struct text text, infer_error *err)
{
    bool reals;
    json_t *root = read_any(text, &reals, err);
    if (!root || json_is_array(root))
        return root;
    json_decref(root);
    return fail_null(err, INFER_E_FORMAT, "expected a JSON array");
}

static bool is_whole(double x)
{
    return fabs(x) < 0x1p53 && x == trunc(x);
}

static bool is_integer(const struct flattener *f, const json_t *v)
{
    return json_is_integer(v) || (f->reals && json_is_real(v) && is_whole(json_real_value(v)));
}

static int64_t integer_value(const json_t *v)
{
    return json_is_integer(v) ? (int64_t)json_integer_value(v) : (int64_t)json_real_value(v);
}

/* The type of a value as metadata; META_TYPES for null, arrays and objects. */
static enum meta_type type_of(const struct flattener *f, const json_t *v)
{
    return json_is_string(v)    ? META_STRING
           : json_is_boolean(v) ? META_BOOL
           : is_integer(f, v)   ? META_I64
           : json_is_real(v)    ? META_F64
                                : META_TYPES;
}

/* The type that all elements have or, among numbers, can be given; META_TYPES if there is none. */
static enum meta_type element_type(const struct flattener *f, const json_t *array)
{
    size_t i;
    json_t *v;
    enum meta_type common = META_I64;
    json_array_foreach(array, i, v) {
        const enum meta_type type = type_of(f, v);
        const bool numbers = (type == META_I64 || type == META_F64) && (common == META_I64 || common == META_F64);
        if (!i)
            common = type;
        else if (type != common)
            common = numbers ? META_F64 : META_TYPES;
        if (common == META_TYPES)
            break;
    }
    return common;
}

static size_t element_bytes(enum meta_type type, const json_t *v)
{
    return type == META_STRING ? 8 + json_string_length(v) : meta_type_bytes(type);
}

/* Write an element as GGUF has it; the machine is little-endian as the formats are. */
static void write_element(uint8_t *p, enum meta_type type, const json_t *v)
{
    const uint64_t n = json_string_length(v);
    const int64_t i = type == META_I64 ? integer_value(v) : 0;
    const double d = json_number_value(v);
    switch (type) {
    case META_STRING:
        memcpy(p, &n, 8);
        memcpy(p + 8, json_string_value(v), n);
        break;
    case META_BOOL: *p = json_is_true(v); break;
    case META_I64: memcpy(p, &i, 8); break;
    default: memcpy(p, &d, 8); break;
    }
}

/* False if memory is out. */
static bool read_array(const struct flattener *f, const json_t *array, struct meta *m)
{
    size_t i, bytes = 0;
    json_t *v;
    m->type = META_ARRAY;
    m->n = json_array_size(array);
    json_array_foreach(array, i, v)
        bytes += element_bytes(m->element, v); /* all of it is in memory already, so the sum cannot overflow */
    uint8_t *p = arena_new(&f->w->arena, bytes, 1);
    m->elements = p;
    if (!p)
        return false;
    json_array_foreach(array, i, v) {
        write_element(p, m->element, v);
        p += element_bytes(m->element, v);
    }
    return true;
}

static infer_status add_value(struct flattener *f, size_t key_length, const json_t *v)
{
    struct meta m = { .key = { f->key, key_length }, .type = type_of(f, v) };
    uint32_t there;
    if (json_is_array(v)) {
        m.element = element_type(f, v);
        m.type = m.element == META_TYPES ? META_TYPES : META_ARRAY;
    }
    if (m.type == META_TYPES || !key_length || !text_is_clean(m.key) || table_find(&f->w->meta_index, m.key, &there))
        return INFER_OK;
    bool memory = true;
    switch (m.type) {
    case META_ARRAY: memory = read_array(f, v, &m); break;
    case META_STRING:
        m.value.s.n = json_string_length(v);
        m.value.s.p = arena_text(&f->w->arena, json_string_value(v), m.value.s.n);
        memory = m.value.s.p;
        break;
    case META_BOOL: m.value.u = json_is_true(v); break;
    case META_I64: m.value.i = integer_value(v); break;
    default: m.value.f = json_real_value(v); break;
    }
    return memory ? weights_add_meta(f->w, &m, f->err) : fail_memory(f->err, "metadata");
}

static infer_status flatten(struct flattener *f, size_t used, const json_t *object, int depth);

/* Of an array [{"name": N, ...}, ...] the objects, as if N were their key. */
static infer_status flatten_named(struct flattener *f, size_t used, const json_t *array, int depth)
{
    infer_status status = INFER_OK;
    size_t i;
    json_t *object;
    json_array_foreach(array, i, object) {
        const json_t *const name = json_object_get(object, "name");
        const size_t n = json_string_length(name);
        if (!n || n >= MAX_JSON_KEY - used)
            continue;
        memcpy(f->key + used, json_string_value(name), n);
        f->key[used + n] = '.';
        status = flatten(f, used + n + 1, object, depth + 1);
        if (status != INFER_OK)
            break;
    }
    return status;
}

/* f->key has `used` bytes of prefix. */
static infer_status flatten(struct flattener *f, size_t used, const json_t *object, int depth)
{
    infer_status status = INFER_OK;
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)object, key, v) {
        const size_t n = strlen(key);
        if (n > MAX_JSON_KEY - used)
            continue;
        memcpy(f->key + used, key, n);
        const bool objects = json_is_object(json_array_get(v, 0));
        if (!json_is_object(v) && !objects) {
            status = add_value(f, used + n, v);
        } else if (depth < MAX_DEPTH && used + n < MAX_JSON_KEY) {
            f->key[used + n] = '.';
            status = (objects ? flatten_named : flatten)(f, used + n + 1, v, depth + 1);
        }
        if (status != INFER_OK)
            break;
    }
    return status;
}

infer_status json_flatten(struct weights *w, const json_t *object, bool reals, const char *prefix, infer_error *err)
{
    struct flattener f = { .w = w, .err = err, .reals = reals };
    const size_t n = strlen(prefix);
    if (n > MAX_JSON_KEY)
        return fail(err, INFER_E_ARGUMENT, "a prefix of %zu bytes", n);
    memcpy(f.key, prefix, n);
    return flatten(&f, n, object, 1);
}

/* Models that see pictures or hear have the numbers of their text's part in an object of its own: as if they stood
 * alone, so that the name of the family is that of the text's, too. */
static bool lift_text(json_t *root)
{
    json_t *text = json_object_get(root, "text_config");
    if (!json_is_object(text))
        return true;
    json_incref(text);
    const bool lifted = json_object_del(root, "text_config") == 0 && json_object_update(root, text) == 0;
    json_decref(text);
    return lifted;
}

infer_status config_parse(struct weights *w, struct text json, const char *prefix, infer_error *err)
{
    if (json.n > MAX_CONFIG)
        return fail(err, INFER_E_FORMAT, "%zu bytes, expected at most %d", json.n, MAX_CONFIG);
    infer_error own;
    bool reals;
    json_t *root = json_read(json, &reals, err ? err : &own);
    if (!root)
        return err ? err->code : own.code;
    const infer_status status =
        lift_text(root) ? json_flatten(w, root, reals, prefix, err) : fail_memory(err, "text_config");
    json_decref(root);
    return status;
}
