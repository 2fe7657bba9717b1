/* test_schema.c - JSON Schema: what values of each kind are let through, and which schemas are refused. */
#include "tests/common/counting.h"
#include "tests/grammar/grammar_test.h"

static infer_grammar *schema_open(infer_context *context, const char *schema)
{
    infer_error err = { 0 };
    infer_grammar *g = infer_grammar_open(context, INFER_JSON_SCHEMA, schema, strlen(schema), NULL, &err);
    if (!g)
        fail_msg("%s: %s", schema, err.message);
    return g;
}

static bool holds(infer_grammar *g, const char *text)
{
    return fate_of(g, text, strlen(text)) == WHOLE;
}

/* Every whole number around the bounds, and every hundredth. */
static void number_bounds(void **state)
{
    (void)state;
    static const struct {
        int least, most; /* hundredths */
        bool strict;
    } bounds[] = {
        { 0, 1000, false },    { -1200, 34500, false }, { 100, 100, false },     { 1, 99, false },  { 5, 205, true },
        { -250, -125, false }, { -100, 0, true },       { 99900, 100100, true }, { -7, 12, false }, { 0, 0, false },
    };
    infer_context *context = context_new(NULL);
    for (size_t i = 0; i < COUNT(bounds); i++) {
        char schema[256], text[32];
        const char *names[2] = { bounds[i].strict ? "exclusiveMinimum" : "minimum",
                                 bounds[i].strict ? "exclusiveMaximum" : "maximum" };
        snprintf(schema, sizeof schema, "{\"type\":\"number\",\"%s\":%.2f,\"%s\":%.2f}", names[0],
                 bounds[i].least / 100.0, names[1], bounds[i].most / 100.0);
        infer_grammar *number = schema_open(context, schema);
        const int around[3] = { bounds[i].least, bounds[i].most, 0 };
        for (int a = 0; a < 3; a++)
            for (int x = around[a] - 150; x <= around[a] + 150; x++) {
                const bool in = bounds[i].strict ? x > bounds[i].least && x < bounds[i].most
                                                 : x >= bounds[i].least && x <= bounds[i].most;
                snprintf(text, sizeof text, "%.2f", x / 100.0);
                if (holds(number, text) != in)
                    fail_msg("%s: %s is %d", schema, text, !in);
                snprintf(text, sizeof text, "%d", x / 100);
                if (x % 100 == 0 && holds(number, text) != in)
                    fail_msg("%s: %s is %d", schema, text, !in);
                snprintf(text, sizeof text, "%.3f", x / 100.0 + (x < 0 ? -0.001 : 0.001));
                const bool beyond =
                    x < 0 ? x > bounds[i].least && x <= bounds[i].most : x >= bounds[i].least && x < bounds[i].most;
                if (holds(number, text) != beyond)
                    fail_msg("%s: %s is %d", schema, text, !beyond);
            }
        infer_grammar_close(&number);
    }
    infer_context_close(&context);
}

static void integer_bounds(void **state)
{
    (void)state;
    static const int bounds[][2] = { { 0, 10 },    { 5, 123 }, { -12, 345 }, { -1000, -999 },
                                     { 99, 1001 }, { 7, 7 },   { -9, 0 } };
    infer_context *context = context_new(NULL);
    for (size_t i = 0; i < COUNT(bounds); i++)
        for (int m = 1; m <= 7; m += 3) {
            char schema[256], text[32];
            snprintf(schema, sizeof schema, "{\"type\":\"integer\",\"minimum\":%d,\"maximum\":%d,\"multipleOf\":%d}",
                     bounds[i][0], bounds[i][1], m);
            infer_error err = { 0 };
            infer_grammar *g = infer_grammar_open(context, INFER_JSON_SCHEMA, schema, strlen(schema), NULL, &err);
            int n = 0;
            for (int x = -1300; x <= 1300; x++) {
                const bool in = x >= bounds[i][0] && x <= bounds[i][1] && x % m == 0;
                snprintf(text, sizeof text, "%d", x);
                n += in;
                if (g && holds(g, text) != in)
                    fail_msg("%s: %s is %d", schema, text, !in);
            }
            assert_int_equal(g != NULL, n > 0);
            infer_grammar_close(&g);
        }
    infer_context_close(&context);
}

