/* test_jinja.c - the template language: what each construct gives (as Jinja 3.1 does), what is refused, and that no
 * template takes more than its share of time and memory. */
#include "tests/chat/chat_test.h"

struct jinja_case {
    const char *source, *variables, *text; /* text NULL: an error that holds `error` */
    const char *error;
};

static void check(const struct jinja_case *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        infer_error err = { 0 };
        char *text = render_text(c[i].source, c[i].variables, &err);
        if (c[i].text && !text)
            fail_msg("%s: %s", c[i].source, err.message);
        if (c[i].text && strcmp(text, c[i].text))
            fail_msg("%s: \"%s\", expected \"%s\"", c[i].source, text, c[i].text);
        if (!c[i].text && text)
            fail_msg("%s: \"%s\", expected an error", c[i].source, text);
        if (!c[i].text && !strstr(err.message, c[i].error))
            fail_msg("%s: \"%s\", expected \"%s\"", c[i].source, err.message, c[i].error);
        free(text);
    }
}
#define CHECK(cases) check(cases, sizeof cases / sizeof *cases)

static void space_around_tags(void **state)
{
    (void)state;
    static const struct jinja_case cases[] = {
        { "a\n  {% if true %}\nb\n  {% endif %}\nc", NULL, "a\nb\nc", NULL },
        { "  {%+ if true %}x{% endif +%}\n", NULL, "  x", NULL },
        { "a {%- if true -%} b {%- endif -%} c", NULL, "abc", NULL },
        { "a\n{# note #}\nb {# note #} c {#- x -#} d", NULL, "a\nb  cd", NULL },
        { "{{ 1 }}\n{{ 2 }}\n\n", NULL, "1\n2\n", NULL },
        { "x\r\ny\rz\r\n", NULL, "x\ny\nz", NULL },
        { "{% raw %}\n {{ x }} {%- endraw %} y", NULL, "\n {{ x }} y", NULL },
        { "{{ {'a': {'b': 1}}['a']['b'] }}", NULL, "1", NULL },
        { "{{ '}}' }}{{ \"%}\" }}", NULL, "}}%}", NULL },
        { "  {{ 1 }}\n\t{%- set x = 1 %}\n  \n", NULL, "  1  ", NULL },
        { "", NULL, "", NULL },
    };
    CHECK(cases);
}

