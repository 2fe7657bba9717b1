/* test_attention.c - the attention of the CPU device, through its op, against the plain formula in double: random shapes,
 * spans, windows, sinks, caps and types of the cache. */
#include "src/engine/cpu/cpu.h"
#include "src/engine/rope.h"
#include "tests/common/sanitized.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { MAX_TOKENS = 1500, MAX_BATCH = 300, MAX_HEADS = 12 };

/* ---- Random numbers: SplitMix64 ---- */

static uint64_t random_state;

static uint64_t random_u64(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}
/* first..last, both included */
static uint32_t random_in(uint32_t first, uint32_t last)
{
    return first + (uint32_t)(random_u64() % (last - first + 1));
}
static float *random_floats(size_t n)
{
    float *const x = malloc(n * sizeof *x + 1);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)((double)(int64_t)random_u64() * 0x1p-63);
    return x;
}

/* ---- One sequence of tokens ---- */

/* A model without weights, and the queries, keys and values of all its tokens. */
struct sequence {
    struct network net;
    struct layer layer[2];
    struct attention how;
    enum dtype k_type, v_type;
    uint32_t n_tokens, n_spans, span[64], n_q[64]; /* lengths, and how many queries of each */
    float *q, *k, *v, *sinks;
    double *keys; /* rotated */
    bool packed;  /* a span is several texts, which see only themselves */
    struct passage *texts; /* n_tokens: of each, the text that it is of */
    double error; /* of a result, allowed */
};

static void choose_shape(struct sequence *s, enum dtype k_type, enum dtype v_type)
{
    struct hparams *const h = &s->net.h;
    const uint32_t step =
        k_type == DTYPE_Q8_0 || k_type == DTYPE_Q4_0 || v_type == DTYPE_Q8_0 || v_type == DTYPE_Q4_0 ? 32 : 1;
    const uint32_t group = random_in(0, 3) ? random_in(1, 4) : random_in(1, MAX_HEADS);
    *h = (struct hparams){ .n_layer = 2, .n_head_kv = random_in(1, MAX_HEADS / group) };
    h->n_head = group * h->n_head_kv;
    h->d_k = step * random_in(step == 1 ? 2 : 1, 96 / step);
    h->d_v = step * random_in(1, 96 / step);
    h->n_embd = h->n_head * h->d_v;
    h->rope = (struct rope){ .kind = random_in(0, 1) ? ROPE_PAIRS : ROPE_HALVES,
                             .base = 1e4f,
                             .n_rot = 2 * random_in(1, h->d_k / 2) };
    s->net.layers = s->layer;
    s->k_type = k_type;
    s->v_type = v_type;
}

/* Mostly few tokens at a time, sometimes many. */
static void choose_spans(struct sequence *s)
{
    const bool is_long = random_in(0, 3) == 0;
    const uint32_t limit = is_long ? MAX_TOKENS : 200, n_spans = random_in(1, is_long ? 60 : 6);
    s->n_tokens = 0;
    s->n_spans = 0;
    while (s->n_spans < n_spans && s->n_tokens < limit) {
        const uint32_t i = s->n_spans++;
        const uint32_t n = random_in(0, 2) ? random_in(1, 3) : random_in(1, MAX_BATCH);
        s->span[i] = s->n_tokens + n <= limit ? n : 1;
        s->n_q[i] = random_in(0, 2) ? s->span[i] : random_in(0, s->span[i]);
        s->n_tokens += s->span[i];
    }
}

/* Each token's text: all up to the end of its span, or a part of the span. */
static void choose_texts(struct sequence *s)
{
    s->packed = random_in(0, 2) == 0;
    s->texts = calloc(s->n_tokens, sizeof *s->texts);
    for (uint32_t i = 0, at = 0; i < s->n_spans; at += s->span[i++])
        for (uint32_t begin = at, end = at + s->span[i], n; begin < end; begin += n) {
            n = s->packed ? random_in(1, 90) : end - begin;
            n = n < end - begin ? n : end - begin;
            for (uint32_t t = begin; t < begin + n; t++)
                s->texts[t] = (struct passage){ s->packed ? begin : 0, begin + n, begin + n };
        }
}

