/* neon.h - a function that does nothing but one instruction, in as many chains as hide its latency. */
#ifndef BENCHES_LIMITS_NEON_H
#define BENCHES_LIMITS_NEON_H

#include "benches/limits/limits.h"

#include <arm_neon.h>

#define CHAINS 16

/** `step` makes the next of x[i]; `add` and `across` sum chains, and lanes. */
#define MULTIPLY(name, vector, zero, step, add, across) \
    static uint64_t name(size_t n_steps) \
    { \
        vector x[CHAINS]; \
        for (int i = 0; i < CHAINS; i++) { \
            x[i] = zero; \
            HIDE(x[i]); \
        } \
        for (size_t s = 0; s < n_steps; s++) \
            for (int i = 0; i < CHAINS; i++) \
                x[i] = step; \
        for (int i = 1; i < CHAINS; i++) \
            x[0] = add(x[0], x[i]); \
        return (uint64_t)across(x[0]); \
    }

#endif
