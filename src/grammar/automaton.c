/* automaton.c - the automata of all rules put together, and what has to be known about them. */
#include "src/grammar/automaton.h"

#include "src/grammar/dfa.h"

enum {
    SMALL = 12,   /* a rule of no more than so many bytes is copied to where it is called, */
    LARGE = 2000, /* and up to this size one that is called once; neither if it calls rules itself */
    PASSES = 8    /* levels of rules that can be copied into each other */
};
static const uint64_t most_work = 100000000;

struct linker {
    struct automaton *m;
    struct maker maker;
    uint32_t *index;   /* (rules) its number in the automaton + 1; 0: not called so far */
    uint32_t *rule_of; /* (rules) of the grammar, for those of the automaton */
    uint32_t n;
    bool *inlined;
};

/* ---- Which rules are copied ---- */

struct inlining {
    uint32_t *cost; /* (expressions) bytes, rules copied in; saturating */
    bool *calls;    /* (expressions) calls a rule that is not copied */
    uint32_t *uses; /* (expressions) how often it occurs in all rules */
};

static uint32_t sum(uint32_t x, uint32_t y)
{
    return x + y < x ? UINT32_MAX : x + y;
}

static bool has_two(enum expr_kind kind)
{
    return kind == EXPR_SEQ || kind == EXPR_ALT || kind == EXPR_AND || kind == EXPR_MINUS;
}

/* Parts have lower numbers than what they are part of. */
static void count_uses(const struct exprs *g, uint32_t *uses, size_t n)
{
    for (size_t r = 0; r < g->n_rules; r++)
        uses[g->rules[r].expr] = sum(uses[g->rules[r].expr], 1);
    for (size_t i = n; i-- > EXPR_FIRST;) {
        const struct node node = exprs_node(g, (uint32_t)i);
        if (has_two(node.kind) || node.kind == EXPR_STAR)
            uses[node.a] = sum(uses[node.a], uses[i]);
        if (has_two(node.kind))
            uses[node.b] = sum(uses[node.b], uses[i]);
    }
}

static void weigh(const struct linker *l, struct inlining *in, size_t n)
{
    const struct exprs *g = l->maker.g;
    for (size_t i = EXPR_FIRST; i < n; i++) {
        const struct node node = exprs_node(g, (uint32_t)i);
        in->cost[i] = node.kind == EXPR_MULTIPLE ? node.a : 1;
        in->calls[i] = false;
        if (node.kind == EXPR_RULE) {
            const uint32_t body = g->rules[node.a].expr;
            in->cost[i] = l->inlined[node.a] ? in->cost[body] : 1;
            in->calls[i] = !l->inlined[node.a];
        } else if (has_two(node.kind) || node.kind == EXPR_STAR) {
            const uint32_t b = has_two(node.kind) ? node.b : EXPR_NEVER;
            in->cost[i] = sum(in->cost[node.a], in->cost[b]);
            in->calls[i] = in->calls[node.a] || in->calls[b];
        }
    }
}

static void choose(struct linker *l, struct inlining *in, size_t n)
{
    const struct exprs *g = l->maker.g;
    bool more = true;
    count_uses(g, in->uses, n);
    for (unsigned pass = 0; more && pass < PASSES; pass++) {
        more = false;
        weigh(l, in, n);
        for (uint32_t i = EXPR_FIRST; i < n; i++) {
            const struct node node = exprs_node(g, i);
            if (node.kind != EXPR_RULE || l->inlined[node.a] || g->rules[node.a].apart)
                continue;
            const uint32_t body = g->rules[node.a].expr;
            l->inlined[node.a] = !in->calls[body] && in->cost[body] <= (in->uses[i] == 1 ? LARGE : SMALL);
            more |= l->inlined[node.a];
        }
    }
}

static void choose_inlined(struct linker *l)
{
    struct exprs *g = l->maker.g;
    const size_t n = g->nodes.n + EXPR_FIRST;
    struct inlining in = { mem_new(g->a, n, sizeof *in.cost), mem_new(g->a, n, sizeof *in.calls),
                           mem_new(g->a, n, sizeof *in.uses) };
    if (in.cost && in.calls && in.uses)
        choose(l, &in, n);
    else
        exprs_nomem(g);
    mem_free(g->a, in.cost);
    mem_free(g->a, in.calls);
    mem_free(g->a, in.uses);
}

/* ---- Putting rules together ---- */

static uint32_t index_of(struct linker *l, uint32_t rule)
{
    if (!l->index[rule]) {
        l->rule_of[l->n] = rule;
        l->index[rule] = ++l->n;
    }
    return l->index[rule] - 1;
}

