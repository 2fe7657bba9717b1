/* nfa.c - from an expression to its deterministic automaton.
 *
 * First a non-deterministic one (Thompson's construction, 1968) is built from the end to the front: what an expression
 * becomes depends on the state that follows it, and the same expression before the same state is built once. So the
 * tails that alternatives share are shared here. Then sets of its states become the states of the deterministic one. Calls of rules are letters
 * like bytes. */
#include "src/grammar/dfa.h"

#include <stdlib.h>

enum link_kind { LINK_FREE, LINK_BYTES, LINK_CALL };
enum { NO_LINK = UINT32_MAX, MOST_COPIES = 20 /* of rules within each other */ };

struct link {
    uint32_t next; /* of the same state, or NO_LINK */
    uint32_t target, rule;
    uint8_t kind, first, last;
};

struct nfa {
    struct maker *m;
    const infer_allocator *a;
    uint32_t *head; /* (n) the first link of each state */
    size_t n, room;
    struct link *links;
    size_t n_links, room_links;
    struct intern built; /* expression, next state */
    uint32_t *built_state;
    size_t room_built;
    uint32_t *spine; /* lists that are being built */
    size_t n_spine, room_spine;
};

/* ---- Building ---- */

static bool is_failed(const struct nfa *n)
{
    return n->m->g->status;
}

static uint32_t new_state(struct nfa *n)
{
    if (!maker_works(n->m, 16))
        return 0;
    if (!mem_grow(n->a, &n->head, &n->room, n->n + 1, sizeof *n->head))
        return exprs_nomem(n->m->g);
    n->head[n->n] = NO_LINK;
    return (uint32_t)n->n++;
}

static void add_link(struct nfa *n, uint32_t from, struct link link)
{
    if (is_failed(n))
        return;
    if (!mem_grow(n->a, &n->links, &n->room_links, n->n_links + 1, sizeof *n->links)) {
        exprs_nomem(n->m->g);
        return;
    }
    link.next = n->head[from];
    n->links[n->n_links] = link;
    n->head[from] = (uint32_t)n->n_links++;
}

static void add_free(struct nfa *n, uint32_t from, uint32_t to)
{
    add_link(n, from, (struct link){ .kind = LINK_FREE, .target = to });
}

static void add_bytes(struct nfa *n, uint32_t from, uint8_t first, uint8_t last, uint32_t to)
{
    add_link(n, from, (struct link){ .kind = LINK_BYTES, .first = first, .last = last, .target = to });
}

static uint32_t *built(struct nfa *n, uint32_t expr, uint32_t next, bool *is_new)
{
    const uint32_t key[2] = { expr, next };
    const uint32_t id = intern_add(&n->built, key, 2, is_new);
    if (id == INTERN_NONE || !mem_grow(n->a, &n->built_state, &n->room_built, n->built.n, sizeof *n->built_state)) {
        exprs_nomem(n->m->g);
        return NULL;
    }
    return &n->built_state[id];
}

static uint32_t build(struct nfa *n, uint32_t expr, uint32_t next);

/* The items are built last to first. A tail that was built before is where to begin. */
static uint32_t build_seq(struct nfa *n, uint32_t expr, uint32_t next)
{
    const size_t base = n->n_spine;
    uint32_t state = next, *there = NULL;
    bool is_new = true;
    for (; exprs_node(n->m->g, expr).kind == EXPR_SEQ; expr = exprs_node(n->m->g, expr).b) {
        there = n->n_spine == base ? NULL : built(n, expr, next, &is_new);
        if (there && !is_new)
            break;
        if (!mem_grow(n->a, &n->spine, &n->room_spine, n->n_spine + 1, sizeof *n->spine))
            exprs_nomem(n->m->g);
        if (is_failed(n))
            return 0;
        n->spine[n->n_spine++] = expr;
    }
    state = there && !is_new ? *there : build(n, expr, next);
    while (n->n_spine > base && !is_failed(n)) {
        const uint32_t list = n->spine[--n->n_spine];
        state = build(n, exprs_node(n->m->g, list).a, state);
        if ((there = built(n, list, next, NULL)))
            *there = state;
    }
    return state;
}

static uint32_t build_alt(struct nfa *n, uint32_t expr, uint32_t next)
{
    const uint32_t state = new_state(n);
    for (; expr >= EXPR_FIRST && exprs_node(n->m->g, expr).kind == EXPR_ALT && !is_failed(n);
         expr = exprs_node(n->m->g, expr).b)
        add_free(n, state, build(n, exprs_node(n->m->g, expr).a, next));
    add_free(n, state, build(n, expr, next));
    return state;
}

static uint32_t build_star(struct nfa *n, uint32_t body, uint32_t next)
{
    const uint32_t state = new_state(n);
    add_free(n, state, next);
    add_free(n, state, build(n, body, state));
    return state;
}

