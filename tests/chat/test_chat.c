/* test_chat.c - chat templates through the public API: variables, built-in templates, threads, memory running out. */
#include "tests/common/counting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>

static const char conversation[] = "[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":\"U\"},"
                                   "{\"role\":\"assistant\",\"content\":\"A\"},{\"role\":\"user\",\"content\":\"V\"}]";

static infer_context *context(void)
{
    infer_context_options o = infer_context_defaults();
    infer_error err = { 0 };
    o.n_threads = 1;
    infer_context *c = infer_context_open(&o, &err);
    assert_non_null(c);
    return c;
}

/* The text, terminated; or NULL. */
static char *render(infer_context *c, const char *source, const char *messages, const infer_chat_options *o,
                    infer_error *err)
{
    infer_chat_template *t = infer_chat_template_open(c, source, strlen(source), err);
    size_t n = 0, again = 0;
    char *text = NULL;
    const size_t length = messages ? strlen(messages) : 0;
    if (t && !infer_chat_render(t, messages, length, o, NULL, 0, &n, err) && (text = calloc(n + 1, 1))) {
        if (infer_chat_render(t, messages, length, o, text, n, &again, err)) {
            free(text);
            text = NULL;
        }
        assert_true(!text || n == again);
    }
    infer_chat_template_close(&t);
    return text;
}

static void gives(const char *source, const char *messages, const infer_chat_options *o, const char *want)
{
    infer_context *c = context();
    infer_error err = { 0 };
    char *text = render(c, source, messages, o, &err);
    if (!text)
        fail_msg("%s: %s", source, err.message);
    assert_string_equal(text, want);
    free(text);
    infer_context_close(&c);
}

static void variables_reach_the_template(void **state)
{
    (void)state;
    infer_chat_options o = infer_chat_defaults();
    gives("{{ messages | length }} {{ tools }} {{ documents }} {{ add_generation_prompt }} {{ bos_token is defined }}",
          conversation, &o, "4 None None True False");
    o.tools = "[{\"name\":\"f\"}]";
    o.no_generation_prompt = true;
    o.variables = "{\"enable_thinking\":false,\"bos_token\":\"<s>\"}";
    o.now = 1767323045;
    gives("{{ tools[0].name }} {{ add_generation_prompt }} {{ enable_thinking }} {{ bos_token }} {{ strftime_now('%F "
          "%T') }}",
          conversation, &o, "f False False <s> 2026-01-02 03:04:05");
    gives("{{ messages is defined }}{{ tools is defined }}{{ bos_token }}", NULL, &o, "FalseFalse<s>");
    gives("{{ messages[0].content }}", conversation, NULL, "S");
}

static void special_tokens_come_from_the_tokenizer(void **state)
{
    (void)state;
    infer_context *c = context();
    infer_error err = { 0 };
    infer_model *m = infer_model_open_default(c, NULL, &err);
    assert_non_null(m);
    infer_chat_options o = infer_chat_defaults();
    o.tokenizer = infer_model_tokenizer(m);
    gives("{{ bos_token }}{{ eos_token }}", conversation, &o, "<|endoftext|><|endoftext|>");
    infer_model_close(&m);
    infer_context_close(&c);
}