static void expressions(void **state)
{
    (void)state;
    static const struct jinja_case cases[] = {
        { "{{ 1 + 2 * 3 ** 2 - 7 // 2 }} {{ -7 % 3 }} {{ -7 // 2 }} {{ 7 / 2 }} {{ -2 ** 2 }}", NULL, "16 2 -4 3.5 4",
          NULL },
        { "{{ 'a' ~ 1 + 2 ~ 'b' }}", NULL, "a12b", NULL },
        { "{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 2 in [1, 2] }} {{ 'x' not in 'abc' }}", NULL, "True False True True",
          NULL },
        { "{{ not 1 == 2 }} {{ 1 if false }} {{ 1 if false else 2 if false else 3 }}", NULL, "True  3", NULL },
        { "{{ 'abc'[1] }} {{ 'abc'[-1:] }} {{ 'h\xc3\xa9llo'[1:3] }} {{ 'abc'[::-1] }}", NULL, "b c \xc3\xa9l cba",
          NULL },
        { "{{ [1, 2][5] is defined }} {{ (1,) }} {{ () }} {{ 1, 2 }}", NULL, "False (1,) () (1, 2)", NULL },
        { "{{ 0.1 + 0.2 }} {{ 1e16 }} {{ 1e-5 }} {{ 123456789.0 }} {{ 1e15 }} {{ 0.0001 }} {{ -0.0 }}", NULL,
          "0.30000000000000004 1e+16 1e-05 123456789.0 1000000000000000.0 0.0001 -0.0", NULL },
        { "{{ 9223372036854775807 }} {{ 9223372036854775807 + 1 }}", NULL, NULL, "beyond 64 bits" },
        { "{{ 2 ** 62 }} {{ 2 ** 64 }}", NULL, NULL, "beyond 64 bits" },
        { "{{ [1] + [2] }} {{ [0] * 3 }} {{ 'ab' * 2 }} {{ (1,) + (2,) }}", NULL, "[1, 2] [0, 0, 0] abab (1, 2)",
          NULL },
        { "{{ a.b.c }} {{ a['b']['c'] }} {{ a.x }} {{ l.0 }}", "{\"a\":{\"b\":{\"c\":7}},\"l\":[5]}", "7 7  5", NULL },
        { "{{ d.items }}", "{\"d\":{\"items\":1}}", "<function>", NULL },
        { "{{ d['items'] }} {{ d.get('items') }}", "{\"d\":{\"items\":1}}", "1 1", NULL },
        { "{{ ['it\\'s', \"a\\\\b\\n\", '\\u200b'] }}", NULL, "[\"it's\", 'a\\\\b\\n', '\\u200b']", NULL },
        { "{{ '\\x41\\u00e9\\U0001f600\\q' }}", NULL, "A\xc3\xa9\xf0\x9f\x98\x80\\q", NULL },
        { "{{ true and none }} {{ '' or 'x' }} {{ 1 == true }} {{ {'a': 1}['a'] }}", NULL, "None x True 1", NULL },
        { "{{ '%s is %d, %05.1f%%' % ('x', 3, 2.25) }} {{ '%(a)s' % {'a': 1} }}", NULL, "x is 3, 002.2% 1", NULL },
        { "{{ \"<\" | safe ~ '<' }} {{ ('<b>' | safe) + '<' }} {{ '<' | e }}", NULL, "<< <b>&lt; &lt;", NULL },
    };
    CHECK(cases);
}

static void statements(void **state)
{
    (void)state;
    static const struct jinja_case cases[] = {
        { "{% for x in [1, 2, 3] %}{{ x }}{{ ',' if not loop.last }}{% else %}none{% endfor %}", NULL, "1,2,3", NULL },
        { "{% for x in [] %}{{ x }}{% else %}none{% endfor %}", NULL, "none", NULL },
        { "{% for x in range(10) if x is odd %}{% if x > 5 %}{% break %}{% endif %}{{ loop.index }}:{{ x }} {% endfor "
          "%}",
          NULL, "1:1 2:3 3:5 ", NULL },
        { "{% for k, v in d.items() %}{{ k }}{{ v }}{% endfor %}", "{\"d\":{\"b\":1,\"a\":2}}", "b1a2", NULL },
        { "{% set x = 1 %}{% for i in [1] %}{% set x = 2 %}{{ x }}{% endfor %}{{ x }}", NULL, "21", NULL },
        { "{% set ns = namespace(n=0) %}{% for i in [1, 2] %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}", NULL,
          "3", NULL },
        { "{% set a, b = 1, [2] %}{{ a }}{{ b }}{% set x | upper %}q{{ a }}{% endset %}{{ x }}", NULL, "1[2]Q1", NULL },
        { "{% macro f(a, b=2) %}{{ a }}{{ b }}{{ caller() if caller }}{% endmacro %}{{ f(1) }} {{ f(b=1, a=2) }} "
          "{% call f(3) %}!{% endcall %}",
          NULL, "12 21 32!", NULL },
        { "{% macro f(n) %}{{ n }}{% if n %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}", NULL, "3210", NULL },
        { "{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, z=2) }}", NULL, "(1,){'z': 2}", NULL },
        { "{% filter upper | trim %} a{{ 1 }} {% endfilter %}", NULL, "A1", NULL },
        { "{% with a = 1 %}{% set b = 2 %}{{ a + b }}{% endwith %}{{ a }}{{ b }}", NULL, "3", NULL },
        { "{% generation %}{% set x = 1 %}a{% endgeneration %}{{ x }}", NULL, "a", NULL },
        { "{% for n in t recursive %}{{ n.v }}{{ loop(n.c) if n.c }}{% endfor %}",
          "{\"t\":[{\"v\":1,\"c\":[{\"v\":2}]},{\"v\":3}]}", "123", NULL },
        { "{% for x in 'abc' %}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle(1, 2) }} {% endfor %}", NULL,
          "b1 ac2 b1 ", NULL },
        { "{% set l = [] %}{% for x in [1, 2] %}{% do l.append(x) %}{% endfor %}{{ l }}", NULL, "[1, 2]", NULL },
        { "{{ range(3) | list }} {{ range(5, 1, -2) | list }} {{ range(2, 2) | list }} {{ range(-1, 8, 3) | list }} "
          "{{ range(-9223372036854775807, 9223372036854775807, 9223372036854775807) | length }}",
          NULL, "[0, 1, 2] [5, 3] [] [-1, 2, 5] 2", NULL },
        { "{% set j = joiner('|') %}{% for x in 'abc' %}{{ j() }}{{ x }}{% endfor %}", NULL, "a|b|c", NULL },
        { "{% set c = cycler(1, 2) %}{{ c.next() }}{{ c.next() }}{{ c.next() }}", NULL, "121", NULL },
        { "{% if false %}{% elif 1 in [1] %}a{% else %}b{% endif %}{% block x %}c{% endblock x %}", NULL, "ac", NULL },
    };
    CHECK(cases);
}

