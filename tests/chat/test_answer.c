/* test_answer.c - answers of models: each format's calls, reasoning and text; whole, byte by byte and in random pieces;
 * what is broken stays text. */
#include "tests/common/counting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

/* The parts in one text: "content", ~reasoning~, ^name(arguments); pieces of a part joined. */
struct parts {
    char text[1 << 16];
    size_t n;
    int last;
};

static void add(struct parts *p, const char *text, size_t n)
{
    assert_true(p->n + n < sizeof p->text);
    memcpy(p->text + p->n, text, n);
    p->n += n;
}

static void on_part(void *user, infer_chat_part part, const char *text, size_t length)
{
    struct parts *p = user;
    if (part == INFER_CHAT_REASONING && p->last != (int)part)
        add(p, "~", 1);
    if (part == INFER_CHAT_CONTENT && p->last != (int)part && p->n)
        add(p, "|", 1);
    if (part == INFER_CHAT_CALL)
        add(p, "^", 1);
    add(p, text, length);
    p->last = (int)part;
}

static infer_context *the_context;

static void parse(struct parts *parts, infer_chat_parser_options o, const char *text, unsigned piece)
{
    infer_error err = { 0 };
    const size_t n = strlen(text);
    memset(parts, 0, sizeof *parts);
    parts->last = -1;
    o.on_part = on_part;
    o.user = parts;
    infer_chat_parser *p = infer_chat_parser_open(the_context, &o, &err);
    if (!p)
        fail_msg("%s", err.message);
    uint32_t random = piece;
    for (size_t at = 0, size; at < n; at += size) {
        random = random * 1664525 + 1013904223;
        size = piece == 0 ? n : piece == 1 ? 1 : 1 + random % piece;
        size = size < n - at ? size : n - at;
        assert_int_equal(infer_chat_parser_feed(p, text + at, size, &err), INFER_OK);
    }
    assert_int_equal(infer_chat_parser_end(p, &err), INFER_OK);
    infer_chat_parser_close(&p);
    parts->text[parts->n] = 0;
}

/* However the text is cut into pieces, the parts are the same. */
static void gives(infer_chat_parser_options o, const char *text, const char *want)
{
    static const unsigned pieces[] = { 0, 1, 2, 3, 5, 7, 12, 40 };
    static struct parts parts;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        parse(&parts, o, text, pieces[i]);
        if (want && strcmp(parts.text, want))
            fail_msg("%s, pieces of %u: %s\n gives %s\n not   %s", o.format ? o.format : "", pieces[i], text,
                     parts.text, want);
    }
}

struct answer_case {
    const char *format, *text, *parts;
};