static void values(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        { "true",
          { "1", "{\"a\": [null, true]}", "\"\\u00e9\\ud83d\\ude00\"", "-1.5e+3" },
          { "\"", "[1" },
          { "'a'", "01", "\"\\ud800x", "\"\\udc00\"", "\"\\x" } },
        { "{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}",
          { "\"ab\"", "\"\\n\\u00e9\\\"\"" },
          { "\"a" },
          { "\"a\"", "\"abcd" } },
        { "{\"type\":\"string\",\"maxLength\":5000}", { "\"\"", "\"abc\"" }, { "\"a" }, { "1" } },
        { "{\"type\":\"string\",\"pattern\":\"b+\",\"maxLength\":4}",
          { "\"b\"", "\"xbbx\"" },
          { "\"xxx" },
          { "\"xxxx", "\"x\"" } },
        { "{\"type\":\"string\",\"pattern\":\"^[a-z\\\"\\n]+$\"}",
          { "\"ab\"", "\"a\\\"\\n\"" },
          { "\"" },
          { "\"\\u0061" } },
        { "{\"type\":\"string\",\"pattern\":\"^(?!admin$)[a-z]+$\"}",
          { "\"adm\"", "\"admins\"" },
          { "\"admin" },
          { "\"admin\"" } },
        { "{\"type\":\"string\",\"pattern\":\"^a\",\"allOf\":[{\"pattern\":\"z$\"}]}",
          { "\"az\"", "\"abz\"" },
          { "\"a" },
          { "\"z" } },
        { "{\"type\":\"string\",\"enum\":[\"a\",\"bb\",\"ccc\"],\"minLength\":2}", { "\"bb\"" }, { "\"b" }, { "\"a" } },
        { "{\"not\":{\"enum\":[\"x\",2]},\"type\":[\"string\",\"integer\"]}",
          { "\"xx\"", "\"\"", "22", "3" },
          { "\"x", "\"" },
          { "\"x\"", "\"\\u0078" } },
        { "{\"type\":\"number\",\"multipleOf\":0.01}", { "1", "1.5", "-0.25" }, { "1." }, { "1.255", "1e5" } },
        { "{\"type\":[\"boolean\",\"null\"],\"not\":{\"const\":false}}",
          { "true", "null" },
          { "t" },
          { "false", "f" } },
        { "{\"enum\":[1,\"a\",null,{\"x\":[1]}]}", { "1", "\"a\"", "null", "{\"x\":[1]}" }, { "{" }, { "2", "[" } },
        { "{\"anyOf\":[{\"type\":\"integer\"},{\"const\":\"x\"}],\"not\":{\"const\":5}}",
          { "4", "55", "\"x\"" },
          { "-" },
          { "\"y" } },
        { "{\"type\":\"string\",\"nullable\":true}", { "null", "\"\"" }, { "n" }, { "1" } },
    };
    check_samples(INFER_JSON_SCHEMA, samples, COUNT(samples));
}

