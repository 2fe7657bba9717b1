/* test_bench.c - infer-bench: the work that a test is held against, the limits of the machine, all forms of output. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "src/engine/context.h"
#include "tools/bench/bench.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODEL "tests/data/tiny/llama/model.gguf"

struct fixture {
    infer_context *context;
    infer_model *model;
};

static int open_model(void **state)
{
    static struct fixture f;
    infer_error err = { 0 };
    infer_context_options options = infer_context_defaults();
    options.n_threads = 2;
    options.cpu = getenv("INFER_CPU");
    f.context = infer_context_open(&options, &err);
    f.model = f.context ? infer_model_open(f.context, MODEL, NULL, &err) : NULL;
    if (!f.model)
        printf("%s\n", err.message);
    *state = &f;
    return f.model ? 0 : -1;
}

static int close_model(void **state)
{
    struct fixture *f = *state;
    infer_model_close(&f->model);
    infer_context_close(&f->context);
    return 0;
}

/* ---- Work ---- */

/* Bytes of all layers' tensors, multiply-adds of a token with their matrices, and both of the output. Of the last layer
 * what only the last token of a prompt needs, which is all but norm, keys and values, and these two. */
struct sums {
    double layer_bytes, layer_macs, output_bytes, output_macs, last_bytes, last_macs, cache_macs;
};

static bool is_of_last_token(const char *name, const char *last_layer)
{
    return !strncmp(name, last_layer, strlen(last_layer)) && !strstr(name, "attn_norm") && !strstr(name, "attn_k.") &&
           !strstr(name, "attn_v.");
}

static struct sums sum_tensors(const infer_model *model)
{
    struct sums s = { 0 };
    infer_tensor_info t = { .size = sizeof t };
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(model, &info);
    char last_layer[32];
    snprintf(last_layer, sizeof last_layer, "blk.%d.", (int)info.n_layer - 1);
    for (size_t i = 0; infer_model_tensor(model, i, &t); i++) {
        const double macs = t.n_dims == 2 ? (double)(t.dims[0] * t.dims[1]) : 0;
        if (!strncmp(t.name, "blk.", 4)) {
            s.layer_bytes += (double)t.bytes;
            s.layer_macs += macs;
            if (!strncmp(t.name, last_layer, strlen(last_layer)) && !is_of_last_token(t.name, last_layer))
                s.cache_macs += macs;
            if (is_of_last_token(t.name, last_layer)) {
                s.last_bytes += (double)t.bytes;
                s.last_macs += macs;
            }
        } else if (!strcmp(t.name, "output.weight")) {
            s.output_bytes = (double)t.bytes;
            s.output_macs = macs;
        }
    }
    return s;
}

static double all_ops(const struct work *work)
{
    double ops = 0;
    for (int level = 0; level < CPU_LEVELS; level++)
        for (int peak = 0; peak < PEAK_COUNT; peak++)
            ops += work->ops[level][peak];
    return ops;
}

static double kv_bytes(const infer_model *model)
{
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(model, &info);
    return (double)info.kv_bytes_per_token;
}

/* Multiply-adds of all query heads with a key and its value, in a layer; heads are as wide together as the hidden
 * state. */
static double key_macs(const infer_model *model)
{
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(model, &info);
    return 2.0 * info.n_embd;
}

static double layers(const infer_model *model)
{
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(model, &info);
    return info.n_layer;
}

static infer_session_info f16_cache(const infer_model *model)
{
    return (infer_session_info){ .kv_type_k = INFER_KV_F16, .kv_type_v = INFER_KV_F16,
                                 .kv_bytes_per_token = (uint64_t)kv_bytes(model) };
}

static void a_token_reads_all_weights_and_the_cache(void **state)
{
    const struct fixture *f = *state;
    const struct sums s = sum_tensors(f->model);
    const struct test t = { .n_gen = 2, .n_depth = 5, .n_batch = 512, .cache = f16_cache(f->model) };
    struct work work;
    work_of(&work, f->model, &t, "scalar");
    assert_true(s.output_macs > 0 && s.layer_macs > 0 && kv_bytes(f->model) > 0);
    assert_float_equal(work.bytes, 2 * (s.layer_bytes + s.output_bytes) + (6 + 7) * kv_bytes(f->model), 0.5);
    const double keys = 13 * layers(f->model) * key_macs(f->model);
    assert_float_equal(all_ops(&work), 2 * (2 * (s.layer_macs + s.output_macs) + keys), 0.5);
}

