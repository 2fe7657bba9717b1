/* dfa.c - products of deterministic automata, and the smallest one that reads the same. */
#include "src/grammar/dfa.h"

void dfa_init(struct dfa *d, const infer_allocator *a)
{
    *d = (struct dfa){ .a = a };
}

void dfa_free(struct dfa *d)
{
    mem_free(d->a, d->states);
    mem_free(d->a, d->edges);
    mem_free(d->a, d->calls);
    dfa_init(d, d->a);
}

bool dfa_add_state(struct dfa *d, bool accepts)
{
    if (!mem_grow(d->a, &d->states, &d->room_states, d->n_states + 2, sizeof *d->states))
        return false;
    const struct dfa_state begin = { (uint32_t)d->n_edges, (uint32_t)d->n_calls, accepts };
    d->states[d->n_states] = d->states[d->n_states + 1] = begin;
    d->n_states++;
    return true;
}

/* Edges come in order; one that goes on where the last one ended is joined to it. */
bool dfa_add_edge(struct dfa *d, uint8_t first, uint8_t last, uint32_t target)
{
    struct edge *before = d->n_edges > d->states[d->n_states - 1].first_edge ? &d->edges[d->n_edges - 1] : NULL;
    if (before && before->target == target && before->last + 1 == first) {
        before->last = last;
        return true;
    }
    if (!mem_grow(d->a, &d->edges, &d->room_edges, d->n_edges + 1, sizeof *d->edges))
        return false;
    d->edges[d->n_edges++] = (struct edge){ target, first, last };
    d->states[d->n_states].first_edge = (uint32_t)d->n_edges;
    return true;
}

bool dfa_add_call(struct dfa *d, uint32_t rule, uint32_t target)
{
    if (!mem_grow(d->a, &d->calls, &d->room_calls, d->n_calls + 1, sizeof *d->calls))
        return false;
    d->calls[d->n_calls++] = (struct call){ rule, target };
    d->states[d->n_states].first_call = (uint32_t)d->n_calls;
    return true;
}

bool maker_works(struct maker *m, uint64_t steps)
{
    if (m->work < steps)
        exprs_fail(m->g, INFER_E_ARGUMENT, "the grammar is too complex: it takes too many steps to compile");
    m->work -= m->work < steps ? m->work : steps;
    return !m->g->status;
}

/* ---- Product ---- */

#define NOWHERE UINT32_MAX

bool dfa_step(const struct dfa *d, uint32_t *state, uint8_t byte)
{
    for (uint32_t e = d->states[*state].first_edge; e < d->states[*state + 1].first_edge; e++)
        if (d->edges[e].first <= byte && byte <= d->edges[e].last) {
            *state = d->edges[e].target;
            return true;
        }
    return false;
}

static uint32_t target_of(const struct dfa *d, uint32_t state, uint8_t byte)
{
    return state != NOWHERE && dfa_step(d, &state, byte) ? state : NOWHERE;
}

static void cut_at_edges(const struct dfa *d, uint32_t state, bool *cut)
{
    for (uint32_t e = d->states[state].first_edge; e < d->states[state + 1].first_edge; e++)
        cut[d->edges[e].first] = cut[d->edges[e].last + 1] = true;
}

/* The state of the product whose id is `id`, with its edges. */
static bool product_state(struct maker *m, const struct dfa *x, const struct dfa *y, bool minus, struct intern *pairs,
                          uint32_t id, struct dfa *out)
{
    size_t n;
    const uint32_t *words = intern_get(pairs, id, &n), a = words[0], b = words[1];
    const bool in_y = b != NOWHERE && y->states[b].accepts;
    bool cut[257] = { true };
    if (!dfa_add_state(out, x->states[a].accepts && in_y != minus))
        return false;
    cut_at_edges(x, a, cut);
    if (b != NOWHERE)
        cut_at_edges(y, b, cut);
    for (unsigned first = 0, last; first < 256; first = last + 1) {
        for (last = first; last < 255 && !cut[last + 1];)
            last++;
        const uint32_t to[2] = { target_of(x, a, (uint8_t)first), target_of(y, b, (uint8_t)first) };
        if (to[0] == NOWHERE || (to[1] == NOWHERE && !minus))
            continue;
        const uint32_t target = intern_add(pairs, to, 2, NULL);
        if (target == INTERN_NONE || !dfa_add_edge(out, (uint8_t)first, (uint8_t)last, target) || !maker_works(m, 16))
            return false;
    }
    return true;
}

void dfa_product(struct maker *m, const struct dfa *x, const struct dfa *y, bool minus, struct dfa *out)
{
    struct intern pairs;
    const uint32_t start[2] = { 0, y->n_states ? 0 : NOWHERE };
    if (!x->n_states || (!y->n_states && !minus))
        return;
    intern_init(&pairs, m->g->a);
    bool good = intern_add(&pairs, start, 2, NULL) != INTERN_NONE;
    for (uint32_t id = 0; good && id < pairs.n; id++) {
        if (id >= MOST_RULE_STATES)
            exprs_fail(m->g, INFER_E_ARGUMENT, "conditions on the same text need more than %d states together",
                       MOST_RULE_STATES);
        good = !m->g->status && product_state(m, x, y, minus, &pairs, id, out);
    }
    if (!good)
        exprs_nomem(m->g); /* unless it is something else */
    intern_free(&pairs);
    if (good)
        dfa_minimize(m, out);
}

