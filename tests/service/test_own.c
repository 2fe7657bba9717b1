/* test_own.c - routes about models, tokens, vectors, adapters and figures. */
#include "tests/common/asking.h"

#include <math.h>

#define TINY "tests/data/tiny/"

static int open_with_models(void **state)
{
    static const char *const dirs[] = { TINY };
    static const char *const adapters[] = { "tests/data/adapters/llama/lora.gguf" };
    infer_service_options o = infer_service_defaults();
    o.model = TINY "llama";
    o.model_dirs = dirs;
    o.n_model_dirs = 1;
    o.adapters = adapters;
    o.n_adapters = 1;
    if (open_context(state))
        return -1;
    service = open_with(&o);
    return 0;
}

static json_t *post(const char *path, const char *body, int status)
{
    return ask_json(service, "POST", path, body, status);
}

static void models_below_the_directories_are_listed_and_opened_by_name(void **state)
{
    (void)state;
    json_t *all = ask_json(service, "GET", "/v1/models", NULL, 200);
    assert_string_equal(text_at(all, "data.0.id"), "llama");
    assert_true(json_array_size(at(all, "data")) > 10);
    json_decref(all);
    json_t *const one = ask_json(service, "GET", "/v1/models/bert", NULL, 200);
    assert_string_equal(text_at(one, "id"), "bert");
    json_decref(one);
    json_t *const opened = post("/models/load", "{\"model\":\"qwen3\"}", 200);
    assert_true(json_is_true(at(opened, "loaded")));
    json_decref(opened);
    json_t *const closed = post("/models/unload", "{\"model\":\"qwen3\"}", 200);
    assert_true(json_is_false(at(closed, "loaded")));
    json_decref(closed);
    json_decref(post("/models/load", "{\"model\":\"../../etc/passwd\"}", 404));
    json_decref(ask_json(service, "GET", "/v1/models/none", NULL, 404));
}

static void ids_of_a_text_give_the_text(void **state)
{
    (void)state;
    infer_service_options o = infer_service_defaults();
    infer_service *stories = open_with(&o);
    json_t *const ids = ask_json(stories, "POST", "/tokenize", "{\"content\":\"Once upon a time\"}", 200);
    char *const body = json_dumps(ids, 0);
    json_t *const text = ask_json(stories, "POST", "/detokenize", body, 200);
    assert_non_null(strstr(text_at(text, "content"), "Once upon a time"));
    json_t *const pieces = ask_json(stories, "POST", "/tokenize", "{\"content\":\"Once\",\"with_pieces\":true}", 200);
    assert_non_null(at(pieces, "tokens.0.piece"));
    json_decref(ask_json(stories, "POST", "/tokenize", "{\"content\":1}", 400));
    json_decref(ask_json(stories, "POST", "/detokenize", "{\"tokens\":[99999999]}", 400));
    json_decref(ask_json(stories, "POST", "/detokenize", "{\"tokens\":\"x\"}", 400));
    json_decref(pieces);
    json_decref(text);
    json_decref(ids);
    free(body);
    infer_service_close(&stories);
}

