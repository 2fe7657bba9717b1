/* lex.c - template source to tokens, in the environment that chat templates are written for: the newline after a block
 * goes (trim_blocks), so does the space before one that begins its line (lstrip_blocks). */
#include "src/base/error.h"
#include "src/base/utf8.h"
#include "src/chat/template.h"

#include <stdio.h>

bool lexer_open(struct lexer *l, struct arena *arena, struct text source, infer_error *err)
{
    char *copy = arena_text(arena, source.p, source.n), *to = copy;
    if (!copy)
        return fail_memory(err, "a template"), false;
    for (size_t i = 0; i < source.n; i++) {
        const bool pair = copy[i] == '\r' && i + 1 < source.n && copy[i + 1] == '\n';
        *to++ = copy[i] == '\r' ? '\n' : copy[i];
        i += pair;
    }
    to -= to > copy && to[-1] == '\n';
    *l = (struct lexer){ .at = copy, .end = to, .arena = arena, .line = 1, .line_start = true, .err = err };
    return true;
}

static struct token mistake(struct lexer *l, const char *what)
{
    if (!l->failed)
        fail(l->err, INFER_E_FORMAT, "template line %u: %s", l->line, what);
    l->failed = true;
    l->at = l->end;
    return (struct token){ .kind = TOKEN_EOF, .line = l->line };
}

static size_t left(const struct lexer *l)
{
    return (size_t)(l->end - l->at);
}

static bool looking_at(const struct lexer *l, const char *s)
{
    const size_t n = strlen(s);
    return left(l) >= n && !memcmp(l->at, s, n);
}

static void skip(struct lexer *l, size_t n)
{
    for (; n; n--, l->at++)
        l->line += *l->at == '\n';
}

static void skip_space(struct lexer *l)
{
    const struct text rest = { l->at, left(l) };
    skip(l, rest.n - text_trim(rest, TRIM_LEFT, NULL).n);
}

/* ---- Text and what ends it ---- */

/* First place of an opening bracket, or the end. */
static const char *find_tag(const char *p, const char *end)
{
    for (; (p = memchr(p, '{', (size_t)(end - p))); p++)
        if (p + 1 < end && (p[1] == '{' || p[1] == '%' || p[1] == '#'))
            return p;
    return end;
}

/* What comes before a tag, without what the tag takes away: all space for -, the space of its line for blocks. */
static struct text before_tag(const struct lexer *l, const char *from, const char *tag, bool block)
{
    struct text s = { from, (size_t)(tag - from) };
    const char sign = tag + 2 < l->end ? tag[2] : 0;
    if (sign == '-')
        return text_trim(s, TRIM_RIGHT, NULL);
    if (sign == '+' || !block)
        return s;
    const char *line = s.n ? memrchr(s.p, '\n', s.n) : NULL;
    const size_t at = line ? (size_t)(line - s.p) + 1 : 0;
    const struct text last = { s.p + at, s.n - at };
    if ((line || l->line_start) && !text_trim(last, TRIM_LEFT, NULL).n)
        s.n = at;
    return s;
}

/* The end of a tag is at l->at: with its sign, and the newline of blocks. */
static void end_tag(struct lexer *l, bool newline)
{
    const char sign = *l->at == '-' || *l->at == '+' ? *l->at : 0;
    skip(l, sign ? 3 : 2);
    if (sign == '-')
        skip_space(l);
    else if (newline && !sign && looking_at(l, "\n"))
        skip(l, 1);
    l->line_start = l->at[-1] == '\n';
}

static bool end_comment(struct lexer *l)
{
    const char *close = memmem(l->at + 2, left(l) - 2, "#}", 2);
    if (!close)
        return mistake(l, "a comment has no end").kind != TOKEN_EOF;
    const bool sign = close > l->at + 2 && (close[-1] == '-' || close[-1] == '+');
    skip(l, (size_t)(close - l->at) - sign);
    end_tag(l, true);
    return true;
}

/* "{% name %}" at p, with any signs; returns its end tag's place, or NULL. */
static const char *tag_of(const struct lexer *l, const char *p, const char *name)
{
    struct text rest = { p + 2, (size_t)(l->end - p) - 2 };
    if (rest.n && (*rest.p == '-' || *rest.p == '+'))
        rest = (struct text){ rest.p + 1, rest.n - 1 };
    rest = text_trim(rest, TRIM_LEFT, NULL);
    const size_t n = strlen(name);
    if (rest.n < n || memcmp(rest.p, name, n))
        return NULL;
    rest = text_trim((struct text){ rest.p + n, rest.n - n }, TRIM_LEFT, NULL);
    const bool sign = rest.n && (*rest.p == '-' || *rest.p == '+');
    return rest.n >= 2u + sign && !memcmp(rest.p + sign, "%}", 2) ? rest.p : NULL;
}

