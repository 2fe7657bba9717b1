/* expr.c - making expressions. Simplified on the way: never, empty, and what is the same twice. */
#include "src/grammar/expr.h"

#include "src/base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    CHUNK = 64,   /* longer repetitions of what is no single character are made of rules that repeat so often */
    LARGE = 4096, /* what would have more bytes and rules than that is a rule itself */
    MOST_COST = 65535
};

void exprs_init(struct exprs *g, const infer_allocator *a, infer_error *err)
{
    *g = (struct exprs){ .a = a, .err = err };
    arena_init(&g->arena, a);
    intern_init(&g->nodes, a);
    intern_init(&g->repeats, a);
}

void exprs_free(struct exprs *g)
{
    if (!g->a)
        return;
    arena_free(&g->arena);
    intern_free(&g->nodes);
    intern_free(&g->repeats);
    mem_free(g->a, g->sizes);
    mem_free(g->a, g->rules);
    mem_free(g->a, g->repeat_rule);
    g->a = NULL;
}

uint32_t exprs_fail(struct exprs *g, infer_status code, const char *format, ...)
{
    if (g->status)
        return EXPR_NEVER;
    char why[sizeof g->err->message];
    va_list list;
    va_start(list, format);
    vsnprintf(why, sizeof why, format, list);
    va_end(list);
    g->status = fail(g->err, code, "%s", why);
    return EXPR_NEVER;
}

uint32_t exprs_nomem(struct exprs *g)
{
    return exprs_fail(g, INFER_E_NOMEM, "out of memory for a grammar");
}

struct node exprs_node(const struct exprs *g, uint32_t expr)
{
    size_t n;
    const uint32_t *w = intern_get(&g->nodes, expr - EXPR_FIRST, &n);
    return (struct node){ (enum expr_kind)w[0], w[1], w[2] };
}

static unsigned depth_of(const struct exprs *g, uint32_t expr)
{
    return expr < EXPR_FIRST ? 0 : g->sizes[expr - EXPR_FIRST].depth;
}

static size_t cost_of(const struct exprs *g, uint32_t expr)
{
    return expr < EXPR_FIRST ? 0 : g->sizes[expr - EXPR_FIRST].cost;
}

/* How deep an expression is and how much is in it, from its parts. Lists are as deep as their deepest item. */
static struct expr_size size_of(const struct exprs *g, enum expr_kind kind, uint32_t a, uint32_t b)
{
    const bool is_list = kind == EXPR_SEQ || kind == EXPR_ALT, is_pair = kind == EXPR_AND || kind == EXPR_MINUS;
    if (!is_list && !is_pair && kind != EXPR_STAR)
        return (struct expr_size){ 1, kind == EXPR_MULTIPLE && a < MOST_COST ? (uint16_t)a : 1 };
    const unsigned left = depth_of(g, a) + 1, right = kind == EXPR_STAR ? 0 : depth_of(g, b) + is_pair;
    const size_t cost = cost_of(g, a) + (kind == EXPR_STAR ? 0 : cost_of(g, b));
    return (struct expr_size){ (uint16_t)(left > right ? left : right),
                               (uint16_t)(cost < MOST_COST ? cost : MOST_COST) };
}

static uint32_t make(struct exprs *g, enum expr_kind kind, uint32_t a, uint32_t b)
{
    if (g->status)
        return EXPR_NEVER;
    bool added;
    const uint32_t words[3] = { kind, a, b };
    const uint32_t id = intern_add(&g->nodes, words, 3, &added);
    if (id == INTERN_NONE)
        return exprs_nomem(g);
    if (!added)
        return id + EXPR_FIRST;
    if (id >= MOST_EXPRS)
        return exprs_fail(g, INFER_E_ARGUMENT, "the grammar is too large: more than %d expressions", MOST_EXPRS);
    if (!mem_grow(g->a, &g->sizes, &g->room_sizes, g->nodes.n, sizeof *g->sizes))
        return exprs_nomem(g);
    g->sizes[id] = size_of(g, kind, a, b);
    if (g->sizes[id].depth > MOST_NESTING)
        return exprs_fail(g, INFER_E_ARGUMENT, "the grammar is nested more than %d deep", MOST_NESTING);
    return id + EXPR_FIRST;
}