/* ---- The smallest ---- */

/* Steps from each state to the nearest one that accepts, NOWHERE if there is none. */
static void find_distances(struct maker *m, const struct dfa *d, uint32_t *distance)
{
    bool more = true;
    for (size_t i = 0; i < d->n_states; i++)
        distance[i] = d->states[i].accepts ? 0 : NOWHERE;
    while (more && maker_works(m, d->n_edges + d->n_calls)) {
        more = false;
        for (size_t i = d->n_states; i-- > 0;) {
            uint32_t least = distance[i];
            for (uint32_t e = d->states[i].first_edge; e < d->states[i + 1].first_edge; e++)
                if (distance[d->edges[e].target] + 1ull < least)
                    least = distance[d->edges[e].target] + 1;
            for (uint32_t c = d->states[i].first_call; c < d->states[i + 1].first_call; c++)
                if (distance[d->calls[c].target] + 1ull < least)
                    least = distance[d->calls[c].target] + 1;
            more |= least != distance[i];
            distance[i] = least;
        }
    }
}

struct partition {
    const struct dfa *d;
    const uint32_t *distance; /* (n_states) */
    uint32_t *part;           /* (n_states) */
    struct intern signatures;
    uint32_t *words; /* one signature */
    size_t n_words;
};

/* What tells a state apart: its part so far, and the parts that its edges and calls lead to. */
static void sign(struct partition *p, uint32_t i)
{
    const struct dfa *d = p->d;
    uint32_t *w = p->words, *before = NULL;
    *w++ = p->part[i];
    for (uint32_t e = d->states[i].first_edge; e < d->states[i + 1].first_edge; e++) {
        const struct edge *edge = &d->edges[e];
        if (p->distance[edge->target] == NOWHERE)
            continue;
        const uint32_t part = p->part[edge->target];
        if (before && before[1] == part && (before[0] & 0xff) + 1 == edge->first) {
            before[0] = (before[0] & 0xff00) | edge->last;
            continue;
        }
        before = w;
        *w++ = (uint32_t)edge->first << 8 | edge->last;
        *w++ = part;
    }
    for (uint32_t c = d->states[i].first_call; c < d->states[i + 1].first_call; c++) {
        if (p->distance[d->calls[c].target] == NOWHERE)
            continue;
        *w++ = 0x10000 + d->calls[c].rule;
        *w++ = p->part[d->calls[c].target];
    }
    p->n_words = (size_t)(w - p->words);
}

/* Moore's refinement: until no part is split any more. It begins with the distances, which hardly leave it anything
 * to do in long chains. False if memory is out. */
static bool refine(struct maker *m, struct partition *p, uint32_t *next)
{
    const struct dfa *d = p->d;
    for (size_t n_parts = 0; !m->g->status;) {
        intern_clear(&p->signatures);
        for (uint32_t i = 0; i < d->n_states; i++) {
            if (p->distance[i] == NOWHERE)
                continue;
            sign(p, i);
            next[i] = intern_add(&p->signatures, p->words, p->n_words, NULL);
            if (next[i] == INTERN_NONE)
                return false;
        }
        memcpy(p->part, next, d->n_states * sizeof *next);
        if (p->signatures.n == n_parts)
            break;
        n_parts = p->signatures.n;
        maker_works(m, d->n_states + d->n_edges + d->n_calls);
    }
    return true;
}

/* A state for each part, from its signature: parts are numbered as their first states come. */
static bool from_parts(const struct partition *p, struct dfa *out)
{
    uint32_t done = 0;
    for (uint32_t i = 0; i < p->d->n_states; i++) {
        if (p->distance[i] == NOWHERE || p->part[i] != done)
            continue;
        size_t n;
        const uint32_t *w = intern_get(&p->signatures, done++, &n);
        if (!dfa_add_state(out, p->d->states[i].accepts))
            return false;
        for (size_t j = 1; j + 1 < n; j += 2) {
            const bool is_call = w[j] >= 0x10000;
            if (is_call ? !dfa_add_call(out, w[j] - 0x10000, w[j + 1])
                        : !dfa_add_edge(out, (uint8_t)(w[j] >> 8), (uint8_t)w[j], w[j + 1]))
                return false;
        }
    }
    return true;
}

void dfa_minimize(struct maker *m, struct dfa *d)
{
    struct dfa out;
    struct partition p = { .d = d };
    dfa_init(&out, d->a);
    intern_init(&p.signatures, d->a);
    uint32_t *distance = mem_new(d->a, d->n_states, sizeof *distance);
    uint32_t *next = mem_new(d->a, d->n_states, sizeof *next);
    p.part = mem_new(d->a, d->n_states, sizeof *p.part);
    p.words = mem_new(d->a, 1 + 2 * (d->n_edges + d->n_calls), sizeof *p.words);
    p.distance = distance;
    bool good = distance && next && p.part && p.words;
    if (good && d->n_states) {
        find_distances(m, d, distance);
        memcpy(p.part, distance, d->n_states * sizeof *distance);
        good = distance[0] == NOWHERE || (refine(m, &p, next) && from_parts(&p, &out));
    }
    if (good) {
        dfa_free(d);
        *d = out;
    } else {
        dfa_free(&out);
        exprs_nomem(m->g);
    }
    intern_free(&p.signatures);
    mem_free(d->a, distance);
    mem_free(d->a, next);
    mem_free(d->a, p.part);
    mem_free(d->a, p.words);
}