/* After {% raw %}: all up to {% endraw %} is text. */
static struct token raw_text(struct lexer *l)
{
    const char *from = l->at, *p = from, *close = NULL;
    for (; (p = memmem(p, (size_t)(l->end - p), "{%", 2)); p += 2)
        if ((close = tag_of(l, p, "endraw")))
            break;
    if (!p)
        return mistake(l, "a raw block has no {% endraw %}");
    const struct token t = { .kind = TOKEN_TEXT, .line = l->line, .text = before_tag(l, from, p, true) };
    skip(l, (size_t)(close - l->at));
    end_tag(l, true);
    return t;
}

static struct token lex_text(struct lexer *l)
{
    for (;;) {
        const char *from = l->at, *tag = find_tag(from, l->end);
        const struct token t = { .kind = TOKEN_TEXT,
                                 .line = l->line,
                                 .text = tag == l->end ? (struct text){ from, (size_t)(tag - from) }
                                                       : before_tag(l, from, tag, tag[1] != '{') };
        skip(l, (size_t)(tag - from));
        if (t.text.n || tag == l->end) { /* seen again from the tag on, with no text before it */
            return tag == l->end && !t.text.n ? (struct token){ .kind = TOKEN_EOF, .line = l->line } : t;
        }
        const char *close;
        if (tag[1] == '#') {
            if (!end_comment(l))
                return (struct token){ .kind = TOKEN_EOF, .line = l->line };
        } else if (tag[1] == '%' && (close = tag_of(l, tag, "raw"))) {
            skip(l, (size_t)(close - l->at));
            end_tag(l, false);
            return raw_text(l);
        } else {
            const struct token begin = { .kind = tag[1] == '%' ? TOKEN_BEGIN : TOKEN_PRINT, .line = l->line };
            l->state = tag[1] == '%' ? LEX_BLOCK : LEX_PRINT;
            l->n_open = 0;
            skip(l, 2);
            if (looking_at(l, "-") || (tag[1] == '%' && looking_at(l, "+")))
                skip(l, 1);
            return begin;
        }
    }
}

/* ---- Within tags ---- */

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'z' ? c - 'a' + 10
           : c >= 'A' && c <= 'Z' ? c - 'A' + 10
                                  : 99;
}

/* \xHH, \uHHHH, \UHHHHHHHH, \ooo; false for what is no such escape. *p stands after the backslash. */
static bool numeric_escape(const char **p, const char *end, uint32_t *code)
{
    const bool octal = **p >= '0' && **p <= '7';
    const size_t most = octal ? 3 : **p == 'x' ? 2 : **p == 'u' ? 4 : **p == 'U' ? 8 : 0;
    const char *q = *p + !octal;
    size_t n = 0;
    *code = 0;
    for (; n < most && q < end && digit_of(*q) < (octal ? 8 : 16); n++)
        *code = *code * (octal ? 8 : 16) + (uint32_t)digit_of(*q++);
    if (!most || (!octal && n < most) || *code > 0x10ffff)
        return false;
    if (*code >= 0xd800 && *code < 0xe000) /* half of a pair is no character */
        *code = 0xfffd;
    *p = q;
    return true;
}

static struct token lex_string(struct lexer *l)
{
    static const char letters[] = "n\nt\tr\rb\bf\fv\va\a\\\\\"\"''";
    const char quote = *l->at, *p = l->at + 1;
    const uint32_t line = l->line;
    while (p < l->end && *p != quote)
        p += *p == '\\' && p + 1 < l->end ? 2 : 1;
    if (p >= l->end)
        return mistake(l, "a string has no end");
    char *value = arena_new(l->arena, (size_t)(p - l->at), 1), *to = value;
    if (!value) {
        fail_memory(l->err, "a template");
        l->failed = true;
        return (struct token){ .kind = TOKEN_EOF };
    }
    for (const char *q = l->at + 1; q < p;) {
        uint32_t code;
        if (*q != '\\') {
            *to++ = *q++;
            continue;
        }
        const char *letter = letters;
        q++;
        while (*letter && *letter != *q)
            letter += 2;
        if (*letter) {
            *to++ = letter[1];
            q++;
        } else if (*q == '\n') {
            q++;
        } else if (numeric_escape(&q, p, &code)) {
            to += utf8_write(to, code);
        } else {
            *to++ = '\\';
        }
    }
    skip(l, (size_t)(p - l->at) + 1);
    return (struct token){ .kind = TOKEN_STRING, .line = line, .text = { value, (size_t)(to - value) } };
}

