/* test_quantize.c - a model quantised as it is opened is, byte by byte, the file that infer-quantize writes of it. */
#include "tests/common/counting.h"
#include "tests/reference/reference.h"
#include "tools/common/rewrite.h"

#include <unistd.h>

static infer_model *open_as(infer_context *c, const char *path, const char *type, bool requantize, bool no_mmap,
                            infer_error *err)
{
    infer_model_options o = infer_model_defaults();
    o.quantize = type;
    o.requantize = requantize;
    o.no_mmap = no_mmap;
    return infer_model_open(c, path, &o, err);
}

/* What infer-quantize says it writes goes nowhere. */
static void write_as(const char *path, const char *out, const char *type, bool requantize)
{
    infer_error err = { 0 };
    const struct rewrite r = { .program = "test", .in = path, .out = out, .mix = mix_find(type), .n_threads = 2,
                               .requantize = requantize };
    fflush(stdout);
    const int saved = dup(STDOUT_FILENO);
    assert_non_null(freopen("/dev/null", "w", stdout));
    const infer_status status = rewrite_model(&r, &err);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    if (status != INFER_OK)
        fail_msg("%s", err.message);
}

static void assert_same_tensors(const infer_model *a, const infer_model *b)
{
    infer_tensor_info x = { .size = sizeof x }, y = { .size = sizeof y };
    size_t i = 0;
    for (; infer_model_tensor(a, i, &x); i++) {
        assert_true(infer_model_tensor(b, i, &y));
        assert_string_equal(x.name, y.name);
        assert_string_equal(x.type, y.type);
        assert_int_equal(x.bytes, y.bytes);
        assert_memory_equal(x.dims, y.dims, sizeof x.dims);
        assert_memory_equal(x.data, y.data, x.bytes);
    }
    assert_false(infer_model_tensor(b, i, &y));
    assert_true(i > 0);
}

static const struct input {
    const char *path, *type;
    bool requantize;
} inputs[] = {
    { "tests/data/default-model", "q4_k_m", false },
    { "tests/data/default-model", "q8_0", false },
    { "tests/data/default-model", "f16", false },
    { "tests/data/tiny/llama/model.gguf", "q4_k_m", false },
    { "tests/data/tiny/llama", "q5_0", false },
    { "tests/data/tiny/gpt2", "q8_0", false },
    { "tests/data/tiny/mixtral", "q8_0", false },
    { "tests/data/tiny/gpt-oss", "q8_0", false },
    { "tests/data/tiny/gpt-oss-mxfp4", "q8_0", true },
    { "tests/data/tiny/gpt-oss-mxfp4", "mxfp4_moe", false },
    { "tests/data/tiny/deepseek3", "f16", false },
    { "tests/data/quantised/fp8-block", "q4_0", false },
    { "tests/data/quantised/fp8-block-powers", "q8_0", false },
    { "tests/data/quantised/gptq-moe", "q4_0", true },
    { "tests/data/quantised/gptq-act", "q4_k_m", false },
    { "tests/data/quantised/awq", "f16", true },
};

static void its_tensors_are_those_that_infer_quantize_writes(void **state)
{
    const struct input *in = *state;
    char out[64];
    snprintf(out, sizeof out, "/tmp/infer-test-quantize-%d.gguf", (int)getpid());
    write_as(in->path, out, in->type, in->requantize);
    infer_error err = { 0 };
    infer_context *c = open_context(NULL, 3);
    infer_model *file = infer_model_open(c, out, NULL, &err);
    remove(out);
    assert_non_null(file);
    for (int no_mmap = 0; no_mmap < 2; no_mmap++) {
        infer_model *m = open_as(c, in->path, in->type, in->requantize, no_mmap, &err);
        if (!m)
            fail_msg("%s", err.message);
        assert_same_tensors(m, file);
        infer_model_info a = { .size = sizeof a }, b = { .size = sizeof b };
        infer_model_get_info(m, &a);
        infer_model_get_info(file, &b);
        assert_int_equal(a.bytes, b.bytes);
        assert_string_equal(a.quantization, b.quantization);
        assert_true(a.runnable);
        const int32_t ids[] = { 3, 1, 4, 1, 5 };
        const struct ids text = { (int32_t *)(uintptr_t)ids, 5 };
        float *x = all_logits(m, INFER_FAST, &text, 0), *y = all_logits(file, INFER_FAST, &text, 0);
        assert_memory_equal(x, y, 5 * output_width(m) * sizeof *x);
        free(x);
        free(y);
        infer_model_close(&m);
    }
    infer_model_close(&file);
    infer_context_close(&c);
}

