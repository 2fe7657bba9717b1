/* attention.c - storing keys and values, and attention over the pages of a session's cache.
 *
 * A task is one KV head and some tokens: the query heads that share the KV head, for these tokens, are the rows of one
 * running soft-max, so that each block of keys and values is read once for all of them.
 *
 * Many tokens: the keys and values of all are stored first, then each task sees its whole context. Few tokens, which
 * one task per head could do: the context is cut into pieces besides, a slab or more each, so that one token keeps all
 * threads busy. A task stores what falls into its piece, then sees that piece; who ends the last piece of a head joins
 * them, in their order.
 *
 * The cuts do not depend on the number of threads, nor on how many of the tokens' queries are wanted, and a row's result
 * does not depend on the other rows. */
#include "src/engine/cpu/cpu.h"

#include <math.h>

enum {
    TASK_ROWS = 64,   /* about so many query rows a task */
    MAX_PIECES = 256, /* of all heads together */
};
static const float log2_e = 1.44269504088896341f; /* the kernel's weights are powers of 2 */

struct attention_job {
    struct device *d;
    const struct span *span;
    uint32_t layer;
    const struct attention *how;
    uint32_t n_q;                     /* the span's last tokens, whose attention is wanted */
    uint32_t tokens;                  /* of these a task */
    uint32_t first_page, end_page;    /* what tasks see or store */
    uint32_t pages_a_piece, n_pieces; /* more than one: all n_q tokens are one task's */
    float *out;
    const struct head_rows *q, *k, *v;
};

static const float *heads_at(const struct head_rows *rows, uint32_t token, uint32_t head)
{
    return rows->first + token * rows->stride + head * rows->head_stride;
}

/* ---- Memory ---- */

static uint32_t group_of(const struct hparams *h)
{
    return h->n_head / h->n_head_kv;
}

static uint32_t tokens_a_task(const struct hparams *h)
{
    return group_of(h) < TASK_ROWS ? TASK_ROWS / group_of(h) : 1;
}

static uint32_t rows_a_task(const struct hparams *h)
{
    return tokens_a_task(h) * group_of(h);
}

/* Results of some rows before they are divided: out (rows, d_v), max and sum. */
struct part {
    float *out, *max, *sum;
};

static size_t part_floats(const struct hparams *h)
{
    return round_up((size_t)rows_a_task(h) * (h->d_v + 2), CACHE_LINE / sizeof(float));
}

static struct part part_at(float *p, const struct hparams *h)
{
    const size_t rows = rows_a_task(h);
    return (struct part){ p, p + rows * h->d_v, p + rows * (h->d_v + 1) };
}

/* What a task lays out in its thread's scratch, behind the kernel's own. */
struct task_buffers {
    float *q, *key; /* (rows, d_k), (d_k) */
    int *first, *last;
    struct part part;
};

static size_t lay_out(struct task_buffers *b, uint8_t *at, const struct hparams *h)
{
    const size_t rows = rows_a_task(h);
    const size_t bytes[] = { rows * h->d_k * sizeof(float), h->d_k * sizeof(float), rows * sizeof(int),
                             rows * sizeof(int), part_floats(h) * sizeof(float) };
    size_t offset[6] = { KERNEL_SCRATCH_BYTES };
    for (int i = 0; i < 5; i++)
        offset[i + 1] = offset[i] + round_up(bytes[i], CACHE_LINE);
    if (b)
        *b = (struct task_buffers){ (float *)(at + offset[0]), (float *)(at + offset[1]), (int *)(at + offset[2]),
                                    (int *)(at + offset[3]), part_at((float *)(at + offset[4]), h) };
    return offset[5];
}

size_t cpu_attention_scratch(const struct hparams *h)
{
    return lay_out(NULL, NULL, h);
}

static uint32_t most_pieces(const struct hparams *h)
{
    return h->n_head_kv < MAX_PIECES ? MAX_PIECES / h->n_head_kv : 1;
}

size_t cpu_attention_parts(const struct hparams *h, const struct kv *kv)
{
    const uint32_t pieces = kv->max_pages / kv->pool->shape.slab_pages + 1, most = most_pieces(h);
    return (size_t)h->n_head_kv * (pieces < most ? pieces : most) * part_floats(h);
}

/* ---- Storing ---- */

