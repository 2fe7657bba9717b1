/* test_safetensors.c - SafeTensors files: what is read, and what is refused with which sentence. */
#include "tests/formats/weights_test.h"

/* A file of this header and n bytes of data, 0, 1, 2 and so on. */
static void build(struct bytes *b, const char *json, size_t n)
{
    b->n = 0;
    put_text(b, json);
    for (size_t i = 0; i < n; i++)
        put_u8(b, (uint8_t)i);
}

static const char sample[] =
    "{\"__metadata__\":{\"format\":\"pt\"},"
    "\"b\":{\"dtype\":\"BF16\",\"shape\":[3,2],\"data_offsets\":[4,16]},"
    "\"none\":{\"dtype\":\"F64\",\"shape\":[4,0],\"data_offsets\":[16,16]},"
    "\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}   ";

/* Parse a copy of exactly b->n bytes. */
static struct weights *parse(const infer_allocator *a, const struct bytes *b, infer_error *err, uint8_t **copy)
{
    *copy = malloc(b->n ? b->n : 1);
    memcpy(*copy, b->p, b->n);
    struct weights *w = weights_new(a, "file", WEIGHTS_HF, err);
    if (w && safetensors_parse(w, *copy, b->n, err) != INFER_OK)
        weights_close(&w);
    return w;
}

static void refused_bytes(const struct bytes *b, infer_status code, const char *words)
{
    infer_error err = { 0 };
    uint8_t *copy;
    struct weights *w = parse(&mem_default, b, &err, &copy);
    free(copy);
    assert_null(w);
    if (!strstr(err.message, words))
        fail_msg("\"%s\" does not say \"%s\"", err.message, words);
    assert_int_equal(err.code, code);
    assert_null(parse(&mem_default, b, NULL, &copy));
    free(copy);
}

static void refused(const char *json, size_t n, infer_status code, const char *words)
{
    struct bytes b;
    build(&b, json, n);
    refused_bytes(&b, code, words);
}

static void tensors_and_metadata_are_read(void **state)
{
    (void)state;
    struct bytes b;
    build(&b, sample, 16);
    infer_error err = { 0 };
    uint8_t *copy;
    struct weights *w = parse(&mem_default, &b, &err, &copy);
    if (!w)
        fail_msg("%s", err.message);
    assert_true(look_at_all(w));
    assert_int_equal(w->n_tensors, 3);
    assert_true(text_is(w->tensors[0].name, "b")); /* in the file's order */
    const struct tensor *a = weights_tensor(w, text_of("a")), *bf = weights_tensor(w, text_of("b"));
    assert_true(a->n_dims == 0 && a->bytes == 4 && a->type == DTYPE_F32 && *(const uint8_t *)a->data == 0);
    assert_true(bf->n_dims == 2 && bf->ne[0] == 2 && bf->ne[1] == 3 && bf->bytes == 12); /* the width first */
    assert_int_equal(*(const uint8_t *)bf->data, 4);
    assert_int_equal(weights_tensor(w, text_of("none"))->bytes, 0);
    assert_true(text_is(weights_meta(w, "__metadata__.format")->value.s, "pt"));
    weights_close(&w);
    free(copy);
}

static void every_dtype_has_its_size(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int bytes;
    } dtypes[] = { { "BOOL", 1 }, { "U8", 1 },   { "I8", 1 },  { "F8_E4M3", 1 }, { "F8_E5M2", 1 },
                   { "I16", 2 },  { "U16", 2 },  { "F16", 2 }, { "BF16", 2 },    { "I32", 4 },
                   { "U32", 4 },  { "F32", 4 },  { "F64", 8 }, { "I64", 8 },     { "U64", 8 } };
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        struct bytes b;
        char json[200];
        snprintf(json, sizeof json, "{\"t\":{\"dtype\":\"%s\",\"shape\":[3],\"data_offsets\":[0,%d]}}", dtypes[i].name,
                 3 * dtypes[i].bytes);
        build(&b, json, 3 * (size_t)dtypes[i].bytes);
        infer_error err = { 0 };
        uint8_t *copy;
        struct weights *w = parse(&mem_default, &b, &err, &copy);
        if (!w)
            fail_msg("%s", err.message);
        assert_true(look_at_all(w));
        assert_int_equal(w->tensors[0].bytes, 3 * dtypes[i].bytes);
        weights_close(&w);
        free(copy);
    }
}