static uint32_t build_dfa(struct nfa *n, const struct dfa *d, uint32_t next)
{
    const uint32_t base = (uint32_t)n->n;
    for (size_t i = 0; i < d->n_states && !is_failed(n); i++)
        new_state(n);
    for (size_t i = 0; i < d->n_states && !is_failed(n); i++) {
        const uint32_t from = base + (uint32_t)i;
        for (uint32_t e = d->states[i].first_edge; e < d->states[i + 1].first_edge; e++)
            add_bytes(n, from, d->edges[e].first, d->edges[e].last, base + d->edges[e].target);
        if (d->states[i].accepts)
            add_free(n, from, next);
    }
    return d->n_states ? base : new_state(n);
}

static uint32_t build_product(struct nfa *n, struct node node, uint32_t next)
{
    struct dfa x, y, both;
    dfa_init(&x, n->a);
    dfa_init(&y, n->a);
    dfa_init(&both, n->a);
    n->m->flat++;
    dfa_make(n->m, node.a, &x);
    dfa_make(n->m, node.b, &y);
    n->m->flat--;
    if (!is_failed(n))
        dfa_product(n->m, &x, &y, node.kind == EXPR_MINUS, &both);
    const uint32_t state = is_failed(n) ? 0 : build_dfa(n, &both, next);
    dfa_free(&x);
    dfa_free(&y);
    dfa_free(&both);
    return state;
}

/* A state for each remainder; a digit d leads from r to (10 r + d) mod m. */
static uint32_t build_multiple(struct nfa *n, uint32_t m, uint32_t next)
{
    const uint32_t base = (uint32_t)n->n;
    for (uint32_t r = 0; r < m && !is_failed(n); r++)
        new_state(n);
    for (uint32_t r = 0; r < m && !is_failed(n); r++)
        for (uint32_t d = 0; d < 10; d++)
            add_bytes(n, base + r, (uint8_t)('0' + d), (uint8_t)('0' + d), base + (10 * r + d) % m);
    add_free(n, base, next);
    return base;
}

static uint32_t build_rule(struct nfa *n, uint32_t rule, uint32_t next)
{
    struct maker *m = n->m;
    if (m->flat && ++m->depth > MOST_COPIES)
        return exprs_fail(m->g, INFER_E_UNKNOWN, "conditions on the same text cannot be combined: one of them recurs");
    if (m->flat || m->inlined[rule]) {
        const uint32_t copy = build(n, m->g->rules[rule].expr, next);
        m->depth -= m->flat != 0;
        return copy;
    }
    const uint32_t state = new_state(n);
    add_link(n, state, (struct link){ .kind = LINK_CALL, .rule = rule, .target = next });
    return state;
}

/* The state from which `expr` and then what follows `next` is read. */
static uint32_t build(struct nfa *n, uint32_t expr, uint32_t next)
{
    if (expr == EXPR_EMPTY || is_failed(n))
        return next;
    if (expr == EXPR_NEVER)
        return new_state(n);
    bool is_new;
    uint32_t *there = built(n, expr, next, &is_new), state = 0;
    if (!there || !is_new)
        return there ? *there : 0;
    const struct node node = exprs_node(n->m->g, expr);
    switch (node.kind) {
    case EXPR_BYTES:
        state = new_state(n);
        add_bytes(n, state, (uint8_t)node.a, (uint8_t)node.b, next);
        break;
    case EXPR_SEQ: state = build_seq(n, expr, next); break;
    case EXPR_ALT: state = build_alt(n, expr, next); break;
    case EXPR_STAR: state = build_star(n, node.a, next); break;
    case EXPR_RULE: state = build_rule(n, node.a, next); break;
    case EXPR_AND:
    case EXPR_MINUS: state = build_product(n, node, next); break;
    case EXPR_MULTIPLE: state = build_multiple(n, node.a, next); break;
    }
    if ((there = built(n, expr, next, NULL)))
        *there = state;
    return state;
}

/* ---- Sets of states ---- */

struct subsets {
    struct nfa *n;
    struct intern sets; /* states with links that are not free, and the last one, in order */
    uint32_t *seen;     /* (n->n) number of the closure that last met a state */
    uint32_t n_closures;
    uint32_t *found; /* (n->n) */
    size_t n_found;
    uint32_t *todo; /* (n->n) */
    size_t n_todo;
    struct link *letters; /* of the set at hand */
    size_t n_letters, room_letters;
};

static int by_number(const void *x, const void *y)
{
    const uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    return a < b ? -1 : a > b;
}

static void reach(struct subsets *s, uint32_t state)
{
    if (s->seen[state] == s->n_closures)
        return;
    s->seen[state] = s->n_closures;
    s->todo[s->n_todo++] = state;
}

static void begin_set(struct subsets *s)
{
    s->n_closures++;
    s->n_found = s->n_todo = 0;
}

