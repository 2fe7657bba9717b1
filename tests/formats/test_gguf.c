/* test_gguf.c - GGUF files: what is read, and what is refused with which sentence. */
#include "tests/formats/gguf_writer.h"

#include <dirent.h>
#include <math.h>

/* Every type of metadata, three tensors. Ends with the last byte of the last tensor. */
static void sample(struct bytes *b)
{
    header(b, 3, 18);
    key(b, "general.alignment", META_U32), put_u32(b, 64);
    key(b, "u8", META_U8), put_u8(b, 200);
    key(b, "i8", META_I8), put_u8(b, 0xff);
    key(b, "u16", META_U16), put(b, &(uint16_t){ 65535 }, 2);
    key(b, "i16", META_I16), put(b, &(int16_t){ -2 }, 2);
    key(b, "u32", META_U32), put_u32(b, UINT32_MAX);
    key(b, "i32", META_I32), put_u32(b, (uint32_t)-3);
    key(b, "u64", META_U64), put_u64(b, UINT64_MAX);
    key(b, "i64", META_I64), put_u64(b, (uint64_t)-4);
    key(b, "f32", META_F32), put(b, &(float){ 0.5f }, 4);
    key(b, "f64", META_F64), put(b, &(double){ 1e300 }, 8);
    key(b, "yes", META_BOOL), put_u8(b, 1);
    key(b, "text", META_STRING), put_text(b, "caf\xc3\xa9");
    array(b, "numbers", META_I16, 3), put(b, (int16_t[]){ 1, -2, 3 }, 6);
    array(b, "bools", META_BOOL, 2), put(b, "\1\0", 2);
    array(b, "strings", META_STRING, 3), put_text(b, "a"), put_text(b, ""), put_text(b, "\xff\xfe");
    array(b, "empty", META_STRING, 0);
    array(b, "nested", META_ARRAY, 1), put_u32(b, META_U8), put_u64(b, 2), put(b, "ab", 2);
    tensor(b, "f", DTYPE_F32, 5, 2, 64);
    tensor(b, "q", DTYPE_Q4_0, 32, 3, 0);
    tensor(b, "none", DTYPE_F16, 0, 7, 64);
    put_padding(b, 64);
    for (int i = 0; i < 64 + 40; i++)
        put_u8(b, (uint8_t)i);
}

/* The smallest file with one tensor, whose entry a test can spoil. */
static void one_tensor(struct bytes *b, enum dtype type, uint64_t width, uint64_t rows, uint64_t offset)
{
    header(b, 1, 0);
    tensor(b, "w", type, width, rows, offset);
    put_padding(b, 32);
    zeros(b, 64);
}

/* ---- Reading them ---- */

/* From a block of exactly n bytes, so that a sanitizer sees each byte too many. NULL is a refusal like any. */
static struct weights *open_copy(const infer_allocator *a, const uint8_t *p, size_t n, infer_error *err, uint8_t **copy)
{
    *copy = malloc(n ? n : 1);
    memcpy(*copy, p, n);
    return weights_open_memory(a, *copy, n, "file.gguf", err);
}

static struct weights *must_open(const struct bytes *b)
{
    infer_error err = { 0 };
    struct weights *w = weights_open_memory(&mem_default, b->p, b->n, "file.gguf", &err);
    if (!w)
        fail_msg("%s", err.message);
    assert_true(look_at_all(w));
    return w;
}

static void refused(const struct bytes *b, infer_status code, const char *words)
{
    infer_error err = { 0 };
    uint8_t *copy;
    struct weights *w = open_copy(&mem_default, b->p, b->n, &err, &copy);
    assert_null(w);
    assert_int_equal(err.code, code);
    if (strncmp(err.message, "file.gguf: ", 11) || !strstr(err.message, words))
        fail_msg("\"%s\" does not name the file and say \"%s\"", err.message, words);
    assert_null(weights_open_memory(&mem_default, copy, b->n, "file.gguf", NULL));
    free(copy);
}

