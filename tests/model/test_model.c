/* test_model.c - binding a file to its architecture's row: what is refused and how it is said, what can be asked. */
#include "tests/reference/reference.h"

#define MODEL "tests/data/tiny/qwen3/model.gguf"

struct image {
    unsigned char *bytes; /* of the file, aligned to 64, changed at will */
    size_t size;
};

static struct image read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    struct image image = { aligned_alloc(64, 1 << 20), 0 };
    image.size = fread(image.bytes, 1, 1 << 20, f);
    fclose(f);
    return image;
}

static struct image read_image(void)
{
    return read_file(MODEL);
}

/* Where a string of the file stands; the count-th one of them, from 0. */
static unsigned char *find(const struct image *image, const char *text, int count)
{
    unsigned char *at = image->bytes;
    for (;; at++) {
        at = memmem(at, (size_t)(image->bytes + image->size - at), text, strlen(text));
        assert_non_null(at);
        if (!count--)
            return at;
    }
}

static infer_model *open_image(infer_context *c, const struct image *image, bool inspect, infer_error *err)
{
    infer_model_options o = infer_model_defaults();
    o.inspect = inspect;
    return infer_model_open_memory(c, image->bytes, image->size, &o, err);
}

static void assert_refused(const struct image *image, infer_status code, const char *part, const char *other)
{
    infer_context *c = open_context(NULL, 1);
    infer_error err = { 0 };
    assert_null(open_image(c, image, false, &err));
    if (err.code != code || !strstr(err.message, part) || !strstr(err.message, other))
        fail_msg("%s: %s; expected %s with \"%s\" and \"%s\"", infer_status_name(err.code), err.message,
                 infer_status_name(code), part, other);
    infer_context_close(&c);
    free(image->bytes);
}

static void a_missing_tensor_is_named(void **state)
{
    (void)state;
    const struct image image = read_image();
    find(&image, "blk.1.attn_v.weight", 0)[11] = 'x';
    assert_refused(&image, INFER_E_FORMAT, "blk.1.attn_v.weight is missing", "qwen3");
}

static void a_tensor_of_the_wrong_shape_is_named_with_both_shapes(void **state)
{
    (void)state;
    const struct image image = read_image();
    unsigned char *name = find(&image, "blk.0.ffn_up.weight", 0);
    uint64_t dims[2]; /* after the name: u32 n_dims, u64 each: (32, 48) values */
    memcpy(dims, name + 19 + 4, sizeof dims);
    assert_int_equal(dims[0], 32);
    dims[0] = 48;
    dims[1] = 32;
    memcpy(name + 19 + 4, dims, sizeof dims);
    assert_refused(&image, INFER_E_FORMAT, "blk.0.ffn_up.weight has the shape (32, 48)", "expected (48, 32)");
}

#define EXPERTS "tests/data/tiny/mixtral/model.gguf"

static void experts_are_checked_as_other_tensors_are(void **state)
{
    (void)state;
    struct image image = read_file(EXPERTS);
    find(&image, "blk.1.ffn_up_exps.weight", 0)[11] = 'x';
    assert_refused(&image, INFER_E_FORMAT, "blk.1.ffn_up_exps.weight is missing", "llama");
    image = read_file(EXPERTS);
    memcpy(find(&image, "llama.expert_count", 0) + 18 + 4, &(uint32_t){ 5 }, 4);
    assert_refused(&image, INFER_E_FORMAT, "blk.0.ffn_gate_inp.weight has the shape (4, 32)", "expected (5, 32)");
    image = read_file(EXPERTS);
    unsigned char *const dims = find(&image, "blk.0.ffn_down_exps.weight", 0) + 26 + 4; /* three of u64: 24, 32, 4 */
    memcpy(dims + 8, &(uint64_t){ 4 }, 8);
    memcpy(dims + 16, &(uint64_t){ 32 }, 8);
    assert_refused(&image, INFER_E_FORMAT, "blk.0.ffn_down_exps.weight has the shape (32, 4, 24)", "expected (4, 32, 24)");
    image = read_file(EXPERTS); /* without its router a layer needs what one without experts has */
    find(&image, "blk.0.ffn_gate_inp.weight", 0)[11] = 'x';
    assert_refused(&image, INFER_E_FORMAT, "blk.0.ffn_gate.weight is missing", "llama");
}