static void rotate(const struct attention_job *job, float *x, uint32_t token)
{
    if (job->how->rope < 0)
        return;
    const struct kernels *k = job->d->k;
    const struct rotation *r = &job->d->rotations[job->how->rope];
    const size_t at = (size_t)token * (r->rope->n_rot / 2);
    x += r->rope->first;
    (r->rope->kind == ROPE_PAIRS ? k->rope_pairs : k->rope_halves)(x, r->cosine + at, r->sine + at, r->rope->n_rot);
}

/* Keys, rotated, and values of a head for the span's tokens that fall into the pages [first, end). */
static void store_pages(const struct attention_job *job, const struct task_buffers *b, uint32_t head, uint32_t first,
                        uint32_t end)
{
    const struct device *d = job->d;
    const struct span *s = job->span;
    const struct kv_shape *kv = &s->kv->pool->shape;
    uint8_t *const *const pages = kv_pages_of(s->kv, job->layer)->data;
    const size_t d_k = kv->d_k, d_v = kv->d_v, at = kv_offset(s->kv->pool, job->layer, head);
    const uint32_t from = s->first > first * ATTEND_KEYS ? s->first : first * ATTEND_KEYS;
    for (uint32_t position = from; position < s->first + s->n && position / ATTEND_KEYS < end; position++) {
        const uint32_t token = position - s->first;
        uint8_t *const block = pages[position / ATTEND_KEYS] + at;
        const int slot = (int)(position % ATTEND_KEYS);
        memcpy(b->key, heads_at(job->k, token, head), d_k * sizeof(float));
        rotate(job, b->key, token);
        d->k->store_key(block, kv->k_type, slot, b->key, d_k);
        if (!kv->shared)
            d->k->store_value(block + kv->key_bytes, kv->v_type, slot, heads_at(job->v, token, head), d_v);
    }
}

static void store_task(void *arg, int task, int thread)
{
    const struct attention_job *job = arg;
    const uint32_t n_heads = job->d->net->h.n_head_kv, page = job->span->first / ATTEND_KEYS + (uint32_t)task / n_heads;
    struct task_buffers b;
    lay_out(&b, cpu_scratch(job->d, thread), &job->d->net->h);
    store_pages(job, &b, (uint32_t)task % n_heads, page, page + 1);
}

/* ---- Attending ---- */

/* Tokens [first, first + n) of the span, one KV head, and the pages [page, end). */
struct attention_task {
    uint32_t head, first, n, page, end;
    bool is_first; /* the first piece */
    const uint8_t *next; /* what the thread's next task reads first, seen from this head; NULL: unknown */
};

/* Rows [token][head of the group]: queries rotated and scaled, running soft-max empty but for sinks. */
static void start_rows(const struct attention_job *job, const struct attention_task *t, const struct task_buffers *b,
                       const struct part *part)
{
    const struct device *d = job->d;
    const struct hparams *h = &d->net->h;
    const uint32_t group = group_of(h), skipped = job->span->n - job->n_q;
    for (uint32_t i = 0; i < t->n * group; i++) {
        const uint32_t token = t->first + i / group, head = t->head * group + i % group;
        float *const q = b->q + (size_t)i * h->d_k;
        d->k->scale(q, heads_at(job->q, token - skipped, t->head) + i % group * h->d_k, job->how->scale * log2_e,
                    h->d_k);
        rotate(job, q, token);
        const bool sink = t->is_first && job->how->sinks;
        part->max[i] = sink ? job->how->sinks[head] * log2_e : -INFINITY;
        part->sum[i] = sink ? 1 : 0;
    }
    memset(part->out, 0, (size_t)t->n * group * h->d_v * sizeof(float));
}

/* The positions that a token sees: from *first on, before *last. */
static void seen(const struct attention_job *job, uint32_t token, uint32_t *first, uint32_t *last)
{
    const struct passage text = span_passage(job->span, token);
    const uint32_t own = job->span->first + token, window = job->how->window;
    *first = window && own - text.begin >= window ? own - window + 1 : text.begin;
    *last = job->how->causal ? own + 1 : window && text.end - own > window ? own + window : text.end;
}

/* Which of the n_keys keys from the first of the task's pages on each row sees. */
static void set_ranges(const struct attention_job *job, const struct attention_task *t, const struct task_buffers *b,
                       uint32_t n_keys)
{
    const uint32_t group = group_of(&job->d->net->h), begin = t->page * ATTEND_KEYS;
    for (uint32_t i = 0; i < t->n * group; i++) {
        uint32_t first, last;
        seen(job, t->first + i / group, &first, &last);
        first = first > begin ? first - begin : 0;
        last = last > begin ? last - begin : 0;
        b->first[i] = (int)(first < n_keys ? first : n_keys);
        b->last[i] = (int)(last < n_keys ? last : n_keys);
    }
}

