/* regex.c - regular expressions, as the patterns of JSON Schema and most others have them.
 *
 * What is read: characters, classes, \d \w \s \D \W \S, \p{..} by general category, groups of all kinds, | * + ? {m,n}
 * also with ? or + behind them (the same texts match), ^ and $ at the ends, and at the start of a text (?=..) and
 * (?!..).
 * Back references, look-behind, \b and anchors elsewhere are refused: they are no regular expressions, or seldom. */
#include "src/grammar/dfa.h"
#include "src/grammar/json_text.h"
#include "src/grammar/notations.h"
#include "src/grammar/scan.h"

#include <utf8proc.h>

enum { MOST_STEPS = 10000000 }; /* to compile the pattern of a property's name */

struct reader {
    struct scan s;
    bool json; /* the characters stand within a JSON string */
};

static uint32_t read_alternatives(struct reader *r);

static uint32_t chars_of(struct reader *r, struct chars *runs, size_t n, bool inverted)
{
    return r->json ? json_chars(r->s.g, runs, n, inverted) : expr_chars(r->s.g, runs, n, inverted);
}

static uint32_t any_text(struct reader *r)
{
    return expr_star(r->s.g, chars_of(r, NULL, 0, true));
}

/* ---- Classes ---- */

static const struct shorthand {
    char letter;
    size_t n;
    struct chars runs[11];
} shorthands[] = {
    { 'd', 1, { { '0', '9' } } },
    { 'w', 4, { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } } },
    { 's',
      10,
      { { '\t', '\r' },
        { ' ', ' ' },
        { 0xa0, 0xa0 },
        { 0x1680, 0x1680 },
        { 0x2000, 0x200a },
        { 0x2028, 0x2029 },
        { 0x202f, 0x202f },
        { 0x205f, 0x205f },
        { 0x3000, 0x3000 },
        { 0xfeff, 0xfeff } } },
};

/* Add runs, or what is between them. */
static void add_runs(struct scan *s, const struct chars *runs, size_t n, bool inverted)
{
    uint32_t next = 0;
    for (size_t i = 0; i < n; i++) {
        if (!inverted)
            scan_add_run(s, runs[i].first, runs[i].last);
        else if (runs[i].first > next)
            scan_add_run(s, next, runs[i].first - 1);
        next = runs[i].last + 1;
    }
    if (inverted && next <= LAST_CHAR)
        scan_add_run(s, next, LAST_CHAR);
}

/* \p{L}, \p{Lu}, \P{..}: Unicode's general categories. */
static void add_category(struct scan *s, bool inverted)
{
    char name[3] = { 0 };
    size_t n = 0;
    const bool braces = scan_take(s, '{');
    while (s->p < s->end && n < (braces ? 2 : 1) && *s->p != '}')
        name[n++] = *s->p++;
    if ((braces && !scan_take(s, '}')) || !n) {
        scan_fail(s, "expected a general category of Unicode, such as {L} or {Nd}");
        return;
    }
    uint32_t first = LAST_CHAR + 1u;
    bool known = false;
    for (uint32_t c = 0; c <= LAST_CHAR + 1u; c++) {
        const char *category = c <= LAST_CHAR ? utf8proc_category_string((utf8proc_int32_t)c) : "";
        const bool is = c <= LAST_CHAR && !strncmp(category, name, n);
        const bool in = c <= LAST_CHAR && is != inverted;
        known |= is;
        if (in && first > LAST_CHAR)
            first = c;
        if (!in && first <= LAST_CHAR) {
            scan_add_run(s, first, c - 1);
            first = LAST_CHAR + 1u;
        }
    }
    if (!known)
        scan_fail(s, "expected a general category of Unicode, \"%s\" is none", name);
}

/* The character after a backslash that is none of the above. */
static uint32_t escaped_char(struct scan *s)
{
    const char c = s->p < s->end ? *s->p : 0;
    if ((c | 32) >= 'a' && (c | 32) <= 'z')
        s->p++;
    switch (c) {
    case 't': return '\t';
    case 'n': return '\n';
    case 'r': return '\r';
    case 'f': return '\f';
    case 'v': return '\v';
    case 'x': return scan_hex(s, 2);
    case 'c': return s->p < s->end ? (uint32_t)(*s->p++ & 31) : scan_fail(s, "expected a letter after \\c");
    case 'u':
        if (scan_take(s, '{')) {
            unsigned n = 0;
            while (s->end - s->p > (ptrdiff_t)n && s->p[n] != '}' && n < 8)
                n++;
            const uint32_t code = scan_hex(s, n);
            return scan_take(s, '}') ? code : scan_fail(s, "expected '}'");
        }
        return scan_hex(s, 4);
    default: break;
    }
    if (c == '0' && !(s->end - s->p > 1 && is_digit(s->p[1]))) {
        s->p++;
        return 0;
    }
    if (is_digit(c) || (c | 32) == 'b' || (c | 32) == 'k')
        return scan_fail(s, "back references and \\b cannot be a grammar");
    if ((c | 32) >= 'a' && (c | 32) <= 'z')
        return scan_fail(s, "expected an escape that is known, not \\%c", c);
    return scan_char(s);
}

