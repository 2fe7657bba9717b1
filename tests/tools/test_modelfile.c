/* test_modelfile.c - what is read in a Modelfile, and what is refused with which sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/common/folder.h"
#include "tools/common/modelfile.h"

static struct modelfile *parse(const char *text)
{
    infer_error err = { 0 };
    struct modelfile *m = modelfile_parse("some/Modelfile", text, strlen(text), &err);
    if (!m)
        fail_msg("%s", err.message);
    return m;
}

static void refuses(const char *text, const char *sentence)
{
    infer_error err = { 0 };
    assert_null(modelfile_parse("some/Modelfile", text, strlen(text), &err));
    assert_int_equal(err.code, INFER_E_FORMAT);
    if (!strstr(err.message, sentence))
        fail_msg("\"%s\" does not say \"%s\"", err.message, sentence);
}

static const char *value(const struct modelfile *m, enum modelfile_kind kind)
{
    const struct modelfile_item *item = modelfile_find(m, kind);
    return item ? item->value : NULL;
}

static void test_every_instruction_is_read(void **state)
{
    (void)state;
    struct modelfile *m = parse("\xef\xbb\xbf# a comment\n\n"
                                "  from model.gguf  \r\n"
                                "PARAMETER\ttemperature 0.5\n"
                                "Parameter stop \"a b\"\n"
                                "TEMPLATE \"\"\"{{ .System }}\n\"quoted\" \"\"\"\n"
                                "SYSTEM Be brief. # no comment\n"
                                "ADAPTER /opt/lora.gguf\n"
                                "MESSAGE user \"two\nlines\"\n"
                                "MESSAGE assistant yes\n"
                                "LICENSE \"\"\"MIT\"\"\"\n"
                                "RENDERER some\n"
                                "LICENSE \"\"");
    assert_int_equal(m->n, 11);
    assert_string_equal(value(m, MODELFILE_FROM), "model.gguf");
    assert_string_equal(modelfile_find(m, MODELFILE_FROM)->path, "some/model.gguf");
    assert_int_equal(modelfile_find(m, MODELFILE_FROM)->line, 3);
    assert_string_equal(m->items[1].name, "temperature");
    assert_string_equal(m->items[1].value, "0.5");
    assert_string_equal(m->items[2].value, "a b");
    assert_string_equal(value(m, MODELFILE_TEMPLATE), "{{ .System }}\n\"quoted\" ");
    assert_string_equal(value(m, MODELFILE_SYSTEM), "Be brief. # no comment");
    assert_int_equal(modelfile_find(m, MODELFILE_SYSTEM)->line, 8);
    assert_string_equal(modelfile_find(m, MODELFILE_ADAPTER)->path, "/opt/lora.gguf");
    assert_string_equal(m->items[6].name, "user");
    assert_string_equal(m->items[6].value, "two\nlines");
    assert_string_equal(m->items[7].value, "yes");
    assert_int_equal(m->items[7].line, 12);
    assert_string_equal(m->items[8].value, "MIT");
    assert_string_equal(value(m, MODELFILE_LICENSE), "");
    modelfile_close(&m);
    assert_null(m);
}

static void test_what_is_wrong_is_told_with_its_line(void **state)
{
    (void)state;
    refuses("", "there is no FROM");
    refuses("SYSTEM x\n", "there is no FROM");
    refuses("FROM a\nFROM b", "line 2: a second FROM");
    refuses("FROM a\n\nMODEL b", "line 3: expected FROM, PARAMETER");
    refuses("FROM", "line 1: there is no value");
    refuses("FROM \"\"", "line 1: there is no value");
    refuses("FROM a\nPARAMETER stop\n", "line 2: there is no value");
    refuses("FROM a\nMESSAGE tool x\n", "line 2: MESSAGE expects system, user or assistant, found: tool");
    refuses("FROM a\nSYSTEM \"\"\"x\n\n\"\"", "line 2: expected \"\"\"");
    refuses("FROM a\nSYSTEM \"\"\"x\"\"\" y\n", "line 2: found behind \"\"\": y");
    refuses("FROM a\nSYSTEM \"x\n\n", "line 2: expected a quotation mark");
    refuses("FROM a\nSYSTEM \xff\n", "no text in UTF-8");
}

static void test_sizes_are_bounded(void **state)
{
    (void)state;
    infer_error err = { 0 };
    const size_t room = MODELFILE_MOST_BYTES + 1;
    char *text = malloc(room + 1);
    assert_non_null(text);
    memset(text, '\n', room);
    assert_null(modelfile_parse("m", text, room, &err));
    assert_non_null(strstr(err.message, "more than 4194304 bytes"));
    size_t n = 0;
    for (int i = 0; i <= MODELFILE_MOST_ITEMS; i++)
        n += (size_t)sprintf(text + n, "SYSTEM a\n");
    assert_null(modelfile_parse("m", text, n, &err));
    assert_non_null(strstr(err.message, "line 4097: too many instructions"));
    assert_null(modelfile_parse("m", "FROM a\0", 7, &err));
    assert_non_null(strstr(err.message, "no text in UTF-8"));
    free(text);
}

static void test_files_are_read_and_their_failures_told(void **state)
{
    (void)state;
    infer_error err = { 0 };
    char folder[FOLDER_ROOM], path[FOLDER_ROOM + 16];
    folder_make(folder);
    snprintf(path, sizeof path, "%s/Modelfile", folder);
    assert_null(modelfile_open(path, &err));
    assert_int_equal(err.code, INFER_E_IO);
    assert_non_null(strstr(err.message, path));
    assert_null(modelfile_open(folder, &err));
    assert_int_equal(err.code, INFER_E_IO);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("FROM ../m\n", f);
    fclose(f);
    struct modelfile *m = modelfile_open(path, &err);
    assert_non_null(m);
    char expected[FOLDER_ROOM + 16];
    snprintf(expected, sizeof expected, "%s/../m", folder);
    assert_string_equal(m->items[0].path, expected);
    modelfile_close(&m);
    folder_remove(folder);
}

static void test_names_and_languages_are_known(void **state)
{
    (void)state;
    assert_true(modelfile_is_name("Modelfile"));
    assert_true(modelfile_is_name("/a/b/modelfile.mine"));
    assert_true(modelfile_is_name("x.Modelfile"));
    assert_false(modelfile_is_name("Modelfile/model.gguf"));
    assert_false(modelfile_is_name("Modelfiles"));
    assert_int_equal(modelfile_language(" {{ .Prompt }}\n"), MODELFILE_PROMPT);
    assert_int_equal(modelfile_language("{{ .System }} {{ .Prompt }}"), MODELFILE_GO);
    assert_int_equal(modelfile_language("{% for m in messages %}{{ m.content }}{% endfor %}"), MODELFILE_JINJA);
    assert_int_equal(modelfile_language("{{ .Prompt"), MODELFILE_GO);
    assert_int_equal(modelfile_language(""), MODELFILE_JINJA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_instruction_is_read),
        cmocka_unit_test(test_what_is_wrong_is_told_with_its_line),
        cmocka_unit_test(test_sizes_are_bounded),
        cmocka_unit_test(test_files_are_read_and_their_failures_told),
        cmocka_unit_test(test_names_and_languages_are_known),
    };
    return cmocka_run_group_tests_name("modelfile", tests, NULL, NULL);
}