static void axes_beyond_the_fourth_are_multiplied_together(void **state)
{
    (void)state;
    struct bytes b;
    build(&b, "{\"conv\":{\"dtype\":\"U8\",\"shape\":[5,3,2,1,2,1],\"data_offsets\":[0,60]}}", 60);
    infer_error err = { 0 };
    uint8_t *copy;
    struct weights *w = parse(&mem_default, &b, &err, &copy);
    if (!w)
        fail_msg("%s", err.message);
    const struct tensor *t = &w->tensors[0];
    assert_true(t->n_dims == 4 && t->ne[0] == 1 && t->ne[1] == 2 && t->ne[2] == 1 && t->ne[3] == 2 * 3 * 5);
    weights_close(&w);
    free(copy);
}

static void a_file_cut_anywhere_is_refused(void **state)
{
    (void)state;
    struct bytes b;
    build(&b, sample, 16);
    for (size_t n = b.n; n-- > 0;) {
        b.n = n;
        refused_bytes(&b, INFER_E_FORMAT, n < 8 ? "expected a header of at least 8" : "missing");
    }
}

static void a_file_with_any_byte_changed_does_no_harm(void **state)
{
    (void)state;
    struct bytes b;
    build(&b, sample, 16);
    size_t opened = 0;
    for (size_t i = 0; i < b.n - 16; i++) {
        for (int change = 1; change < 256; change++) {
            b.p[i] ^= (uint8_t)change;
            infer_error err = { 0 };
            uint8_t *copy;
            struct weights *w = parse(&mem_default, &b, &err, &copy);
            if (w)
                assert_true(look_at_all(w));
            else
                assert_true(err.code == INFER_E_FORMAT || err.code == INFER_E_UNKNOWN);
            opened += w != NULL;
            weights_close(&w);
            free(copy);
            b.p[i] ^= (uint8_t)change;
        }
    }
    assert_true(opened > 0 && opened < (b.n - 16) * 255);
}

static void running_out_of_memory_is_an_error_wherever_it_happens(void **state)
{
    (void)state;
    struct bytes b;
    build(&b, sample, 16);
    for (size_t n = 0;; n++) {
        struct counting c;
        counting_init(&c, n);
        infer_error err = { 0 };
        uint8_t *copy;
        struct weights *w = parse(&c.allocator, &b, &err, &copy);
        const bool opened = w;
        weights_close(&w);
        free(copy);
        assert_int_equal(c.live, 0);
        if (opened) {
            assert_true(n > 5);
            return;
        }
        assert_int_equal(err.code, INFER_E_NOMEM);
    }
}

static void headers_of_impossible_length_are_refused(void **state)
{
    (void)state;
    struct bytes b = { .n = 0 };
    put_u64(&b, UINT64_MAX);
    refused_bytes(&b, INFER_E_FORMAT, "the header's length is 18446744073709551615, expected at most 104857600");
    b.n = 0;
    put_u64(&b, 100);
    refused_bytes(&b, INFER_E_FORMAT, "the header ends at byte 108, but the file has 8: 100 are missing");
    refused("", 0, INFER_E_FORMAT, "does not begin with {");
}

static void headers_that_are_not_json_objects_are_refused(void **state)
{
    (void)state;
    refused(" {}", 0, INFER_E_FORMAT, "does not begin with {");
    refused("{\"a\":", 0, INFER_E_FORMAT, "JSON, line 1");
    refused("{} {}", 0, INFER_E_FORMAT, "JSON, line 1");
    refused("{\"a\\u0000\":1}", 0, INFER_E_FORMAT, "JSON, line 1");
    refused("{\"__metadata__\":[]}", 0, INFER_E_FORMAT, "__metadata__ is not an object");
}

static void json_nested_without_end_is_refused(void **state)
{
    (void)state;
    char json[8000] = "{\"a\":";
    memset(json + 5, '[', sizeof json - 6);
    refused(json, 0, INFER_E_FORMAT, "JSON, line 1");
}

