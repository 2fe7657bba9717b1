/* fuzz_grammar.h - any bytes as a grammar in some notation, and what follows them as a text to match. */
#ifndef TESTS_FUZZ_GRAMMAR_H
#define TESTS_FUZZ_GRAMMAR_H

#include "tests/common/counting.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A matcher that allows a text goes the same way in one piece, byte by byte, forked and rewound. */
static void fuzz_matcher(infer_grammar *g, const char *text, size_t size)
{
    infer_error err = { 0 };
    infer_matcher *m = infer_matcher_open(g, NULL, &err), *fork = NULL;
    size_t n = 0;
    if (!m && err.code != INFER_E_FULL)
        __builtin_trap();
    while (m && n < size && !infer_matcher_accept_text(m, text + n, 1, &err))
        n++;
    if (m && (infer_matcher_length(m) != n || !(fork = infer_matcher_fork(m, &err))))
        __builtin_trap();
    const bool ends = m && infer_matcher_may_end(m);
    if (m && (infer_matcher_may_end(fork) != ends || (infer_matcher_must_end(m) && !ends)))
        __builtin_trap();
    if (m && (infer_matcher_rewind(m, 0, &err) || infer_matcher_accept_text(m, text, n, &err) ||
              infer_matcher_may_end(m) != ends))
        __builtin_trap();
    infer_matcher_close(&fork);
    infer_matcher_close(&m);
}

static inline int fuzz_grammar(infer_notation notation, const uint8_t *data, size_t size)
{
    static struct counting c;
    static infer_context *context; /* of all runs: it takes longer to open than most grammars */
    infer_error err = { 0 };
    const uint8_t *end = memchr(data, 0, size);
    const size_t length = end ? (size_t)(end - data) : size, rest = end ? size - length - 1 : 0;
    if (!context) {
        counting_init(&c, SIZE_MAX);
        infer_context_options o = infer_context_defaults();
        o.n_threads = 1;
        o.allocator = c.allocator;
        context = infer_context_open(&o, &err);
    }
    const size_t live = c.live;
    infer_grammar *g = infer_grammar_open(context, notation, length ? (const char *)data : "", length, NULL, &err);
    if (!g && (!err.code || !err.message[0]))
        __builtin_trap();
    if (g)
        fuzz_matcher(g, rest ? (const char *)end + 1 : "", rest);
    infer_grammar_close(&g);
    if (c.live != live)
        __builtin_trap();
    return 0;
}

#endif
