/* check_attend.h - running soft-max over some blocks of keys against the plain soft-max over all of them, in double. */
#ifndef TESTS_KERNELS_CHECK_ATTEND_H
#define TESTS_KERNELS_CHECK_ATTEND_H

#include "tests/kernels/harness.h"

#define ATTEND_ROWS 20
#define ATTEND_WIDTH 256
#define ATTEND_BLOCKS 4

/* What the rows have seen: the scores of all keys so far, and their values. */
struct attend_truth {
    int n_keys;
    double score[ATTEND_ROWS][ATTEND_BLOCKS * ATTEND_KEYS]; /* -INFINITY: not seen */
    double score_error;                                     /* of the worst */
    float v[ATTEND_BLOCKS * ATTEND_KEYS][ATTEND_WIDTH];
};

static void attend_gapped(const float **x, size_t *stride, struct guarded *g, int n, int width, float limit)
{
    *stride = (size_t)(width + random_int(0, 5));
    float *const p = guarded_take(g, ((size_t)(n - 1) * *stride + (size_t)width) * sizeof *p);
    for (int i = 0; i < n; i++)
        for (int d = 0; d < width; d++)
            p[(size_t)i * *stride + (size_t)d] = random_float() * limit;
    *x = p;
}

/* Queries and an empty state for them. */
static void attend_begin(struct attend_block *b)
{
    const int n_q = random_int(1, ATTEND_ROWS);
    *b = (struct attend_block){
        .n_q = n_q, .d_k = (int)random_size(ATTEND_WIDTH), .d_v = (int)random_size(ATTEND_WIDTH),
        .soft_cap = random_int(0, 2) ? 0 : random_int(0, 1) ? 50 : 5,
        .scratch = mem_scratch.end - KERNEL_SCRATCH_BYTES,
    };
    attend_gapped(&b->q, &b->q_stride, &mem_a, n_q, b->d_k, (float[]){ 0.1f, 1, 4 }[random_int(0, 2)]);
    b->max = guarded_take(&mem_x, (size_t)n_q * sizeof *b->max);
    b->sum = guarded_take(&mem_d, (size_t)n_q * sizeof *b->sum);
    b->out_stride = (size_t)(b->d_v + random_int(0, 5));
    b->out = guarded_take(&mem_y, ((size_t)(n_q - 1) * b->out_stride + (size_t)b->d_v) * sizeof *b->out);
    for (int i = 0; i < n_q; i++) {
        b->max[i] = -INFINITY;
        b->sum[i] = 0;
        memset(b->out + (size_t)i * b->out_stride, 0, (size_t)b->d_v * sizeof *b->out);
    }
}

/* The next keys and values, and which of them each row sees. */
static void attend_next(struct attend_block *b)
{
    b->n_keys = random_int(0, 2) ? random_int(1, ATTEND_KEYS) : ATTEND_KEYS;
    attend_gapped(&b->k, &b->k_stride, &mem_b, b->n_keys, b->d_k, 1);
    attend_gapped(&b->v, &b->v_stride, &mem_c, b->n_keys, b->d_v, 1);
    int *const ranges = guarded_take(&mem_w, (size_t)b->n_q * 2 * sizeof *ranges);
    b->first = ranges;
    b->last = ranges + b->n_q;
    const bool causal = random_int(0, 1); /* or each row sees any range, maybe none or one that is turned around */
    for (int i = 0; i < b->n_q; i++) {
        ranges[i] = causal ? 0 : random_int(0, b->n_keys);
        ranges[b->n_q + i] = causal ? (b->n_keys - i > 0 ? b->n_keys - i : 0) : random_int(0, b->n_keys);
    }
}

static void truth_add(struct attend_truth *t, const struct attend_block *b)
{
    for (int j = 0; j < b->n_keys; j++, t->n_keys++) {
        memcpy(t->v[t->n_keys], b->v + (size_t)j * b->v_stride, (size_t)b->d_v * sizeof(float));
        for (int i = 0; i < b->n_q; i++) {
            double score = 0, sizes = 0;
            for (int d = 0; d < b->d_k; d++) {
                const double p = (double)b->q[(size_t)i * b->q_stride + (size_t)d] *
                                 (double)b->k[(size_t)j * b->k_stride + (size_t)d];
                score += p;
                sizes += fabs(p);
            }
            const double cap = (double)b->soft_cap;
            const double error = ((double)b->d_k / 16 + 8) * FLT_EPSILON * sizes + 8 * FLT_EPSILON * cap;
            t->score_error = fmax(t->score_error, error);
            const bool seen = j >= b->first[i] && j < b->last[i];
            t->score[i][t->n_keys] = !seen ? -INFINITY : cap != 0 ? cap * tanh(score / cap) : score;
        }
    }
}