/* Of the last layer those tokens need little whose results nobody reads: all but the last one's. */
static void a_prompt_reads_weights_once_a_batch(void **state)
{
    const struct fixture *f = *state;
    const struct sums s = sum_tensors(f->model);
    const struct test t = { .n_prompt = 10, .n_batch = 4, .cache = f16_cache(f->model) };
    struct work work;
    work_of(&work, f->model, &t, "scalar");
    const double n = layers(f->model), cache = (4 + 8 + 10) - (4 + 8) / n;
    assert_true(s.last_macs > 0 && s.last_macs < s.layer_macs / n);
    assert_float_equal(work.bytes, 3 * s.layer_bytes - 2 * s.last_bytes + s.output_bytes + cache * kv_bytes(f->model),
                       0.5);
    const double keys = (55 * (n - 1) + 10) * key_macs(f->model);
    assert_float_equal(all_ops(&work), 2 * (10 * s.layer_macs - 9 * s.last_macs + s.output_macs + keys), 0.5);
}

/* Bytes of all experts' matrices, and of what else a token meets. */
static void sum_experts(const infer_model *model, double *experts, double *others)
{
    infer_tensor_info t = { .size = sizeof t };
    *experts = *others = 0;
    for (size_t i = 0; infer_model_tensor(model, i, &t); i++)
        *(strstr(t.name, "_exps.") ? experts : others) += strncmp(t.name, "token_embd", 10) ? (double)t.bytes : 0;
    const double output_norm = 4 * 32; /* not counted: bytes of a vector of the width */
    *others -= output_norm;
}

/* A token uses 2 of the 4; of three tokens 4 - 4 / 2^3 are chosen by one at least, if they choose evenly. In the last
 * layer there is but one token's choice. */
static void of_experts_those_count_that_tokens_choose(void **state)
{
    const struct fixture *f = *state;
    infer_error err = { 0 };
    infer_model *model = infer_model_open(f->context, "tests/data/tiny/mixtral/model.gguf", NULL, &err);
    if (!model)
        fail_msg("%s", err.message);
    double experts, others;
    sum_experts(model, &experts, &others);
    struct test t = { .n_gen = 1, .n_batch = 512, .cache = f16_cache(model) };
    struct work work, three;
    work_of(&work, model, &t, "scalar");
    assert_float_equal(work.bytes, others + experts / 2 + kv_bytes(model), 0.5);
    t.n_gen = 0;
    t.n_prompt = 3;
    work_of(&three, model, &t, "scalar");
    const double n = layers(model), chosen = 3.5 * (n - 1) / n + 2 / n;
    assert_float_equal(three.bytes, others + experts * chosen / 4 + 3 * kv_bytes(model), 0.5);
    const double output = 2.0 * 32 * 96, keys = 2 * key_macs(model), token = all_ops(&work) - output - n * keys;
    const double last = token / n - 2 * sum_tensors(model).cache_macs;
    assert_float_equal(all_ops(&three), 3 * token - 2 * last + output + (6 * (n - 1) + 3) * keys, 0.5);
    infer_model_close(&model);
}

static void products_count_for_the_level_that_computes_them(void **state)
{
    const struct fixture *f = *state;
    const enum cpu_level level = cpu_level_find(infer_context_cpu(f->context));
    const struct test t = { .n_prompt = 512, .n_batch = 512, .cache = f16_cache(f->model) };
    struct work scalar, best;
    work_of(&scalar, f->model, &t, "scalar");
    work_of(&best, f->model, &t, infer_context_cpu(f->context));
    assert_float_equal(all_ops(&scalar), all_ops(&best), 0.5);
    assert_true(scalar.ops[CPU_SCALAR][PEAK_F32] > 0);
    assert_true((best.ops[CPU_SCALAR][PEAK_F32] > 0) == (level == CPU_SCALAR));
}

static void the_bound_is_the_longer_of_reading_and_computing(void **state)
{
    (void)state;
    struct work work = { .bytes = 100 };
    struct limits before = { .read = 10 }, after = { .read = 30 };
    const enum cpu_level low = CPU_SCALAR, high = CPU_LEVELS - 1;
    work.ops[low][PEAK_INT8] = 60;
    work.ops[high][PEAK_F32] = 10;
    before.peak[low][PEAK_INT8] = after.peak[low][PEAK_INT8] = 20;
    before.peak[low][PEAK_F32] = after.peak[low][PEAK_F32] = 5; /* that of the high one was not measured */
    struct bound b = work_bound(&work, &before, &after);
    assert_true(b.by_read == false && b.peak == PEAK_INT8);
    assert_float_equal(b.seconds, 100.0 / 20, 1e-9); /* 3 s of int8 and 2 s of f32 against 5 s: equal */
    assert_float_equal(b.rate, 20, 1e-9);
    work.bytes = 200;
    b = work_bound(&work, &before, &after);
    assert_true(b.by_read);
    assert_float_equal(b.seconds, 10, 1e-9);
}

