/* distribution.c - probabilities from logits, how two models' differ, and how they are saved. */
#include "tools/perplexity/perplexity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t index_of_most(const float *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        best = x[i] > x[best] ? i : best;
    return best;
}

double log_total(const float *logits, size_t n)
{
    const double most = logits[index_of_most(logits, n)];
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += expf((float)(logits[i] - most));
    return most + log(sum);
}

/* ---- Means ---- */

void mean_add(struct mean *m, double x)
{
    m->sum += x;
    m->squares += x * x;
    m->n++;
}

double mean_of(const struct mean *m)
{
    return m->n ? m->sum / (double)m->n : 0;
}

double mean_error(const struct mean *m)
{
    const double mean = mean_of(m), variance = m->n ? m->squares / (double)m->n - mean * mean : 0;
    return m->n > 1 && variance > 0 ? sqrt(variance / (double)(m->n - 1)) : 0;
}

/* ---- Saved rows ---- */

enum { ROW_HEAD = 4 };        /* numbers of 16 bits that the two floats take */
static const float span = 16; /* logits further below the largest count as that far below it */

size_t saved_row_bytes(size_t n_vocab)
{
    return sizeof(uint16_t) * (ROW_HEAD + (n_vocab + 1) / 2 * 2);
}

void save_row(uint16_t *row, const float *logits, size_t n_vocab)
{
    const float most = logits[index_of_most(logits, n_vocab)];
    float least = most;
    for (size_t i = 0; i < n_vocab; i++)
        least = logits[i] < least ? logits[i] : least;
    least = least > most - span ? least : most - span;
    const float head[2] = { (most - least) / 65535, (float)(least - log_total(logits, n_vocab)) };
    memset(row, 0, saved_row_bytes(n_vocab));
    memcpy(row, head, sizeof head);
    for (size_t i = 0; i < n_vocab && head[0] > 0; i++)
        row[ROW_HEAD + i] = logits[i] > least ? (uint16_t)lrintf((logits[i] - least) / head[0]) : 0;
}

/* ---- Two models ---- */

void divergence_add(struct divergence *d, const float *logits, const uint16_t *base, size_t n_vocab, int32_t id)
{
    const double total = log_total(logits, n_vocab);
    float head[2];
    memcpy(head, base, sizeof head);
    const uint16_t *const q = base + ROW_HEAD;
    double kl = 0;
    size_t best = 0;
    for (size_t i = 0; i < n_vocab; i++) {
        const double log_base = head[0] * (double)q[i] + head[1];
        best = q[i] > q[best] ? i : best;
        if (log_base > -span) /* the rest is not told apart by 16 bits */
            kl += exp(log_base) * (log_base - (logits[i] - total));
    }
    const double nll = total - logits[id], base_nll = -(head[0] * (double)q[id] + head[1]);
    const double difference = exp(-nll) - exp(-base_nll);
    d->kls[d->kl.n] = kl;
    mean_add(&d->kl, kl);
    mean_add(&d->nll, nll);
    mean_add(&d->base_nll, base_nll);
    mean_add(&d->difference, nll - base_nll);
    mean_add(&d->p_difference, difference);
    mean_add(&d->p_square, difference * difference);
    d->same_top += best == index_of_most(logits, n_vocab);
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const struct divergence *d, double share)
{
    const size_t n = d->kl.n;
    return n ? d->kls[(size_t)(share * (double)(n - 1) + 0.5)] : 0;
}

void divergence_print(struct divergence *d, bool json)
{
    qsort(d->kls, d->kl.n, sizeof *d->kls, by_size); /* for quantiles */
    const double n = d->kl.n ? (double)d->kl.n : 1, same = (double)d->same_top / n;
    const double ppl = exp(mean_of(&d->nll)), base_ppl = exp(mean_of(&d->base_nll));
    const struct {
        const char *key, *name;
        double value, error; /* error < 0: it has none */
    } rows[] = {
        { "ppl", "perplexity", ppl, ppl * mean_error(&d->nll) },
        { "base_ppl", "of the base", base_ppl, base_ppl * mean_error(&d->base_nll) },
        { "log_ppl_ratio", "ln of their ratio", mean_of(&d->difference), mean_error(&d->difference) },
        { "kl_mean", "KL divergence, mean", mean_of(&d->kl), mean_error(&d->kl) },
        { "kl_median", "median", quantile(d, 0.5), -1 },
        { "kl_p90", "90 %", quantile(d, 0.9), -1 },
        { "kl_p99", "99 %", quantile(d, 0.99), -1 },
        { "kl_max", "largest", quantile(d, 1), -1 },
        { "p_difference", "change of the token's probability, mean", mean_of(&d->p_difference),
          mean_error(&d->p_difference) },
        { "p_difference_rms", "root of its mean square", sqrt(mean_of(&d->p_square)), -1 },
        { "same_top", "same most likely token", same, sqrt(same * (1 - same) / n) },
    };
    printf(json ? "{\"tokens\": %zu" : "%zu tokens\n", d->kl.n);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (json)
            printf(", \"%s\": %.9g", rows[i].key, rows[i].value);
        else if (rows[i].error < 0)
            printf("%-40s %12.6f\n", rows[i].name, rows[i].value);
        else
            printf("%-40s %12.6f ± %.6f\n", rows[i].name, rows[i].value, rows[i].error);
        if (json && rows[i].error >= 0)
            printf(", \"%s_error\": %.9g", rows[i].key, rows[i].error);
    }
    printf(json ? "}\n" : "");
}