static void sequence_new(struct sequence *s, enum dtype k_type, enum dtype v_type)
{
    *s = (struct sequence){ 0 };
    struct hparams *const h = &s->net.h;
    choose_shape(s, k_type, v_type);
    choose_spans(s);
    choose_texts(s);
    s->q = random_floats((size_t)s->n_tokens * h->n_head * h->d_k);
    s->k = random_floats((size_t)s->n_tokens * h->n_head_kv * h->d_k);
    s->v = random_floats((size_t)s->n_tokens * h->n_head_kv * h->d_v);
    s->sinks = random_in(0, 2) ? NULL : random_floats(h->n_head);
    s->how = (struct attention){
        .scale = 2 / sqrtf((float)h->d_k),
        .soft_cap = random_in(0, 2) ? 0 : 2,
        .causal = random_in(0, 3) > 0,
        .sinks = s->sinks,
        .window = random_in(0, 1) ? 0 : random_in(1, random_in(0, 1) ? 40 : s->n_tokens),
    };
}

static void sequence_free(struct sequence *s)
{
    free(s->q), free(s->k), free(s->v), free(s->sinks), free(s->keys), free(s->texts);
}

/* ---- Truth ---- */

/* x (d_k) of the position, rotated. */
static void rotate(double *y, const float *x, const struct hparams *h, uint32_t position)
{
    float frequency[64], magnitude;
    rope_frequencies(&h->rope, NULL, frequency, &magnitude);
    const uint32_t half = h->rope.n_rot / 2;
    for (uint32_t i = 0; i < h->d_k; i++)
        y[i] = (double)x[i];
    for (uint32_t i = 0; i < half; i++) {
        const uint32_t a = h->rope.kind == ROPE_PAIRS ? 2 * i : i,
                       b = h->rope.kind == ROPE_PAIRS ? 2 * i + 1 : i + half;
        const double angle = (double)((float)position * frequency[i]), c = cos(angle), d = sin(angle);
        y[a] = (double)x[a] * c - (double)x[b] * d;
        y[b] = (double)x[a] * d + (double)x[b] * c;
    }
}

static void rotate_keys(struct sequence *s)
{
    const struct hparams *h = &s->net.h;
    const size_t rows = (size_t)s->n_tokens * h->n_head_kv;
    s->keys = malloc(rows * h->d_k * sizeof *s->keys);
    for (size_t i = 0; i < rows; i++)
        rotate(s->keys + i * h->d_k, s->k + i * h->d_k, h,
               (uint32_t)(i / h->n_head_kv) - s->texts[i / h->n_head_kv].begin);
}

/* The attention of a query head of the token at `own`. */
static void truth(double *out, const struct sequence *s, uint32_t own, uint32_t head)
{
    static double score[MAX_TOKENS];
    const struct hparams *h = &s->net.h;
    const struct attention *how = &s->how;
    const uint32_t kv_head = head / (h->n_head / h->n_head_kv), begin = s->texts[own].begin, end = s->texts[own].end;
    double q[96], max = how->sinks ? (double)how->sinks[head] : -INFINITY, sum = 0;
    rotate(q, s->q + ((size_t)own * h->n_head + head) * h->d_k, h, own - begin);
    for (uint32_t j = begin; j < end; j++) {
        const uint32_t away = j > own ? j - own : own - j;
        score[j] = -INFINITY;
        if ((how->causal && j > own) || (how->window && away >= how->window))
            continue;
        const double *const key = s->keys + ((size_t)j * h->n_head_kv + kv_head) * h->d_k;
        double dot = 0;
        for (uint32_t i = 0; i < h->d_k; i++)
            dot += q[i] * key[i];
        score[j] = dot * (double)how->scale;
        if (how->soft_cap != 0)
            score[j] = (double)how->soft_cap * tanh(score[j] / (double)how->soft_cap);
        max = fmax(max, score[j]);
    }
    for (uint32_t i = 0; i < h->d_v; i++)
        out[i] = 0;
    for (uint32_t j = begin; j < end; j++) {
        const double weight = exp(score[j] - max);
        sum += weight;
        for (uint32_t i = 0; i < h->d_v; i++)
            out[i] += weight * (double)s->v[((size_t)j * h->n_head_kv + kv_head) * h->d_v + i];
    }
    sum += how->sinks ? exp((double)how->sinks[head] - max) : 0;
    for (uint32_t i = 0; i < h->d_v; i++)
        out[i] /= sum;
}

/* ---- The op ---- */

