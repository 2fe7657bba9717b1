/* automaton.h - what every notation becomes: a deterministic automaton over bytes for each rule, which may call others.
 *
 * A text is read by a set of configurations, each a state and the stack of states to return to (stacks.h). States are
 * those of all rules, one after the other. Every state can still reach the end of its rule, so what is alive can be
 * finished. No rule calls itself before it has read a byte, so calling ends. */
#ifndef GRAMMAR_AUTOMATON_H
#define GRAMMAR_AUTOMATON_H

#include "src/grammar/expr.h"

enum {
    MOST_STATES = 1 << 18,     /* of all rules */
    MOST_RULE_STATES = 1 << 16 /* of one rule while it is made */
};

/* Numbers of rules: the one that begins, and the first that it calls: in a lazy grammar what comes after a trigger. */
enum { RULE_ROOT = 0, RULE_TRIGGERED = 1 };

struct state {
    uint32_t first_edge, first_call; /* up to those of the next state */
    uint32_t rule;
    bool accepts; /* its rule may end here */
    bool tail;    /* it can do nothing but end: need not be returned to */
};
struct edge {
    uint32_t target;
    uint8_t first, last; /* byte */
};
struct call {
    uint32_t rule, target;
};
struct bytes { /* a set of them */
    uint64_t bit[4];
};

struct automaton {
    const infer_allocator *a;
    struct state *states; /* n_states + 1 */
    struct edge *edges;
    struct call *calls;
    size_t n_states, room_states, n_edges, room_edges, n_calls, room_calls;
    uint32_t *start;      /* (n_rules) the first state of each rule */
    struct bytes *follow; /* (n_rules) what may come after it */
    size_t n_rules;
    uint8_t class_of[256]; /* bytes that no edge tells apart are a class */
    uint32_t n_classes;
};

static inline bool bytes_has(const struct bytes *b, uint8_t byte)
{
    return b->bit[byte >> 6] >> (byte & 63) & 1;
}

/** Make the automaton of what `root` may call. Rules that nothing calls are not looked at. */
infer_status automaton_make(struct automaton *m, struct exprs *g, uint32_t root);
void automaton_free(struct automaton *m);

#endif