/* ---- Limits ---- */

static bool has_unit(enum cpu_level level, enum peak peak)
{
    if (level > cpu_detect())
        return false;
#if defined(__x86_64__)
    if (level == CPU_AMX)
        return peak != PEAK_F32;
    return peak != PEAK_BF16 || (level == CPU_AVX512 && cpu_features().avx512_bf16);
#elif defined(__aarch64__)
    if (level >= CPU_DOTPROD)
        return peak == PEAK_INT8 || (level == CPU_I8MM && peak == PEAK_BF16);
#endif
    return peak != PEAK_BF16;
}

static void every_unit_of_the_machine_has_a_peak(void **state)
{
    const struct fixture *f = *state;
    struct meter *meter = limits_open(f->context->pool);
    struct limits limits;
    assert_non_null(meter);
    limits_measure(meter, &limits);
    limits_close(&meter);
    assert_null(meter);
    assert_true(limits.read > 1e8 && limits.read < 1e13);
    for (enum cpu_level level = CPU_SCALAR; level < CPU_LEVELS; level++)
        for (enum peak peak = 0; peak < PEAK_COUNT; peak++) {
            const bool has = has_unit(level, peak);
            assert_true((limits.peak[level][peak] > 0) == has);
            assert_true(!has || (limits.peak[level][peak] > 1e7 && limits.peak[level][peak] < 1e16));
        }
    assert_true(limits_peak(&limits, CPU_LEVELS - 1, PEAK_F32) > 0);
}

/* ---- Output ---- */

static char *run_model(const char *model, const char *options)
{
    static char text[1 << 16];
    char line[512];
    const char *build = getenv("BUILD");
    snprintf(line, sizeof line, "%s/infer-bench -m %s %s 2>&1", build ? build : "build", model, options);
    FILE *p = popen(line, "r");
    assert_non_null(p);
    text[fread(text, 1, sizeof text - 1, p)] = 0;
    if (pclose(p) != 0)
        fail_msg("%s: %s", line, text);
    return text;
}

static char *run(const char *options)
{
    return run_model(MODEL, options);
}

static double real_of(const json_t *test, const char *name)
{
    const json_t *value = json_object_get(test, name);
    if (!json_is_number(value))
        fail_msg("%s is no number", name);
    return json_number_value(value);
}

static void json_has_the_fields_of_every_test(void **state)
{
    (void)state;
    json_t *all = json_loads(run("-p 8,16 -n 4 -d 0,3 -t 1,2 -r 3 -o json"), 0, NULL);
    assert_int_equal(json_array_size(all), 12);
    size_t i;
    json_t *test;
    json_array_foreach(all, i, test) {
        const double tokens = real_of(test, "n_prompt") + real_of(test, "n_gen");
        assert_true(tokens == 8 || tokens == 16 || tokens == 4);
        assert_true(real_of(test, "n_threads") == (i < 6 ? 1 : 2));
        assert_true(real_of(test, "n_depth") == (i % 6 < 3 ? 0 : 3));
        assert_true(real_of(test, "avg_ns") > 0 && real_of(test, "avg_ts") > 0);
        assert_true(real_of(test, "model_size") > 0 && real_of(test, "model_n_params") > 0);
        assert_int_equal(json_array_size(json_object_get(test, "samples_ns")), 3);
        assert_int_equal(json_array_size(json_object_get(test, "samples_ts")), 3);
        assert_string_equal(json_string_value(json_object_get(test, "model_filename")), MODEL);
        assert_null(json_object_get(test, "limit_ts"));
    }
    json_decref(all);
    all = json_loads(run("-p 0 -n 0 -o json"), 0, NULL);
    assert_int_equal(json_array_size(all), 0);
    assert_true(json_is_array(all));
    json_decref(all);
}

static void json_of_limits_is_consistent(void **state)
{
    (void)state;
    json_t *all = json_loads(run("-p 8 -n 4 -t 2 -r 1 --limits -o json"), 0, NULL);
    assert_int_equal(json_array_size(all), 2);
    size_t i;
    json_t *test;
    json_array_foreach(all, i, test) {
        static const char *const names[] = { "read_gbs", "f32_gflops", "int8_gops", "limit_ts", "limit_pct" };
        for (size_t n = 0; n < sizeof names / sizeof *names; n++)
            assert_true(real_of(test, names[n]) > 0);
        const double share = real_of(test, "avg_ts") / real_of(test, "limit_ts"); /* of the only run */
        assert_float_equal(real_of(test, "limit_pct") / (100 * share), 1, 1e-3);
        assert_true(json_is_string(json_object_get(test, "limit_by")));
    }
    json_decref(all);
}