uint32_t expr_bytes(struct exprs *g, uint8_t first, uint8_t last)
{
    return make(g, EXPR_BYTES, first, last);
}

static bool is_kind(const struct exprs *g, uint32_t x, enum expr_kind kind)
{
    return x >= EXPR_FIRST && exprs_node(g, x).kind == kind;
}

/* Lists that begin with a list are nested the other way round, so that their length is no depth. */
static uint32_t make_list(struct exprs *g, enum expr_kind kind, uint32_t x, uint32_t y)
{
    uint32_t *items = NULL;
    size_t n = 0, room = 0;
    for (; is_kind(g, x, kind); x = exprs_node(g, x).b) {
        if (!mem_grow(g->a, &items, &room, n + 1, sizeof *items)) {
            mem_free(g->a, items);
            return exprs_nomem(g);
        }
        items[n++] = exprs_node(g, x).a;
    }
    y = make(g, kind, x, y);
    while (n)
        y = make(g, kind, items[--n], y);
    mem_free(g->a, items);
    return y;
}

uint32_t expr_seq(struct exprs *g, uint32_t x, uint32_t y)
{
    if (x == EXPR_NEVER || y == EXPR_NEVER)
        return EXPR_NEVER;
    return x == EXPR_EMPTY ? y : y == EXPR_EMPTY ? x : make_list(g, EXPR_SEQ, x, y);
}

uint32_t expr_alt(struct exprs *g, uint32_t x, uint32_t y)
{
    return x == EXPR_NEVER || x == y ? y : y == EXPR_NEVER ? x : make_list(g, EXPR_ALT, x, y);
}

uint32_t expr_star(struct exprs *g, uint32_t x)
{
    return x <= EXPR_EMPTY ? EXPR_EMPTY : is_kind(g, x, EXPR_STAR) ? x : make(g, EXPR_STAR, x, 0);
}

uint32_t expr_optional(struct exprs *g, uint32_t x)
{
    return expr_alt(g, x, EXPR_EMPTY);
}

uint32_t expr_and(struct exprs *g, uint32_t x, uint32_t y)
{
    if (x == EXPR_NEVER || y == EXPR_NEVER)
        return EXPR_NEVER;
    return x == y ? x : make(g, EXPR_AND, x, y);
}

uint32_t expr_minus(struct exprs *g, uint32_t x, uint32_t y)
{
    return x == EXPR_NEVER || x == y ? EXPR_NEVER : y == EXPR_NEVER ? x : make(g, EXPR_MINUS, x, y);
}

uint32_t expr_multiple(struct exprs *g, uint32_t m)
{
    return make(g, EXPR_MULTIPLE, m, 0);
}

uint32_t expr_rule(struct exprs *g, uint32_t rule)
{
    return make(g, EXPR_RULE, rule, 0);
}

uint32_t expr_text(struct exprs *g, const char *text, size_t n)
{
    uint32_t x = EXPR_EMPTY;
    while (n-- && !g->status)
        x = expr_seq(g, expr_bytes(g, (uint8_t)text[n], (uint8_t)text[n]), x);
    return g->status ? EXPR_NEVER : x;
}

uint32_t expr_seq_of(struct exprs *g, const uint32_t *list, size_t n)
{
    uint32_t x = EXPR_EMPTY;
    while (n--)
        x = expr_seq(g, list[n], x);
    return x;
}

uint32_t expr_alt_of(struct exprs *g, const uint32_t *list, size_t n)
{
    uint32_t x = EXPR_NEVER;
    while (n--)
        x = expr_alt(g, list[n], x);
    return x;
}

/* ---- Repetition ---- */