static void every_type_of_metadata_is_read(void **state)
{
    (void)state;
    struct bytes b;
    sample(&b);
    struct weights *w = must_open(&b);
    assert_int_equal(w->n_metas, 17); /* the array of arrays is left out */
    assert_null(weights_meta(w, "nested"));
    assert_int_equal(weights_meta(w, "u8")->value.u, 200);
    assert_int_equal(weights_meta(w, "i8")->value.i, -1);
    assert_int_equal(weights_meta(w, "u16")->value.u, 65535);
    assert_int_equal(weights_meta(w, "i16")->value.i, -2);
    assert_int_equal(weights_meta(w, "i32")->value.i, -3);
    assert_true(weights_meta(w, "u64")->value.u == UINT64_MAX);
    assert_int_equal(weights_meta(w, "i64")->value.i, -4);
    assert_true(weights_meta(w, "f32")->value.f == 0.5 && weights_meta(w, "f64")->value.f == 1e300);
    assert_true(text_is(weights_meta(w, "text")->value.s, "caf\xc3\xa9"));
    const struct meta *numbers = weights_meta(w, "numbers"), *strings = weights_meta(w, "strings");
    assert_int_equal(meta_element_i64(numbers, 1), -2);
    assert_true(meta_element_f64(numbers, 2) == 3.0);
    struct text s[3];
    assert_false(meta_strings(numbers, s));
    assert_true(meta_strings(strings, s));
    assert_true(text_is(s[0], "a") && text_is(s[1], "") && text_is(s[2], "\xff\xfe"));
    assert_true(meta_strings(weights_meta(w, "empty"), NULL));
    weights_close(&w);
    assert_null(w);
}

static void tensors_lie_where_the_file_says(void **state)
{
    (void)state;
    struct bytes b;
    sample(&b);
    struct weights *w = must_open(&b);
    assert_int_equal(w->n_tensors, 3);
    const struct tensor *f = weights_tensor(w, text_of("f")), *q = weights_tensor(w, text_of("q"));
    assert_int_equal(f->type, DTYPE_F32);
    assert_int_equal(f->n_dims, 2);
    assert_true(f->ne[0] == 5 && f->ne[1] == 2 && f->ne[2] == 1 && f->ne[3] == 1 && f->bytes == 40);
    assert_ptr_equal(f->data, b.p + b.n - 40);
    assert_int_equal(q->bytes, 54);
    assert_ptr_equal(q->data, b.p + b.n - 104);
    assert_int_equal(weights_tensor(w, text_of("none"))->bytes, 0);
    assert_null(weights_tensor(w, text_of("F")));
    weights_close(&w);
}

static void version_2_is_read(void **state)
{
    (void)state;
    struct bytes b;
    sample(&b);
    b.p[4] = 2;
    struct weights *w = must_open(&b);
    weights_close(&w);
}

static void a_vocabulary_may_end_before_where_tensors_would_begin(void **state)
{
    (void)state;
    struct bytes b;
    header(&b, 0, 1);
    key(&b, "k", META_U8), put_u8(&b, 1);
    struct weights *w = must_open(&b);
    assert_int_equal(w->n_tensors, 0);
    weights_close(&w);
}

static void numbers_convert_if_they_fit(void **state)
{
    (void)state;
    struct bytes b;
    sample(&b);
    struct weights *w = must_open(&b);
    infer_error err = { 0 };
    uint32_t u = 7;
    float f = 7;
    bool flag = false;
    struct text t;
    assert_int_equal(meta_get_u32(w, "u8", &u, &err), META_FOUND);
    assert_int_equal(u, 200);
    assert_int_equal(meta_get_u32(w, "u32", &u, &err), META_FOUND);
    assert_true(u == UINT32_MAX);
    assert_int_equal(meta_get_u32(w, "absent", &u, &err), META_ABSENT);
    assert_true(u == UINT32_MAX && !err.message[0]);
    assert_int_equal(meta_get_u32(w, "u64", &u, &err), META_WRONG);
    assert_string_equal(err.message,
                        "file.gguf: u64 is 18446744073709551615 of type u64, expected an integer from 0 to 4294967295");
    assert_int_equal(meta_get_u32(w, "i8", &u, &err), META_WRONG);
    assert_int_equal(meta_get_u32(w, "text", &u, &err), META_WRONG);
    assert_int_equal(meta_get_f32(w, "i8", &f, &err), META_FOUND);
    assert_true(f == -1.0f);
    assert_int_equal(meta_get_f32(w, "f32", &f, &err), META_FOUND);
    assert_true(f == 0.5f);
    assert_int_equal(meta_get_f32(w, "f64", &f, &err), META_WRONG);
    assert_non_null(strstr(err.message, "f64 is 1e+300 of type f64, expected a number in the range of f32"));
    assert_int_equal(meta_get_bool(w, "yes", &flag, &err), META_FOUND);
    assert_true(flag);
    assert_int_equal(meta_get_bool(w, "u8", &flag, &err), META_WRONG);
    assert_int_equal(meta_get_text(w, "text", &t, &err), META_FOUND);
    assert_int_equal(meta_get_text(w, "numbers", &t, &err), META_WRONG);
    assert_int_equal(meta_get_text(w, "numbers", &t, NULL), META_WRONG);
    weights_close(&w);
}