static bool append(struct linker *l, const struct dfa *d, uint32_t rule)
{
    struct automaton *m = l->m;
    const uint32_t base = (uint32_t)m->n_states;
    const uint32_t edges = (uint32_t)m->n_edges, calls = (uint32_t)m->n_calls;
    if (!mem_grow(m->a, &m->states, &m->room_states, m->n_states + d->n_states + 1, sizeof *m->states) ||
        !mem_grow(m->a, &m->edges, &m->room_edges, m->n_edges + d->n_edges, sizeof *m->edges) ||
        !mem_grow(m->a, &m->calls, &m->room_calls, m->n_calls + d->n_calls, sizeof *m->calls))
        return false;
    for (size_t i = 0; i < d->n_states; i++)
        m->states[m->n_states++] = (struct state){ .first_edge = edges + d->states[i].first_edge,
                                                   .first_call = calls + d->states[i].first_call,
                                                   .rule = rule,
                                                   .accepts = d->states[i].accepts };
    for (size_t i = 0; i < d->n_edges; i++)
        m->edges[m->n_edges++] = (struct edge){ base + d->edges[i].target, d->edges[i].first, d->edges[i].last };
    for (size_t i = 0; i < d->n_calls; i++)
        m->calls[m->n_calls++] = (struct call){ index_of(l, d->calls[i].rule), base + d->calls[i].target };
    m->states[m->n_states] = (struct state){ .first_edge = (uint32_t)m->n_edges, .first_call = (uint32_t)m->n_calls };
    return true;
}

static void make_rules(struct linker *l)
{
    struct exprs *g = l->maker.g;
    for (uint32_t r = 0; r < l->n && !g->status; r++) {
        struct dfa d;
        dfa_init(&d, g->a);
        dfa_make(&l->maker, g->rules[l->rule_of[r]].expr, &d);
        if (!g->status && !d.n_states && !dfa_add_state(&d, false))
            exprs_nomem(g);
        if (l->m->n_states + d.n_states > MOST_STATES)
            exprs_fail(g, INFER_E_ARGUMENT, "the grammar is too large: it needs more than %d states", MOST_STATES);
        l->m->start[r] = (uint32_t)l->m->n_states;
        if (!g->status && !append(l, &d, r))
            exprs_nomem(g);
        dfa_free(&d);
    }
    l->m->n_rules = l->n;
}

/* ---- Facts by iteration: a state has one if it accepts, or through an edge or a call ---- */

/* live: reaches the end of its rule. */
static void find_live(struct linker *l, bool *live)
{
    const struct automaton *m = l->m;
    bool more = true;
    while (more && maker_works(&l->maker, m->n_states)) {
        more = false;
        for (size_t i = m->n_states; i-- > 0;) {
            bool now = live[i] || m->states[i].accepts;
            for (uint32_t e = m->states[i].first_edge; !now && e < m->states[i + 1].first_edge; e++)
                now = live[m->edges[e].target];
            for (uint32_t c = m->states[i].first_call; !now && c < m->states[i + 1].first_call; c++)
                now = live[m->calls[c].target] && live[m->start[m->calls[c].rule]];
            more |= now != live[i];
            live[i] = now;
        }
    }
}

/* empty: reaches the end of its rule without a byte. */
static void find_empty(struct linker *l, bool *empty)
{
    const struct automaton *m = l->m;
    bool more = true;
    while (more && maker_works(&l->maker, m->n_states)) {
        more = false;
        for (size_t i = m->n_states; i-- > 0;) {
            bool now = empty[i] || m->states[i].accepts;
            for (uint32_t c = m->states[i].first_call; !now && c < m->states[i + 1].first_call; c++)
                now = empty[m->calls[c].target] && empty[m->start[m->calls[c].rule]];
            more |= now != empty[i];
            empty[i] = now;
        }
    }
}

/* Keep what is alive; everything moves down in its arrays. moved: new numbers of states. */
static void drop_dead(struct automaton *m, const bool *live, const uint32_t *moved)
{
    uint32_t n = 0, edges = 0, calls = 0;
    for (uint32_t i = 0; i < m->n_states; i++) {
        const struct state old = m->states[i], next = m->states[i + 1];
        if (!live[i])
            continue;
        m->states[n] = old;
        m->states[n].first_edge = edges;
        m->states[n++].first_call = calls;
        for (uint32_t e = old.first_edge; e < next.first_edge; e++)
            if (live[m->edges[e].target])
                m->edges[edges++] = (struct edge){ moved[m->edges[e].target], m->edges[e].first, m->edges[e].last };
        for (uint32_t c = old.first_call; c < next.first_call; c++)
            if (live[m->calls[c].target] && live[m->start[m->calls[c].rule]])
                m->calls[calls++] = (struct call){ m->calls[c].rule, moved[m->calls[c].target] };
    }
    m->n_states = n;
    m->n_edges = edges;
    m->n_calls = calls;
    m->states[n] = (struct state){ .first_edge = edges, .first_call = calls };
    for (size_t r = 0; r < m->n_rules; r++)
        m->start[r] = moved[m->start[r]];
}