/* Follow free links from the states reached; the id of the set. */
static uint32_t end_set(struct subsets *s)
{
    const struct nfa *n = s->n;
    uint64_t steps = 1;
    while (s->n_todo) {
        const uint32_t state = s->todo[--s->n_todo];
        bool matters = state == 0; /* the end */
        for (uint32_t l = n->head[state]; l != NO_LINK; l = n->links[l].next, steps++) {
            if (n->links[l].kind == LINK_FREE)
                reach(s, n->links[l].target);
            else
                matters = true;
        }
        if (matters)
            s->found[s->n_found++] = state;
    }
    qsort(s->found, s->n_found, sizeof *s->found, by_number);
    const uint32_t id = intern_add(&s->sets, s->found, s->n_found, NULL);
    if (id == INTERN_NONE)
        return exprs_nomem(n->m->g);
    if (id >= MOST_RULE_STATES)
        return exprs_fail(n->m->g, INFER_E_ARGUMENT,
                          "the grammar is too complex: a part of it needs more than %d states", MOST_RULE_STATES);
    maker_works(n->m, steps + s->n_found);
    return id;
}

/* All letters of a set into s->letters. Returns whether the set ends the expression. */
static bool take_letters(struct subsets *s, uint32_t id)
{
    size_t count;
    const uint32_t *states = intern_get(&s->sets, id, &count);
    bool ends = false;
    s->n_letters = 0;
    for (size_t i = 0; i < count; i++) {
        ends |= states[i] == 0;
        for (uint32_t l = s->n->head[states[i]]; l != NO_LINK; l = s->n->links[l].next) {
            if (s->n->links[l].kind == LINK_FREE)
                continue;
            if (!mem_grow(s->n->a, &s->letters, &s->room_letters, s->n_letters + 1, sizeof *s->letters)) {
                exprs_nomem(s->n->m->g);
                return false;
            }
            s->letters[s->n_letters++] = s->n->links[l];
        }
    }
    return ends;
}

static bool take_bytes(struct subsets *s, struct dfa *out)
{
    bool cut[257] = { true }, good = true;
    for (size_t i = 0; i < s->n_letters; i++)
        if (s->letters[i].kind == LINK_BYTES)
            cut[s->letters[i].first] = cut[s->letters[i].last + 1] = true;
    for (unsigned first = 0, last; first < 256 && good && !is_failed(s->n); first = last + 1) {
        for (last = first; last < 255 && !cut[last + 1];)
            last++;
        begin_set(s);
        for (size_t i = 0; i < s->n_letters; i++)
            if (s->letters[i].kind == LINK_BYTES && s->letters[i].first <= first && first <= s->letters[i].last)
                reach(s, s->letters[i].target);
        maker_works(s->n->m, s->n_letters);
        if (s->n_todo)
            good = dfa_add_edge(out, (uint8_t)first, (uint8_t)last, end_set(s));
    }
    return good;
}

static bool take_calls(struct subsets *s, struct dfa *out)
{
    bool good = true;
    for (size_t i = 0; i < s->n_letters && good && !is_failed(s->n); i++) {
        if (s->letters[i].kind != LINK_CALL)
            continue;
        const uint32_t rule = s->letters[i].rule;
        begin_set(s);
        for (size_t j = i; j < s->n_letters; j++)
            if (s->letters[j].kind == LINK_CALL && s->letters[j].rule == rule) {
                s->letters[j].kind = LINK_FREE; /* done */
                reach(s, s->letters[j].target);
            }
        maker_works(s->n->m, s->n_letters);
        good = dfa_add_call(out, rule, end_set(s));
    }
    return good;
}

static void determinize(struct nfa *n, uint32_t start, struct dfa *out)
{
    struct subsets s = { .n = n };
    intern_init(&s.sets, n->a);
    s.seen = mem_new(n->a, n->n, sizeof *s.seen);
    s.found = mem_new(n->a, n->n, sizeof *s.found);
    s.todo = mem_new(n->a, n->n, sizeof *s.todo);
    bool good = s.seen && s.found && s.todo;
    if (good) {
        begin_set(&s);
        reach(&s, start);
        end_set(&s);
    }
    for (uint32_t id = 0; good && !is_failed(n) && id < s.sets.n; id++) {
        const bool ends = take_letters(&s, id);
        good = dfa_add_state(out, ends) && take_bytes(&s, out) && take_calls(&s, out);
    }
    if (!good)
        exprs_nomem(n->m->g);
    intern_free(&s.sets);
    mem_free(n->a, s.seen);
    mem_free(n->a, s.found);
    mem_free(n->a, s.todo);
    mem_free(n->a, s.letters);
}

void dfa_make(struct maker *m, uint32_t expr, struct dfa *out)
{
    struct nfa n = { .m = m, .a = m->g->a };
    intern_init(&n.built, n.a);
    new_state(&n); /* 0, the end */
    const uint32_t start = is_failed(&n) ? 0 : build(&n, expr, 0);
    if (!is_failed(&n))
        determinize(&n, start, out);
    if (!is_failed(&n))
        dfa_minimize(m, out);
    intern_free(&n.built);
    mem_free(n.a, n.head);
    mem_free(n.a, n.links);
    mem_free(n.a, n.built_state);
    mem_free(n.a, n.spine);
}