static void check_attend_row(const struct attend_truth *t, const struct attend_block *b, int i)
{
    double max = -INFINITY, sum = 0, sum_error = 0;
    for (int j = 0; j < t->n_keys; j++)
        max = fmax(max, t->score[i][j]);
    if (max == -INFINITY) {
        check_true(b->max[i] == -INFINITY && b->sum[i] == 0, "a row that sees nothing changed");
        return;
    }
    check_near((double)b->max[i], max, t->score_error, "max", (size_t)i);
    /* An error of a score is one of its weight's exponent. The exponent is rounded in proportion to its size, and may
     * have come about in one step for each block. */
    static double weight[ATTEND_BLOCKS * ATTEND_KEYS], error[ATTEND_BLOCKS * ATTEND_KEYS];
    for (int j = 0; j < t->n_keys; j++) {
        const double below = t->score[i][j] - (double)b->max[i];
        weight[j] = exp(below);
        error[j] = (t->score_error + (32 + t->n_keys / 16 + 4 * fmin(fabs(below), 100)) * FLT_EPSILON) * weight[j] +
                   (double)FLT_MIN;
        sum += weight[j];
        sum_error += error[j];
    }
    check_near((double)b->sum[i], sum, sum_error, "sum", (size_t)i);
    for (int d = 0; d < b->d_v; d++) {
        double out = 0, out_error = (double)FLT_MIN;
        for (int j = 0; j < t->n_keys; j++) {
            out += weight[j] * (double)t->v[j][d];
            out_error += error[j] * fabs((double)t->v[j][d]);
        }
        check_near((double)b->out[(size_t)i * b->out_stride + (size_t)d], out, out_error, "out", (size_t)d);
    }
}

/* The same block for one row alone, from a copy of its state: the same bits as among the others. */
static void check_row_alone(const struct kernels *k, const struct attend_block *b, int i, float max, float sum,
                            float *out)
{
    struct attend_block alone = *b;
    alone.n_q = 1;
    alone.q += (size_t)i * b->q_stride;
    alone.first += i;
    alone.last += i;
    alone.max = &max;
    alone.sum = &sum;
    alone.out = out;
    k->attend(&alone);
    check_true(memcmp(&max, &b->max[i], sizeof max) == 0 && memcmp(&sum, &b->sum[i], sizeof sum) == 0 &&
               memcmp(out, b->out + (size_t)i * b->out_stride, (size_t)b->d_v * sizeof *out) == 0,
               "a row computed alone differs");
}

static void check_attend_gaps(const struct attend_block *b)
{
    for (int i = 0; i + 1 < b->n_q; i++)
        check_true(all_canary(b->out + (size_t)i * b->out_stride + b->d_v,
                              (b->out_stride - (size_t)b->d_v) * sizeof(float)), "wrote between the rows of out");
    check_true(guarded_front_intact(&mem_y) && guarded_front_intact(&mem_x) && guarded_front_intact(&mem_d) &&
               guarded_front_intact(&mem_scratch), "wrote before out, max, sum or scratch");
}

static void check_attend(const struct kernels *k, int index)
{
    (void)index;
    static struct attend_truth truth;
    static float out_before[ATTEND_WIDTH];
    for (int round = 0; round < 60; round++) {
        struct attend_block b;
        attend_begin(&b);
        truth.n_keys = 0;
        truth.score_error = 0;
        for (int block = random_int(1, ATTEND_BLOCKS); block > 0; block--) {
            attend_next(&b);
            CASE("%d rows, %d keys, %d x %d wide, soft cap %g, round %d", b.n_q, b.n_keys, b.d_k, b.d_v,
                 (double)b.soft_cap, round);
            const int row = random_int(0, b.n_q - 1);
            const float max = b.max[row], sum = b.sum[row];
            memcpy(out_before, b.out + (size_t)row * b.out_stride, (size_t)b.d_v * sizeof *out_before);
            guarded_take(&mem_scratch, KERNEL_SCRATCH_BYTES);
            k->attend(&b);
            check_attend_gaps(&b);
            if (b.first[row] >= b.last[row])
                check_true(memcmp(out_before, b.out + (size_t)row * b.out_stride, (size_t)b.d_v * sizeof(float)) == 0 &&
                           memcmp(&max, &b.max[row], sizeof max) == 0 && sum == b.sum[row],
                           "a row without keys changed");
            check_row_alone(k, &b, row, max, sum, out_before);
            truth_add(&truth, &b);
        }
        for (int i = 0; i < b.n_q; i++)
            check_attend_row(&truth, &b, i);
    }
}

static void add_attend(struct group *g)
{
    group_add(g, "attend", offsetof(struct kernels, attend), check_attend, 0);
}

#endif