static void elements_out_of_range_of_an_integer_saturate(void **state)
{
    (void)state;
    struct bytes b;
    header(&b, 0, 2);
    array(&b, "f", META_F64, 4), put(&b, (double[]){ 1e300, -1e300, (double)NAN, -1.75 }, 32);
    array(&b, "u", META_U64, 1), put_u64(&b, UINT64_MAX);
    struct weights *w = must_open(&b);
    const struct meta *f = weights_meta(w, "f");
    assert_true(meta_element_i64(f, 0) == INT64_MAX && meta_element_i64(f, 1) == INT64_MIN);
    assert_true(meta_element_i64(f, 2) == 0 && meta_element_i64(f, 3) == -1);
    assert_true(meta_element_i64(weights_meta(w, "u"), 0) == INT64_MAX);
    weights_close(&w);
}

/* ---- What is refused ---- */

static void a_file_cut_anywhere_is_refused(void **state)
{
    (void)state;
    struct bytes b;
    sample(&b);
    for (size_t n = 0; n < b.n; n++) {
        struct bytes cut = b;
        cut.n = n;
        refused(&cut, INFER_E_FORMAT, "byte");
    }
}

static void a_cut_file_says_which_tensor_ends_where_and_what_is_missing(void **state)
{
    (void)state;
    struct bytes b;
    sample(&b);
    const size_t whole = b.n;
    b.n -= 10;
    char words[100];
    snprintf(words, sizeof words, "tensor \"f\" ends at byte %zu, but the file has %zu bytes: 10 are missing", whole,
             b.n);
    refused(&b, INFER_E_FORMAT, words);
}

