/* stacks.h - where a text may be within an automaton: sets of configurations, made as they are met.
 *
 * A configuration is a state and a stack of states to return to. Stacks share their lower parts, and equal ones are the
 * same number; equal sets of configurations are the same number too, so that the steps from set to set are remembered:
 * a deterministic automaton, of which only what texts have needed is there. One thread at a time. */
#ifndef GRAMMAR_STACKS_H
#define GRAMMAR_STACKS_H

#include "src/grammar/automaton.h"

enum {
    MOST_CONFIGS = 4096,      /* looked at within one step */
    MOST_SET_WORDS = 1 << 23, /* of all sets */
    MOST_SETS = 1 << 20,
    MANY_SETS = 1 << 15 /* from then on it is worth while to forget those not needed any more */
};

/** The lowest stacks. The end of one is the end of the text; of the other nothing is known but its rule. */
enum { STACK_END = 0, STACK_OPEN = 1, STACK_FIRST = 2 };

/** Sets that are no places in a text: a byte that cannot come; out of memory or of bounds. */
enum { SET_DEAD = 0, SET_FAILED = UINT32_MAX };

struct config {
    uint32_t state, stack;
};

struct stacks {
    const struct automaton *m;
    const infer_allocator *a;
    struct intern stack; /* state to return to, stack below it; ids count from STACK_FIRST */
    struct intern set;   /* whether it may end here, then its configurations in order; id 0 is dead */
    uint32_t *step;      /* (sets, m->n_classes) the set after a byte + 1; 0: not known so far */
    size_t room_step;
    struct config *found; /* (MOST_CONFIGS) of the step at hand */
    size_t n_found;
    uint32_t *slots;  /* (2 MOST_CONFIGS) where in found, by hash */
    uint32_t n_begun; /* sets that slots were filled for */
    uint32_t *words;  /* (2 MOST_CONFIGS + 1) */
    bool ends;
    bool out_of_memory; /* the last SET_FAILED was for want of memory, else the grammar is too ambiguous */
};

bool stacks_init(struct stacks *s, const struct automaton *m, const infer_allocator *a);
void stacks_free(struct stacks *s);
/** The set of all places that (state, stack) stands for, with the calls that may follow. */
uint32_t stacks_place(struct stacks *s, uint32_t state, uint32_t stack);
/** The set of this one alone, nothing followed. */
uint32_t stacks_only(struct stacks *s, uint32_t state, uint32_t stack);
/** Where a byte leads. */
uint32_t stacks_step_slowly(struct stacks *s, uint32_t set, uint8_t byte);
static inline uint32_t stacks_step(struct stacks *s, uint32_t set, uint8_t byte)
{
    const uint32_t there = s->step[(size_t)set * s->m->n_classes + s->m->class_of[byte]];
    return there ? there - 1 : stacks_step_slowly(s, set, byte);
}
/** The text may end here: *configs are where it may go on, *n of them, good until the next call. */
bool stacks_look(const struct stacks *s, uint32_t set, const struct config **configs, size_t *n);
/** Whether some of a set is before any trigger of a lazy grammar: in its first rule. */
bool stacks_are_free(const struct stacks *s, bool lazy, uint32_t set);
/** The state a stack returns to, and the stack below; stack >= STACK_FIRST. */
struct config stacks_top(const struct stacks *s, uint32_t stack);
/** Turn n sets of `from` into sets of s, which is of the same automaton. False if memory or bounds are out. */
bool stacks_copy(struct stacks *s, const struct stacks *from, uint32_t *sets, size_t n);

#endif