/* ---- Left recursion: rules that call themselves before they have read anything ---- */

struct early { /* calls that a rule may make first */
    uint32_t from, to;
};

/* Mark the states of a rule that are reached without a byte; note its calls there. */
static bool early_calls(const struct automaton *m, uint32_t rule, const bool *empty, bool *reached, struct early **list,
                        size_t *n, size_t *room)
{
    const uint32_t start = m->start[rule];
    if (start == UINT32_MAX)
        return true;
    reached[start] = true;
    for (bool more = true; more;) {
        more = false;
        for (uint32_t i = start; i < m->n_states && m->states[i].rule == rule; i++) {
            if (!reached[i])
                continue;
            for (uint32_t c = m->states[i].first_call; c < m->states[i + 1].first_call; c++) {
                const struct call *call = &m->calls[c];
                if (empty[m->start[call->rule]] && !reached[call->target])
                    more = reached[call->target] = true;
            }
        }
    }
    for (uint32_t i = start; i < m->n_states && m->states[i].rule == rule; i++)
        for (uint32_t c = m->states[i].first_call; reached[i] && c < m->states[i + 1].first_call; c++) {
            if (!mem_grow(m->a, list, room, *n + 1, sizeof **list))
                return false;
            (*list)[(*n)++] = (struct early){ rule, m->calls[c].rule };
        }
    return true;
}

/* A rule on a cycle, or UINT32_MAX: rules that nobody calls first are taken away until none is left. Those that remain
 * all have a caller that remains, so going from caller to caller leads to a cycle. */
static uint32_t find_cycle(struct maker *maker, const struct early *list, size_t n, uint32_t n_rules, uint32_t *caller)
{
    for (bool more = true; more && maker_works(maker, n + n_rules);) {
        more = false;
        for (uint32_t r = 0; r < n_rules; r++)
            caller[r] = caller[r] == UINT32_MAX ? UINT32_MAX : n_rules;
        for (size_t i = 0; i < n; i++)
            if (caller[list[i].from] != UINT32_MAX && caller[list[i].to] != UINT32_MAX)
                caller[list[i].to] = list[i].from;
        for (uint32_t r = 0; r < n_rules; r++)
            if (caller[r] == n_rules) {
                caller[r] = UINT32_MAX;
                more = true;
            }
    }
    for (uint32_t r = 0; r < n_rules; r++)
        if (caller[r] != UINT32_MAX) {
            for (uint32_t i = 0; i < n_rules; i++)
                r = caller[r];
            return r;
        }
    return UINT32_MAX;
}

static void refuse_left_recursion(struct linker *l, const bool *empty)
{
    struct exprs *g = l->maker.g;
    struct automaton *m = l->m;
    bool *reached = mem_new(g->a, m->n_states, sizeof *reached);
    uint32_t *caller = mem_new(g->a, m->n_rules, sizeof *caller);
    struct early *list = NULL;
    size_t n = 0, room = 0;
    bool good = reached && caller;
    for (uint32_t r = 0; r < m->n_rules && good; r++)
        good = early_calls(m, r, empty, reached, &list, &n, &room);
    const uint32_t rule = good ? find_cycle(&l->maker, list, n, (uint32_t)m->n_rules, caller) : UINT32_MAX;
    if (!good)
        exprs_nomem(g);
    if (rule != UINT32_MAX)
        exprs_fail(g, INFER_E_ARGUMENT,
                   "rule \"%.64s\" is left-recursive: it may begin with itself; write it with * or "
                   "right recursion",
                   g->rules[l->rule_of[rule]].name.p);
    mem_free(g->a, list);
    mem_free(g->a, reached);
    mem_free(g->a, caller);
}

/* ---- What may follow a rule ---- */

static bool join(struct bytes *to, const struct bytes *from)
{
    bool more = false;
    for (int i = 0; i < 4; i++) {
        more |= (from->bit[i] & ~to->bit[i]) != 0;
        to->bit[i] |= from->bit[i];
    }
    return more;
}

static void own_bytes(const struct automaton *m, uint32_t i, struct bytes *first)
{
    for (uint32_t e = m->states[i].first_edge; e < m->states[i + 1].first_edge; e++)
        for (unsigned b = m->edges[e].first; b <= m->edges[e].last; b++)
            first->bit[b >> 6] |= 1ull << (b & 63);
}

