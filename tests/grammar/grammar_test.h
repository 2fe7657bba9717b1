/* grammar_test.h - opening grammars and asking them about texts. */
#ifndef TESTS_GRAMMAR_TEST_H
#define TESTS_GRAMMAR_TEST_H

#include "infer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

enum fate { DEAD, ALIVE, WHOLE }; /* no text begins so; one does; it is one */

static inline infer_context *context_new(const infer_allocator *a)
{
    infer_error err = { 0 };
    infer_context_options options = infer_context_defaults();
    options.n_threads = 1;
    if (a)
        options.allocator = *a;
    infer_context *context = infer_context_open(&options, &err);
    if (!context)
        fail_msg("%s", err.message);
    return context;
}

static inline enum fate fate_of(infer_grammar *g, const char *text, size_t length)
{
    infer_error err = { 0 };
    infer_matcher *m = infer_matcher_open(g, NULL, &err);
    if (!m)
        fail_msg("%s", err.message);
    const infer_status status = infer_matcher_accept_text(m, text, length, &err);
    if (status != INFER_OK && status != INFER_E_ARGUMENT)
        fail_msg("%s", err.message);
    const enum fate fate = status ? DEAD : infer_matcher_may_end(m) ? WHOLE : ALIVE;
    infer_matcher_close(&m);
    return fate;
}

/** A grammar and texts, those of each fate ended by NULL. */
struct sample {
    const char *source;
    const char *whole[12], *alive[8], *dead[12];
};

static inline void check_fates(infer_grammar *g, const char *source, const char *const *texts, enum fate fate)
{
    static const char *const names[] = { "dead", "alive", "whole" };
    for (; *texts; texts++) {
        const enum fate found = fate_of(g, *texts, strlen(*texts));
        if (found != fate)
            fail_msg("%s: '%s' is %s, expected %s", source, *texts, names[found], names[fate]);
    }
}

static inline void check_samples(infer_notation notation, const struct sample *s, size_t n)
{
    infer_context *context = context_new(NULL);
    for (size_t i = 0; i < n; i++) {
        infer_error err = { 0 };
        infer_grammar *g = infer_grammar_open(context, notation, s[i].source, strlen(s[i].source), NULL, &err);
        if (!g)
            fail_msg("%s: %s", s[i].source, err.message);
        check_fates(g, s[i].source, s[i].whole, WHOLE);
        check_fates(g, s[i].source, s[i].alive, ALIVE);
        check_fates(g, s[i].source, s[i].dead, DEAD);
        infer_grammar_close(&g);
    }
    infer_context_close(&context);
}

/** A grammar that is refused with a sentence that has `why` in it. */
struct refused {
    const char *source, *why;
};

static inline void check_refused(infer_notation notation, const struct refused *r, size_t n)
{
    infer_context *context = context_new(NULL);
    for (size_t i = 0; i < n; i++) {
        infer_error err = { 0 };
        infer_grammar *g = infer_grammar_open(context, notation, r[i].source, strlen(r[i].source), NULL, &err);
        if (g)
            fail_msg("%s: not refused", r[i].source);
        if (!strstr(err.message, r[i].why) || err.code == INFER_OK)
            fail_msg("%s: '%s' does not say '%s'", r[i].source, err.message, r[i].why);
    }
    infer_context_close(&context);
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

#endif
