/* test_originals.c - quantised checkpoints: logits against those computed elsewhere from the formula, the types they
 * become, the same bits for any number of threads, and what malformed ones are told. */
#include "src/base/pool.h"
#include "src/formats/weights.h"
#include "src/originals/originals.h"
#include "tests/common/counting.h"
#include "tests/reference/reference.h"

#define DATA "tests/data/quantised/"
static const double tolerance = 2e-4; /* of the reference's standard deviation */

static const struct expected {
    const char *folder, *tensor, *type, *made_of;
} expected[] = {
    { DATA "fp8-block", "model.layers.0.mlp.up_proj.weight", "f32", "FP8, a scale for 32 x 32" },
    { DATA "fp8-cut", "model.layers.0.mlp.up_proj.weight", "f32", "FP8, a scale for 40 x 48" },
    { DATA "fp8-block-powers", "model.layers.1.mlp.experts.3.down_proj.weight", "f16", "FP8, a scale for 16 x 16" },
    { DATA "fp8-tensor", "model.layers.1.self_attn.q_proj.weight", "f32", "FP8, a scale for all" },
    { DATA "fp8-row", "model.layers.1.self_attn.q_proj.weight", "f32", "FP8, a scale for each row" },
    { DATA "fbgemm", "model.layers.1.self_attn.q_proj.weight", "f32", "FP8, a scale for each row" },
    { DATA "gptq", "model.layers.0.mlp.down_proj.weight", "q4_0", "GPTQ, 4 bits, groups of 32" },
    { DATA "gptq-asym", "model.layers.0.mlp.down_proj.weight", "q5_0", "GPTQ, 4 bits, groups of 32" },
    { DATA "gptq-v2", "model.layers.0.mlp.down_proj.weight", "q5_0", "GPTQ, 4 bits, a scale for each row" },
    { DATA "gptq-8", "model.layers.0.mlp.down_proj.weight", "q8_0", "GPTQ, 8 bits, groups of 32" },
    { DATA "gptq-act", "model.layers.0.mlp.down_proj.weight", "f32", "GPTQ, 4 bits, groups of 32, mixed" },
    { DATA "gptq-bf16", "model.layers.0.mlp.down_proj.weight", "q4_0", "GPTQ, 4 bits, groups of 32" },
    { DATA "gptq-moe", "model.layers.1.mlp.experts.2.up_proj.weight", "q5_0", "GPTQ, 4 bits, groups of 32" },
    { DATA "awq", "model.layers.0.mlp.down_proj.weight", "q5_0", "AWQ, 4 bits, groups of 32" },
    { DATA "awq-sym", "model.layers.0.self_attn.k_proj.weight", "q4_0", "AWQ, 4 bits, groups of 32" },
};
enum { N_EXPECTED = sizeof expected / sizeof *expected };

static infer_model *open_model(infer_context *c, const char *path)
{
    infer_error err = { 0 };
    infer_model *m = infer_model_open(c, path, NULL, &err);
    if (!m)
        fail_msg("%s", err.message);
    return m;
}

/* ---- What they compute ---- */

static void logits_and_greedy_ids_meet_the_reference(void **state)
{
    const char *folder = ((const struct expected *)*state)->folder;
    const struct ids ids = read_ids(folder, "ids.json"), want_after = read_ids(folder, "greedy.json");
    for (int exact_cpu = 0; exact_cpu < 2; exact_cpu++) {
        infer_context *c = open_context(exact_cpu ? "scalar" : NULL, 2);
        infer_model *m = open_model(c, folder);
        const size_t n = ids.n * output_width(m);
        float *want = read_npy(folder, "logits.npy", n), *got = all_logits(m, INFER_EXACT, &ids, 0);
        const double d = distance(got, want, n);
        if (!(d <= tolerance))
            fail_msg("%s: logits are off by %.3g standard deviations, allowed %.3g", folder, d, tolerance);
        const struct ids after = greedy(m, &ids, want_after.n);
        assert_memory_equal(after.v, want_after.v, after.n * sizeof *after.v);
        free(after.v);
        free(want);
        free(got);
        infer_model_close(&m);
        infer_context_close(&c);
    }
    free(ids.v);
    free(want_after.v);
}