/* Feed the spans; out (n_tokens, n_head * d_v), rows without a query stay 0. */
static float *run(const struct sequence *s, infer_context *c, enum precision precision)
{
    const struct hparams *h = &s->net.h;
    const size_t width = (size_t)h->n_head * h->d_v;
    struct kv kv;
    infer_error err = { 0 };
    float *const out = calloc(s->n_tokens * width, sizeof *out);
    struct kv_shape shape;
    if (kv_shape_init(&shape, h, s->k_type, s->v_type, &err) != INFER_OK)
        fail_msg("%s", err.message);
    struct kv_pool *const pool = kv_pool_open(&c->a, h, &shape, &err);
    assert_non_null(pool);
    assert_int_equal(kv_init(&kv, pool, s->n_tokens, &err), INFER_OK);
    struct device *const d = cpu_open(c, &s->net, &kv, MAX_BATCH, precision, false, &err);
    if (!d)
        fail_msg("%s", err.message);
    for (uint32_t i = 0, at = 0; i < s->n_spans; at += s->span[i++]) {
        const struct segment segment = {
            .kv = &kv, .first = at, .n = s->span[i], .passages = s->packed ? s->texts + at : NULL
        };
        const struct span span = { .segments = &segment, .n_segments = 1, .n = segment.n };
        const uint32_t first = at + span.n - s->n_q[i];
        assert_int_equal(kv_reserve(&kv, at, span.n, &err), INFER_OK);
        cpu_ops.angles(d, &span);
        const size_t q = (size_t)h->n_head * h->d_k, k = (size_t)h->n_head_kv * h->d_k;
        const size_t v = (size_t)h->n_head_kv * h->d_v;
        const struct head_rows queries = { s->q + first * q, q, q / h->n_head_kv };
        const struct head_rows keys = { s->k + at * k, k, h->d_k }, values = { s->v + at * v, v, h->d_v };
        cpu_ops.attention(d, &span, 1, &s->how, s->n_q[i], out + first * width, &queries, &keys, &values);
    }
    cpu_close(d);
    kv_free(&kv);
    kv_pool_close(pool);
    return out;
}

/* Values are in [-1, 1): the error is that of the weights and of the values as they are stored. */
static double allowed(const struct sequence *s, const infer_context *c, enum precision precision)
{
    const struct {
        enum dtype type;
        double error;
    } types[] = {
        { DTYPE_F32, 0 }, { DTYPE_F16, 2e-3 }, { DTYPE_BF16, 1.5e-2 }, { DTYPE_Q8_0, 2e-2 }, { DTYPE_Q4_0, 0.35 },
    };
    const bool rounds = attend_rounds(&c->kernels, precision, s->k_type, s->v_type);
    double error = 3e-5 + (rounds ? 2e-2 : 0);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        error += (types[i].type == s->k_type ? types[i].error : 0) + (types[i].type == s->v_type ? types[i].error : 0);
    return error;
}

static void check(const struct sequence *s, const infer_context *c, const float *out, enum precision precision)
{
    const struct hparams *h = &s->net.h;
    const double most = allowed(s, c, precision);
    for (uint32_t i = 0, at = 0; i < s->n_spans; at += s->span[i++])
        for (uint32_t t = at; t < at + s->span[i]; t += 1 + (s->span[i] > 20 ? random_in(0, 9) : 0))
            for (uint32_t head = 0; head < h->n_head; head++) {
                double want[96];
                const bool wanted = t >= at + s->span[i] - s->n_q[i];
                truth(want, s, t, head);
                for (uint32_t j = 0; j < h->d_v; j++) {
                    const double got = (double)out[((size_t)t * h->n_head + head) * h->d_v + j];
                    if (wanted && !(fabs(got - want[j]) <= most))
                        fail_msg("%s %s, %s/%s, token %u of a span %u + %u (%u queries), head %u of %u/%u, %u x %u "
                                 "wide, window %u, %s, cap %g%s%s: out[%u] = %g, want %g within %.2g",
                                 c->kernels.name, precision == PRECISION_FAST ? "fast" : "exact",
                                 dtype_name(s->k_type), dtype_name(s->v_type), t, at, s->span[i], s->n_q[i], head,
                                 h->n_head, h->n_head_kv, h->d_k, h->d_v, s->how.window,
                                 s->how.causal ? "causal" : "both ways", (double)s->how.soft_cap,
                                 s->sinks ? ", sinks" : "", s->packed ? ", packed" : "", j, got, want[j], most);
                    assert_true(wanted || got == 0);
                }
            }
}