static void a_conversation_is_shown_as_the_model_gets_it(void **state)
{
    (void)state;
    json_t *const a = post("/apply-template", "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}", 200);
    assert_string_equal(text_at(a, "prompt"), "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
    json_decref(a);
    json_decref(post("/apply-template", "{\"messages\":1}", 400));
}

static void vectors_have_length_one_in_both_forms(void **state)
{
    (void)state;
    json_t *const floats = post("/v1/embeddings", "{\"model\":\"bert\",\"input\":[\"a\",\"a b\"]}", 200);
    json_t *const coded = post("/v1/embeddings", "{\"model\":\"bert\",\"input\":\"a\",\"encoding_format\":\"base64\"}",
                               200);
    double sum = 0;
    size_t i;
    json_t *x;
    json_array_foreach(at(floats, "data.0.embedding"), i, x)
        sum += json_real_value(x) * json_real_value(x);
    assert_true(fabs(sum - 1) < 1e-5);
    assert_int_equal(strlen(text_at(coded, "data.0.embedding")), (i * 4 + 2) / 3 * 4);
    assert_true(json_integer_value(at(floats, "usage.prompt_tokens")) > 2);
    json_decref(coded);
    json_decref(floats);
}

static void fewer_dimensions_are_the_first_ones_at_length_one(void **state)
{
    (void)state;
    json_t *const all = post("/v1/embeddings", "{\"model\":\"bert\",\"input\":\"a b\"}", 200);
    json_t *const few = post("/v1/embeddings", "{\"model\":\"bert\",\"input\":\"a b\",\"dimensions\":2}", 200);
    const double x = json_real_value(at(all, "data.0.embedding.0")), y = json_real_value(at(all, "data.0.embedding.1"));
    assert_int_equal(json_array_size(at(few, "data.0.embedding")), 2);
    assert_true(fabs(json_real_value(at(few, "data.0.embedding.0")) - x / sqrt(x * x + y * y)) < 1e-5);
    json_decref(few);
    json_decref(all);
    json_decref(post("/v1/embeddings", "{\"model\":\"bert\",\"input\":\"a\",\"dimensions\":100000}", 400));
    json_decref(post("/v1/embeddings", "{\"model\":\"bert\",\"input\":[]}", 400));
    json_decref(post("/v1/embeddings", "{\"model\":\"bert\",\"input\":[1,\"a\"]}", 400));
}

static void documents_are_ranked_best_first(void **state)
{
    (void)state;
    json_t *const a = post("/v1/rerank", "{\"model\":\"bert-rank\",\"query\":\"a\",\"documents\":[\"a\",\"b c\",\"d\"],"
                           "\"return_documents\":true}", 200);
    json_t *const two = post("/v1/rerank", "{\"model\":\"bert-rank\",\"query\":\"a\",\"documents\":[\"a\",\"b\",\"d\"],"
                             "\"top_n\":2}", 200);
    assert_int_equal(json_array_size(at(a, "results")), 3);
    assert_int_equal(json_array_size(at(two, "results")), 2);
    for (int i = 0; i < 2; i++) {
        char one[40], next[40];
        snprintf(one, sizeof one, "results.%d.relevance_score", i);
        snprintf(next, sizeof next, "results.%d.relevance_score", i + 1);
        assert_true(json_real_value(at(a, one)) >= json_real_value(at(a, next)));
    }
    assert_true(*text_at(a, "results.0.document.text"));
    json_decref(two);
    json_decref(a);
    json_decref(post("/v1/rerank", "{\"model\":\"llama\",\"query\":\"a\",\"documents\":[\"a\"]}", 400));
    json_decref(post("/v1/rerank", "{\"model\":\"bert-rank\",\"query\":\"a\",\"documents\":\"a\"}", 400));
}

static void an_adapters_scale_is_for_requests_that_say_nothing(void **state)
{
    (void)state;
    json_t *a = ask_json(service, "GET", "/lora-adapters", NULL, 200);
    assert_string_equal(text_at(a, "0.path"), "lora.gguf");
    assert_true(json_real_value(at(a, "0.scale")) == 1);
    json_decref(a);
    a = post("/lora-adapters", "[{\"id\":0,\"scale\":0.5}]", 200);
    assert_true(json_real_value(at(a, "0.scale")) == 0.5);
    json_decref(a);
    json_decref(post("/lora-adapters", "[{\"id\":1,\"scale\":0.5}]", 400));
    json_decref(post("/lora-adapters", "{}", 400));
    json_decref(post("/lora-adapters", "[]", 200));
}

static void figures_count_what_was_asked(void **state)
{
    (void)state;
    json_decref(ask_json(service, "GET", "/props", NULL, 200));
    json_decref(ask_json(service, "GET", "/nowhere", NULL, 404));
    json_decref(ask_json(service, "GET", "/tokenize", NULL, 405));
    struct reply r = ask(service, "GET", "/metrics", NULL);
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.text, "infer_requests_total{method=\"GET\",route=\"/props\",status=\"2xx\"} 1\n"));
    assert_non_null(strstr(r.text, "infer_request_seconds_bucket{le=\"+Inf\"}"));
    assert_non_null(strstr(r.text, "infer_memory_bytes{kind=\"weights\",device=\"cpu\",model=\"llama\"}"));
    free(r.text);
}

/* Of more than 64 tokens, a page of the cache. */
#define LONG_CHAT \
    "\"max_tokens\":4,\"temperature\":0,\"messages\":[{\"role\":\"user\",\"content\":\"Once upon a time there was a " \
    "girl who had a dog and a cat and a bird and a fish and they went to the park to play with a ball in the sun. " \
    "Then the dog ran away and the cat climbed a tree and the bird sang a song. The girl was happy and said hello to " \
    "all of her friends. They had a good day and went home to eat and sleep.\"}]"

static json_int_t cached_tokens(infer_service *s, const char *body)
{
    json_t *const a = ask_json(s, "POST", "/v1/chat/completions", body, 200);
    const json_int_t n = json_integer_value(at(a, "usage.prompt_tokens_details.cached_tokens"));
    json_decref(a);
    return n;
}

