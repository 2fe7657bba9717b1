/* reference.h - reading reference outputs: ids.json, greedy.json, logits.npy. For tests only: failures are cmocka's. */
#ifndef TESTS_REFERENCE_H
#define TESTS_REFERENCE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "infer.h"

#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct ids {
    int32_t *v;
    size_t n;
};

static inline struct ids read_ids(const char *folder, const char *name)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    json_error_t e;
    json_t *json = json_load_file(path, 0, &e);
    if (!json)
        fail_msg("%s: %s", path, e.text);
    struct ids ids = { calloc(json_array_size(json) + 1, sizeof *ids.v), json_array_size(json) };
    for (size_t i = 0; i < ids.n; i++)
        ids.v[i] = (int32_t)json_integer_value(json_array_get(json, i));
    json_decref(json);
    return ids;
}

/* A float32 array of `n` values in all from an NPY file of version 1. */
static inline float *read_npy(const char *folder, const char *name, size_t n)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s: cannot be opened", path);
    unsigned char head[10];
    assert_int_equal(fread(head, 1, sizeof head, f), sizeof head);
    assert_memory_equal(head, "\x93NUMPY\x01", 7);
    char text[512] = "";
    const size_t length = head[8] + 256u * head[9];
    assert_true(length < sizeof text);
    assert_int_equal(fread(text, 1, length, f), length);
    assert_non_null(strstr(text, "'<f4'"));
    float *v = malloc(n * sizeof *v);
    assert_int_equal(fread(v, sizeof *v, n, f), n);
    fclose(f);
    return v;
}

/* max |got - want| in units of the standard deviation of want. */
static inline double distance(const float *got, const float *want, size_t n)
{
    double mean = 0, square = 0, most = 0;
    for (size_t i = 0; i < n; i++)
        mean += want[i];
    mean /= (double)n;
    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)got[i] - want[i]);
        most = d > most || d != d ? d : most;
        square += (want[i] - mean) * (want[i] - mean);
    }
    return most / sqrt(square / (double)n);
}

static inline infer_context *open_context(const char *cpu, int n_threads)
{
    infer_context_options o = infer_context_defaults();
    o.cpu = cpu;
    o.n_threads = n_threads;
    infer_error err = { 0 };
    infer_context *c = infer_context_open(&o, &err);
    if (!c)
        fail_msg("context: %s", err.message);
    return c;
}

/* Width of what comes out for a token. */
static inline size_t output_width(const infer_model *m)
{
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(m, &info);
    return (size_t)(info.encoder ? info.n_embd : info.n_vocab);
}

/* Logits of every token in a session of these options, (n, n_vocab), or an encoder's hidden states: the caller frees
 * them. */
static inline float *session_logits(infer_model *m, const infer_session_options *o, const struct ids *ids)
{
    infer_error err = { 0 };
    infer_session *s = infer_session_open(m, o, &err);
    float *logits = calloc(ids->n * output_width(m), sizeof *logits);
    if (!s || infer_session_eval_all(s, ids->v, ids->n, logits, &err) != INFER_OK)
        fail_msg("%s", err.message);
    infer_session_close(&s);
    return logits;
}

static inline float *all_logits(infer_model *m, infer_precision precision, const struct ids *ids, int32_t n_batch)
{
    infer_session_options o = infer_session_defaults();
    o.precision = precision;
    o.n_batch = n_batch;
    return session_logits(m, &o, ids);
}

/* The n ids that greedy decoding appends. */
static inline struct ids greedy(infer_model *m, const struct ids *prompt, size_t n)
{
    infer_session_options o = infer_session_defaults();
    o.precision = INFER_EXACT;
    infer_error err = { 0 };
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(m, &info);
    infer_session *s = infer_session_open(m, &o, &err);
    struct ids out = { calloc(n, sizeof *out.v), n };
    if (!s || infer_session_eval(s, prompt->v, prompt->n, &err) != INFER_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < n; i++) {
        const float *logits = infer_session_logits(s);
        for (int32_t t = 1; t < info.n_vocab; t++)
            if (logits[t] > logits[out.v[i]])
                out.v[i] = t;
        if (infer_session_eval(s, &out.v[i], 1, &err) != INFER_OK)
            fail_msg("%s", err.message);
    }
    infer_session_close(&s);
    return out;
}

#endif
