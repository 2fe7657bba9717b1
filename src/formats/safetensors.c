/* safetensors.c - SafeTensors files.
 *
 *   u64 n   then n bytes of JSON, then the data: all tensors without gaps, little-endian, rows in C order
 *   {"__metadata__": {"format": "pt"}, "NAME": {"dtype": "BF16", "shape": [ROWS, WIDTH], "data_offsets": [BEGIN, END]}}
 *
 * The offsets count from where the JSON ends, which is aligned to 8 bytes in files of careful writers only. */
#include "src/formats/json.h"

#include "src/base/numbers.h"

#include <stdio.h>

static const struct {
    const char *name;
    enum dtype type;
} dtypes[] = {
    { "F32", DTYPE_F32 },         { "F16", DTYPE_F16 }, { "BF16", DTYPE_BF16 }, { "F64", DTYPE_F64 },
    { "F8_E4M3", DTYPE_F8_E4M3 }, { "F8_E5M2", DTYPE_F8_E5M2 },
    { "I8", DTYPE_I8 },           { "I16", DTYPE_I16 }, { "I32", DTYPE_I32 },   { "I64", DTYPE_I64 },
    { "U8", DTYPE_U8 },           { "U16", DTYPE_U16 }, { "U32", DTYPE_U32 },   { "U64", DTYPE_U64 },
    { "BOOL", DTYPE_BOOL },
};

static infer_status read_dtype(struct tensor *t, const json_t *object, infer_error *err)
{
    const char *name = json_string_value(json_object_get(object, "dtype"));
    if (!name)
        return fail(err, INFER_E_FORMAT, "tensor \"%s\" has no dtype", quote(t->name).s);
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        if (strcmp(name, dtypes[i].name) == 0) {
            t->type = dtypes[i].type;
            return INFER_OK;
        }
    }
    return fail(err, INFER_E_UNKNOWN, "tensor \"%s\" has dtype \"%s\", which this version does not know",
                quote(t->name).s, quote(text_of(name)).s);
}

/* The shape's last axis is the row's width. Axes further out than the fourth are multiplied into that one. */
static infer_status read_shape(struct tensor *t, const json_t *object, infer_error *err)
{
    const json_t *shape = json_object_get(object, "shape");
    if (!json_is_array(shape))
        return fail(err, INFER_E_FORMAT, "tensor \"%s\" has no shape", quote(t->name).s);
    const size_t n = json_array_size(shape);
    t->n_dims = n < TENSOR_MAX_DIMS ? (int)n : TENSOR_MAX_DIMS;
    for (size_t i = 0; i < n || i < TENSOR_MAX_DIMS; i++) {
        const json_t *axis = i < n ? json_array_get(shape, n - 1 - i) : NULL;
        const json_int_t length = axis ? json_integer_value(axis) : 1;
        if ((axis && !json_is_integer(axis)) || length < 0)
            return fail(err, INFER_E_FORMAT, "tensor \"%s\": axis %zu of its shape is no integer from 0 on",
                        quote(t->name).s, n - 1 - i);
        if (i < TENSOR_MAX_DIMS)
            t->ne[i] = (uint64_t)length;
        else if (__builtin_mul_overflow(t->ne[TENSOR_MAX_DIMS - 1], (uint64_t)length, &t->ne[TENSOR_MAX_DIMS - 1]))
            return fail(err, INFER_E_FORMAT, "tensor \"%s\" has too many values", quote(t->name).s);
    }
    return tensor_measure(t, err);
}

static infer_status read_offsets(const struct tensor *t, const json_t *object, uint64_t *begin, uint64_t *end,
                                 infer_error *err)
{
    const json_t *offsets = json_object_get(object, "data_offsets");
    const json_t *b = json_array_get(offsets, 0), *e = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(b) || !json_is_integer(e) || json_integer_value(b) < 0 ||
        json_integer_value(e) < json_integer_value(b))
        return fail(err, INFER_E_FORMAT, "tensor \"%s\": data_offsets is not [BEGIN, END]", quote(t->name).s);
    *begin = (uint64_t)json_integer_value(b);
    *end = (uint64_t)json_integer_value(e);
    if (*end - *begin == t->bytes)
        return INFER_OK;
    return fail(err, INFER_E_FORMAT, "tensor \"%s\": data_offsets cover %llu bytes, its shape and dtype %llu",
                quote(t->name).s, (unsigned long long)(*end - *begin), (unsigned long long)t->bytes);
}