static void what_a_closed_model_has_computed_is_in_the_store(void **state)
{
    (void)state;
    char dir[] = "/tmp/infer-store-XXXXXX", remove[80];
    infer_store_options store = infer_store_defaults();
    infer_service_options o = infer_service_defaults();
    assert_non_null(mkdtemp(dir));
    store.min_tokens = 64;
    o.store = infer_store_open(context, dir, &store, NULL);
    infer_service *s = open_with(&o);
    assert_int_equal(cached_tokens(s, "{" LONG_CHAT "}"), 0);
    json_decref(ask_json(s, "POST", "/models/unload", "{}", 200));
    assert_true(cached_tokens(s, "{" LONG_CHAT "}") >= 64);
    infer_service_close(&s);
    infer_store_close(&o.store);
    snprintf(remove, sizeof remove, "rm -r %s", dir);
    assert_int_equal(system(remove), 0);
}

static void a_slot_is_saved_and_what_is_restored_need_not_be_computed(void **state)
{
    (void)state;
    char dir[] = "/tmp/infer-slots-XXXXXX", remove[80];
    infer_service_options o = infer_service_defaults();
    assert_non_null(mkdtemp(dir));
    o.state_dir = dir;
    for (int restored = 0; restored < 2; restored++) {
        infer_service *s = open_with(&o);
        if (restored)
            json_decref(ask_json(s, "POST", "/slots/0?action=restore", "{\"filename\":\"a.kv\"}", 200));
        const json_int_t cached = cached_tokens(s, "{\"id_slot\":1," LONG_CHAT "}");
        if (restored ? cached < 64 : cached != 0)
            fail_msg("%d tokens were there", (int)cached);
        json_t *const saved = ask_json(s, "POST", "/slots/1?action=save", "{\"filename\":\"a.kv\"}", 200);
        assert_true(json_integer_value(at(saved, "n_saved")) > 64);
        json_decref(saved);
        json_decref(ask_json(s, "POST", "/slots/1?action=erase", NULL, 200));
        json_decref(ask_json(s, "POST", "/slots/1?action=save", "{\"filename\":\"a.kv\"}", 400));
        json_decref(ask_json(s, "POST", "/slots/1?action=restore", "{\"filename\":\"../a.kv\"}", 400));
        json_decref(ask_json(s, "POST", "/slots/1?action=restore", "{\"filename\":\"b.kv\"}", 404));
        json_decref(ask_json(s, "POST", "/slots/x?action=save", "{\"filename\":\"a.kv\"}", 404));
        json_decref(ask_json(s, "GET", "/slots", NULL, 200));
        infer_service_close(&s);
    }
    snprintf(remove, sizeof remove, "rm -r %s", dir);
    assert_int_equal(system(remove), 0);
}

static void a_model_that_others_need_the_room_of_is_closed(void **state)
{
    static const char *const dirs[] = { TINY };
    (void)state;
    infer_service_options o = infer_service_defaults();
    o.model = TINY "llama";
    o.model_dirs = dirs;
    o.n_model_dirs = 1;
    o.cache_bytes = 3 << 20;
    infer_service *s = open_with(&o);
    static const char *const names[] = { "qwen3", "gemma", "phi3", "bert", "qwen2", "gpt2" };
    for (size_t i = 0; i < 2 * sizeof names / sizeof *names; i++) {
        char body[80];
        snprintf(body, sizeof body, "{\"model\":\"%s\",\"input\":[3,4]}", names[i % (sizeof names / sizeof *names)]);
        json_decref(ask_json(s, "POST", "/v1/embeddings", body, 200));
    }
    struct reply r = ask(s, "GET", "/metrics", NULL);
    assert_non_null(strstr(r.text, "infer_model_evictions_total "));
    assert_null(strstr(r.text, "infer_model_evictions_total 0\n"));
    free(r.text);
    infer_service_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_below_the_directories_are_listed_and_opened_by_name),
        cmocka_unit_test(ids_of_a_text_give_the_text),
        cmocka_unit_test(a_conversation_is_shown_as_the_model_gets_it),
        cmocka_unit_test(vectors_have_length_one_in_both_forms),
        cmocka_unit_test(fewer_dimensions_are_the_first_ones_at_length_one),
        cmocka_unit_test(documents_are_ranked_best_first),
        cmocka_unit_test(an_adapters_scale_is_for_requests_that_say_nothing),
        cmocka_unit_test(figures_count_what_was_asked),
        cmocka_unit_test(what_a_closed_model_has_computed_is_in_the_store),
        cmocka_unit_test(a_slot_is_saved_and_what_is_restored_need_not_be_computed),
        cmocka_unit_test(a_model_that_others_need_the_room_of_is_closed),
    };
    return cmocka_run_group_tests(tests, open_with_models, close_service);
}