static void a_file_with_any_byte_changed_does_no_harm(void **state)
{
    (void)state;
    struct bytes b;
    sample(&b);
    size_t opened = 0;
    for (size_t i = 0; i < b.n; i++) {
        for (int change = 1; change < 256; change++) {
            b.p[i] ^= (uint8_t)change;
            infer_error err = { 0 };
            uint8_t *copy;
            struct weights *w = open_copy(&mem_default, b.p, b.n, &err, &copy);
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
    assert_true(opened > 0 && opened < b.n * 255);
}

static void lies_about_counts_are_found_before_memory_is_taken(void **state)
{
    (void)state;
    struct bytes b[5];
    header(&b[0], 0, (uint64_t)1 << 60);
    header(&b[1], (uint64_t)1 << 60, 0);
    header(&b[2], 0, 1), array(&b[2], "k", META_STRING, (uint64_t)1 << 61);
    header(&b[3], 0, 1), array(&b[3], "k", META_U64, (uint64_t)1 << 61); /* x 8 bytes: 0 modulo 2^64 */
    header(&b[4], 0, 1), put_u64(&b[4], UINT64_MAX - 7);                 /* length of a key */
    for (int i = 0; i < 5; i++) {
        zeros(&b[i], 40);
        struct counting c;
        counting_init(&c, SIZE_MAX);
        infer_error err = { 0 };
        assert_null(weights_open_memory(&c.allocator, b[i].p, b[i].n, "file.gguf", &err));
        assert_int_equal(err.code, INFER_E_FORMAT);
        assert_true(c.bytes < 10000);
        assert_int_equal(c.live, 0);
    }
}

static void running_out_of_memory_is_an_error_wherever_it_happens(void **state)
{
    (void)state;
    struct bytes b;
    sample(&b);
    for (size_t n = 0;; n++) {
        struct counting c;
        counting_init(&c, n);
        infer_error err = { 0 };
        struct weights *w = weights_open_memory(&c.allocator, b.p, b.n, "file.gguf", &err);
        const bool opened = w;
        weights_close(&w);
        assert_int_equal(c.live, 0);
        if (opened) {
            assert_true(n > 5);
            return;
        }
        assert_int_equal(err.code, INFER_E_NOMEM);
    }
}

static void other_files_are_refused(void **state)
{
    (void)state;
    struct bytes b = { "PK\3\4 and more", 12 };
    refused(&b, INFER_E_FORMAT, "begins with \"PK\\x03\\x04\", expected \"GGUF\"");
}

static void version_1_is_refused(void **state)
{
    (void)state;
    struct bytes b;
    sample(&b);
    b.p[4] = 1;
    refused(&b, INFER_E_UNKNOWN, "version 1, expected 2 or 3");
    b.p[4] = 4;
    refused(&b, INFER_E_UNKNOWN, "version 4, expected 2 or 3");
}

static void big_endian_is_refused(void **state)
{
    (void)state;
    struct bytes b;
    sample(&b);
    memcpy(b.p + 4, "\0\0\0\3", 4);
    refused(&b, INFER_E_UNKNOWN, "big-endian (version 3), expected little-endian");
}

static void bad_alignments_are_refused(void **state)
{
    (void)state;
    const uint32_t bad[] = { 0, 1, 4, 24, 33, 0xffffffff };
    struct bytes b;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        header(&b, 0, 1);
        key(&b, "general.alignment", META_U32), put_u32(&b, bad[i]);
        refused(&b, INFER_E_FORMAT, "expected a power of two of at least 8");
    }
    header(&b, 0, 1);
    key(&b, "general.alignment", META_STRING), put_text(&b, "32");
    refused(&b, INFER_E_FORMAT, "general.alignment is of type string, expected u32");
}

static void the_largest_alignment_overflows_nothing(void **state)
{
    (void)state;
    struct bytes b;
    header(&b, 1, 1);
    key(&b, "general.alignment", META_U32), put_u32(&b, 1u << 31);
    tensor(&b, "w", DTYPE_F32, 1, 1, (uint64_t)-1 << 31);
    zeros(&b, 100);
    refused(&b, INFER_E_FORMAT, "too large");
}

static void unknown_types_are_refused(void **state)
{
    (void)state;
    struct bytes b;
    header(&b, 0, 1);
    key(&b, "k", (enum meta_type)13), put_u64(&b, 0);
    refused(&b, INFER_E_FORMAT, "metadata entry 1 of 1 \"k\": type 13, expected 0 to 12");
    header(&b, 0, 1);
    array(&b, "k", (enum meta_type)99, 0);
    refused(&b, INFER_E_FORMAT, "type 99, expected 0 to 12");
    one_tensor(&b, (enum dtype)4, 32, 1, 0);
    refused(&b, INFER_E_UNKNOWN, "tensor 1 of 1 \"w\": tensor type 4");
    one_tensor(&b, DTYPE_U8, 32, 1, 0); /* only SafeTensors has it */
    refused(&b, INFER_E_UNKNOWN, "tensor type 64");
}

static void bools_other_than_0_and_1_are_refused(void **state)
{
    (void)state;
    struct bytes b;
    header(&b, 0, 1);
    key(&b, "k", META_BOOL), put_u8(&b, 2);
    refused(&b, INFER_E_FORMAT, "bool 0 is 2, expected 0 or 1");
    header(&b, 0, 1);
    array(&b, "k", META_BOOL, 3), put(&b, "\1\1\377", 3);
    refused(&b, INFER_E_FORMAT, "bool 2 is 255");
}

static void arrays_nested_without_end_are_refused(void **state)
{
    (void)state;
    struct bytes b;
    header(&b, 0, 1);
    array(&b, "k", META_ARRAY, 1);
    for (int i = 0; i < 200; i++)
        put_u32(&b, META_ARRAY), put_u64(&b, 1);
    refused(&b, INFER_E_FORMAT, "arrays in arrays");
}

static void keys_and_names_twice_are_refused(void **state)
{
    (void)state;
    struct bytes b;
    header(&b, 0, 2);
    for (int i = 0; i < 2; i++)
        key(&b, "k", META_U8), put_u8(&b, 1);
    refused(&b, INFER_E_FORMAT, "metadata entry \"k\" is there twice");
    header(&b, 2, 0);
    for (int i = 0; i < 2; i++)
        tensor(&b, "w", DTYPE_F32, 1, 1, 32 * (uint64_t)i);
    put_padding(&b, 32);
    zeros(&b, 64);
    refused(&b, INFER_E_FORMAT, "tensor \"w\" is there twice");
}

static void names_that_cannot_be_printed_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *shown;
    } cases[] = {
        { "a\nb", "a\\x0ab" },
        { "\x1b[31m", "\\x1b[31m" },
        { "\xc0\xaf", "\\xc0\\xaf" },          /* a long form */
        { "\xed\xa0\x80", "\\xed\\xa0\\x80" }, /* a surrogate */
        { "\xf4\x90\x80\x80", "\\xf4\\x90" },  /* above U+10FFFF */
        { "\xe2\x82", "\\xe2\\x82" },          /* cut */
        { "\xc2\x85", "\\xc2\\x85" },          /* a control character */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bytes b;
        header(&b, 0, 1);
        key(&b, cases[i].name, META_U8), put_u8(&b, 1);
        refused(&b, INFER_E_FORMAT, cases[i].shown);
    }
    struct bytes b;
    header(&b, 0, 1);
    put_u64(&b, 3), put(&b, "a\0b", 3), put_u32(&b, META_U8), put_u8(&b, 1);
    refused(&b, INFER_E_FORMAT, "a\\x00b");
}

