/* pace.h - how fast steps are, learned as they come: so that prompts do not hold up texts for longer than they may. */
#ifndef SCHEDULER_PACE_H
#define SCHEDULER_PACE_H

#include <stdint.h>

struct pace {
    double most;      /* seconds that a step may take; 0: any number */
    double step;      /* seconds of a step without prompts; 0: none was seen */
    double per_token; /* seconds that a prompt's token adds; 0: none was seen */
};

/** Of prompts in a step beside texts, whatever else: so every prompt comes to its end. */
enum { PACE_LEAST = 8 };

/** How many of at most `room` tokens of prompts a step can have beside texts. */
uint32_t pace_allows(const struct pace *p, uint32_t room);
/** A step of so many tokens of prompts, beside texts or without (n_texts 0), took so long. */
void pace_learn(struct pace *p, uint32_t n_prompt, uint32_t n_texts, double seconds);

#endif