static void attend(const struct attention_job *job, const struct attention_task *t, const struct task_buffers *b,
                   const struct part *part, void *scratch)
{
    const struct device *d = job->d;
    const struct hparams *h = &d->net->h;
    const struct kv_shape *kv = &job->span->kv->pool->shape;
    const uint32_t begin = t->page * ATTEND_KEYS, length = job->span->first + job->span->n;
    if (t->page >= t->end || begin >= length)
        return;
    const uint32_t n_keys = t->end * ATTEND_KEYS < length ? t->end * ATTEND_KEYS - begin : length - begin;
    set_ranges(job, t, b, n_keys);
    const size_t at = kv_offset(job->span->kv->pool, job->layer, t->head);
    d->k->attend[d->precision](&(struct attend){
        .n_q = (int)(t->n * group_of(h)),
        .d_k = (int)h->d_k,
        .d_v = (int)h->d_v,
        .k_type = kv->k_type,
        .v_type = kv->v_type,
        .q = b->q,
        .q_stride = h->d_k,
        .pages = kv_pages_of(job->span->kv, job->layer)->data + t->page,
        .next = t->next,
        .k_at = at,
        .v_at = at + kv->key_bytes,
        .shared = kv->shared,
        .n_keys = (int)n_keys,
        .first = b->first,
        .last = b->last,
        .soft_cap = job->how->soft_cap * log2_e,
        .max = part->max,
        .sum = part->sum,
        .out = part->out,
        .out_stride = h->d_v,
        .scratch = scratch,
    });
}

static void finish_rows(const struct attention_job *job, const struct attention_task *t, const struct part *part)
{
    const struct hparams *h = &job->d->net->h;
    const uint32_t group = group_of(h), skipped = job->span->n - job->n_q;
    for (uint32_t i = 0; i < t->n * group; i++) {
        const size_t row = (size_t)(t->first - skipped + i / group) * h->n_head + (size_t)t->head * group + i % group;
        job->d->k->scale(job->out + row * h->d_v, part->out + (size_t)i * h->d_v, 1 / part->sum[i], h->d_v);
    }
}

/* ---- Pieces of the context ---- */

static struct part piece_part(const struct attention_job *job, uint32_t head, uint32_t piece)
{
    const struct hparams *h = &job->d->net->h;
    return part_at(job->d->parts + ((size_t)head * job->n_pieces + piece) * part_floats(h), h);
}

/* All pieces of a head into the first one: each is weighed by 2^(its maximum - the largest). */
static void join_pieces(const struct attention_job *job, const struct attention_task *t)
{
    const struct hparams *h = &job->d->net->h;
    const struct part sum = piece_part(job, t->head, 0);
    for (uint32_t i = 0; i < t->n * group_of(h); i++) {
        float *const out = sum.out + (size_t)i * h->d_v;
        for (uint32_t piece = 1; piece < job->n_pieces; piece++) {
            const struct part part = piece_part(job, t->head, piece);
            const float max = part.max[i] > sum.max[i] ? part.max[i] : sum.max[i];
            if (max == -INFINITY)
                continue;
            const float old = exp2f(sum.max[i] - max), new = exp2f(part.max[i] - max);
            const float *const more = part.out + (size_t)i * h->d_v;
            for (uint32_t j = 0; j < h->d_v; j++)
                out[j] = out[j] * old + more[j] * new;
            sum.sum[i] = sum.sum[i] * old + part.sum[i] * new;
            sum.max[i] = max;
        }
    }
}

/* The block that follows a head's pages up to `end`: of its next page, or of the next head's first one. */
static const uint8_t *next_block(const struct attention_job *job, uint32_t head, uint32_t end)
{
    const struct kv_pool *pool = job->span->kv->pool;
    uint8_t *const *const pages = kv_pages_of(job->span->kv, job->layer)->data;
    if (end < job->end_page)
        return pages[end];
    if (head + 1 == pool->shape.n_head_kv)
        return NULL;
    return pages[job->first_page] + kv_offset(pool, job->layer, head + 1) - kv_offset(pool, job->layer, head);
}