static void names_of_no_or_too_many_bytes_are_refused(void **state)
{
    (void)state;
    struct bytes b;
    header(&b, 0, 1);
    key(&b, "", META_U8), put_u64(&b, 1);
    refused(&b, INFER_E_FORMAT, "metadata entry 1 has a name of 0 bytes, expected 1 to 65535");
    char name[4098];
    memset(name, 'x', sizeof name - 1);
    name[4097] = 0;
    header(&b, 1, 0);
    tensor(&b, name, DTYPE_F32, 1, 1, 0);
    put_padding(&b, 32);
    zeros(&b, 64);
    refused(&b, INFER_E_FORMAT, "tensor 1 has a name of 4097 bytes, expected 1 to 4096");
}

static void impossible_shapes_are_refused(void **state)
{
    (void)state;
    struct bytes b;
    one_tensor(&b, DTYPE_Q4_0, 33, 1, 0);
    refused(&b, INFER_E_FORMAT, "rows of 33 values, q4_0 has blocks of 32");
    one_tensor(&b, DTYPE_F32, (uint64_t)1 << 32, (uint64_t)1 << 32, 0);
    refused(&b, INFER_E_FORMAT, "too many");
    one_tensor(&b, DTYPE_F32, (uint64_t)1 << 62, 1, 0);
    refused(&b, INFER_E_FORMAT, "too many");
    one_tensor(&b, DTYPE_F32, (uint64_t)1 << 63, 0, 0); /* no bytes, but other products would overflow */
    refused(&b, INFER_E_FORMAT, "too many");
    header(&b, 1, 0);
    put_text(&b, "w"), put_u32(&b, 5), zeros(&b, 100);
    refused(&b, INFER_E_FORMAT, "5 axes, expected 0 to 4");
}

static void impossible_offsets_are_refused(void **state)
{
    (void)state;
    struct bytes b;
    one_tensor(&b, DTYPE_F32, 1, 1, 16);
    refused(&b, INFER_E_FORMAT, "its offset 16 is no multiple of the alignment, 32");
    one_tensor(&b, DTYPE_F32, 1, 1, UINT64_MAX - 31);
    refused(&b, INFER_E_FORMAT, "too large");
    one_tensor(&b, DTYPE_F32, 1, 1, 1024);
    refused(&b, INFER_E_FORMAT, "are missing");
}

static void overlapping_tensors_are_refused(void **state)
{
    (void)state;
    struct bytes b;
    header(&b, 4, 0);
    tensor(&b, "c", DTYPE_F32, 8, 1, 64);
    tensor(&b, "a", DTYPE_F32, 8, 1, 0);
    tensor(&b, "d", DTYPE_F32, 8, 1, 96);
    tensor(&b, "b", DTYPE_F32, 9, 1, 32);
    put_padding(&b, 32);
    zeros(&b, 128);
    refused(&b, INFER_E_FORMAT, "tensors \"b\" and \"c\" overlap by 4 bytes");
}