static void matrices_become_the_smallest_type_that_holds_them_exactly(void **state)
{
    const struct expected *e = *state;
    infer_context *c = open_context(NULL, 1);
    infer_model *m = open_model(c, e->folder);
    infer_tensor_info t = { .size = sizeof t };
    bool found = false;
    for (size_t i = 0; infer_model_tensor(m, i, &t); i++) {
        assert_null(strstr(t.name, "scale"));
        assert_null(strstr(t.name, "qweight"));
        if (strcmp(t.name, e->tensor) != 0)
            continue;
        found = true;
        assert_string_equal(t.type, e->type);
        assert_string_equal(t.made_of, e->made_of);
        assert_true(t.used);
    }
    assert_true(found);
    infer_model_close(&m);
    infer_context_close(&c);
}

static void bytes_are_the_same_for_any_number_of_threads(void **state)
{
    const char *folder = ((const struct expected *)*state)->folder;
    infer_context *c[2] = { open_context(NULL, 1), open_context(NULL, 3) };
    infer_model *m[2] = { open_model(c[0], folder), open_model(c[1], folder) };
    infer_tensor_info a = { .size = sizeof a }, b = { .size = sizeof b };
    for (size_t i = 0; infer_model_tensor(m[0], i, &a) && infer_model_tensor(m[1], i, &b); i++)
        assert_memory_equal(a.data, b.data, a.bytes);
    for (int i = 0; i < 2; i++) {
        infer_model_close(&m[i]);
        infer_context_close(&c[i]);
    }
}

/* ---- Opening ---- */

static void a_model_for_inspection_is_described_and_verified_but_not_run(void **state)
{
    (void)state;
    infer_context *c = open_context(NULL, 2);
    infer_model_options o = infer_model_defaults();
    infer_error err = { 0 };
    o.inspect = true;
    infer_model *m = infer_model_open(c, DATA "gptq", &o, &err);
    assert_non_null(m);
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(m, &info);
    assert_string_equal(info.quantization, "q4_0");
    assert_int_equal(infer_model_verify(m, NULL, NULL, &err), INFER_OK);
    assert_null(infer_session_open(m, NULL, &err));
    assert_non_null(strstr(err.message, "inspection"));
    infer_model_close(&m);
    infer_context_close(&c);
}

static bool stop_at_half(void *user, float done)
{
    ++*(int *)user;
    return done < 0.5f;
}

static void opening_can_be_watched_and_cancelled(void **state)
{
    (void)state;
    int calls = 0;
    infer_context *c = open_context(NULL, 2);
    infer_model_options o = infer_model_defaults();
    infer_error err = { 0 };
    o.on_read = stop_at_half;
    o.user = &calls;
    assert_null(infer_model_open(c, DATA "awq", &o, &err));
    assert_int_equal(err.code, INFER_E_CANCELLED);
    assert_in_range(calls, 2, 14);
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
        infer_model *m = infer_model_open(c, DATA "fp8-block-powers", NULL, &err);
        done = m != NULL;
        if (!m)
            assert_int_equal(err.code, INFER_E_NOMEM);
        infer_model_close(&m);
        infer_context_close(&c);
        assert_int_equal(counting.live, 0);
    }
}

/* ---- Malformed ones ---- */

static uint8_t zeros[1 << 14];

struct part {
    const char *name;
    enum dtype type;
    uint64_t cols, rows; /* rows 0: a vector */
    const void *data;    /* NULL: zeros */
};
#define CONFIG(s) "{\"quantization_config\": {" s "}}"
#define GPTQ CONFIG("\"quant_method\": \"gptq\", \"bits\": 4, \"group_size\": 32")

static struct weights *make_weights(const infer_allocator *a, const char *config, const struct part *parts)
{
    infer_error err;
    struct weights *w = weights_new(a, "model", WEIGHTS_HF, &err);
    assert_non_null(w);
    assert_int_equal(config_parse(w, text_of(config), "", &err), INFER_OK);
    for (; parts->name; parts++) {
        struct tensor t = { .name = text_of(parts->name), .type = parts->type, .n_dims = parts->rows ? 2 : 1,
                            .ne = { parts->cols, parts->rows, 1, 1 }, .data = parts->data ? parts->data : zeros };
        assert_int_equal(tensor_measure(&t, &err), INFER_OK);
        assert_true(t.bytes <= sizeof zeros);
        assert_int_equal(weights_add_tensor(w, &t, &err), INFER_OK);
    }
    return w;
}