static struct token lex_number(struct lexer *l)
{
    struct token t = { .kind = TOKEN_INT, .line = l->line, .text = { l->at, 0 } };
    const char *p = l->at;
    const char mark = left(l) > 1 && p[0] == '0' ? (char)(p[1] | 0x20) : 0;
    const unsigned base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
    char digits[64];
    size_t n = 0;
    p += base == 10 ? 0 : 2;
    for (; p < l->end; p++) {
        const bool point = base == 10 && *p == '.' && t.kind == TOKEN_INT && p + 1 < l->end && digit_of(p[1]) < 10;
        const bool power = base == 10 && (*p | 0x20) == 'e' && p + 1 < l->end &&
                           (digit_of(p[1]) < 10 || (p + 2 < l->end && strchr("+-", p[1]) && digit_of(p[2]) < 10));
        if (digit_of(*p) >= (int)base && *p != '_' && !point && !power)
            break;
        if (point || power)
            t.kind = TOKEN_FLOAT;
        if (*p != '_' && n < sizeof digits - 1)
            digits[n++] = *p;
        if (power && n < sizeof digits - 1)
            digits[n++] = *++p;
    }
    t.text.n = (size_t)(p - t.text.p);
    const struct text s = { digits, n };
    if (n == sizeof digits - 1 || !(t.kind == TOKEN_INT ? text_int(s, base, &t.i) : text_real(s, &t.f)))
        return mistake(l, "a number that is too large");
    l->at = p;
    return t;
}

static bool is_name(char c, bool first)
{
    return c == '_' || (uint8_t)c >= 0x80 || (digit_of(c) < 36 && (!first || digit_of(c) >= 10));
}

static struct token lex_operator(struct lexer *l)
{
    static const char *const doubles[] = { "==e", "!=n", "<=l", ">=g", "//f", "**p" };
    struct token t = { .kind = TOKEN_OPERATOR, .op = *l->at, .line = l->line, .text = { l->at, 1 } };
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++)
        if (left(l) > 1 && !memcmp(l->at, doubles[i], 2)) {
            t.op = doubles[i][2];
            t.text.n = 2;
        }
    if (t.text.n == 1 && !strchr("+-*/%~<>=()[]{}.,:|;", t.op)) {
        char what[32];
        snprintf(what, sizeof what, t.op > ' ' ? "'%c' is not expected" : "byte %d is not expected", t.op);
        return mistake(l, what);
    }
    if (strchr("([{", t.op))
        l->n_open++;
    else if (strchr(")]}", t.op) && !l->n_open--)
        return mistake(l, "a bracket is closed that was not opened");
    l->at += t.text.n;
    return t;
}

static struct token lex_tag(struct lexer *l)
{
    skip_space(l);
    if (l->at == l->end)
        return mistake(l, l->state == LEX_BLOCK ? "a tag has no %}" : "a tag has no }}");
    const bool block = l->state == LEX_BLOCK, sign = *l->at == '-' || (block && *l->at == '+');
    const char *close = block ? "%}" : "}}";
    if (!l->n_open && left(l) >= 2u + sign && !memcmp(l->at + sign, close, 2)) {
        const struct token t = { .kind = block ? TOKEN_END : TOKEN_PRINT_END, .line = l->line };
        end_tag(l, block);
        l->state = LEX_TEXT;
        return t;
    }
    if (digit_of(*l->at) < 10)
        return lex_number(l);
    if (*l->at == '"' || *l->at == '\'')
        return lex_string(l);
    if (!is_name(*l->at, true))
        return lex_operator(l);
    struct token t = { .kind = TOKEN_NAME, .line = l->line, .text = { l->at, 0 } };
    while (l->at < l->end && is_name(*l->at, false))
        l->at++;
    t.text.n = (size_t)(l->at - t.text.p);
    return t;
}

struct token lexer_next(struct lexer *l)
{
    if (l->failed)
        return (struct token){ .kind = TOKEN_EOF, .line = l->line };
    return l->state == LEX_BLOCK || l->state == LEX_PRINT ? lex_tag(l) : lex_text(l);
}