static void filters_of_lists(void **state)
{
    (void)state;
    static const struct jinja_case cases[] = {
        { "{{ [3, 1, 2] | sort | join('-') }} {{ ['b', 'A'] | sort }} {{ [1, 2] | sum }} {{ [[1], [2]] | map('first') "
          "| list }}",
          NULL, "1-2-3 ['A', 'b'] 3 [1, 2]", NULL },
        { "{{ l | map(attribute='a.b') | list }} {{ l | selectattr('a') | list | length }} "
          "{{ l | rejectattr('a.b', 'gt', 1) | list | length }}",
          "{\"l\":[{\"a\":{\"b\":1}},{\"a\":{\"b\":2}}]}", "[1, 2] 2 1", NULL },
        { "{{ l | map(attribute='x', default='-') | join }}", "{\"l\":[{\"x\":1},{}]}", "1-", NULL },
        { "{{ {'b': 1, 'A': 2} | dictsort }} {{ {'a': 2, 'b': 1} | dictsort(by='value') }}", NULL,
          "[('A', 2), ('b', 1)] [('b', 1), ('a', 2)]", NULL },
        { "{{ l | sort(attribute='g,n') | map(attribute='n') | join }}",
          "{\"l\":[{\"g\":2,\"n\":1},{\"g\":1,\"n\":3},{\"g\":1,\"n\":2}]}", "231", NULL },
        { "{% for k, i in l | groupby('g') %}{{ k }}:{{ i | length }} {% endfor %}",
          "{\"l\":[{\"g\":2},{\"g\":1},{\"g\":2}]}", "1:1 2:2 ", NULL },
        { "{{ [1, 2, 3] | batch(2, 0) | list }} {{ [1, 2, 3] | slice(2) | list }}", NULL,
          "[[1, 2], [3, 0]] [[1, 2], [3]]", NULL },
        { "{{ [1, 'a', 'A', 1.0] | unique | list }} {{ ['b', 'A'] | min }} {{ [] | max }}", NULL, "[1, 'a'] A ", NULL },
        { "{{ none | selectattr('x') | list }} {{ 'abc' | reverse }} {{ 'abc' | first }} {{ [] | last }}", NULL,
          "[] cba a ", NULL },
        { "{{ [3, 1] | select('odd') | list }} {{ [0, 1] | reject | list }}", NULL, "[3, 1] [0]", NULL },
        { "{% if [] | select %}generators are true{% endif %}", NULL, "generators are true", NULL },
    };
    CHECK(cases);
}