static void a_directory_keeps_its_own_tokenizer(void **state)
{
    (void)state;
    infer_error err = { 0 };
    infer_context *c = open_context(NULL, 1);
    infer_model *m = open_as(c, "tests/data/default-model", "q8_0", false, false, &err);
    const infer_tokenizer *t = infer_model_tokenizer(m);
    assert_non_null(t);
    int32_t ids[16];
    size_t n = 0;
    assert_int_equal(infer_tokenizer_encode(t, "Once upon", 9, 0, ids, 16, &n, &err), INFER_OK);
    assert_in_range(n, 1, 9);
    infer_model_close(&m);
    infer_context_close(&c);
}

static void what_cannot_be_quantised_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *path, *type, *words;
        infer_status code;
    } refused[] = {
        { "tests/data/tiny/llama", "q9", "no type \"q9\"", INFER_E_ARGUMENT },
        { "tests/data/quantised/gptq", "q8_0", "is q4_0 already", INFER_E_UNKNOWN },
        { "tests/data/default-model", "iq2_xs", "without importance", INFER_E_UNKNOWN },
        { "tests/data/tiny/gpt-oss-mxfp4", "q8_0", "is mxfp4 already", INFER_E_UNKNOWN },
    };
    infer_context *c = open_context(NULL, 1);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        infer_error err = { 0 };
        assert_null(open_as(c, refused[i].path, refused[i].type, false, false, &err));
        assert_int_equal(err.code, refused[i].code);
        assert_non_null(strstr(err.message, refused[i].words));
    }
    infer_context_close(&c);
}

static void a_model_in_memory_is_left_as_it_is(void **state)
{
    (void)state;
    infer_context *c = open_context(NULL, 2);
    infer_error err = { 0 };
    infer_model_options o = infer_model_defaults();
    o.quantize = "q4_0";
    o.requantize = true;
    infer_model *plain = infer_model_open_default(c, NULL, &err), *m = infer_model_open_default(c, &o, &err);
    assert_non_null(m);
    infer_model *again = infer_model_open_default(c, NULL, &err);
    assert_same_tensors(plain, again);
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(m, &info);
    assert_string_equal(info.quantization, "q4_0");
    infer_model_close(&plain);
    infer_model_close(&again);
    infer_model_close(&m);
    infer_context_close(&c);
}

static bool stop_at_half(void *user, float done)
{
    ++*(int *)user;
    return done < 0.5f;
}

static void it_can_be_watched_and_cancelled(void **state)
{
    (void)state;
    int calls = 0;
    infer_context *c = open_context(NULL, 2);
    infer_model_options o = infer_model_defaults();
    infer_error err = { 0 };
    o.quantize = "q8_0";
    o.on_read = stop_at_half;
    o.user = &calls;
    assert_null(infer_model_open(c, "tests/data/tiny/llama", &o, &err));
    assert_int_equal(err.code, INFER_E_CANCELLED);
    assert_in_range(calls, 2, 30);
    infer_context_close(&c);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (size_t refuse = 0, done = 0; !done; refuse++) {
        struct counting counting;
        counting_init(&counting, SIZE_MAX);
        infer_context_options co = infer_context_defaults();
        co.allocator = counting.allocator;
        co.n_threads = 2;
        infer_error err = { 0 };
        infer_context *c = infer_context_open(&co, &err);
        assert_non_null(c);
        counting.refuse_from = counting.calls + refuse;
        infer_model *m = open_as(c, "tests/data/quantised/fp8-block", "q4_0", false, false, &err);
        done = m != NULL;
        if (!m)
            assert_int_equal(err.code, INFER_E_NOMEM);
        infer_model_close(&m);
        infer_context_close(&c);
        assert_int_equal(counting.live, 0);
    }
}

int main(void)
{
    enum { N_INPUTS = sizeof inputs / sizeof *inputs };
    static struct CMUnitTest tests[N_INPUTS + 8];
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(a_directory_keeps_its_own_tokenizer),
        cmocka_unit_test(what_cannot_be_quantised_is_named),
        cmocka_unit_test(a_model_in_memory_is_left_as_it_is),
        cmocka_unit_test(it_can_be_watched_and_cancelled),
        cmocka_unit_test(every_allocation_may_fail),
    };
    size_t n = 0;
    for (; n < N_INPUTS; n++)
        tests[n] = (struct CMUnitTest){ .name = inputs[n].path,
                                        .test_func = its_tensors_are_those_that_infer_quantize_writes,
                                        .initial_state = (void *)(uintptr_t)&inputs[n] };
    memcpy(tests + n, others, sizeof others);
    n += sizeof others / sizeof *others;
    return _cmocka_run_group_tests("quantize", tests, n, NULL, NULL);
}
