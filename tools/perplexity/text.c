/* text.c - perplexity of a text, divergence from another model's saved probabilities, each token's probability.
 *
 * A text is cut into chunks of n_ctx tokens, each of which the model reads from the start. The second half of a chunk
 * counts, so that every token has at least n_ctx / 2 before it. This is how llama.cpp measures, and so are its files:
 *   "_logits_", i32 n_ctx, i32 n_vocab, i32 n_chunks, i32 ids[n_chunks * n_ctx], then the rows of each chunk's tokens
 *   from n_ctx / 2 + 1 on */
#include "tools/common/failure.h"
#include "tools/common/likely.h"
#include "tools/perplexity/perplexity.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char magic[8] = "_logits_";

/* ---- Reading tokens ---- */

int32_t *scorer_encode(const struct scorer *s, const char *text, size_t length, size_t *n, infer_error *err)
{
    if (infer_tokenizer_encode(s->tokenizer, text, length, INFER_ADD_SPECIAL, NULL, 0, n, err) != INFER_OK)
        return NULL;
    int32_t *ids = malloc((*n + 1) * sizeof *ids);
    if (!ids)
        failure(err, INFER_E_NOMEM, "no memory for %zu tokens", *n);
    else if (infer_tokenizer_encode(s->tokenizer, text, length, INFER_ADD_SPECIAL, ids, *n, n, err) == INFER_OK)
        return ids;
    free(ids);
    return NULL;
}

infer_status scorer_read(const struct scorer *s, const int32_t *ids, size_t n, size_t from, token_fn *fn, void *arg,
                         infer_error *err)
{
    infer_status status = from > 1 ? infer_session_eval(s->session, ids, from - 1, err) : INFER_OK;
    for (size_t at = from - 1; status == INFER_OK && at + 1 < n;) {
        const size_t left = n - 1 - at, rows = left < LOGIT_ROWS ? left : LOGIT_ROWS;
        status = infer_session_eval_all(s->session, ids + at, rows, s->logits, err);
        for (size_t i = 0; status == INFER_OK && i < rows; i++)
            status = fn(arg, s->logits + i * s->n_vocab, ids[at + i + 1], err);
        at += rows;
    }
    return status;
}

/* ---- Chunks ---- */

/* A chunk's first token is the one that the model expects at the start of a text, if any. */
static infer_status read_chunk(const struct scorer *s, int32_t *ids, bool begins, token_fn *fn, void *arg,
                               infer_error *err)
{
    const int32_t own = ids[0];
    if (begins)
        ids[0] = infer_tokenizer_bos(s->tokenizer);
    infer_status status = infer_session_rewind(s->session, 0, err);
    if (status == INFER_OK)
        status = scorer_read(s, ids, s->n_ctx, s->n_ctx / 2 + 1, fn, arg, err);
    ids[0] = own;
    return status;
}

static bool begins_with_bos(const struct scorer *s)
{
    int32_t id = -1;
    size_t n = 0;
    infer_tokenizer_encode(s->tokenizer, "", 0, INFER_ADD_SPECIAL, &id, 1, &n, NULL);
    return n > 0 && id == infer_tokenizer_bos(s->tokenizer);
}

static void tell_progress(const struct scorer *s, size_t chunk, size_t n_chunks, double perplexity)
{
    if (s->progress)
        fprintf(stderr, "\r%zu of %zu chunks, perplexity so far %.4f ", chunk, n_chunks, perplexity);
    if (s->progress && chunk == n_chunks)
        fputc('\n', stderr);
}

/* ---- Perplexity ---- */

struct perplexity {
    const struct scorer *s;
    struct mean nll;
    FILE *save; /* NULL: probabilities are not kept */
    const char *name;
    uint16_t *row;
};

static infer_status cannot(const char *what, const char *name, infer_error *err)
{
    return failure(err, INFER_E_IO, "%s: cannot be %s: %s", name, what, strerror(errno));
}

static infer_status add_token(void *arg, const float *logits, int32_t id, infer_error *err)
{
    struct perplexity *p = arg;
    mean_add(&p->nll, log_total(logits, p->s->n_vocab) - logits[id]);
    if (!p->save)
        return INFER_OK;
    save_row(p->row, logits, p->s->n_vocab);
    return fwrite(p->row, saved_row_bytes(p->s->n_vocab), 1, p->save) == 1 ? INFER_OK : cannot("written", p->name, err);
}