static void an_unknown_architecture_is_named_with_those_nearest(void **state)
{
    (void)state;
    const struct image image = read_image();
    find(&image, "qwen3", 0)[4] = '9';
    assert_refused(&image, INFER_E_UNKNOWN, "\"qwen9\"", "qwen2, qwen3");
}

static void a_missing_number_is_named(void **state)
{
    (void)state;
    const struct image image = read_image();
    find(&image, "qwen3.block_count", 0)[6] = 'x';
    assert_refused(&image, INFER_E_FORMAT, "qwen3.block_count", "qwen3");
}

/* Change the u32 that follows a key (u32 type, u32 value) and expect a refusal that says `part`. */
static void assert_number_refused(const char *key, uint32_t value, const char *part)
{
    const struct image image = read_image();
    memcpy(find(&image, key, 0) + strlen(key) + 4, &value, sizeof value);
    assert_refused(&image, INFER_E_FORMAT, part, "model in memory");
}

static void numbers_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    assert_number_refused("qwen3.block_count", 3, "blk.2.");
    assert_number_refused("qwen3.block_count", 0, "layers is 0");
    assert_number_refused("qwen3.block_count", 4000, "4000 layers");
    assert_number_refused("qwen3.block_count", 0xffffffff, "layers");
    assert_number_refused("qwen3.embedding_length", 64, "shape");
    assert_number_refused("qwen3.embedding_length", 0xfffffff0, "width");
    assert_number_refused("qwen3.attention.head_count", 3, "multiple");
    assert_number_refused("qwen3.attention.head_count", 0, "heads is 0");
    assert_number_refused("qwen3.attention.key_length", 1 << 20, "key");
    assert_number_refused("qwen3.rope.dimension_count", 17, "rope");
    assert_number_refused("qwen3.rope.dimension_count", 64, "rope");
    assert_number_refused("qwen3.rope.freq_base", 0x7fc00000 /* NaN */, "base");
    assert_number_refused("qwen3.attention.layer_norm_rms_epsilon", 0x7fc00000, "epsilon");
}

static void inspection_opens_what_cannot_run_and_refuses_sessions(void **state)
{
    (void)state;
    const struct image image = read_image();
    find(&image, "qwen3", 0)[4] = '9';
    infer_context *c = open_context(NULL, 1);
    infer_error err = { 0 };
    infer_model *m = open_image(c, &image, true, &err);
    assert_non_null(m);
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(m, &info);
    assert_false(info.runnable);
    assert_string_equal(info.architecture, "qwen9");
    assert_null(infer_session_open(m, NULL, &err));
    assert_int_equal(err.code, INFER_E_ARGUMENT);
    infer_model_close(&m);
    infer_context_close(&c);
    free(image.bytes);
}

static void verification_finds_a_value_that_is_not_finite(void **state)
{
    (void)state;
    const struct image image = read_image();
    infer_context *c = open_context(NULL, 1);
    infer_error err = { 0 };
    infer_model *m = open_image(c, &image, false, &err);
    assert_non_null(m);
    assert_int_equal(infer_model_verify(m, NULL, NULL, &err), INFER_OK);
    infer_model_close(&m);
    memset(image.bytes + image.size - 4, 0xff, 4);
    m = open_image(c, &image, false, &err);
    assert_int_equal(infer_model_verify(m, NULL, NULL, &err), INFER_E_FORMAT);
    assert_non_null(strstr(err.message, "not finite"));
    infer_model_close(&m);
    infer_context_close(&c);
    free(image.bytes);
}

static void info_says_what_the_file_holds(void **state)
{
    (void)state;
    infer_context *c = open_context(NULL, 1);
    infer_model *m = infer_model_open(c, MODEL, NULL, NULL);
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(m, &info);
    assert_string_equal(info.architecture, "qwen3");
    assert_string_equal(info.format, "GGUF");
    assert_string_equal(info.quantization, "f32");
    assert_string_equal(info.name, "model.gguf");
    assert_int_equal(info.n_vocab, 96);
    assert_int_equal(info.n_embd, 32);
    assert_int_equal(info.n_layer, 2);
    assert_int_equal(info.n_head, 4);
    assert_int_equal(info.n_head_kv, 2);
    assert_int_equal(info.n_ctx_train, 64);
    assert_true(info.runnable);
    assert_int_equal(info.bytes, 4 * info.n_params);
    assert_int_equal(info.kv_bytes_per_token, 2 * 2 * (16 + 16) * 2);
    assert_null(infer_model_tokenizer(m));
    infer_tensor_info tensor = { .size = sizeof tensor };
    size_t n = 0;
    for (; infer_model_tensor(m, n, &tensor); n++)
        assert_true(tensor.used && tensor.data);
    assert_int_equal(n, 3 + 2 * 11);
    infer_model_close(&m);
    infer_context_close(&c);
}