static void filters_of_values(void **state)
{
    (void)state;
    static const struct jinja_case cases[] = {
        { "{{ x | default('d') }} {{ '' | default('d') }} {{ '' | d('e', true) }}", NULL, "d  e", NULL },
        { "{{ ' 42 ' | int }} {{ '3.9' | int }} {{ 'x' | int(5) }} {{ '0x1f' | int(0, 16) }} {{ '1e3' | float }}", NULL,
          "42 3 5 31 1000.0", NULL },
        { "{{ 2.5 | round }} {{ 3.5 | round }} {{ 2.675 | round(2) }} {{ 5 | round }} {{ 2.1 | round(0, 'ceil') }}",
          NULL, "2.0 4.0 2.67 5 3.0", NULL },
        { "{{ {'a': [1, none, true], 'b': 'x\"\\n\\u00e9'} | tojson }}", NULL,
          "{\"a\": [1, null, true], \"b\": \"x\\\"\\n\xc3\xa9\"}", NULL },
        { "{{ {'a': [1, {}], 'b': []} | tojson(indent=2) }}", NULL,
          "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}", NULL },
        { "{{ '<&>' | tojson }} {{ '\\u2028' | tojson }} {{ 1.0 | tojson }} {{ '\\x7f\\x01' | tojson }}", NULL,
          "\"<&>\" \"\xe2\x80\xa8\" 1.0 \"\x7f\\u0001\"", NULL },
        { "{{ ('{\"a\": [1, 2.5]}' | from_json).a }}", NULL, "[1, 2.5]", NULL },
        { "{{ 'a\\n\\nb' | indent }}|{{ 'a\\nb' | indent(2, true) }}|{{ 'a\\n' | indent('> ') }}", NULL,
          "a\n\n    b|  a\n  b|a\n", NULL },
        { "{{ 'foo bar baz' | truncate(9, leeway=0) }} {{ 'foo bar' | title }} {{ 'x' | center(4) }}|", NULL,
          "foo... Foo Bar  x  |", NULL },
        { "{{ '<a>b</a>  c' | striptags }} {{ 'a b/c' | urlencode }} {{ 'a b' | wordcount }}", NULL, "b c a%20b/c 2",
          NULL },
        { "{{ 'ab' | replace('', '-') }} {{ 'aXbX' | replace('X', '', 1) }}", NULL, "-a-b- abX", NULL },
        { "{{ 'stra\xc3\x9f"
          "e' | upper }} {{ '\xc3\x84' | lower }}",
          NULL, "STRASSE \xc3\xa4", NULL },
    };
    CHECK(cases);
}

static void methods(void **state)
{
    (void)state;
    static const struct jinja_case cases[] = {
        { "{{ ' a  b '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ 'a\\nb\\n'.splitlines() "
          "}}",
          NULL, "['a', 'b'] ['a', 'b,c'] ['a,b', 'c'] ['a', 'b']", NULL },
        { "{{ ' a b  c '.split(none, 1) }} {{ ''.split() }} {{ ''.split('x') }}", NULL, "['a', 'b  c '] [] ['']",
          NULL },
        { "{{ 'a=b=c'.partition('=') }} {{ 'a=b=c'.rpartition('=') }} {{ 'a'.partition('x') }}", NULL,
          "('a', '=', 'b=c') ('a=b', '=', 'c') ('a', '', '')", NULL },
        { "{{ 'h\xc3\xa9llo'.find('l') }} {{ 'abcb'.rfind('b') }} {{ 'aaa'.count('a') }} {{ 'abc'.startswith(('x', "
          "'a')) }}",
          NULL, "2 3 3 True", NULL },
        { "{{ '{}-{}'.format(1, 'x') }} {{ '{0:>4}|{1:<3}|{a:^5}'.format(1, 'b', a='c') }} {{ '{:.2f}'.format(3.14159) "
          "}}",
          NULL, "1-x    1|b  |  c   3.14", NULL },
        { "{{ '<think>a</think>b'.split('</think>')[-1] }} {{ 'xxaxx'.strip('x') }} {{ 'ab'.isalpha() }}", NULL,
          "b a True", NULL },
        { "{{ d.get('a') }} {{ d.get('b') }} {{ d.get('b', 1) }} {{ d.keys() | list }} {{ d.pop('a') }} {{ d }}",
          "{\"d\":{\"a\":1}}", "1 None 1 ['a'] 1 {}", NULL },
        { "{% set l = [1] %}{% do l.extend([2, 3]) %}{% do l.insert(0, 9) %}{{ l.pop() }}{{ l }}{{ l.index(1) }}", NULL,
          "3[9, 1, 2]1", NULL },
        { "{{ strftime_now('%d %b %Y %H:%M:%S %A %j %-d %y %p %I') }}", NULL,
          "02 Jan 2026 03:04:05 Friday 002 2 26 AM 03", NULL },
        { "{{ 'aBc'.swapcase() }} {{ '7'.zfill(3) }} {{ '-7'.zfill(3) }} {{ 'x'.center(4, '*') }} {{ 'abc'.center(6) "
          "}}|",
          NULL, "AbC 007 -07 *x**  abc  |", NULL },
    };
    CHECK(cases);
}