static void formats(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        { "{\"format\":\"date\",\"type\":\"string\"}",
          { "\"2024-02-29\"", "\"2000-02-29\"", "\"2026-12-31\"" },
          { "\"2026-" },
          { "\"2023-02-29", "\"1900-02-29", "\"2026-04-31", "\"0000", "\"2026-13" } },
        { "{\"format\":\"time\",\"type\":\"string\"}",
          { "\"23:59:59Z\"", "\"00:00:00.5+02:00\"" },
          { "\"12:00:00" },
          { "\"24", "\"12:60", "\"12:00:00\"" } },
        { "{\"format\":\"date-time\",\"type\":\"string\"}",
          { "\"2026-01-02T03:04:05Z\"" },
          { "\"2026-01-02" },
          { "\"2026-01-02 " } },
        { "{\"format\":\"uuid\",\"type\":\"string\"}",
          { "\"123e4567-e89b-12d3-a456-426614174000\"" },
          { "\"123e4567-" },
          { "\"123g" } },
        { "{\"format\":\"email\",\"type\":\"string\"}", { "\"a.b+c@d-e.org\"" }, { "\"a@" }, { "\"@", "\"a..b" } },
        { "{\"format\":\"ipv4\",\"type\":\"string\"}",
          { "\"0.10.255.99\"" },
          { "\"1.2.3" },
          { "\"256", "\"1.2.3.4.", "\"01" } },
        { "{\"format\":\"ipv6\",\"type\":\"string\"}",
          { "\"::\"", "\"::1\"", "\"1:2:3:4:5:6:7:8\"", "\"fe80::1:2\"", "\"::ffff:1.2.3.4\"" },
          { "\"1:" },
          { "\"1:2:3:4:5:6:7:8:", "\"::1::" } },
        { "{\"format\":\"hostname\",\"type\":\"string\"}",
          { "\"a.b-c.de\"" },
          { "\"a-" },
          { "\"-", "\"a-.", "\"a..", "\"a_" } },
        { "{\"format\":\"uri\",\"type\":\"string\"}",
          { "\"https://a.b:80/c?d=e#f\"", "\"urn:x:y\"", "\"mailto:a@b\"" },
          { "\"http" },
          { "\"/a", "\"http://a b" } },
        { "{\"format\":\"duration\",\"type\":\"string\"}",
          { "\"P1Y2M3DT4H5M6S\"", "\"PT5M\"", "\"P2W\"" },
          { "\"P" },
          { "\"1", "\"P\"" } },
        { "{\"format\":\"something\",\"type\":\"string\"}", { "\"any\"" }, { "\"" }, { "1" } },
    };
    check_samples(INFER_JSON_SCHEMA, samples, COUNT(samples));
}

static void objects(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        { "{\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":true},\"type\":\"object\",\"additionalProperties\":{"
          "\"type\":\"null\"}}",
          { "{}", "{\"a\":1}", "{\"b\":[],\"c\":null}", "{\"a\":1,\"b\":2,\"aa\":null}", "{\n  \"a\" : 1\n}" },
          { "{", "{\"a\":1," },
          { "{\"a\":\"", "{\"b\":1,\"a\"", "{\"c\":1", "{\"c\":null,\"a\":", "{,", "{\"\\u0061\"" } },
        { "{\"required\":[\"x\"],\"type\":\"object\"}", { "{\"x\":1}" }, { "{" }, { "{}" } },
        { "{\"type\":\"object\"}", { "{}", "{\"a\":{\"b\":1}}" }, { "{\"" }, { "[" } },
        { "{\"type\":\"object\",\"patternProperties\":{\"^n_\":{\"type\":\"number\"},\"s$\":{\"type\":[\"string\","
          "\"number\"]}},"
          "\"additionalProperties\":false}",
          { "{\"n_1\":1,\"xs\":\"y\"}", "{\"n_s\":2}", "{}" },
          { "{\"x" },
          { "{\"n_s\":\"", "{\"x\"" } },
        { "{\"type\":\"object\",\"properties\":{\"ab\":true},\"patternProperties\":{\"^a\":{\"type\":\"null\"}}}",
          { "{\"ab\":null}", "{\"ax\":null}" },
          { "{" },
          { "{\"ab\":1", "{\"b\"" } },
        { "{\"type\":\"object\",\"propertyNames\":{\"pattern\":\"^[a-c]+$\"}}",
          { "{\"abc\":1}" },
          { "{\"a" },
          { "{\"d" } },
        { "{\"type\":\"object\",\"properties\":{\"a\":true,\"b\":true,\"c\":true},\"minProperties\":2,"
          "\"maxProperties\":2}",
          { "{\"a\":1,\"c\":1}", "{\"b\":1,\"c\":1}" },
          { "{\"a\":1" },
          { "{}", "{\"c\":1", "{\"a\":1,\"b\":1," } },
        { "{\"type\":\"object\",\"properties\":{\"a\":true,\"b\":true},\"dependentRequired\":{\"a\":[\"b\"]}}",
          { "{\"b\":1}", "{}", "{\"a\":1,\"b\":1}" },
          { "{\"a\":1" },
          { "{\"a\":1}" } },
        { "{\"type\":\"object\",\"allOf\":[{\"properties\":{\"a\":{\"type\":\"integer\"}},\"additionalProperties\":"
          "false},"
          "{\"properties\":{\"a\":{\"minimum\":3},\"b\":true}}]}",
          { "{}", "{\"a\":3}" },
          { "{\"a\":" },
          { "{\"a\":2}", "{\"b\"" } },
        { "{\"type\":\"object\",\"properties\":{\"k\":{\"enum\":[\"a\",\"b\"]},\"v\":{\"type\":\"integer\"}},"
          "\"required\":[\"k\"],"
          "\"if\":{\"properties\":{\"k\":{\"const\":\"a\"}},\"required\":[\"k\"]},\"then\":{\"required\":[\"v\"]},"
          "\"else\":{\"properties\":{\"v\":false}}}",
          { "{\"k\":\"a\",\"v\":1}", "{\"k\":\"b\"}" },
          { "{\"k\":\"a\"" },
          { "{\"k\":\"a\"}", "{\"k\":\"b\",\"v\"" } },
        { "{\"type\":\"object\",\"properties\":{\"a\":true,\"b\":true},\"not\":{\"required\":[\"b\"]}}",
          { "{}", "{\"a\":1}" },
          { "{" },
          { "{\"b\"" } },
    };
    check_samples(INFER_JSON_SCHEMA, samples, COUNT(samples));
}