/* After a backslash: the runs of \d, \w ..., or one character. True if it was a class. */
static bool read_escape(struct scan *s, bool in_class, uint32_t *c)
{
    const char letter = s->p < s->end ? *s->p : 0;
    for (size_t i = 0; i < sizeof shorthands / sizeof *shorthands; i++)
        if ((letter | 32) == shorthands[i].letter && (letter & ~32) >= 'A') {
            s->p++;
            add_runs(s, shorthands[i].runs, shorthands[i].n, letter < 'a');
            return true;
        }
    if (letter == 'p' || letter == 'P') {
        s->p++;
        add_category(s, letter == 'P');
        return true;
    }
    if (in_class && letter == 'b') {
        s->p++;
        *c = '\b';
        return false;
    }
    *c = escaped_char(s);
    return false;
}

static uint32_t read_class(struct reader *r)
{
    struct scan *s = &r->s;
    const bool inverted = scan_take(s, '^');
    s->n_runs = 0;
    while (!s->g->status && !scan_at(s, ']')) {
        uint32_t first = 0, last = 0;
        if (scan_take(s, '\\') ? read_escape(s, true, &first) : (first = scan_char(s), false))
            continue;
        last = first;
        if (scan_at(s, '-') && s->end - s->p > 1 && s->p[1] != ']') {
            s->p++;
            if (scan_take(s, '\\') ? read_escape(s, true, &last) : (last = scan_char(s), false)) {
                scan_add_run(s, '-', '-'); /* a-\d: three things */
                last = first;
            }
        }
        scan_add_run(s, first, last);
    }
    s->p++;
    return chars_of(r, s->runs, s->n_runs, inverted);
}

/* ---- Items ---- */

static uint32_t read_group(struct reader *r)
{
    struct scan *s = &r->s;
    if (++s->depth > MOST_GROUPS)
        return scan_fail(s, "expected at most %d groups within each other", MOST_GROUPS);
    if (scan_take(s, '?')) {
        if (scan_take_text(s, "P<") || (scan_at(s, '<') && s->end - s->p > 1 && s->p[1] != '=' && s->p[1] != '!')) {
            while (s->p < s->end && *s->p != '>')
                s->p++;
            s->p += s->p < s->end;
        } else if (!scan_take(s, ':')) {
            return scan_fail(s, "look-around elsewhere than at the start cannot be a grammar");
        }
    }
    const uint32_t x = read_alternatives(r);
    s->depth--;
    return s->g->status || scan_take(s, ')') ? x : scan_fail(s, "expected ')'");
}

/* What a repetition may stand after; false at the end of a sequence. */
static bool read_item(struct reader *r, uint32_t *x)
{
    struct scan *s = &r->s;
    static const struct chars line_ends[] = { { '\n', '\n' }, { '\r', '\r' }, { 0x2028, 0x2029 } };
    if (s->p == s->end || *s->p == '|' || *s->p == ')')
        return false;
    const char c = *s->p;
    s->n_runs = 0;
    if (scan_take(s, '(')) {
        *x = read_group(r);
    } else if (scan_take(s, '[')) {
        *x = read_class(r);
    } else if (scan_take(s, '.')) {
        add_runs(s, line_ends, 3, false);
        *x = chars_of(r, s->runs, s->n_runs, true);
    } else if (c == '^' || c == '$') {
        *x = scan_fail(s, "%c elsewhere than at an end cannot be a grammar", c);
    } else if (c == '*' || c == '+' || c == '?') {
        *x = scan_fail(s, "expected something to repeat");
    } else {
        uint32_t code = 0;
        const bool is_class = scan_take(s, '\\') ? read_escape(s, false, &code) : (code = scan_char(s), false);
        if (!is_class)
            scan_add_run(s, code, code);
        *x = chars_of(r, s->runs, s->n_runs, false);
    }
    return true;
}

/* A { that begins no repetition is a character. */
static bool at_repeat(const struct scan *s)
{
    const char *p = s->p + 1;
    if (!scan_at(s, '{'))
        return false;
    while (p < s->end && is_digit(*p))
        p++;
    const bool digits = p > s->p + 1;
    if (p < s->end && *p == ',')
        while (++p < s->end && is_digit(*p))
            ;
    return digits && p < s->end && *p == '}';
}