static void tests_of_values(void **state)
{
    (void)state;
    static const struct jinja_case cases[] = {
        { "{{ 1 is number }} {{ true is number }} {{ 1 is integer }} {{ true is integer }} {{ 1.0 is float }} {{ true "
          "is boolean }}",
          NULL, "True True True False True True", NULL },
        { "{{ 'a' is string }} {{ [] is sequence }} {{ {} is mapping }} {{ 'a' is iterable }} {{ 1 is iterable }} {{ "
          "none is none }}",
          NULL, "True True True True False True", NULL },
        { "{{ x is defined }} {{ x is undefined }} {{ x.y is defined }}", NULL, NULL, "'x' is undefined" },
        { "{{ 2.5 is odd }} {{ 1[2:] }}|{{ '%c%c' % (65, 'b') }}", NULL, "False |Ab", NULL },
        { "{{ 'x' % 1 }}", NULL, NULL, "not all arguments converted" },
        { "{{ 1e20 | int }}", NULL, NULL, "beyond 64 bits" },
        { "{{ [1, 2] | sort(attribute='k') }}", NULL, "[1, 2]", NULL },
        { "{{ 3 is divisibleby 3 }} {{ 3 is not odd }} {{ 2 is in [1, 2] }} {{ 1 is eq 1 }} {{ 'a' is sameas 'a' }}",
          NULL, "True False True True True", NULL },
        { "{{ 'A' is upper }} {{ 'aB' is lower }} {{ range is callable }} {{ 1 is sameas true }}", NULL,
          "True False True False", NULL },
        { "{{ 'x' if 1 is defined and 2 is defined else 'y' }}", NULL, "x", NULL },
    };
    CHECK(cases);
}