static void arrays(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        { "{\"type\":\"array\",\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"string\"}],\"items\":{\"type\":"
          "\"null\"},\"minItems\":1}",
          { "[1]", "[1,\"a\"]", "[1, \"a\", null,null]" },
          { "[", "[1," },
          { "[]", "[1,2", "[1,\"a\",1" } },
        { "{\"type\":\"array\",\"items\":[{\"type\":\"integer\"}],\"additionalItems\":false}",
          { "[]", "[1]" },
          { "[1" },
          { "[1," } },
        { "{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":2,\"maxItems\":3}",
          { "[1,2]", "[1,2,3]" },
          { "[1" },
          { "[1]", "[1,2,3,", "[]" } },
        { "{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"maxItems\":200}",
          { "[]", "[1,2,3,4,5,6,7]" },
          { "[" },
          { "[\"" } },
        { "{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"contains\":{\"minimum\":10},\"minContains\":2}",
          { "[10,11]", "[1,12,3,14,5]" },
          { "[10", "[1,2" },
          { "[1,10]", "[]" } },
        { "{\"type\":\"array\",\"maxItems\":0}", { "[]" }, { "[" }, { "[1" } },
        { "{\"type\":\"array\",\"items\":false}", { "[]" }, { "[" }, { "[1" } },
    };
    check_samples(INFER_JSON_SCHEMA, samples, COUNT(samples));
}

static void references(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        { "{\"$ref\":\"#/$defs/a~1b%20c\",\"$defs\":{\"a/b c\":{\"const\":1}}}", { "1" }, { "" }, { "2" } },
        { "{\"$ref\":\"#x\",\"$defs\":{\"y\":{\"$anchor\":\"x\",\"const\":1}}}", { "1" }, { "" }, { "2" } },
        { "{\"$id\":\"http://a/b\",\"$ref\":\"http://a/b#/$defs/y\",\"$defs\":{\"y\":{\"const\":1}}}",
          { "1" },
          { "" },
          { "2" } },
        { "{\"$ref\":\"#/$defs/n\",\"maximum\":5,\"$defs\":{\"n\":{\"type\":\"integer\",\"minimum\":3}}}",
          { "3", "5" },
          { "" },
          { "2", "6" } },
        { "{\"type\":\"object\",\"properties\":{\"next\":{\"$ref\":\"#\"}},\"additionalProperties\":false}",
          { "{}", "{\"next\":{\"next\":{}}}" },
          { "{\"next\":{" },
          { "{\"next\":1" } },
        { "{\"anyOf\":[{\"type\":\"array\",\"items\":{\"$ref\":\"#\"}},{\"type\":\"integer\"}]}",
          { "1", "[[1],[]]" },
          { "[[" },
          { "\"" } },
        { "{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"$ref\":\"#/$defs/b\"},\"b\":{\"$ref\":\"#/$defs/a\"}}}",
          { "1", "[]" },
          { "[" },
          { "x" } },
    };
    check_samples(INFER_JSON_SCHEMA, samples, COUNT(samples));
}