static const struct answer_case calls[] = {
    { "hermes",
      "Let me see.\n\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1.5, \"b\": [true]}}\n</tool_call>",
      "Let me see.^f{\"a\":1.5,\"b\":[true]}" },
    { "hermes",
      "<think>\nWhy?\n</think>\n\n<tool_call>{\"name\": \"f\"}</tool_call>\n<tool_call>{\"name\": \"g\", "
      "\"arguments\": {\"x\": \"</tool_call>\"}}</tool_call>\n",
      "~Why?^f{}^g{\"x\":\"</tool_call>\"}" },
    { "qwen3-coder",
      "<tool_call>\n<function=f>\n<parameter=a>\nx\ny\n</parameter>\n<parameter=n>\n3\n</parameter>\n</function>\n"
      "</tool_call>",
      "^f{\"a\":\"x\\ny\",\"n\":3}" },
    { "qwen3-coder",
      "<tool_call>\n<function=f>\n<parameter=a>\n</tool_call> and <tool_call>\n</parameter>\n</function>\n"
      "</tool_call>!",
      "^f{\"a\":\"</tool_call> and <tool_call>\"}|!" },
    { "glm", "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>x</arg_value>\n</tool_call><tool_call>g</tool_call>",
      "^f{\"a\":\"x\"}^g{}" },
    { "minimax-m2",
      "<minimax:tool_call>\n<invoke name=\"f\">\n<parameter name=\"a\">1</parameter>\n</invoke>\n"
      "<invoke name=\"g\">\n</invoke>\n</minimax:tool_call>",
      "^f{\"a\":1}^g{}" },
    { "seed-oss",
      "<seed:think>hm</seed:think>ok<seed:tool_call><function=f><parameter=a>x</parameter></function></"
      "seed:tool_call>",
      "~hm|ok^f{\"a\":\"x\"}" },
    { "deepseek",
      "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\": "
      "1}\n```<｜tool▁call▁end｜>\n"
      "<｜tool▁call▁begin｜>function<｜tool▁sep｜>g\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
      "^f{\"a\":1}^g{}" },
    { "deepseek",
      "Yes<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"a\": "
      "1}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
      "Yes^f{\"a\":1}" },
    { "deepseek-v3.2",
      "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter name=\"a\" string=\"true\">5"
      "</｜DSML｜parameter>\n<｜DSML｜parameter name=\"b\" string=\"false\">5</｜DSML｜parameter>\n"
      "</｜DSML｜invoke>\n</｜DSML｜function_calls>",
      "^f{\"a\":\"5\",\"b\":5}" },
    { "kimi-k2",
      "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{\"a\": 1}"
      "<|tool_call_end|><|tool_calls_section_end|>",
      "^f{\"a\":1}" },
    { "mistral", "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"a\": \"]\"}, \"id\": \"123456789\"}]",
      "^f{\"a\":\"]\"}" },
    { "mistral", "[THINK]hm[/THINK]ok[TOOL_CALLS]f[CALL_ID]123[ARGS]{\"a\": {}}[TOOL_CALLS]g[ARGS]{}",
      "~hm|ok^f{\"a\":{}}^g{}" },
    { "llama3", "{\"name\": \"f\", \"parameters\": {\"a\": \"}\"}}", "^f{\"a\":\"}\"}" },
    { "llama3", "{\"name\": \"f\", \"parameters\": {}}; {\"name\": \"g\", \"parameters\": {\"x\": null}}",
      "^f{}^g{\"x\":null}" },
    { "llama3", "<|python_tag|>{\"type\": \"function\", \"name\": \"f\", \"parameters\": {}}<|eom_id|>", "^f{}" },
    { "llama3", "<|python_tag|>brave_search.call(query=\"a \\\"b\\\"\")",
      "^brave_search{\"query\":\"a \\\"b\\\"\"}" },
    { "gpt-oss",
      "<|channel|>analysis<|message|>I think.<|end|><|start|>assistant<|channel|>commentary to=functions.f "
      "<|constrain|>json<|message|>{\"a\": 1}<|call|>",
      "~I think.^f{\"a\":1}" },
    { "gpt-oss",
      "<|channel|>analysis<|message|>I think.<|end|><|start|>assistant<|channel|>final<|message|>Hello.<|return|>",
      "~I think.|Hello." },
    { "gpt-oss",
      "<|channel|>commentary<|message|>First.<|end|><|start|>assistant to=functions.f<|channel|>commentary json"
      "<|message|>{}",
      "First.^f{}" },
    { "phi4", "<|tool_call|>[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]<|/tool_call|>", "^f{\"a\":1}" },
    { "functools", "functools[{\"name\": \"f\", \"arguments\": {\"a\": 1}}, {\"name\": \"g\"}]",
      "^f{\"a\":1}^g{}" },
    { "command-r7b",
      "<|START_THINKING|>hm<|END_THINKING|><|START_ACTION|>[\n {\"tool_call_id\": \"0\", \"tool_name\": \"f\", "
      "\"parameters\": {\"a\": 1}}\n]<|END_ACTION|>",
      "~hm^f{\"a\":1}" },
    { "command-r7b", "<|START_RESPONSE|>Hi there.<|END_RESPONSE|>", "Hi there." },
    { "command-r", "Action: ```json\n[{\"tool_name\": \"f\", \"parameters\": {\"a\": 1}}]\n```", "^f{\"a\":1}" },
    { "gemma3", "Sure.\n```tool_code\nf(a=1, b='x', c=[1, {'k': None}])\n```",
      "Sure.^f{\"a\":1,\"b\":\"x\",\"c\":[1,{\"k\":null}]}" },
    { "gemma4",
      "<|channel>thought\nhm<channel|><|tool_call>call:f{a:<|\"|>x, "
      "{y}<|\"|>,n:1,l:[true,<|\"|>z<|\"|>],o:{}}<tool_call|>",
      "~hm^f{\"a\":\"x, {y}\",\"n\":1,\"l\":[true,\"z\"],\"o\":{}}" },
    { "functiongemma", "<start_function_call>call:f{a:<escape>x<escape>}<end_function_call>", "^f{\"a\":\"x\"}" },
    { "lfm2", "<|tool_call_start|>[f(a=\"x\"), m.g(n=-1)]<|tool_call_end|>", "^f{\"a\":\"x\"}^m.g{\"n\":-1}" },
    { "apertus",
      "<|inner_prefix|>hm<|inner_suffix|><|tools_prefix|>[{\"f\": {\"a\": 1}}, {\"g\": {}}]<|tools_suffix|>",
      "~hm^f{\"a\":1}^g{}" },
    { "functionary", "<function=f>{\"a\": 1}</function><function=g>{}</function>", "^f{\"a\":1}^g{}" },
    { "granite", "<|tool_call|>[{\"name\": \"f\", \"arguments\": {}}] more", "^f{}|more" },
    { "gigachat", "<|function_call|>{\"name\": \"f\", \"arguments\": {}}<|message_sep|>", "^f{}" },
    { "nemotron", "<TOOLCALL>[{\"name\": \"f\", \"arguments\": {}}]</TOOLCALL>", "^f{}" },
    { "apriel", "<thinking>x</thinking><tool_calls>[{\"name\": \"f\", \"arguments\": {}}]</tool_calls>", "~x^f{}" },
    { "json", "{\"tool_calls\": [{\"function\": {\"name\": \"f\", \"arguments\": \"{\\\"a\\\": 1}\"}}]}",
      "^f{\"a\":1}" },
    { "json", "[{\"name\": \"f\", \"arguments\": {}}]", "^f{}" },
    { "none", "<think>a</think>{\"name\": \"f\", \"arguments\": {}}", "~a|{\"name\": \"f\", \"arguments\": {}}" },
};