static infer_status begin_saving(struct perplexity *p, const struct text_options *o, const int32_t *ids,
                                 size_t n_chunks, infer_error *err)
{
    const int32_t head[] = { (int32_t)p->s->n_ctx, (int32_t)p->s->n_vocab, (int32_t)n_chunks };
    p->name = o->save;
    p->row = malloc(saved_row_bytes(p->s->n_vocab));
    if (!p->row)
        return failure(err, INFER_E_NOMEM, "no memory for the probabilities of %zu tokens", p->s->n_vocab);
    p->save = fopen(o->save, "wb");
    if (!p->save || fwrite(magic, sizeof magic, 1, p->save) != 1 || fwrite(head, sizeof head, 1, p->save) != 1 ||
        fwrite(ids, sizeof *ids, n_chunks * p->s->n_ctx, p->save) != n_chunks * p->s->n_ctx)
        return cannot("written", p->name, err);
    return INFER_OK;
}

static void print_perplexity(const struct perplexity *p, size_t n_chunks)
{
    const double value = exp(mean_of(&p->nll)), error = value * mean_error(&p->nll);
    if (p->s->json)
        printf(
            "{\"ppl\": %.9g, \"ppl_error\": %.9g, \"nll\": %.9g, \"tokens\": %zu, \"chunks\": %zu, \"n_ctx\": %zu}\n",
            value, error, mean_of(&p->nll), p->nll.n, n_chunks, p->s->n_ctx);
    else
        printf("perplexity %.4f ± %.5f over %zu tokens (%zu chunks of %zu)\n", value, error, p->nll.n, n_chunks,
               p->s->n_ctx);
}

infer_status perplexity_of_text(const struct scorer *s, const struct text_options *o, infer_error *err)
{
    size_t n;
    int32_t *ids = scorer_encode(s, o->text, o->length, &n, err);
    if (!ids)
        return err->code;
    struct perplexity p = { .s = s };
    size_t n_chunks = n / s->n_ctx;
    infer_status status = INFER_OK;
    if (n_chunks < 2)
        status = failure(err, INFER_E_ARGUMENT, "%s: has %zu tokens; %zu are needed for two chunks (-c)", o->name, n,
                         2 * s->n_ctx);
    if (o->n_chunks >= 0 && n_chunks > (size_t)o->n_chunks)
        n_chunks = (size_t)o->n_chunks;
    if (status == INFER_OK && o->save)
        status = begin_saving(&p, o, ids, n_chunks, err);
    const bool begins = begins_with_bos(s);
    for (size_t i = 0; status == INFER_OK && i < n_chunks; i++) {
        status = read_chunk(s, ids + i * s->n_ctx, begins, add_token, &p, err);
        tell_progress(s, i + 1, n_chunks, exp(mean_of(&p.nll)));
    }
    if (p.save && fclose(p.save) && status == INFER_OK)
        status = cannot("written", p.name, err);
    if (p.save && status != INFER_OK)
        remove(p.name);
    if (status == INFER_OK)
        print_perplexity(&p, n_chunks);
    free(p.row);
    free(ids);
    return status;
}

/* ---- Divergence ---- */

struct base {
    const struct scorer *s;
    FILE *file;
    const char *name;
    uint16_t *row;
    struct divergence sums;
};

static infer_status truncated(const struct base *b, infer_error *err)
{
    return failure(err, INFER_E_FORMAT, "%s: ends before all of its chunks", b->name);
}

static infer_status compare_token(void *arg, const float *logits, int32_t id, infer_error *err)
{
    struct base *b = arg;
    if (fread(b->row, saved_row_bytes(b->s->n_vocab), 1, b->file) != 1)
        return truncated(b, err);
    divergence_add(&b->sums, logits, b->row, b->s->n_vocab, id);
    return INFER_OK;
}