/* A piece of few tokens' context. A thread's tasks follow each other in memory. */
static void piece_task(void *arg, int task, int thread)
{
    const struct attention_job *job = arg;
    const uint32_t head = (uint32_t)task / job->n_pieces, piece = (uint32_t)task % job->n_pieces;
    const uint32_t page = job->first_page + piece * job->pages_a_piece, left = job->end_page - page;
    const uint32_t pages = left < job->pages_a_piece ? left : job->pages_a_piece;
    const struct attention_task t = {
        head, job->span->n - job->n_q, job->n_q, page, page + pages, piece == 0, next_block(job, head, page + pages)
    };
    struct task_buffers b;
    uint8_t *scratch = cpu_scratch(job->d, thread);
    lay_out(&b, scratch, &job->d->net->h);
    const struct part part = job->n_pieces > 1 ? piece_part(job, head, piece) : b.part;
    store_pages(job, &b, head, t.page, t.end);
    start_rows(job, &t, &b, &part);
    attend(job, &t, &b, &part, scratch);
    if (job->n_pieces == 1) {
        finish_rows(job, &t, &part);
    } else if (atomic_fetch_sub(&job->d->pieces_left[head], 1) == 1) {
        join_pieces(job, &t);
        const struct part sum = piece_part(job, head, 0);
        finish_rows(job, &t, &sum);
    }
}

/* Some of many tokens and their whole context; later tokens, which see more, come first. */
static void tokens_task(void *arg, int task, int thread)
{
    const struct attention_job *job = arg;
    const uint32_t n_heads = job->d->net->h.n_head_kv, skipped = job->span->n - job->n_q;
    const uint32_t last = ((job->n_q - 1) / job->tokens - (uint32_t)task / n_heads) * job->tokens;
    struct attention_task t = { .head = (uint32_t)task % n_heads, .first = skipped + last, .is_first = true };
    t.n = job->n_q - last < job->tokens ? job->n_q - last : job->tokens;
    uint32_t first, end;
    seen(job, t.first, &first, &end);
    t.page = first / ATTEND_KEYS;
    seen(job, t.first + t.n - 1, &first, &end);
    t.end = (end - 1) / ATTEND_KEYS + 1;
    struct task_buffers b;
    uint8_t *scratch = cpu_scratch(job->d, thread);
    lay_out(&b, scratch, &job->d->net->h);
    start_rows(job, &t, &b, &b.part);
    attend(job, &t, &b, &b.part, scratch);
    finish_rows(job, &t, &b.part);
}

void cpu_attention(struct device *d, const struct span *s, uint32_t layer, const struct attention *how, uint32_t n_q,
                   float *out, const struct head_rows *q, const struct head_rows *k, const struct head_rows *v)
{
    const struct hparams *h = &d->net->h;
    const int heads = (int)h->n_head_kv;
    const uint32_t stored_page = s->first / ATTEND_KEYS, end_page = (s->first + s->n - 1) / ATTEND_KEYS + 1;
    struct attention_job job = {
        .d = d, .span = s, .layer = layer, .how = how, .n_q = n_q, .tokens = tokens_a_task(h), .end_page = end_page,
        .out = out, .q = q, .k = k, .v = v,
    };
    const uint64_t store_ns = cpu_work_ns(0, 32 * (uint64_t)s->n * h->n_head_kv * (h->d_k + h->d_v));
    const uint64_t attend_ns = cpu_work_ns(0, (uint64_t)n_q * h->n_head * (s->first + s->n) * (h->d_k + h->d_v));
    if (n_q == 0 || s->n > job.tokens) {
        cpu_run(d, store_ns, (int)(end_page - stored_page) * heads, store_task, &job);
        cpu_run(d, attend_ns, tasks_of(n_q, job.tokens) * heads, tokens_task, &job);
        return;
    }
    uint32_t first, last;
    seen(&job, 0, &first, &last);
    job.first_page = first / ATTEND_KEYS < stored_page ? first / ATTEND_KEYS : stored_page;
    const uint32_t n_pages = end_page - job.first_page, most = most_pieces(h), least = s->kv->pool->shape.slab_pages;
    job.pages_a_piece = n_pages / most + (n_pages % most != 0);
    job.pages_a_piece = job.pages_a_piece > least ? job.pages_a_piece : least;
    job.n_pieces = (uint32_t)tasks_of(n_pages, job.pages_a_piece);
    for (int head = 0; head < heads; head++)
        atomic_store_explicit(&d->pieces_left[head], job.n_pieces, memory_order_relaxed);
    cpu_run(d, store_ns + attend_ns, (int)job.n_pieces * heads, piece_task, &job);
}