static void calls_of_each_format(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        infer_chat_parser_options o = infer_chat_parser_defaults();
        o.format = calls[i].format;
        gives(o, calls[i].text, calls[i].parts);
    }
}

static void what_is_broken_stays_text(void **state)
{
    (void)state;
    static const struct answer_case cases[] = {
        { "hermes", "a <tool_call>{\"name\": }</tool_call> b", "a <tool_call>{\"name\": }</tool_call> b" },
        { "hermes", "<tool_call>{\"name\": \"f\", \"arguments\": {\"a",
          "<tool_call>{\"name\": \"f\", \"arguments\": {\"a" },
        { "hermes", "<tool_call>oops<tool_call>{\"name\": \"f\"}</tool_call>", "<tool_call>oops^f{}" },
        { "hermes", "<tool_call>{\"name\": 5, \"arguments\": {}}</tool_call>",
          "<tool_call>{\"name\": 5, \"arguments\": {}}</tool_call>" },
        { "hermes", "<tool_call>{\"name\": \"f\", \"arguments\": [1]}</tool_call>.",
          "<tool_call>{\"name\": \"f\", \"arguments\": [1]}</tool_call>." },
        { "hermes", "<tool_call></tool_call>", "<tool_call></tool_call>" },
        { "hermes", "1 < 2 <tool 3 <think 4", "1 < 2 <tool 3 <think 4" },
        { "hermes", "<think>a <tool_call>b</tool_call> c</think>d", "~a <tool_call>b</tool_call> c|d" },
        { "hermes", "<think>never ends", "~never ends" },
        { "hermes", "  x \n\n", "  x \n\n" },
        { "glm", "<tool_call>f\n<arg_key>a</arg_key>oops</tool_call>",
          "<tool_call>f\n<arg_key>a</arg_key>oops</tool_call>" },
        { "qwen3-coder", "<tool_call>\nhello\n</tool_call> x", "<tool_call>\nhello\n</tool_call> x" },
        { "llama3", "{\"answer\": 42} ok", "{\"answer\": 42} ok" },
        { "llama3", "{\"name\": \"Bob\"}", "{\"name\": \"Bob\"}" },
        { "llama3", "x {\"name\": \"f\", \"parameters\": {}}", "x {\"name\": \"f\", \"parameters\": {}}" },
        { "llama3", "<|python_tag|>print(1)", "<|python_tag|>print(1)" },
        { "functools", "import functools\nfunctools.reduce", "import functools\nfunctools.reduce" },
        { "gemma3", "```tool_code\nx = f(\n```", "```tool_code\nx = f(\n```" },
        { "gemma4", "<|tool_call>call:f{a:<|\"|>x<tool_call|>", "<|tool_call>call:f{a:<|\"|>x<tool_call|>" },
        { "lfm2", "<|tool_call_start|>[f(x)]<|tool_call_end|>", "<|tool_call_start|>[f(x)]<|tool_call_end|>" },
        { "mistral", "[TOOL_CALLS]f[ARGS]{\"a\": ", "[TOOL_CALLS]f[ARGS]{\"a\": " },
        { "gpt-oss", "<|channel|>commentary to=functions.f<|message|>no json<|call|>",
          "<|channel|>commentary to=functions.f<|message|>no json<|call|>" },
        { "json", "[1, 2, 3", "[1, 2, 3" },
        { "json", "", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        infer_chat_parser_options o = infer_chat_parser_defaults();
        o.format = cases[i].format;
        gives(o, cases[i].text, cases[i].parts);
    }
}

static void options_are_heeded(void **state)
{
    (void)state;
    infer_chat_parser_options o = infer_chat_parser_defaults();
    o.format = "hermes";
    o.prompt = "<|im_start|>assistant\n<think>\n";
    gives(o, "hm\n</think>\n\nok", "~hm|ok");
    o.prompt = "<|im_start|>assistant\n";
    o.no_calls = true;
    gives(o, "<tool_call>{\"name\":\"f\"}</tool_call>", "<tool_call>{\"name\":\"f\"}</tool_call>");
    o = infer_chat_parser_defaults();
    o.format = "glm";
    o.tools = "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"properties\":{\"a\":{\"type\":"
              "\"string\"},"
              "\"b\":{\"type\":\"integer\"}}}}}]";
    gives(o,
          "<tool_call>f\n<arg_key>a</arg_key><arg_value>7</arg_value><arg_key>b</arg_key><arg_value>7</arg_value></"
          "tool_call>",
          "^f{\"a\":\"7\",\"b\":7}");
    o = infer_chat_parser_defaults();
    o.format = "nope";
    infer_error err = { 0 };
    assert_null(infer_chat_parser_open(the_context, &o, &err));
    assert_non_null(strstr(err.message, "nope"));
}

static void the_template_tells_the_format(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        { "... <tool_call> ...", "hermes" }, { "<tool_call> <arg_key>", "glm" }, { "[TOOL_CALLS]", "mistral" },
        { "<tool_call> <function= <parameter=", "qwen3-coder" }, { "<function=", "functionary" }, { "", "json" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        infer_chat_parser_options o = infer_chat_parser_defaults();
        infer_error err = { 0 };
        o.chat_template = rows[i][0];
        infer_chat_parser *p = infer_chat_parser_open(the_context, &o, &err);
        assert_string_equal(infer_chat_parser_format(p), rows[i][1]);
        infer_chat_parser_close(&p);
    }
    assert_string_equal(infer_chat_format_name(0), "gpt-oss");
    assert_null(infer_chat_format_name(1000));
}

static void messages_are_those_of_the_api(void **state)
{
    (void)state;
    infer_chat_parser_options o = infer_chat_parser_defaults();
    infer_error err = { 0 };
    char json[512];
    size_t n = 0;
    o.format = "hermes";
    const char text[] = "<think>hm</think>ok \"q\"<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":1}}</tool_call>";
    assert_int_equal(infer_chat_parse(the_context, &o, text, strlen(text), json, sizeof json, &n, &err), INFER_OK);
    json[n] = 0;
    assert_string_equal(
        json, "{\"role\":\"assistant\",\"content\":\"ok \\\"q\\\"\",\"reasoning_content\":\"hm\",\"tool_calls\":"
              "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]}");
    assert_int_equal(infer_chat_parse(the_context, NULL, "", 0, json, sizeof json, &n, &err), INFER_OK);
    json[n] = 0;
    assert_string_equal(json, "{\"role\":\"assistant\",\"content\":null}");
}