static void assert_refused(const char *config, const struct part *parts, infer_status code, const char *words)
{
    struct weights *w = make_weights(&mem_default, config, parts);
    struct originals *o;
    infer_error err = { 0 };
    infer_status status = originals_open(&o, w, &err);
    if (status == INFER_OK)
        status = originals_make(o, NULL, NULL, NULL, &err);
    if (status != code || err.code != code || !strstr(err.message, words))
        fail_msg("%s: %s; expected %s with \"%s\"", infer_status_name(status), err.message, infer_status_name(code),
                 words);
    originals_close(&o);
    weights_close(&w);
}

static void unknown_methods_and_forms_are_named_with_those_known(void **state)
{
    (void)state;
    const struct part none[] = { { 0 } };
    assert_refused(CONFIG("\"quant_method\": \"bitsandbytes\""), none, INFER_E_UNKNOWN,
                   "\"bitsandbytes\", which is not known; known are: fp8, fbgemm_fp8, compressed-tensors, gptq, awq");
    assert_refused(CONFIG("\"quant_method\": \"compressed-tensors\", \"format\": \"pack-quantized\""), none,
                   INFER_E_UNKNOWN, "\"pack-quantized\", expected \"float-quantized\"");
    assert_refused(CONFIG("\"quant_method\": \"compressed-tensors\""), none, INFER_E_UNKNOWN, "format is \"\"");
    assert_refused(CONFIG("\"quant_method\": \"awq\", \"bits\": 4, \"version\": \"gemv\""), none, INFER_E_UNKNOWN,
                   "version is \"gemv\", expected \"gemm\"");
    assert_refused(CONFIG("\"quant_method\": \"gptq\", \"bits\": 4, \"checkpoint_format\": \"marlin\""), none,
                   INFER_E_UNKNOWN, "\"marlin\", expected \"gptq\" or \"gptq_v2\"");
    assert_refused(CONFIG("\"quant_method\": \"gptq\", \"bits\": 3"), none, INFER_E_UNKNOWN,
                   "GPTQ of 3 bits, expected 2, 4 or 8");
    assert_refused(CONFIG("\"quant_method\": \"awq\", \"bits\": 8"), none, INFER_E_UNKNOWN, "AWQ of 8 bits");
}

static void wrong_settings_are_named(void **state)
{
    (void)state;
    const struct part none[] = { { 0 } };
    assert_refused(CONFIG("\"quant_method\": 7"), none, INFER_E_FORMAT, "quant_method");
    assert_refused(CONFIG("\"quant_method\": \"gptq\", \"bits\": 4, \"group_size\": 0"), none, INFER_E_FORMAT,
                   "group_size is 0, expected -1 or 1 at least");
    assert_refused(CONFIG("\"quant_method\": \"gptq\", \"bits\": 4, \"group_size\": \"x\""), none, INFER_E_FORMAT,
                   "group_size is no whole number");
    assert_refused(CONFIG("\"quant_method\": \"fp8\", \"weight_block_size\": [128, 0]"), none, INFER_E_FORMAT,
                   "weight_block_size is no pair");
    assert_refused(CONFIG("\"quant_method\": \"fp8\", \"weight_block_size\": [128]"), none, INFER_E_FORMAT,
                   "weight_block_size is no pair");
}