static size_t count(const char *text, const char *end, char c)
{
    size_t n = 0;
    for (; text < end; text++)
        n += *text == c;
    return n;
}

/* As many values as names in every line. None of these values holds a comma. */
static void check_csv(const char *text, size_t n_lines)
{
    const size_t columns = count(text, strchr(text, '\n'), ',');
    assert_int_equal(count(text, text + strlen(text), '\n'), n_lines);
    for (const char *line = text; *line; line = strchr(line, '\n') + 1)
        assert_int_equal(count(line, strchr(line, '\n'), ','), columns);
}

static void csv_has_a_column_for_each_field(void **state)
{
    (void)state;
    check_csv(run("-p 8 -n 4 -t 1 -r 2 -o csv"), 3);
    const char *text = run("-p 0 -n 4 -t 1 -r 1 --limits -o csv");
    check_csv(text, 2);
    assert_non_null(strstr(text, ",n_prompt,n_gen,n_depth,"));
    assert_non_null(strstr(text, ",limit_by,limit_ts,limit_pct\n"));
}

static void tables_have_a_line_for_each_test(void **state)
{
    (void)state;
    const char *text = run("-p 8 -n 4 -d 0,5 -t 1 -r 2");
    assert_int_equal(count(text, text + strlen(text), '\n'), 5);
    assert_non_null(strstr(text, " tg4 @ d5 "));
    text = run("-p 8 -n 0 -t 1 -r 1 --limits -o md");
    assert_int_equal(count(text, text + strlen(text), '\n'), 3);
    assert_int_equal(count(text, text + strlen(text), '|'), 3 * 11);
    assert_non_null(strstr(text, " % |\n"));
}

/* ---- Vectors of texts ---- */

static void of_an_encoder_vectors_of_texts_are_measured(void **state)
{
    (void)state;
    static const char *const models[] = { "tests/data/tiny/bert", "tests/data/tiny/colbert" };
    for (size_t m = 0; m < 2; m++) {
        json_t *all = json_loads(run_model(models[m], "-t 1 -r 2 --texts 3 -o json"), 0, NULL);
        assert_int_equal(json_array_size(all), 2); /* it has 64 positions */
        size_t i;
        json_t *test;
        json_array_foreach(all, i, test) {
            const double tokens = i ? 64 : 16;
            const double ns = json_number_value(json_array_get(json_object_get(test, "samples_ns"), 0));
            assert_true(real_of(test, "n_embed") == tokens && real_of(test, "n_texts") == 3);
            assert_true(real_of(test, "n_prompt") == 0 && real_of(test, "n_gen") == 0);
            const double rate = json_number_value(json_array_get(json_object_get(test, "samples_ts"), 0));
            assert_float_equal(rate * ns / (1e9 * 3 * tokens), 1, 1e-3);
        }
        json_decref(all);
    }
}

static void with_texts_a_table_has_their_rate(void **state)
{
    (void)state;
    const char *text = run("-p 8 -e 4,8 -t 1 -r 1 -o md");
    assert_int_equal(count(text, text + strlen(text), '\n'), 5);
    assert_int_equal(count(text, text + strlen(text), '|'), 5 * 9);
    assert_non_null(strstr(text, "| emb4 |"));
    assert_non_null(strstr(text, "| texts/s |"));
    assert_null(strstr(text, "| tg"));
    text = run("-e 0 -d 0 -p 8 -n 0 -t 1 -r 1");
    assert_non_null(strstr(text, " pp8 "));
    assert_null(strstr(text, "texts/s"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_token_reads_all_weights_and_the_cache, open_model, close_model),
        cmocka_unit_test_setup_teardown(a_prompt_reads_weights_once_a_batch, open_model, close_model),
        cmocka_unit_test_setup_teardown(of_experts_those_count_that_tokens_choose, open_model, close_model),
        cmocka_unit_test_setup_teardown(products_count_for_the_level_that_computes_them, open_model, close_model),
        cmocka_unit_test(the_bound_is_the_longer_of_reading_and_computing),
        cmocka_unit_test_setup_teardown(every_unit_of_the_machine_has_a_peak, open_model, close_model),
        cmocka_unit_test(json_has_the_fields_of_every_test),
        cmocka_unit_test(json_of_limits_is_consistent),
        cmocka_unit_test(csv_has_a_column_for_each_field),
        cmocka_unit_test(tables_have_a_line_for_each_test),
        cmocka_unit_test(of_an_encoder_vectors_of_texts_are_measured),
        cmocka_unit_test(with_texts_a_table_has_their_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
