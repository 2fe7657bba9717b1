/* chat_test.h - compiling and rendering templates in one call. */
#ifndef TESTS_CHAT_TEST_H
#define TESTS_CHAT_TEST_H

#include "src/chat/template.h"
#include "tests/common/counting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

/* The text, terminated, or NULL with err filled. `variables` may be NULL. */
static inline char *render_within(const infer_allocator *a, const struct limits *limits, const char *source,
                                  const char *variables, infer_error *err)
{
    infer_chat_template *t = template_compile(a, text_of(source), err);
    struct render r;
    char *text = NULL;
    if (!t)
        return NULL;
    render_open(&r, t, limits, err);
    r.now = 1767323045; /* 2026-01-02 03:04:05 */
    const struct value all = variables ? value_parse_json(&r, text_of(variables), "variables") : value_none();
    for (size_t i = 0; all.type == V_DICT && i < all.u.dict->n; i++)
        render_set(&r, all.u.dict->items[i].key.u.s.p, all.u.dict->items[i].value);
    if (!r.failed && !render_run(&r) && (text = calloc(r.n_out + 1, 1)) && r.n_out)
        memcpy(text, r.out, r.n_out);
    render_close(&r);
    template_free(&t);
    return text;
}

static inline char *render_text(const char *source, const char *variables, infer_error *err)
{
    return render_within(&mem_default, &default_limits, source, variables, err);
}

#endif
