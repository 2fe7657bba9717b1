/* regex.c - PCRE2 as the dialect that tokenizer.json is written for.
 *
 * Patterns there are meant for Oniguruma: `^` and `$` are ends of lines, \p{Greek} is a script (PCRE2 would take script
 * extensions as well), a class may hold an intersection (which PCRE2 has not: refused).
 * A match that reaches PCRE2's limits counts as no match: the rest of the piece stays whole. After a few of those in
 * one call no more is tried, so that a hostile pattern costs a bounded time. */
#include "src/tokenizer/parts.h"

enum { MAX_PATTERN = 65536, MATCH_LIMIT = 10 * 1000 * 1000, HEAP_LIMIT_KIB = 64 * 1024, MAX_LIMITS = 4 };

/* PCRE2 wants pointers without const. The allocator is the context's, which outlives every tokenizer. */
static void *take(size_t size, void *user)
{
    const infer_allocator *a = user;
    return a->alloc(a->user, size);
}

static void give(void *p, void *user)
{
    const infer_allocator *a = user;
    if (p)
        a->free(a->user, p);
}

pcre2_general_context *regex_memory(const infer_allocator *a)
{
    return pcre2_general_context_create(take, give, (void *)a);
}

/* Properties that PCRE2 knows by long names and that are no scripts. */
static bool is_script(struct text name)
{
    if (name.n < 3 || name.p[0] == '^' || memchr(name.p, '=', name.n) || memchr(name.p, ':', name.n))
        return false;
    static const char *const others[] = { "Any", "Assigned", "ASCII", "Alphabetic", "Lowercase", "Uppercase",
                                          "White_Space", "Emoji" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (text_is(name, others[i]))
            return false;
    }
    return true;
}

/* Copies the pattern with \p{Han} written \p{sc:Han}: what grows by 3 bytes was 7 or more, so it gets less than twice
 * as long. */
static infer_status translate(struct text pattern, char *out, size_t *length, infer_error *err)
{
    size_t n = 0;
    unsigned depth = 0; /* of classes */
    for (size_t i = 0; i < pattern.n; i++) {
        const char c = pattern.p[i], next = i + 1 < pattern.n ? pattern.p[i + 1] : 0;
        if (depth && c == '&' && next == '&')
            return fail(err, INFER_E_UNKNOWN,
                        "regular expression \"%.*s\" intersects classes (&&), which is not supported",
                        (int)(pattern.n < 200 ? pattern.n : 200), pattern.p);
        out[n++] = c;
        if (c == '[' && !depth) {
            depth = 1;
        } else if (c == ']' && depth) {
            depth = 0;
        } else if (c == '\\' && i + 1 < pattern.n) {
            out[n++] = next;
            i++;
            if ((next != 'p' && next != 'P') || i + 1 >= pattern.n || pattern.p[i + 1] != '{')
                continue;
            const char *name = pattern.p + i + 2, *end = memchr(name, '}', pattern.n - i - 2);
            out[n++] = '{';
            i++;
            if (end && is_script((struct text){ name, (size_t)(end - name) })) {
                memcpy(out + n, "sc:", 3);
                n += 3;
            }
        }
    }
    *length = n;
    return INFER_OK;
}

static int compile(struct regex *r, pcre2_compile_context *context, const char *pattern, size_t n, size_t *at)
{
    int code = 0;
    r->code = pcre2_compile((PCRE2_SPTR)pattern, n, PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                            &code, at, context);
    r->jit = r->code && !pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE); /* without, the interpreter does it */
    return code;
}

infer_status regex_open(struct regex *r, const infer_allocator *a, pcre2_general_context *memory, struct text pattern,
                        infer_error *err)
{
    const int shown = (int)(pattern.n < 200 ? pattern.n : 200);
    if (pattern.n > MAX_PATTERN)
        return fail(err, INFER_E_FORMAT, "a regular expression is %zu bytes long, more than %d", pattern.n,
                    MAX_PATTERN);
    pcre2_compile_context *context = pcre2_compile_context_create(memory);
    char *translated = mem_new(a, 2 * pattern.n + 1, 1);
    infer_status status = INFER_E_NOMEM;
    size_t length = 0, at = 0;
    if (!context || !translated) {
        fail_memory(err, "a regular expression");
        goto done;
    }
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    status = translate(pattern, translated, &length, err);
    if (status)
        goto done;
    const int code = compile(r, context, translated, length, &at);
    if (!r->code && code == PCRE2_ERROR_HEAP_FAILED) {
        status = fail_memory(err, "a regular expression");
    } else if (!r->code) {
        char why[128] = "";
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
        status = fail(err, INFER_E_FORMAT, "regular expression \"%.*s\" is wrong at byte %zu: %s", shown, pattern.p, at,
                      why);
    }
done:
    mem_free(a, translated);
    pcre2_compile_context_free(context);
    return status;
}

void regex_close(struct regex *r)
{
    pcre2_code_free(r->code);
    r->code = NULL;
}

bool regex_ready(struct scratch *s)
{
    s->match = pcre2_match_data_create(1, s->t->memory);
    s->limits = pcre2_match_context_create(s->t->memory);
    if (!s->match || !s->limits)
        return false;
    pcre2_set_match_limit(s->limits, MATCH_LIMIT);
    pcre2_set_heap_limit(s->limits, HEAP_LIMIT_KIB);
    return true;
}

void regex_done(struct scratch *s)
{
    pcre2_match_data_free(s->match);
    pcre2_match_context_free(s->limits);
}

bool regex_next(const struct regex *r, struct scratch *s, const char *text, size_t n, size_t from, size_t *start,
                size_t *end)
{
    if (s->n_limits >= MAX_LIMITS)
        return false;
    int found = PCRE2_ERROR_JIT_STACKLIMIT;
    if (r->jit)
        found = pcre2_jit_match(r->code, (PCRE2_SPTR)text, n, from, 0, s->match, s->limits);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT)
        found = pcre2_match(r->code, (PCRE2_SPTR)text, n, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, s->match, s->limits);
    if (found < 0) {
        s->n_limits += found != PCRE2_ERROR_NOMATCH;
        return false;
    }
    const size_t *offsets = pcre2_get_ovector_pointer(s->match);
    *start = offsets[0];
    *end = offsets[1];
    return *start <= *end && *start >= from; /* \K in a look-around can turn them round */
}