static uint32_t repeated(struct reader *r, uint32_t x)
{
    struct scan *s = &r->s;
    bool is_repeated = true;
    if (scan_take(s, '*'))
        x = expr_repeat(s->g, x, 0, UINT32_MAX);
    else if (scan_take(s, '+'))
        x = expr_repeat(s->g, x, 1, UINT32_MAX);
    else if (scan_take(s, '?'))
        x = expr_repeat(s->g, x, 0, 1);
    else if (at_repeat(s) && scan_take(s, '{'))
        x = scan_repeat(s, x);
    else
        is_repeated = false;
    if (is_repeated && !scan_take(s, '?'))
        scan_take(s, '+');
    return x;
}

static bool at_end_anchor(const struct scan *s)
{
    return scan_at(s, '$') && (s->end - s->p == 1 || s->p[1] == '|' || (s->depth && s->p[1] == ')'));
}

static uint32_t read_sequence(struct reader *r, bool anchors)
{
    struct exprs *g = r->s.g;
    uint32_t *items = NULL, x;
    size_t n = 0, room = 0;
    while (!g->status && !(anchors && at_end_anchor(&r->s)) && read_item(r, &x)) {
        if (!mem_grow(g->a, &items, &room, n + 1, sizeof *items))
            exprs_nomem(g);
        else
            items[n++] = repeated(r, x);
    }
    x = expr_seq_of(g, items, n);
    mem_free(g->a, items);
    return x;
}

static uint32_t read_alternatives(struct reader *r)
{
    uint32_t x = EXPR_NEVER;
    do
        x = expr_alt(r->s.g, x, read_sequence(r, false));
    while (!r->s.g->status && scan_take(&r->s, '|'));
    return x;
}

/* ---- The ends ---- */

static uint32_t read_open_alternatives(struct reader *r, bool from_start, bool to_end);

/* A sequence with what may stand before and after it, unless it is anchored. */
static uint32_t read_open_sequence(struct reader *r, bool from_start, bool to_end)
{
    struct scan *s = &r->s;
    struct exprs *g = s->g;
    while (scan_take(s, '^'))
        from_start = true;
    const bool ahead = scan_take_text(s, "(?="), none = !ahead && scan_take_text(s, "(?!");
    if (ahead || none) {
        if (!from_start || ++s->depth > MOST_GROUPS)
            return scan_fail(s, "look-around elsewhere than at the start cannot be a grammar");
        const uint32_t condition = read_open_alternatives(r, true, false);
        if (!g->status && !scan_take(s, ')'))
            return scan_fail(s, "expected ')'");
        const uint32_t rest = g->status ? EXPR_NEVER : read_open_sequence(r, true, to_end);
        s->depth--; /* the rest counts as nested, too: it is read by the same function */
        return ahead ? expr_and(g, rest, condition) : expr_minus(g, rest, condition);
    }
    const uint32_t x = read_sequence(r, true);
    const bool anchored = to_end | scan_take(s, '$');
    return expr_seq(g, from_start ? EXPR_EMPTY : any_text(r), expr_seq(g, x, anchored ? EXPR_EMPTY : any_text(r)));
}

static uint32_t read_open_alternatives(struct reader *r, bool from_start, bool to_end)
{
    uint32_t x = EXPR_NEVER;
    do
        x = expr_alt(r->s.g, x, read_open_sequence(r, from_start, to_end));
    while (!r->s.g->status && scan_take(&r->s, '|'));
    return x;
}

uint32_t regex_read_as(struct exprs *g, struct text text, bool whole, bool json)
{
    struct reader r = { .s = { .start = text.p, .p = text.p, .end = text.p + text.n, .g = g }, .json = json };
    uint32_t x = read_open_alternatives(&r, whole, whole);
    if (!g->status && r.s.p < r.s.end)
        x = scan_fail(&r.s, "expected the end of the regular expression");
    mem_free(g->a, r.s.runs);
    return x;
}

bool regex_matches(struct exprs *g, struct text pattern, struct text text)
{
    struct maker maker = { .g = g, .flat = 1, .work = MOST_STEPS };
    struct dfa d;
    uint32_t state = 0;
    dfa_init(&d, g->a);
    const uint32_t x = regex_read_as(g, pattern, false, false);
    if (!g->status)
        dfa_make(&maker, x, &d);
    bool good = !g->status && d.n_states;
    for (size_t i = 0; i < text.n && good; i++)
        good = dfa_step(&d, &state, (uint8_t)text.p[i]);
    good = good && d.states[state].accepts;
    dfa_free(&d);
    return good;
}

uint32_t regex_read(struct exprs *g, struct text text)
{
    return regex_read_as(g, text, true, false);
}
