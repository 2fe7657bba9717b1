/* tokenizer_test.h - opening tokenizers, running them, and reading files of cases. */
#ifndef TESTS_TOKENIZER_TEST_H
#define TESTS_TOKENIZER_TEST_H

#include "src/tokenizer/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

struct ids {
    int32_t *p;
    size_t n;
};

static inline struct ids encode(const infer_tokenizer *t, const char *text, size_t length, unsigned flags)
{
    struct ids ids = { NULL, 0 };
    size_t room = length + 64;
    infer_error err = { 0 };
    for (;;) {
        ids.p = realloc(ids.p, (room + 1) * sizeof *ids.p);
        if (infer_tokenizer_encode(t, text, length, flags, ids.p, room, &ids.n, &err))
            fail_msg("%s", err.message);
        if (ids.n <= room)
            return ids;
        room = ids.n;
    }
}

/* A terminated text. */
static inline char *decode(const infer_tokenizer *t, const int32_t *ids, size_t n, unsigned flags, size_t *length)
{
    infer_error err = { 0 };
    if (infer_tokenizer_decode(t, ids, n, flags, NULL, 0, length, &err))
        fail_msg("%s", err.message);
    char *text = malloc(*length + 1);
    size_t again;
    assert_int_equal(infer_tokenizer_decode(t, ids, n, flags, text, *length, &again, &err), INFER_OK);
    assert_int_equal(again, *length);
    text[*length] = 0;
    return text;
}

/* The same by a stream, every piece of which must be whole characters. */
static inline char *stream(const infer_tokenizer *t, const int32_t *ids, size_t n, unsigned flags, size_t *length)
{
    const size_t most = infer_tokenizer_max_piece(t);
    char *text = malloc(n * most + 16);
    infer_stream s = { .flags = flags };
    infer_error err = { 0 };
    *length = 0;
    for (size_t i = 0; i < n; i++) {
        size_t piece = 0;
        if (infer_tokenizer_stream(t, &s, ids[i], text + *length, most, &piece, &err))
            fail_msg("%s", err.message);
        json_t *whole = json_stringn(text + *length, piece); /* NULL for what is not UTF-8 */
        assert_non_null(whole);
        json_decref(whole);
        *length += piece;
    }
    *length += infer_tokenizer_stream_end(&s, text + *length, 16);
    text[*length] = 0;
    return text;
}

/* A whole file, terminated; NULL if there is none. */
static inline char *read_all(const char *path, size_t *length)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    fseek(f, 0, SEEK_END);
    *length = (size_t)ftell(f);
    rewind(f);
    char *text = malloc(*length + 1);
    *length = fread(text, 1, *length, f);
    text[*length] = 0;
    fclose(f);
    return text;
}

/* A tokenizer.json, or the vocabulary of a GGUF file, which must stay open. */
struct opened {
    struct weights *w;
    infer_tokenizer *t;
};

static inline struct opened open_vocabulary(const char *path)
{
    struct opened o = { NULL, NULL };
    infer_error err = { 0 };
    size_t n = strlen(path);
    if (n > 5 && !strcmp(path + n - 5, ".json")) {
        char *json = read_all(path, &n);
        o.t = json ? tokenizer_open_json(&mem_default, (struct text){ json, n }, path, &err) : NULL;
        free(json);
    } else {
        o.w = weights_open_vocabulary(&mem_default, path, &err);
        o.t = o.w ? tokenizer_open(&mem_default, o.w, &err) : NULL;
    }
    if (!o.t)
        fail_msg("%s: %s", path, err.message);
    return o;
}

static inline void close_vocabulary(struct opened *o)
{
    tokenizer_close(&o->t);
    weights_close(&o->w);
}

static inline bool is_ids(const json_t *array, struct ids ids)
{
    bool same = json_array_size(array) == ids.n;
    for (size_t i = 0; i < ids.n && same; i++)
        same = json_integer_value(json_array_get(array, i)) == ids.p[i];
    return same;
}

static inline bool is_text(const json_t *string, const char *text, size_t length)
{
    return json_string_length(string) == length && !memcmp(json_string_value(string), text, length);
}

/* Runs `one` on each line of a file of JSON lines. False if there is no such file. */
typedef void case_fn(const infer_tokenizer *t, const json_t *json, void *user);
static inline bool each_case(const char *path, const infer_tokenizer *t, case_fn *one, void *user)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return false;
    for (json_t *json; (json = json_loadf(f, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, NULL)); json_decref(json))
        one(t, json, user);
    assert_true(feof(f));
    fclose(f);
    return true;
}

#endif