/* A rule of its own for an expression that many places share. */
static uint32_t shared_rule(struct exprs *g, uint32_t x)
{
    if (g->status)
        return EXPR_NEVER;
    bool added;
    const uint32_t id = intern_add(&g->repeats, &x, 1, &added);
    if (id == INTERN_NONE || !mem_grow(g->a, &g->repeat_rule, &g->room_repeats, g->repeats.n, sizeof *g->repeat_rule))
        return exprs_nomem(g);
    if (added) {
        g->repeat_rule[id] = exprs_add_rule(g, (struct text){ "repetition", 10 });
        if (g->status)
            return EXPR_NEVER;
        g->rules[g->repeat_rule[id]].expr = x;
        g->rules[g->repeat_rule[id]].defined = g->rules[g->repeat_rule[id]].apart = true;
    }
    return expr_rule(g, g->repeat_rule[id]);
}

static uint32_t in_place(struct exprs *g, uint32_t x, uint32_t n, bool fewer_too)
{
    uint32_t all = EXPR_EMPTY;
    while (n-- && !g->status)
        all = fewer_too ? expr_optional(g, expr_seq(g, x, all)) : expr_seq(g, x, all);
    return all;
}

static uint32_t chunk_of(struct exprs *g, uint32_t x)
{
    return shared_rule(g, in_place(g, x, CHUNK, false));
}

static uint32_t exactly(struct exprs *g, uint32_t x, uint32_t n)
{
    if (n <= CHUNK)
        return in_place(g, x, n, false);
    return expr_seq(g, exactly(g, chunk_of(g, x), n / CHUNK), in_place(g, x, n % CHUNK, false));
}

/* x{0,n}: whole chunks and what is left over. All but the last possible chunk can be followed by any part of one. */
static uint32_t at_most(struct exprs *g, uint32_t x, uint32_t n)
{
    if (n <= CHUNK)
        return in_place(g, x, n, true);
    const uint32_t chunk = chunk_of(g, x), part = shared_rule(g, in_place(g, x, CHUNK - 1, true));
    const uint32_t some = expr_seq(g, at_most(g, chunk, n / CHUNK - 1), part);
    const uint32_t most = expr_seq(g, exactly(g, chunk, n / CHUNK), in_place(g, x, n % CHUNK, true));
    return expr_alt(g, some, most);
}

uint32_t expr_repeat(struct exprs *g, uint32_t x, uint32_t least, uint32_t most)
{
    if (least > most)
        return EXPR_NEVER;
    const uint32_t count = most == UINT32_MAX ? least : most;
    if (count > MOST_REPEATS)
        return exprs_fail(g, INFER_E_ARGUMENT, "a repetition of %u times, expected at most %d", count, MOST_REPEATS);
    if (x == EXPR_NEVER)
        return least ? EXPR_NEVER : EXPR_EMPTY;
    if (count > 1 && cost_of(g, x) * (count < CHUNK ? count : CHUNK) > LARGE)
        x = shared_rule(g, x);
    return expr_seq(g, exactly(g, x, least), most == UINT32_MAX ? expr_star(g, x) : at_most(g, x, most - least));
}

/* ---- Characters ---- */

static int by_first(const void *x, const void *y)
{
    const struct chars *a = x, *b = y;
    return a->first < b->first ? -1 : a->first > b->first;
}

size_t chars_order(struct chars *runs, size_t n)
{
    size_t kept = 0;
    if (n)
        qsort(runs, n, sizeof *runs, by_first);
    for (size_t i = 0; i < n; i++) {
        if (kept && runs[i].first <= runs[kept - 1].last + 1)
            runs[kept - 1].last = runs[i].last > runs[kept - 1].last ? runs[i].last : runs[kept - 1].last;
        else
            runs[kept++] = runs[i];
    }
    return kept;
}

/* Runs of bytes that follow each other: the characters made of one byte of each. */
struct sequence {
    unsigned n;
    uint8_t first[4], last[4];
};

struct sequences { /* in the order of their characters */
    struct sequence *list;
    size_t n, room;
};