static void mistakes_name_their_line(void **state)
{
    (void)state;
    static const struct jinja_case cases[] = {
        { "a\n\n{{ x.y }}", NULL, NULL, "line 3: 'x' is undefined" },
        { "a\n{{ raise_exception('no ' ~ 'way') }}", NULL, NULL, "line 2: no way" },
        { "\n{% if %}", NULL, NULL, "line 2: expected an expression, found %}" },
        { "{% if 1 %}\n", NULL, NULL, "endif" },
        { "{% endif %}", NULL, NULL, "there is no tag 'endif'" },
        { "{{ 1", NULL, NULL, "no }}" },
        { "{{ 'a }}", NULL, NULL, "a string has no end" },
        { "{# a", NULL, NULL, "a comment has no end" },
        { "{% raw %}a", NULL, NULL, "endraw" },
        { "{{ 1 | nope }}", NULL, NULL, "there is no filter 'nope'" },
        { "{{ 1 is nope }}", NULL, NULL, "there is no test 'nope'" },
        { "{{ nope() }}", NULL, NULL, "'nope' is undefined" },
        { "{{ 'a' + 1 }}", NULL, NULL, "can only concatenate str (not \"int\")" },
        { "{{ 1 / 0 }}", NULL, NULL, "division by zero" },
        { "{% break %}", NULL, NULL, "break outside of a loop" },
        { "{% for a, b in [[1]] %}{% endfor %}", NULL, NULL, "not enough values" },
        { "{{ 'x'.upper(1) }}", NULL, NULL, "takes at most 0 arguments" },
        { "{{ none.x }}", NULL, "", NULL },
        { "{{ none.x.y }}", NULL, NULL, "'None' has no attribute 'x'" },
        { "{% set x.y = 1 %}", "{\"x\":{}}", NULL, "no namespace" },
        { "{{ {[]: 1} }}", NULL, NULL, "unhashable" },
        { "{% include 'x' %}", NULL, NULL, "there is no tag 'include'" },
        { "{{ 1 $ 2 }}", NULL, NULL, "'$' is not expected" },
        { "{{ (1] }}", NULL, NULL, "expected ')', found ']'" },
        { "{{ 1) }}", NULL, NULL, "closed that was not opened" },
        { "\xff", NULL, NULL, "no UTF-8 at byte 0" },
    };
    CHECK(cases);
}

/* ---- Bounds ---- */

static void harm_is_refused_soon(void **state)
{
    (void)state;
    static const struct jinja_case cases[] = {
        { "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", NULL, NULL, "more than" },
        { "{% for a in range(9999) %}{% for b in 'x' * 9999 %}{{ b if 1 == 2 }}{% endfor %}{% endfor %}", NULL, NULL,
          "more than" },
        { "{{ range(1000000000) | length }}", NULL, NULL, "range: more than" },
        { "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
          NULL, NULL, "longer than" },
        { "{{ 'x' * 9999999999 }}", NULL, NULL, "" },
        { "{{ 'xxxxxxxxxxxxxxxx' * 99999999 }}", NULL, NULL, "longer than" },
        { "{{ [0] * 9999999999 }}", NULL, NULL, "" },
        { "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", NULL, NULL, "nested deeper" },
        { "{% set l = [] %}{% do l.append(l) %}{{ l }}", NULL, NULL, "nested deeper" },
        { "{% set l = [] %}{% do l.append(l) %}{{ l | tojson }}", NULL, NULL, "nested deeper" },
        { "{% set a = [] %}{% do a.append(a) %}{% set b = [] %}{% do b.append(b) %}{{ a == b }}", NULL, NULL,
          "nested deeper" },
        { "{{ '%999999999d' % 1 }}", NULL, NULL, "too large" },
        { "{{ '{:999999999}'.format(1) }}", NULL, NULL, "too large" },
        { "{{ 'x'.center(9999999999) | length }}", NULL, NULL, "" },
        { "{% set ns = namespace(l=[0]) %}{% for i in range(99) %}{% set ns.l = ns.l + ns.l %}{% endfor %}", NULL, NULL,
          "" },
        { "{% for x in 'ab' * 50000 %}{{ ('a' * 100000) in ('b' * 200000) }}{% endfor %}", NULL, NULL, "" },
    };
    CHECK(cases);
}

static char *repeated(const char *before, const char *what, size_t n, const char *after)
{
    const size_t length = strlen(what);
    char *text = calloc(strlen(before) + n * length + strlen(after) + 1, 1), *to = text;
    to = stpcpy(to, before);
    for (size_t i = 0; i < n; i++)
        to = stpcpy(to, what);
    strcpy(to, after);
    return text;
}