static void wrong_schemas(void **state)
{
    (void)state;
    static const struct refused refused[] = {
        { "{", "no JSON" },
        { "5", "neither an object nor true or false" },
        { "false", "no text at all" },
        { "{\"type\":\"text\"}", "\"type\"" },
        { "{\"$ref\":\"#/nowhere\"}", "not there" },
        { "{\"$ref\":\"http://x/y\"}", "within the schema" },
        { "{\"type\":\"array\",\"uniqueItems\":true}", "\"uniqueItems\"" },
        { "{\"type\":\"string\",\"pattern\":\"(a\"}", "\"pattern\": line 1" },
        { "{\"type\":\"string\",\"pattern\":\"(a)\\\\1\"}", "back references" },
        { "{\"type\":\"string\",\"minLength\":-1}", "\"minLength\"" },
        { "{\"type\":\"string\",\"maxLength\":2000000000}", "repetition" },
        { "{\"not\":{\"type\":\"object\",\"minProperties\":1}}", "\"not\"" },
        { "{\"enum\":5}", "\"enum\"" },
        { "{\"type\":\"integer\",\"minimum\":5,\"maximum\":4}", "no text at all" },
        { "{\"type\":\"number\",\"multipleOf\":0.3}", "\"multipleOf\"" },
    };
    check_refused(INFER_JSON_SCHEMA, refused, COUNT(refused));
}

static void no_memory(void **state)
{
    (void)state;
    static const char schema[] =
        "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\",\"minimum\":3,\"not\":{\"const\":7}},"
        "\"b\":{\"$ref\":\"#/$defs/s\"}},\"patternProperties\":{\"^x\":{\"pattern\":\"a+\"}},"
        "\"$defs\":{\"s\":{\"anyOf\":[{\"format\":\"date\",\"type\":\"string\"},{\"$ref\":\"#\"}]}}}";
    for (size_t refuse = 0;; refuse++) {
        struct counting counting;
        infer_error err = { 0 };
        counting_init(&counting, SIZE_MAX);
        infer_context *context = context_new(&counting.allocator);
        counting.refuse_from = counting.calls + refuse;
        infer_grammar *g = infer_grammar_open(context, INFER_JSON_SCHEMA, schema, sizeof schema - 1, NULL, &err);
        const bool done = g != NULL;
        if (!done)
            assert_int_equal(err.code, INFER_E_NOMEM);
        infer_grammar_close(&g);
        infer_context_close(&context);
        assert_int_equal(counting.live, 0);
        if (done)
            break;
        refuse += refuse / 64; /* each at first, then samples: there are thousands */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "numbers are within their bounds, whatever digits these have", number_bounds, NULL, NULL, NULL },
        { "whole numbers are within their bounds and multiples", integer_bounds, NULL, NULL, NULL },
        { "values of each type hold what is asked of them", values, NULL, NULL, NULL },
        { "strings have their formats", formats, NULL, NULL, NULL },
        { "objects have their properties in order, and no others than may be", objects, NULL, NULL, NULL },
        { "arrays have as many items as they should, of the right kind", arrays, NULL, NULL, NULL },
        { "references are followed, also round in circles", references, NULL, NULL, NULL },
        { "schemas that are wrong or cannot be held to are refused by keyword", wrong_schemas, NULL, NULL, NULL },
        { "wherever memory is out, that is said and nothing is lost", no_memory, NULL, NULL, NULL },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