static void missing_and_misshapen_parts_are_named(void **state)
{
    (void)state;
    const struct part no_scales[] = { { "a.qweight", DTYPE_I32, 8, 8, NULL }, { "a.qzeros", DTYPE_I32, 1, 2, NULL },
                                      { 0 } };
    assert_refused(GPTQ, no_scales, INFER_E_FORMAT, "a.scales is missing, which GPTQ needs for a.qweight");
    const struct part no_zeros[] = { { "a.qweight", DTYPE_I32, 8, 8, NULL }, { "a.scales", DTYPE_F16, 8, 2, NULL },
                                     { 0 } };
    assert_refused(GPTQ, no_zeros, INFER_E_FORMAT, "a.qzeros is missing");
    struct part parts[] = { { "a.qweight", DTYPE_I32, 8, 8, NULL }, { "a.qzeros", DTYPE_I32, 1, 2, NULL },
                            { "a.scales", DTYPE_F16, 8, 2, NULL }, { "a.g_idx", DTYPE_I32, 64, 0, NULL }, { 0 } };
    static const int32_t past[64] = { [63] = 2 }, negative[64] = { [5] = -1 };
    parts[3].data = past;
    assert_refused(GPTQ, parts, INFER_E_FORMAT, "a.g_idx: column 63 is of group 2, expected 0 to 1");
    parts[3].data = negative;
    assert_refused(GPTQ, parts, INFER_E_FORMAT, "column 5 is of group -1");
    parts[3].cols = 63;
    assert_refused(GPTQ, parts, INFER_E_FORMAT, "a.g_idx has 63 values of i32, expected 64");
    parts[2].rows = 3;
    assert_refused(GPTQ, parts, INFER_E_FORMAT, "a.scales is 3 x 8, expected 2 x 8");
    parts[2].rows = 2;
    parts[1].cols = 2;
    assert_refused(GPTQ, parts, INFER_E_FORMAT, "a.qzeros is 2 x 2, expected 2 x 1");
    parts[0].cols = 7;
    assert_refused(GPTQ, parts, INFER_E_FORMAT, "a.qweight is for 7 outputs, expected a multiple of 8");
    parts[0].type = DTYPE_F32;
    assert_refused(GPTQ, parts, INFER_E_FORMAT, "a.qweight is of type f32, expected i32");
    parts[0] = (struct part){ "a.qweight", DTYPE_I32, 0, 8, NULL };
    assert_refused(GPTQ, parts, INFER_E_UNKNOWN, "expected a matrix");
    parts[2].type = DTYPE_I32;
    assert_refused(GPTQ, parts, INFER_E_UNKNOWN, "a.scales is of type i32, expected f32, f16 or bf16");
    const struct part twice[] = { { "a.weight", DTYPE_F32, 8, 8, NULL }, { "a.qweight", DTYPE_I32, 8, 8, NULL },
                                  { "a.qzeros", DTYPE_I32, 1, 2, NULL }, { "a.scales", DTYPE_F16, 8, 2, NULL }, { 0 } };
    assert_refused(GPTQ, twice, INFER_E_FORMAT, "\"a.weight\" is there twice");
    assert_refused(CONFIG("\"quant_method\": \"gptq\", \"bits\": 4, \"group_size\": 32, \"desc_act\": true"), twice,
                   INFER_E_FORMAT, "a.g_idx is missing, which desc_act needs");
}

static void misshapen_fp8_is_named(void **state)
{
    (void)state;
    static const char config[] = CONFIG("\"quant_method\": \"fp8\", \"weight_block_size\": [4, 8]");
    const struct part no_scale[] = { { "a.weight", DTYPE_F8_E4M3, 8, 8, NULL }, { 0 } };
    assert_refused(config, no_scale, INFER_E_FORMAT, "a.weight_scale_inv is missing, which FP8 needs for a.weight");
    struct part parts[] = { { "a.weight", DTYPE_F8_E4M3, 8, 8, NULL },
                            { "a.weight_scale_inv", DTYPE_F32, 2, 1, NULL }, { 0 } };
    assert_refused(config, parts, INFER_E_FORMAT, "a.weight_scale_inv is 1 x 2, expected 2 x 1");
    assert_refused(CONFIG("\"quant_method\": \"fp8\""), parts, INFER_E_FORMAT,
                   "a.weight_scale_inv has 2 scales, expected 1 or one for each of 8 rows");
    static const uint32_t infinite[2] = { 0, 0x7f800000 };
    parts[1] = (struct part){ "a.weight_scale_inv", DTYPE_F32, 1, 2, infinite };
    assert_refused(config, parts, INFER_E_FORMAT, "the scale of row 4, group 0 is not finite");
    static const uint32_t ones[2] = { 0x3f800000, 0x3f800000 };
    static const uint8_t no_number[64] = { [17] = 0xff };
    parts[1].data = ones;
    parts[0].data = no_number;
    assert_refused(config, parts, INFER_E_FORMAT, "a.weight: row 2 has a weight that is not finite");
}