/* The head of the file; *ids are the tokens of n_chunks chunks. */
static infer_status read_base(struct base *b, int32_t **ids, size_t *n_chunks, infer_error *err)
{
    char word[sizeof magic];
    int32_t head[3];
    if (fread(word, sizeof word, 1, b->file) != 1 || memcmp(word, magic, sizeof magic) ||
        fread(head, sizeof head, 1, b->file) != 1)
        return failure(err, INFER_E_FORMAT, "%s: is no file of saved probabilities, which begins with %.8s", b->name,
                       magic);
    if (head[0] < 0 || (size_t)head[0] != b->s->n_ctx || head[1] < 0 || (size_t)head[1] != b->s->n_vocab)
        return failure(err, INFER_E_ARGUMENT,
                       "%s: was saved with chunks of %d tokens and a vocabulary of %d; expected %zu (-c) and %zu",
                       b->name, head[0], head[1], b->s->n_ctx, b->s->n_vocab);
    if (head[2] < 1 || head[2] > (1 << 24))
        return failure(err, INFER_E_FORMAT, "%s: has %d chunks, expected 1 to %d", b->name, head[2], 1 << 24);
    *n_chunks = (size_t)head[2];
    const size_t n = *n_chunks * b->s->n_ctx;
    *ids = malloc(n * sizeof **ids);
    if (!*ids)
        return failure(err, INFER_E_NOMEM, "%s: no memory for %zu tokens", b->name, n);
    return fread(*ids, sizeof **ids, n, b->file) == n ? INFER_OK : truncated(b, err);
}

static infer_status compare_chunks(struct base *b, int32_t *ids, size_t n_chunks, infer_error *err)
{
    const struct scorer *s = b->s;
    b->row = malloc(saved_row_bytes(s->n_vocab));
    b->sums.kls = calloc(n_chunks, s->n_ctx * sizeof *b->sums.kls);
    if (!b->row || !b->sums.kls)
        return failure(err, INFER_E_NOMEM, "no memory for the divergences of %zu chunks", n_chunks);
    const bool begins = begins_with_bos(s);
    infer_status status = INFER_OK;
    for (size_t i = 0; status == INFER_OK && i < n_chunks; i++) {
        status = read_chunk(s, ids + i * s->n_ctx, begins, compare_token, b, err);
        tell_progress(s, i + 1, n_chunks, exp(mean_of(&b->sums.nll)));
    }
    if (status == INFER_OK)
        divergence_print(&b->sums, s->json);
    return status;
}

infer_status divergence_from(const struct scorer *s, const char *path, int32_t n_chunks, infer_error *err)
{
    struct base b = { .s = s, .name = path, .file = fopen(path, "rb") };
    if (!b.file)
        return cannot("read", path, err);
    int32_t *ids = NULL;
    size_t saved = 0;
    infer_status status = read_base(&b, &ids, &saved, err);
    if (status == INFER_OK)
        status = compare_chunks(&b, ids, n_chunks >= 0 && saved > (size_t)n_chunks ? (size_t)n_chunks : saved, err);
    fclose(b.file);
    free(b.row);
    free(b.sums.kls);
    free(ids);
    return status;
}

/* ---- Each token ---- */

struct tokens {
    const struct scorer *s;
    struct likely lines;
};

static infer_status print_token(void *arg, const float *logits, int32_t id, infer_error *err)
{
    struct tokens *t = arg;
    const double logprob = logits ? logits[id] - log_total(logits, t->s->n_vocab) : NAN;
    return likely_write(&t->lines, id, logprob, NULL, 0, err);
}

infer_status token_probabilities(const struct scorer *s, const struct text_options *o, infer_error *err)
{
    size_t n;
    int32_t *ids = scorer_encode(s, o->text, o->length, &n, err);
    if (!ids)
        return err->code;
    infer_status status = INFER_OK;
    if (!n || n > s->n_ctx)
        status = failure(err, INFER_E_ARGUMENT, "%s: has %zu tokens, expected 1 to %zu (-c)", o->name, n, s->n_ctx);
    struct tokens tokens = { .s = s };
    if (!likely_open(&tokens.lines, stdout, s->tokenizer))
        status = failure(err, INFER_E_NOMEM, "no memory for a token's text");
    if (status == INFER_OK)
        status = print_token(&tokens, NULL, ids[0], err);
    if (status == INFER_OK)
        status = scorer_read(s, ids, n, 1, print_token, &tokens, err);
    likely_close(&tokens.lines);
    free(ids);
    return status;
}
