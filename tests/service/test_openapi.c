/* test_openapi.c - the routes' description is served, and requests are taken and refused as it says. */
#include "tests/common/asking.h"

#include <stdio.h>
#include <unistd.h>

static char folder[] = "/tmp/infer-openapi-XXXXXX";

static int open_in_folder(void **state)
{
    infer_service_options o = infer_service_defaults();
    assert_non_null(mkdtemp(folder));
    o.state_dir = folder;
    o.model_dirs = (const char *const[]){ folder }; /* names that are no model's are refused */
    o.n_model_dirs = 1;
    o.max_tokens = 4;
    if (open_context(state))
        return -1;
    service = open_with(&o);
    return 0;
}

static int close_folder(void **state)
{
    char remove[80];
    close_service(state);
    snprintf(remove, sizeof remove, "rm -rf %s", folder);
    return system(remove);
}

static void takes(const char *path, const char *body, int status)
{
    json_decref(ask_json(service, "POST", path, body, status));
}

static void the_description_is_served(void **state)
{
    (void)state;
    json_t *const all = ask_json(service, "GET", "/openapi.json", NULL, 200);
    assert_string_equal(text_at(all, "openapi"), "3.1.0");
    assert_true(json_is_object(json_object_get(json_object_get(all, "paths"), "/openapi.json")));
    json_decref(all);
}

static void methods_that_a_path_takes_are_told(void **state)
{
    static const char *const rows[][3] = {
        { "PUT", "/v1/models", "GET, HEAD" },
        { "TRACE", "/slots/1", "POST" },
        { "PATCH", "/lora-adapters", "GET, HEAD, POST" },
        { "POST", "/v1/responses/x/input_items", "GET, HEAD" },
        { "POST", "/ws/generate", "GET" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        infer_exchange *x = ask_begin(service, rows[i][0], rows[i][1], "{}");
        infer_header h = { 0 };
        for (size_t k = 0; infer_exchange_header(x, k, &h) && strcmp(h.name, "Allow"); k++)
            ;
        assert_int_equal(infer_exchange_status(x), 405);
        assert_string_equal(h.name, "Allow");
        assert_string_equal(h.value, rows[i][2]);
        infer_exchange_close(&x);
    }
    json_decref(ask_json(service, "GET", "/ws/generate", NULL, 426));
    json_decref(ask_json(service, "GET", "/nowhere", NULL, 404));
}

static void names_in_a_path_may_be_coded(void **state)
{
    (void)state;
    json_decref(ask_json(service, "GET", "/v1/models/%73tor%69es", NULL, 200));
    json_decref(ask_json(service, "GET", "/v1/models/stories%00", NULL, 404));
    json_decref(ask_json(service, "GET", "/v1/models/stories%7", NULL, 404));
    json_decref(ask_json(service, "GET", "/v1/models/%ff%fe", NULL, 404));
}

static void fields_of_a_wrong_type_are_refused(void **state)
{
#define ONE "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]"
    static const char *const rows[][2] = {
        { "/v1/chat/completions", "{" ONE ",\"stream_options\":5}" },
        { "/v1/chat/completions", "{" ONE ",\"stream_options\":{\"include_usage\":1}}" },
        { "/v1/chat/completions", "{" ONE ",\"n_predict\":1,\"max_tokens\":\"1\"}" },
        { "/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":{},\"text\":\"x\"}]}]}" },
        { "/apply-template", "{" ONE ",\"add_generation_prompt\":1}" },
        { "/v1/messages/count_tokens", "{" ONE ",\"tools\":[{\"type\":{},\"name\":\"a\",\"input_schema\":{}}]}" },
        { "/v1/messages/count_tokens", "{" ONE ",\"output_format\":{\"type\":\"json_schema\",\"schema\":1},"
          "\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{}}}}" },
        { "/api/generate", "{\"prompt\":\"x\",\"images\":{}}" },
        { "/api/chat", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\",\"images\":{}}]}" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        takes(rows[i][0], rows[i][1], 400);
    json_decref(ask_json(service, "GET", "/v1/responses/x/input_items?limit=5x", NULL, 400));
    json_decref(ask_json(service, "GET", "/v1/responses/x/input_items?limit=10000000000", NULL, 400));
}

/* The template goes through its variable `messages`. */
static void a_conversation_that_the_template_cannot_write_is_the_clients_mistake(void **state)
{
    static const char *const paths[] = { "/apply-template", "/v1/chat/completions" };
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        takes(paths[i], "{" ONE ",\"chat_template_kwargs\":{\"messages\":[5]}}", 400);
}

static void slots_keep_texts_alone_and_what_was_restored_can_be_saved(void **state)
{
    (void)state;
    takes("/completion", "{\"prompt\":[5,6],\"n_predict\":1,\"id_slot\":0}", 200);
    takes("/slots/0?action=save", "{\"filename\":\"a\"}", 400);
    takes("/completion", "{\"prompt\":\"Once\",\"n_predict\":1,\"id_slot\":0}", 200);
    takes("/slots/0?action=save", "{\"filename\":\"a\"}", 200);
    takes("/slots/1?action=restore", "{\"filename\":\"a\"}", 200);
    takes("/slots/1?action=save", "{\"filename\":\"b\"}", 200);
    takes("/slots/0?action=restore", "{\"filename\":\"b\"}", 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_description_is_served),
        cmocka_unit_test(methods_that_a_path_takes_are_told),
        cmocka_unit_test(names_in_a_path_may_be_coded),
        cmocka_unit_test(fields_of_a_wrong_type_are_refused),
        cmocka_unit_test(a_conversation_that_the_template_cannot_write_is_the_clients_mistake),
        cmocka_unit_test(slots_keep_texts_alone_and_what_was_restored_can_be_saved),
    };
    return cmocka_run_group_tests(tests, open_in_folder, close_folder);
}