static void names_twice_are_refused(void **state)
{
    (void)state;
    refused("{\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
            "\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 2, INFER_E_FORMAT, "duplicate");
}

static void tensors_without_their_fields_are_refused(void **state)
{
    (void)state;
#define OFFSETS(x) "{\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":" x "}}"
    static const struct {
        const char *json, *words;
    } cases[] = {
        { "{\"t\":7}", "tensor \"t\" has no dtype" },
        { "{\"t\":{\"shape\":[1],\"data_offsets\":[0,1]}}", "tensor \"t\" has no dtype" },
        { "{\"t\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", "tensor \"t\" has no shape" },
        { "{\"t\":{\"dtype\":\"U8\",\"shape\":[1]}}", "tensor \"t\": data_offsets is not [BEGIN, END]" },
        { OFFSETS("[0,1,2]"), "not [BEGIN, END]" },
        { OFFSETS("[1,0]"), "not [BEGIN, END]" },
        { OFFSETS("[-1,0]"), "not [BEGIN, END]" },
        { OFFSETS("[0,1.0]"), "not [BEGIN, END]" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refused(cases[i].json, 1, INFER_E_FORMAT, cases[i].words);
}

static void unknown_dtypes_are_refused(void **state)
{
    (void)state;
    refused("{\"t\":{\"dtype\":\"F4\",\"shape\":[2],\"data_offsets\":[0,1]}}", 1, INFER_E_UNKNOWN,
            "tensor \"t\" has dtype \"F4\", which this version does not know");
}

static void impossible_shapes_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *dtype, *shape, *words;
    } cases[] = {
        { "U8", "[-1]", "axis 0 of its shape is no integer from 0 on" },
        { "U8", "[1,\"1\"]", "axis 1 of its shape" },
        { "U8", "[99999999999999999999]", "axis 0 of its shape" },
        { "U8", "[4294967296,4294967296]", "too many" },
        { "U8", "[4294967296,4294967296,1,1,1]", "too many" },
        { "U8", "[0,9223372036854775807,2]", "too many" }, /* no bytes, but other products would overflow */
        { "F64", "[9223372036854775807]", "too many" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char json[200];
        snprintf(json, sizeof json, "{\"t\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[0,0]}}", cases[i].dtype,
                 cases[i].shape);
        refused(json, 0, INFER_E_FORMAT, cases[i].words);
    }
}

static void bytes_other_than_shape_times_dtype_are_refused(void **state)
{
    (void)state;
    refused("{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,7]}}", 7, INFER_E_FORMAT,
            "tensor \"t\": data_offsets cover 7 bytes, its shape and dtype 8");
}

static void overlaps_gaps_and_bytes_left_over_are_refused(void **state)
{
    (void)state;
#define TWO(b, e) "{\"s\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[" #b "," #e "]}," \
                  "\"t\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}"
    refused(TWO(3, 7), 7, INFER_E_FORMAT, "tensor \"s\" begins at byte 3 of the data, expected 4");
    refused(TWO(5, 9), 9, INFER_E_FORMAT, "tensor \"s\" begins at byte 5 of the data, expected 4");
    refused(TWO(0, 4), 4, INFER_E_FORMAT, "begins at byte 0 of the data, expected 4");
    refused(TWO(4, 8), 9, INFER_E_FORMAT, "the tensors end at byte 8 of the data, which has 9");
    refused(TWO(4, 8), 7, INFER_E_FORMAT, "tensor \"s\" ends at byte 8 of the data, which has 7: 1 are missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_and_metadata_are_read),
        cmocka_unit_test(every_dtype_has_its_size),
        cmocka_unit_test(axes_beyond_the_fourth_are_multiplied_together),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(a_file_with_any_byte_changed_does_no_harm),
        cmocka_unit_test(running_out_of_memory_is_an_error_wherever_it_happens),
        cmocka_unit_test(headers_of_impossible_length_are_refused),
        cmocka_unit_test(headers_that_are_not_json_objects_are_refused),
        cmocka_unit_test(json_nested_without_end_is_refused),
        cmocka_unit_test(names_twice_are_refused),
        cmocka_unit_test(tensors_without_their_fields_are_refused),
        cmocka_unit_test(unknown_dtypes_are_refused),
        cmocka_unit_test(impossible_shapes_are_refused),
        cmocka_unit_test(bytes_other_than_shape_times_dtype_are_refused),
        cmocka_unit_test(overlaps_gaps_and_bytes_left_over_are_refused),
    };
    return cmocka_run_group_tests_name("safetensors", tests, NULL, NULL);
}