static void scalars_and_four_axes_are_read(void **state)
{
    (void)state;
    struct bytes b;
    header(&b, 2, 0);
    put_text(&b, "scalar"), put_u32(&b, 0), put_u32(&b, DTYPE_F32), put_u64(&b, 0);
    put_text(&b, "four"), put_u32(&b, 4);
    for (uint64_t i = 1; i <= 4; i++)
        put_u64(&b, i);
    put_u32(&b, DTYPE_I8), put_u64(&b, 32);
    put_padding(&b, 32);
    zeros(&b, 32 + 24);
    struct weights *w = must_open(&b);
    assert_int_equal(weights_tensor(w, text_of("scalar"))->bytes, 4);
    assert_int_equal(weights_tensor(w, text_of("four"))->bytes, 24);
    weights_close(&w);
}

/* ---- Files on disk ---- */

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    char folder[64], path[128];
    folder_make(folder);
    snprintf(path, sizeof path, "%s/absent.gguf", folder);
    path_refused(path, INFER_E_IO, "absent.gguf: cannot be opened");
    folder_write(folder, "absent.gguf", "", 0);
    path_refused(path, INFER_E_FORMAT, "absent.gguf|the file ends at byte 0");
    path_refused("/dev/null", INFER_E_IO, "not a regular file");
    folder_remove(folder);
}

static void open_all_in(const char *folder, int *n_files)
{
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[700];
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (e->d_name[0] != '.' && path_kind(path) == 'd')
            open_all_in(path, n_files);
        if (!text_ends(text_of(path), ".gguf"))
            continue;
        infer_error err = { 0 };
        struct weights *w = weights_open(&mem_default, path, &err);
        if (!w)
            fail_msg("%s", err.message);
        assert_true(look_at_all(w));
        struct text architecture;
        assert_int_equal(meta_get_text(w, "general.architecture", &architecture, &err), META_FOUND);
        assert_non_null(weights_meta(w, "tokenizer.ggml.tokens"));
        assert_true(w->n_tensors > 0 || strstr(path, "vocab"));
        ++*n_files;
        weights_close(&w);
    }
    if (d)
        closedir(d);
}

static void files_of_other_writers_open(void **state)
{
    (void)state;
    int n_files = 0;
    open_all_in(INFER_SHARED "/models", &n_files);
    open_all_in(INFER_SHARED "/tokenizers", &n_files);
    if (!n_files)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_of_metadata_is_read),
        cmocka_unit_test(tensors_lie_where_the_file_says),
        cmocka_unit_test(version_2_is_read),
        cmocka_unit_test(a_vocabulary_may_end_before_where_tensors_would_begin),
        cmocka_unit_test(numbers_convert_if_they_fit),
        cmocka_unit_test(elements_out_of_range_of_an_integer_saturate),
        cmocka_unit_test(scalars_and_four_axes_are_read),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(a_cut_file_says_which_tensor_ends_where_and_what_is_missing),
        cmocka_unit_test(a_file_with_any_byte_changed_does_no_harm),
        cmocka_unit_test(lies_about_counts_are_found_before_memory_is_taken),
        cmocka_unit_test(running_out_of_memory_is_an_error_wherever_it_happens),
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(version_1_is_refused),
        cmocka_unit_test(big_endian_is_refused),
        cmocka_unit_test(bad_alignments_are_refused),
        cmocka_unit_test(the_largest_alignment_overflows_nothing),
        cmocka_unit_test(unknown_types_are_refused),
        cmocka_unit_test(bools_other_than_0_and_1_are_refused),
        cmocka_unit_test(arrays_nested_without_end_are_refused),
        cmocka_unit_test(keys_and_names_twice_are_refused),
        cmocka_unit_test(names_that_cannot_be_printed_are_refused),
        cmocka_unit_test(names_of_no_or_too_many_bytes_are_refused),
        cmocka_unit_test(impossible_shapes_are_refused),
        cmocka_unit_test(impossible_offsets_are_refused),
        cmocka_unit_test(overlapping_tensors_are_refused),
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(files_of_other_writers_open),
    };
    return cmocka_run_group_tests_name("gguf", tests, NULL, NULL);
}