/* Pieces of marks in any order: nothing breaks, and how the text is cut does not matter. */
static void random_answers_do_not_depend_on_the_pieces(void **state)
{
    (void)state;
    static const char *const bits[] = {
        "<tool_call>",
        "</tool_call>",
        "<think>",
        "</think>",
        "{\"name\": \"f\"",
        ", \"arguments\": {",
        "}",
        "}",
        "\"",
        "\\",
        " ",
        "\n",
        "text",
        "<function=f>",
        "</function>",
        "<parameter=a>",
        "</parameter>",
        "[TOOL_CALLS]",
        "[ARGS]",
        "f",
        "[",
        "]",
        "<",
        "<|",
        "<|channel|>",
        "analysis",
        "final",
        "commentary to=",
        "<|message|>",
        "<|end|>",
        "<|start|>assistant",
        "<|call|>",
        ";",
        "<arg_key>",
        "</arg_key>",
        "<arg_value>",
        "</arg_value>",
        "call:f{",
        "<|tool_call>",
        "<tool_call|>",
        "<|\"|>",
        "a:",
        ",",
        "```tool_code\n",
        "f(a=1)",
        "\n```",
        "functools",
        "<|python_tag|>",
        "{}",
    };
    static struct parts whole, pieces;
    uint32_t random = 1;
    for (int i = 0; i < 3000; i++) {
        char text[512] = "";
        infer_chat_parser_options o = infer_chat_parser_defaults();
        o.format = infer_chat_format_name((size_t)i % 27);
        assert_non_null(o.format);
        for (int k = 0; k < 14; k++) {
            random = random * 1664525 + 1013904223;
            strcat(text, bits[(random >> 8) % (sizeof bits / sizeof *bits)]);
        }
        parse(&whole, o, text, 0);
        for (unsigned piece = 1; piece < 12; piece += 5) {
            parse(&pieces, o, text, piece);
            if (strcmp(whole.text, pieces.text))
                fail_msg("%s, pieces of %u: %s\n whole  %s\n pieces %s", o.format, piece, text, whole.text,
                         pieces.text);
        }
    }
}