static void deep_nesting_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *before, *what, *after, *error;
    } rows[] = {
        { "{{ ", "(", "", "nested deeper" },       { "{{ ", "[", "", "nested deeper" },
        { "{{ ", "-", "1 }}", "nested deeper" },   { "{{ ", "not ", "1 }}", "nested deeper" },
        { "", "{% if 1 %}", "", "nested deeper" }, { "{{ 1", " if 1 else 1", " }}", "nested deeper" },
        { "{{ 1", " + 1", " }}", "nested deeper" }, { "{{ x", ".x", " }}", "nested deeper" },
        { "{{ 1", " | abs", " }}", "nested deeper" }, { "{% set ", "(", "", "nested deeper" },
        { "{{ ", "{1:", "", "nested deeper" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        infer_error err = { 0 };
        char *source = repeated(rows[i].before, rows[i].what, 20000, rows[i].after);
        char *text = render_text(source, "{\"x\":{}}", &err);
        if (text || !strstr(err.message, rows[i].error))
            fail_msg("%s...: %s", rows[i].what, text ? text : err.message);
        free(source);
    }
    char *json = repeated("{\"x\":", "[", 1500, ""), *ends = repeated("", "]", 1500, "}"),
         *all = repeated(json, ends, 1, "");
    infer_error err = { 0 };
    assert_null(render_text("{{ x }}", all, &err));
    assert_non_null(strstr(err.message, "nested deeper"));
    free(json);
    free(ends);
    free(all);
}

static void limits_are_what_they_say(void **state)
{
    (void)state;
    infer_error err = { 0 };
    const struct limits few = { .steps = 100, .bytes = 1 << 20, .output = 1000, .depth = 100 };
    assert_null(render_within(&mem_default, &few, "{% for i in range(100) %}x{% endfor %}", NULL, &err));
    assert_non_null(strstr(err.message, "more than 100 steps"));
    const struct limits small = { .steps = 1 << 20, .bytes = 1 << 20, .output = 10, .depth = 100 };
    assert_null(render_within(&mem_default, &small, "12345678901", NULL, &err));
    assert_non_null(strstr(err.message, "longer than 10 bytes"));
    char *text = render_within(&mem_default, &small, "1234567890", NULL, &err);
    assert_string_equal(text, "1234567890");
    free(text);
    const struct limits tight = { .steps = 1 << 20, .bytes = 1 << 16, .output = 1 << 20, .depth = 100 };
    assert_null(render_within(&mem_default, &tight, "{{ range(9999) | list | length }}", NULL, &err));
    assert_non_null(strstr(err.message, "bytes of values"));
}

/* Every allocation fails once: an error each time, and nothing is lost. */
static void memory_may_run_out(void **state)
{
    (void)state;
    static const char source[] =
        "{% macro f(a, b='x') %}{{ a ~ b }}{% endmacro %}{% set ns = namespace(l=[], d={}) %}"
        "{% for m in messages %}{% do ns.l.append(m.content | trim | upper) %}{% set ns.d = dict(ns.d, k=loop.index) %}"
        "{{ f(m.role, b=m.content.split(' ')) }}{{ m | tojson(indent=1) }}{% endfor %}"
        "{{ ns.l | sort | join(',') | replace('A', 'bb') | indent }}{{ '%s' % ns.d }}{{ messages | "
        "map(attribute='role') | unique | list }}";
    static const char variables[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a b\"},{\"role\":\"x\",\"content\":\"c\"}]}";
    infer_error err;
    char *want = render_text(source, variables, &err);
    assert_non_null(want);
    for (size_t refuse = 0;; refuse++) {
        struct counting c;
        counting_init(&c, refuse);
        err = (infer_error){ 0 };
        char *text = render_within(&c.allocator, &default_limits, source, variables, &err);
        assert_int_equal(c.live, 0);
        if (text) {
            assert_true(refuse > 10);
            assert_string_equal(text, want);
            free(text);
            break;
        }
        assert_int_equal(err.code, INFER_E_NOMEM);
    }
    free(want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(space_around_tags),
        cmocka_unit_test(expressions),
        cmocka_unit_test(statements),
        cmocka_unit_test(filters_of_lists),
        cmocka_unit_test(filters_of_values),
        cmocka_unit_test(methods),
        cmocka_unit_test(tests_of_values),
        cmocka_unit_test(mistakes_name_their_line),
        cmocka_unit_test(harm_is_refused_soon),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(limits_are_what_they_say),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