static void what_is_wrong_is_told(void **state)
{
    (void)state;
    infer_context *c = context();
    static const struct {
        const char *source, *messages, *variables;
        infer_status status;
        const char *error;
    } rows[] = {
        { "x", "[", NULL, INFER_E_ARGUMENT, "messages: no JSON, line 1" },
        { "x", "{}", NULL, INFER_E_ARGUMENT, "expected an array, found 'dict'" },
        { "x", "[]", "[]", INFER_E_ARGUMENT, "variables: expected an object" },
        { "x", "[]", "{", INFER_E_ARGUMENT, "variables: no JSON" },
        { "{{ raise_exception('no system message') }}", "[]", NULL, INFER_E_ARGUMENT, "no system message" },
        { "\n{{ messages[0].content }}{{ messages[0].content.x }}", "[]", NULL, INFER_E_FORMAT, "line 2" },
        { "{{", "[]", NULL, INFER_E_FORMAT, "line 1" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        infer_error err = { 0 };
        infer_chat_options o = infer_chat_defaults();
        o.variables = rows[i].variables;
        assert_null(render(c, rows[i].source, rows[i].messages, &o, &err));
        assert_int_equal(err.code, rows[i].status);
        if (!strstr(err.message, rows[i].error))
            fail_msg("%s, expected %s", err.message, rows[i].error);
    }
    size_t n;
    infer_error err = { 0 };
    assert_int_equal(infer_chat_render(NULL, NULL, 0, NULL, NULL, 0, &n, &err), INFER_E_ARGUMENT);
    assert_null(infer_chat_template_open(c, NULL, 0, &err));
    infer_context_close(&c);
}

static void built_in_templates_write_conversations(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
    } rows[] = {
        { "alpaca", "S\n\n### Instruction:\nU\n\n### Response:\nA</s>\n\n### Instruction:\nV\n\n### Response:\n" },
        { "chatml",
          "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n"
          "<|im_start|>user\nV<|im_end|>\n<|im_start|>assistant\n" },
        { "command-r",
          "<s><|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>S<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|USER_TOKEN|>U"
          "<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>A<|END_OF_TURN_TOKEN|>"
          "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>V<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>" },
        { "deepseek", "<s>S\n\nUser: U\n\nAssistant: A</s>User: V\n\nAssistant:" },
        { "deepseek3", "<s>S<｜User｜>U<｜Assistant｜>A</s><｜User｜>V<｜Assistant｜>" },
        { "gemma", "<s><start_of_turn>user\nS\n\nU<end_of_turn>\n<start_of_turn>model\nA<end_of_turn>\n"
                   "<start_of_turn>user\nV<end_of_turn>\n<start_of_turn>model\n" },
        { "granite",
          "<|start_of_role|>system<|end_of_role|>S<|end_of_text|>\n<|start_of_role|>user<|end_of_role|>U"
          "<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>A<|end_of_text|>\n"
          "<|start_of_role|>user<|end_of_role|>V<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>" },
        { "llama2", "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nU [/INST] A </s><s>[INST] V [/INST]" },
        { "llama3",
          "<s><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nU"
          "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nA<|eot_id|><|start_header_id|>user"
          "<|end_header_id|>\n\nV<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n" },
        { "mistral", "<s>[INST] S\n\nU [/INST] A</s>[INST] V [/INST]" },
        { "openchat", "<s>S<|end_of_turn|>GPT4 Correct User: U<|end_of_turn|>GPT4 Correct Assistant: A<|end_of_turn|>"
                      "GPT4 Correct User: V<|end_of_turn|>GPT4 Correct Assistant:" },
        { "phi3",
          "<|system|>\nS<|end|>\n<|user|>\nU<|end|>\n<|assistant|>\nA<|end|>\n<|user|>\nV<|end|>\n<|assistant|>\n" },
        { "phi4", "<|im_start|>system<|im_sep|>S<|im_end|><|im_start|>user<|im_sep|>U<|im_end|>"
                  "<|im_start|>assistant<|im_sep|>A<|im_end|><|im_start|>user<|im_sep|>V<|im_end|>"
                  "<|im_start|>assistant<|im_sep|>" },
        { "vicuna", "S\n\nUSER: U\nASSISTANT: A</s>\nUSER: V\nASSISTANT:" },
        { "zephyr", "<|system|>\nS</s>\n<|user|>\nU</s>\n<|assistant|>\nA</s>\n<|user|>\nV</s>\n<|assistant|>\n" },
    };
    infer_chat_options o = infer_chat_defaults();
    o.variables = "{\"bos_token\":\"<s>\",\"eos_token\":\"</s>\"}";
    size_t i = 0;
    for (; i < sizeof rows / sizeof *rows; i++) {
        assert_string_equal(infer_chat_template_name(i), rows[i].name);
        gives(infer_chat_template_builtin(rows[i].name), conversation, &o, rows[i].text);
    }
    assert_null(infer_chat_template_name(i));
    assert_null(infer_chat_template_builtin("nope"));
    assert_null(infer_chat_template_builtin(NULL));
}

/* ---- Threads and memory ---- */

static void *render_often(void *chat)
{
    char text[1024];
    size_t n, wrong = 0;
    for (int i = 0; i < 200; i++) {
        infer_error err = { 0 };
        wrong += infer_chat_render(chat, conversation, strlen(conversation), NULL, text, sizeof text, &n, &err) ||
                 n != 60 || memcmp(text, "[system|S]", 10);
    }
    return (void *)wrong;
}

static void threads_share_a_template(void **state)
{
    (void)state;
    infer_context *c = context();
    infer_error err = { 0 };
    static const char source[] =
        "{% macro f(m) %}[{{ m.role }}|{{ m.content }}]{% endmacro %}"
        "{% set ns = namespace(s='') %}{% for m in messages %}{% set ns.s = ns.s + f(m) %}{% endfor %}"
        "{{ ns.s }}{{ messages | map(attribute='role') | unique | join(',') }}";
    infer_chat_template *t = infer_chat_template_open(c, source, strlen(source), &err);
    assert_non_null(t);
    infer_context_close(&c); /* the template keeps it */
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, render_often, t), 0);
    for (size_t i = 0; i < 4; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    infer_chat_template_close(&t);
    infer_chat_template_close(&t);
}

static void memory_may_run_out(void **state)
{
    (void)state;
    for (size_t refuse = 0;; refuse++) {
        struct counting counting;
        counting_init(&counting, SIZE_MAX);
        infer_context_options o = infer_context_defaults();
        infer_error err = { 0 };
        o.n_threads = 1;
        o.allocator = counting.allocator;
        infer_context *c = infer_context_open(&o, &err);
        counting.refuse_from = counting.calls + refuse;
        char *text = render(c, infer_chat_template_builtin("chatml"), conversation, NULL, &err);
        const bool done = text != NULL;
        assert_true(done || err.code == INFER_E_NOMEM);
        free(text);
        infer_context_close(&c);
        assert_int_equal(counting.live, 0);
        if (done) {
            assert_true(refuse > 3);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variables_reach_the_template),
        cmocka_unit_test(special_tokens_come_from_the_tokenizer),
        cmocka_unit_test(what_is_wrong_is_told),
        cmocka_unit_test(built_in_templates_write_conversations),
        cmocka_unit_test(threads_share_a_template),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
