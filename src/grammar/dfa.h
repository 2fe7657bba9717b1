/* dfa.h - one expression as a deterministic automaton, whose edges are bytes or calls of rules. */
#ifndef GRAMMAR_DFA_H
#define GRAMMAR_DFA_H

#include "src/grammar/automaton.h"

struct dfa_state {
    uint32_t first_edge, first_call; /* up to those of the next state */
    bool accepts;
};
struct dfa { /* state 0 is the first; without states: nothing at all is read */
    const infer_allocator *a;
    struct dfa_state *states; /* n_states + 1 */
    struct edge *edges;
    struct call *calls;
    size_t n_states, room_states, n_edges, room_edges, n_calls, room_calls;
};

void dfa_init(struct dfa *d, const infer_allocator *a);
void dfa_free(struct dfa *d);
/** The next state begins with the edges and calls that are added from now on. False if memory is out, as below. */
bool dfa_add_state(struct dfa *d, bool accepts);
bool dfa_add_edge(struct dfa *d, uint8_t first, uint8_t last, uint32_t target);
bool dfa_add_call(struct dfa *d, uint32_t rule, uint32_t target);

/** Go on with a byte; false if there is no way. */
bool dfa_step(const struct dfa *d, uint32_t *state, uint8_t byte);

struct maker {
    struct exprs *g;
    const bool *inlined; /* (rules) the rule's body is copied to where it is called */
    unsigned flat;       /* within conditions on the same text: all rules are copied */
    unsigned depth;      /* of such copies */
    uint64_t work;       /* steps that may still be taken before the grammar is called too complex */
};

/** Make the smallest automaton of an expression; failures are noted in the maker's exprs. */
void dfa_make(struct maker *m, uint32_t expr, struct dfa *out);
/** x and y, or x but not y. Neither has calls. */
void dfa_product(struct maker *m, const struct dfa *x, const struct dfa *y, bool minus, struct dfa *out);
/** Join states that nothing tells apart. */
void dfa_minimize(struct maker *m, struct dfa *d);
/** Take `steps` off the work that is left; false (and failed) if there is none. */
bool maker_works(struct maker *m, uint64_t steps);

#endif