/* first[i]: what state i may read next; follow[r]: what comes after the calls of rule r. */
static void find_follow(struct linker *l, const bool *empty, struct bytes *first)
{
    const struct automaton *m = l->m;
    for (uint32_t i = 0; i < m->n_states; i++)
        own_bytes(m, i, &first[i]);
    for (bool more = true; more && maker_works(&l->maker, m->n_states + 4 * m->n_calls);) {
        more = false;
        for (uint32_t i = (uint32_t)m->n_states; i-- > 0;)
            for (uint32_t c = m->states[i].first_call; c < m->states[i + 1].first_call; c++) {
                const struct call *call = &m->calls[c];
                more |= join(&first[i], &first[m->start[call->rule]]);
                if (empty[m->start[call->rule]])
                    more |= join(&first[i], &first[call->target]);
            }
    }
    for (bool more = true; more && maker_works(&l->maker, m->n_states + 4 * m->n_calls);) {
        more = false;
        for (uint32_t i = 0; i < m->n_states; i++)
            for (uint32_t c = m->states[i].first_call; c < m->states[i + 1].first_call; c++) {
                const struct call *call = &m->calls[c];
                more |= join(&m->follow[call->rule], &first[call->target]);
                if (empty[call->target])
                    more |= join(&m->follow[call->rule], &m->follow[m->states[i].rule]);
            }
    }
}

/* ---- The whole ---- */

static void find_classes(struct automaton *m)
{
    bool cut[257] = { true };
    for (size_t e = 0; e < m->n_edges; e++)
        cut[m->edges[e].first] = cut[m->edges[e].last + 1] = true;
    m->n_classes = 0;
    for (unsigned b = 0; b < 256; b++) {
        m->n_classes += cut[b];
        m->class_of[b] = (uint8_t)(m->n_classes - 1);
    }
}

static void analyse(struct linker *l)
{
    struct exprs *g = l->maker.g;
    struct automaton *m = l->m;
    const size_t n = m->n_states;
    bool *live = mem_new(g->a, n, sizeof *live), *empty = mem_new(g->a, n, sizeof *empty);
    uint32_t *moved = mem_new(g->a, n, sizeof *moved);
    struct bytes *first = mem_new(g->a, n, sizeof *first);
    if (!live || !empty || !moved || !first) {
        exprs_nomem(g);
    } else {
        find_live(l, live);
        if (!g->status && !live[m->start[0]])
            exprs_fail(g, INFER_E_ARGUMENT, "no text at all matches the grammar");
    }
    if (!g->status) {
        for (uint32_t i = 0, kept = 0; i < m->n_states; i++)
            moved[i] = live[i] ? kept++ : UINT32_MAX;
        drop_dead(m, live, moved);
        for (size_t i = 0; i < m->n_states; i++)
            m->states[i].tail = m->states[i].accepts && m->states[i].first_edge == m->states[i + 1].first_edge &&
                                m->states[i].first_call == m->states[i + 1].first_call;
        find_classes(m);
        find_empty(l, empty);
        refuse_left_recursion(l, empty);
    }
    if (!g->status)
        find_follow(l, empty, first);
    mem_free(g->a, live);
    mem_free(g->a, empty);
    mem_free(g->a, moved);
    mem_free(g->a, first);
}

infer_status automaton_make(struct automaton *m, struct exprs *g, uint32_t root)
{
    *m = (struct automaton){ .a = g->a };
    struct linker l = { .m = m, .maker = { .g = g, .work = most_work } };
    if (!g->status) {
        l.index = mem_new(g->a, g->n_rules, sizeof *l.index);
        l.rule_of = mem_new(g->a, g->n_rules, sizeof *l.rule_of);
        l.inlined = mem_new(g->a, g->n_rules, sizeof *l.inlined);
        m->start = mem_new(g->a, g->n_rules, sizeof *m->start);
        m->follow = mem_new(g->a, g->n_rules, sizeof *m->follow);
        l.maker.inlined = l.inlined;
        if (!l.index || !l.rule_of || !l.inlined || !m->start || !m->follow)
            exprs_nomem(g);
    }
    if (!g->status)
        choose_inlined(&l);
    if (!g->status) {
        index_of(&l, root);
        make_rules(&l);
    }
    if (!g->status)
        analyse(&l);
    mem_free(g->a, l.index);
    mem_free(g->a, l.rule_of);
    mem_free(g->a, l.inlined);
    if (g->status)
        automaton_free(m);
    return g->status;
}

void automaton_free(struct automaton *m)
{
    if (!m->a)
        return;
    mem_free(m->a, m->states);
    mem_free(m->a, m->edges);
    mem_free(m->a, m->calls);
    mem_free(m->a, m->start);
    mem_free(m->a, m->follow);
    *m = (struct automaton){ .a = NULL };
}