static void add_sequence(struct exprs *g, struct sequences *s, uint32_t first, uint32_t last, unsigned length)
{
    char low[4], high[4];
    if (g->status)
        return;
    if (!mem_grow(g->a, &s->list, &s->room, s->n + 1, sizeof *s->list)) {
        exprs_nomem(g);
        return;
    }
    struct sequence *one = &s->list[s->n++];
    one->n = length;
    utf8_write(low, first);
    utf8_write(high, last);
    memcpy(one->first, low, length);
    memcpy(one->last, high, length);
}

/* Characters whose UTF-8 has the same length: cut until the bytes after the first different one run over all values. */
static void add_same_length(struct exprs *g, struct sequences *s, uint32_t first, uint32_t last, unsigned length)
{
    for (unsigned i = 1; i < length; i++) {
        const uint32_t mask = (1u << 6 * i) - 1;
        if (first >> 6 * i == last >> 6 * i)
            continue;
        if (first & mask) {
            add_same_length(g, s, first, first | mask, length);
            add_same_length(g, s, (first | mask) + 1, last, length);
            return;
        }
        if ((last & mask) != mask) {
            add_same_length(g, s, first, (last & ~mask) - 1, length);
            add_same_length(g, s, last & ~mask, last, length);
            return;
        }
    }
    add_sequence(g, s, first, last, length);
}

/* Characters first..last, cut where the length of their UTF-8 changes and around the surrogates. */
static void add_run(struct exprs *g, struct sequences *s, uint32_t first, uint32_t last)
{
    static const struct {
        uint32_t first, last;
        unsigned length;
    } parts[] = {
        { 0, 0x7f, 1 }, { 0x80, 0x7ff, 2 }, { 0x800, 0xd7ff, 3 }, { 0xe000, 0xffff, 3 }, { 0x10000, 0x10ffff, 4 }
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const uint32_t low = first > parts[i].first ? first : parts[i].first;
        const uint32_t high = last < parts[i].last ? last : parts[i].last;
        if (low <= high)
            add_same_length(g, s, low, high, parts[i].length);
    }
}

/* Sequences that share their bytes before `at`: those with the same one there are put together. */
static uint32_t join_sequences(struct exprs *g, const struct sequence *s, size_t n, unsigned at)
{
    uint32_t x = EXPR_NEVER;
    if (n && (at == sizeof s->first || s->n == at))
        return EXPR_EMPTY;
    for (size_t end = n, i; end && !g->status; end = i) {
        const uint8_t first = s[end - 1].first[at], last = s[end - 1].last[at];
        for (i = end - 1; i && s[i - 1].first[at] == first && s[i - 1].last[at] == last;)
            i--;
        x = expr_alt(g, expr_seq(g, expr_bytes(g, first, last), join_sequences(g, s + i, end - i, at + 1)), x);
    }
    return x;
}

uint32_t expr_chars(struct exprs *g, struct chars *runs, size_t n, bool inverted)
{
    struct sequences s = { .n = 0 };
    uint32_t next = 0;
    n = chars_order(runs, n);
    for (size_t i = 0; i < n && !g->status; i++) {
        if (!inverted)
            add_run(g, &s, runs[i].first, runs[i].last);
        else if (runs[i].first > next)
            add_run(g, &s, next, runs[i].first - 1);
        next = runs[i].last + 1;
    }
    if (inverted && next <= LAST_CHAR)
        add_run(g, &s, next, LAST_CHAR);
    const uint32_t x = join_sequences(g, s.list, s.n, 0);
    mem_free(g->a, s.list);
    return x;
}

/* ---- Rules ---- */

uint32_t exprs_add_rule(struct exprs *g, struct text name)
{
    if (g->n_rules >= MOST_RULES)
        return exprs_fail(g, INFER_E_ARGUMENT, "the grammar has more than %d rules", MOST_RULES);
    char *copy = arena_text(&g->arena, name.p, name.n);
    if (!copy || !mem_grow(g->a, &g->rules, &g->room_rules, g->n_rules + 1, sizeof *g->rules))
        return exprs_nomem(g);
    g->rules[g->n_rules] = (struct rule){ .name = { copy, name.n } };
    return (uint32_t)g->n_rules++;
}