/* Neither gaps nor overlaps, from the first byte of the data to the last. */
static infer_status check_order(const struct weights *w, size_t first, const uint8_t *data, size_t size,
                                infer_error *err)
{
    uint32_t *order = tensors_by_address(w, first);
    if (!order)
        return fail_memory(err, "sorting tensors");
    infer_status status = INFER_OK;
    size_t next = 0;
    for (size_t i = 0; i < w->n_tensors - first && status == INFER_OK; i++) {
        const struct tensor *t = &w->tensors[order[i]];
        const size_t begin = (size_t)((const uint8_t *)t->data - data);
        if (begin != next)
            status = fail(err, INFER_E_FORMAT,
                          "tensor \"%s\" begins at byte %zu of the data, expected %zu, where the one before it ends",
                          quote(t->name).s, begin, next);
        next = begin + (size_t)t->bytes;
    }
    if (status == INFER_OK && next != size)
        status = fail(err, INFER_E_FORMAT, "the tensors end at byte %zu of the data, which has %zu", next, size);
    mem_free(w->a, order);
    return status;
}

static infer_status read_tensors(struct weights *w, const json_t *header, const uint8_t *data, size_t size,
                                 infer_error *err)
{
    const size_t first = w->n_tensors;
    const char *key, *last = "";
    const json_t *object;
    uint64_t needed = 0, begin = 0, end = 0;
    json_object_foreach((json_t *)(uintptr_t)header, key, object) {
        if (strcmp(key, "__metadata__") == 0)
            continue;
        char name[MAX_NAME];
        struct tensor t = { .name = text_of(key) };
        if (w->tensor_prefix) {
            const int n = snprintf(name, sizeof name, "%s%s", w->tensor_prefix, key);
            if (n < 0 || (size_t)n >= sizeof name)
                return fail(err, INFER_E_FORMAT, "tensor \"%s\": the name is too long", quote(t.name).s);
            t.name = text_of(name);
        }
        infer_status status = read_dtype(&t, object, err);
        if (status == INFER_OK)
            status = read_shape(&t, object, err);
        if (status == INFER_OK)
            status = read_offsets(&t, object, &begin, &end, err);
        if (status != INFER_OK)
            return status;
        if (end > needed) {
            needed = end;
            last = key;
        }
        if (end > size)
            continue; /* one error for the whole file below */
        t.data = data + begin;
        if ((status = weights_add_tensor(w, &t, err)) != INFER_OK)
            return status;
    }
    if (needed > size)
        return fail(err, INFER_E_FORMAT, "tensor \"%s\" ends at byte %llu of the data, which has %zu: %llu are missing",
                    quote(text_of(last)).s, (unsigned long long)needed, size, (unsigned long long)(needed - size));
    return check_order(w, first, data, size, err);
}

infer_status safetensors_parse(struct weights *w, const uint8_t *data, size_t size, infer_error *err)
{
    if (size < 8)
        return fail(err, INFER_E_FORMAT, "%zu bytes, expected a header of at least 8", size);
    const uint64_t n = read_u64(data);
    if (n > MAX_JSON)
        return fail(err, INFER_E_FORMAT, "the header's length is %llu, expected at most %d: is this SafeTensors?",
                    (unsigned long long)n, MAX_JSON);
    if (n > size - 8)
        return fail(err, INFER_E_FORMAT, "the header ends at byte %llu, but the file has %zu: %llu are missing",
                    (unsigned long long)n + 8, size, (unsigned long long)n - (size - 8));
    const struct text json = { (const char *)data + 8, (size_t)n };
    if (!n || json.p[0] != '{')
        return fail(err, INFER_E_FORMAT, "the header does not begin with {");
    bool reals;
    infer_error own;
    json_t *header = json_read(json, &reals, err ? err : &own);
    if (!header)
        return err ? err->code : own.code;
    const json_t *metadata = json_object_get(header, "__metadata__");
    infer_status status = INFER_OK;
    if (metadata && !json_is_object(metadata))
        status = fail(err, INFER_E_FORMAT, "__metadata__ is not an object");
    else if (metadata)
        status = json_flatten(w, metadata, reals, "__metadata__.", err);
    if (status == INFER_OK)
        status = read_tensors(w, header, data + 8 + n, size - 8 - (size_t)n, err);
    json_decref(header);
    return status;
}