static void long_answers_take_linear_time(void **state)
{
    (void)state;
    static const char *const bits[] = { "<tool_call>", " ",       "<", "<tool_call>{\"name\":\"f\"}</tool_call>",
                                        "{",           "</think>" };
    infer_chat_parser_options o = infer_chat_parser_defaults();
    infer_error err = { 0 };
    o.format = "hermes";
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) {
        const size_t n = strlen(bits[i]), times = 300000 / n;
        infer_chat_parser *p = infer_chat_parser_open(the_context, &o, &err);
        char *all = malloc(n * times);
        for (size_t k = 0; k < times; k++) {
            memcpy(all + k * n, bits[i], n);
            assert_int_equal(infer_chat_parser_feed(p, bits[i], n, &err), INFER_OK);
        }
        assert_int_equal(infer_chat_parser_end(p, &err), INFER_OK);
        assert_int_equal(infer_chat_parser_feed(p, all, n * times, &err), INFER_OK);
        assert_int_equal(infer_chat_parser_end(p, &err), INFER_OK);
        free(all);
        infer_chat_parser_close(&p);
    }
}

static void memory_may_run_out(void **state)
{
    (void)state;
    const char text[] = "<think>hm</think>ok <tool_call>{\"name\":\"f\",\"arguments\":{\"a\":[1,\"x\"]}}</tool_call>";
    for (size_t refuse = 0;; refuse++) {
        struct counting counting;
        counting_init(&counting, SIZE_MAX);
        infer_context_options co = infer_context_defaults();
        infer_chat_parser_options o = infer_chat_parser_defaults();
        infer_error err = { 0 };
        size_t n = 0;
        co.n_threads = 1;
        co.allocator = counting.allocator;
        o.format = "hermes";
        o.tools = "[]";
        infer_context *c = infer_context_open(&co, &err);
        counting.refuse_from = counting.calls + refuse;
        const infer_status status = infer_chat_parse(c, &o, text, strlen(text), NULL, 0, &n, &err);
        infer_context_close(&c);
        assert_int_equal(counting.live, 0);
        assert_true(!status || status == INFER_E_NOMEM);
        if (!status) {
            assert_true(refuse > 5 && n > 100);
            break;
        }
    }
}

static int open_context(void **state)
{
    (void)state;
    infer_context_options o = infer_context_defaults();
    o.n_threads = 1;
    the_context = infer_context_open(&o, NULL);
    return the_context ? 0 : -1;
}

static int close_context(void **state)
{
    (void)state;
    infer_context_close(&the_context);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_of_each_format),
        cmocka_unit_test(what_is_broken_stays_text),
        cmocka_unit_test(options_are_heeded),
        cmocka_unit_test(the_template_tells_the_format),
        cmocka_unit_test(messages_are_those_of_the_api),
        cmocka_unit_test(random_answers_do_not_depend_on_the_pieces),
        cmocka_unit_test(long_answers_take_linear_time),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