static void what_is_not_quantised_stays(void **state)
{
    (void)state;
    const struct part parts[] = { { "norm.weight", DTYPE_F32, 8, 0, NULL }, { "a.bias", DTYPE_F16, 8, 0, NULL },
                                  { "a.weight", DTYPE_F8_E4M3, 8, 8, NULL },
                                  { "a.weight_scale", DTYPE_F32, 1, 0, NULL },
                                  { "a.input_scale", DTYPE_F32, 1, 0, NULL }, { "attn.k_scale", DTYPE_F32, 1, 0, NULL },
                                  { "b.weight", DTYPE_BF16, 8, 8, NULL }, { 0 } };
    static const struct {
        const char *name;
        enum dtype type;
    } want[] = { { "norm.weight", DTYPE_F32 }, { "a.bias", DTYPE_F16 }, { "a.weight", DTYPE_F16 },
                 { "b.weight", DTYPE_BF16 } };
    struct weights *w = make_weights(&mem_default, CONFIG("\"quant_method\": \"fp8\""), parts);
    struct originals *o;
    infer_error err = { 0 };
    assert_int_equal(originals_open(&o, w, &err), INFER_OK);
    assert_int_equal(w->n_tensors, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(w->tensors[i].name.p, want[i].name);
        assert_int_equal(w->tensors[i].type, want[i].type);
        assert_ptr_equal(weights_tensor(w, text_of(want[i].name)), &w->tensors[i]);
    }
    originals_close(&o);
    weights_close(&w);
}

static void a_checkpoint_without_tensors_stays_empty(void **state)
{
    (void)state;
    const struct part none[] = { { 0 } };
    struct weights *w = make_weights(&mem_default, GPTQ, none);
    struct originals *o;
    infer_error err = { 0 };
    assert_int_equal(originals_open(&o, w, &err), INFER_OK);
    assert_int_equal(w->n_tensors, 0);
    assert_int_equal(originals_make(o, NULL, NULL, NULL, &err), INFER_OK);
    originals_close(&o);
    weights_close(&w);
}

static void what_is_let_go_can_be_made_again(void **state)
{
    (void)state;
    static uint8_t codes[1 << 14];
    for (size_t i = 0; i < sizeof codes; i++)
        codes[i] = (uint8_t)(i % 127);
    static const uint32_t one = 0x3f800000;
    const struct part parts[] = { { "a.weight", DTYPE_F8_E4M3, 128, 128, codes },
                                  { "a.weight_scale", DTYPE_F32, 1, 0, &one }, { 0 } };
    struct weights *w = make_weights(&mem_default, CONFIG("\"quant_method\": \"fp8\""), parts);
    struct originals *o;
    infer_error err = { 0 };
    assert_int_equal(originals_open(&o, w, &err), INFER_OK);
    const struct tensor *t = &w->tensors[0];
    void *first = malloc(t->bytes);
    assert_int_equal(originals_need(o, t->data, 1, NULL, &err), INFER_OK);
    memcpy(first, t->data, t->bytes);
    originals_drop(o, t->data, t->bytes);
    assert_memory_not_equal(first, t->data, t->bytes);
    assert_int_equal(originals_need(o, (const uint8_t *)t->data + t->bytes - 1, 1, NULL, &err), INFER_OK);
    assert_memory_equal(first, t->data, t->bytes);
    free(first);
    originals_close(&o);
    weights_close(&w);
}

int main(void)
{
    enum { OF_EACH = 3 };
    static struct CMUnitTest tests[OF_EACH * N_EXPECTED + 16];
    static const CMUnitTestFunction of_each[OF_EACH] = {
        logits_and_greedy_ids_meet_the_reference, matrices_become_the_smallest_type_that_holds_them_exactly,
        bytes_are_the_same_for_any_number_of_threads
    };
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(a_model_for_inspection_is_described_and_verified_but_not_run),
        cmocka_unit_test(opening_can_be_watched_and_cancelled),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(unknown_methods_and_forms_are_named_with_those_known),
        cmocka_unit_test(wrong_settings_are_named),
        cmocka_unit_test(missing_and_misshapen_parts_are_named),
        cmocka_unit_test(misshapen_fp8_is_named),
        cmocka_unit_test(what_is_not_quantised_stays),
        cmocka_unit_test(a_checkpoint_without_tensors_stays_empty),
        cmocka_unit_test(what_is_let_go_can_be_made_again),
    };
    size_t n = 0;
    for (size_t i = 0; i < N_EXPECTED; i++)
        for (size_t k = 0; k < OF_EACH; k++)
            tests[n++] = (struct CMUnitTest){ .name = expected[i].folder, .test_func = of_each[k],
                                              .initial_state = (void *)(uintptr_t)&expected[i] };
    memcpy(tests + n, others, sizeof others);
    n += sizeof others / sizeof *others;
    return _cmocka_run_group_tests("originals", tests, n, NULL, NULL);
}