static infer_context *open_context(const char *cpu, int n_threads)
{
    infer_context_options o = infer_context_defaults();
    o.cpu = cpu;
    o.n_threads = n_threads;
    return infer_context_open(&o, NULL);
}

static const enum dtype types[] = { DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_Q8_0, DTYPE_Q4_0 };
enum { N_TYPES = sizeof types / sizeof *types, ROUNDS = SANITIZED ? 10 : 60 };

static void attention_meets_the_formula(void **state)
{
    static const char *const levels[] = { "scalar", "avx2", "avx512", "neon", "i8mm" };
    (void)state;
    for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
        infer_context *c = open_context(levels[l], 2);
        if (!c)
            continue; /* this machine has no such instruction set */
        for (int round = 0; round < (l ? ROUNDS : 10); round++) {
            struct sequence s;
            const bool same = random_in(0, 1);
            const uint32_t type = random_in(0, N_TYPES - 1);
            sequence_new(&s, types[type], types[same ? type : random_in(0, N_TYPES - 1)]);
            rotate_keys(&s);
            const enum precision precision = random_in(0, 1) ? PRECISION_FAST : PRECISION_EXACT;
            float *out = run(&s, c, precision);
            check(&s, c, out, precision);
            free(out);
            sequence_free(&s);
        }
        infer_context_close(&c);
    }
}

static void results_have_the_same_bits_for_any_number_of_threads(void **state)
{
    (void)state;
    infer_context *contexts[] = { open_context(NULL, 1), open_context(NULL, 2), open_context(NULL, 5) };
    for (int round = 0; round < ROUNDS; round++) {
        struct sequence s;
        const enum precision precision = random_in(0, 1) ? PRECISION_FAST : PRECISION_EXACT;
        sequence_new(&s, types[random_in(0, N_TYPES - 1)], types[random_in(0, N_TYPES - 1)]);
        float *first = run(&s, contexts[0], precision);
        for (int i = 1; i < 3; i++) {
            float *out = run(&s, contexts[i], precision);
            assert_memory_equal(out, first, (size_t)s.n_tokens * s.net.h.n_head * s.net.h.d_v * sizeof *out);
            free(out);
        }
        free(first);
        sequence_free(&s);
    }
    for (int i = 0; i < 3; i++)
        infer_context_close(&contexts[i]);
}

static void heads_that_do_not_fit_a_type_are_refused(void **state)
{
    (void)state;
    infer_context *c = open_context(NULL, 1);
    struct hparams h = { .n_layer = 1, .n_head = 1, .n_head_kv = 1, .d_k = 80, .d_v = 64 };
    struct kv_shape shape;
    infer_error err = { 0 };
    assert_int_equal(kv_shape_init(&shape, &h, DTYPE_Q8_0, DTYPE_Q8_0, &err), INFER_E_ARGUMENT);
    assert_string_equal(err.message,
                        "keys of 80 numbers cannot be stored as q8_0, which takes multiples of 32; f16 takes any");
    assert_int_equal(kv_shape_init(&shape, &h, DTYPE_F16, DTYPE_Q8_0, &err), INFER_OK);
    h.d_v = 2000;
    assert_int_equal(kv_shape_init(&shape, &h, DTYPE_F16, DTYPE_F16, &err), INFER_E_UNKNOWN);
    assert_string_equal(err.message, "the model's heads have values of 2000 numbers, expected at most 1024");
    h.d_v = 64;
    h.n_layer = 1 << 16;
    h.n_head_kv = UINT32_MAX;
    assert_int_equal(kv_shape_init(&shape, &h, DTYPE_F16, DTYPE_F16, &err), INFER_OK);
    assert_null(kv_pool_open(&c->a, &h, &shape, &err));
    assert_int_equal(err.code, INFER_E_NOMEM);
    infer_context_close(&c);
}

int main(void)
{
    const char *seed = getenv("INFER_SEED");
    random_state = seed ? strtoull(seed, NULL, 0) : 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_meets_the_formula),
        cmocka_unit_test(results_have_the_same_bits_for_any_number_of_threads),
        cmocka_unit_test(heads_that_do_not_fit_a_type_are_refused),
    };
    return cmocka_run_group_tests_name("attention", tests, NULL, NULL);
}