static void metadata_is_json(void **state)
{
    (void)state;
    infer_context *c = open_context(NULL, 1);
    infer_model *m = infer_model_open(c, MODEL, NULL, NULL);
    const char *key;
    char value[2000];
    size_t length, n = 0;
    for (; infer_model_metadata(m, n, false, &key, value, sizeof value, &length); n++) {
        json_error_t e;
        json_t *json = json_loads(value, JSON_DECODE_ANY, &e);
        if (!json)
            fail_msg("%s: %s: %s", key, value, e.text);
        if (!strcmp(key, "qwen3.embedding_length"))
            assert_int_equal(json_integer_value(json), 32);
        json_decref(json);
        assert_int_equal(length, strlen(value));
        char cut[4];
        assert_true(infer_model_metadata(m, n, false, &key, cut, sizeof cut, &length));
        assert_true(strlen(cut) <= 3 && length == strlen(value) && !strncmp(cut, value, strlen(cut)));
    }
    assert_true(n > 10);
    infer_model_close(&m);
    infer_context_close(&c);
}

static void memory_that_is_not_aligned_is_refused(void **state)
{
    (void)state;
    const struct image image = read_image();
    infer_context *c = open_context(NULL, 1);
    infer_error err = { 0 };
    assert_null(infer_model_open_memory(c, image.bytes + 8, image.size - 8, NULL, &err));
    assert_int_equal(err.code, INFER_E_ARGUMENT);
    assert_null(infer_model_open(c, "tests/data/no such file.gguf", NULL, &err));
    assert_int_equal(err.code, INFER_E_IO);
    assert_non_null(strstr(err.message, "no such file.gguf"));
    infer_context_close(&c);
    free(image.bytes);
}

static void keep_lines(void *user, infer_log_level level, const char *line)
{
    char *const kept = user;
    assert_true(level <= INFER_LOG_DEBUG);
    strncat(kept, line, 4095 - strlen(kept));
}

static void what_the_row_does_not_know_is_reported(void **state)
{
    (void)state;
    const struct image image = read_file("tests/data/tiny/llama/model.gguf");
    memcpy(find(&image, "llama.rope.freq_base", 0), "llama.rope.freq_haze", 20);
    memcpy(find(&image, "blk.0.ffn_up.bias", 0), "blk.0.ffn_up.bits", 17);
    char lines[4096] = "";
    infer_context_options o = infer_context_defaults();
    o.n_threads = 1;
    o.log = keep_lines;
    o.log_user = lines;
    infer_context *c = infer_context_open(&o, NULL);
    infer_model *m = infer_model_open_memory(c, image.bytes, image.size, NULL, NULL);
    assert_non_null(m);
    if (!strstr(lines, "llama.rope.freq_haze is not read") || !strstr(lines, "blk.0.ffn_up.bits is not used") ||
        strstr(lines, "llama.block_count is not read"))
        fail_msg("%s", lines);
    infer_model_close(&m);
    infer_context_close(&c);
    free(image.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_tensor_is_named),
        cmocka_unit_test(a_tensor_of_the_wrong_shape_is_named_with_both_shapes),
        cmocka_unit_test(experts_are_checked_as_other_tensors_are),
        cmocka_unit_test(an_unknown_architecture_is_named_with_those_nearest),
        cmocka_unit_test(a_missing_number_is_named),
        cmocka_unit_test(numbers_that_contradict_each_other_are_refused),
        cmocka_unit_test(inspection_opens_what_cannot_run_and_refuses_sessions),
        cmocka_unit_test(verification_finds_a_value_that_is_not_finite),
        cmocka_unit_test(info_says_what_the_file_holds),
        cmocka_unit_test(metadata_is_json),
        cmocka_unit_test(memory_that_is_not_aligned_is_refused),
        cmocka_unit_test(what_the_row_does_not_know_is_reported),
    };
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
