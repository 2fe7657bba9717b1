/* attention.c - storing keys and values, and attention over the pages of sessions' caches.
 *
 * A task is one KV head and some tokens of a segment: the query heads that share the KV head, for these tokens, are the
 * rows of one running soft-max, so that each block of keys and values is read once for all of them. A context may be cut
 * into pieces, whose results are joined in their order.
 *
 * Many tokens: the keys and values of all are stored first, then each task sees its whole context, piece after piece.
 * Few tokens, which one task per head could do: the task stores them itself, where no other segment needs them. If there
 * are few segments too, each piece is a task of its own, a slab or more long, so that one token keeps all threads busy;
 * who ends the last piece of a head joins them.
 *
 * The cuts do not depend on the number of threads, nor on how many of the tokens' queries are wanted, and a row's result
 * does not depend on the other rows. On a deterministic device pieces begin at fixed places, so that it does not depend
 * on the length of the segment or of the context either. Tokens that are to have the bits they would have alone
 * see pieces that are cut as they would be, and joined by one task where there is no room for several. */
#include "src/engine/cpu/cpu.h"

#include <math.h>

enum {
    TASK_ROWS = 64,    /* about so many query rows a task */
    MAX_PIECES = 256,  /* of all heads together */
    FEW_SEGMENTS = 16, /* with more of them there are tasks enough without pieces */
};
static const float log2_e = 1.44269504088896341f; /* the kernel's weights are powers of 2 */

/* A segment of the step, and how it is cut. */
struct attention_segment {
    const struct segment *s;
    uint32_t skipped;              /* its first tokens, whose attention is not wanted */
    uint32_t n_blocks;             /* of the others: `tokens` each, fewer in the last */
    uint32_t first_page, end_page; /* what is seen or stored */
    uint32_t piece_pages;          /* pieces begin at multiples, counted from first_page if not deterministic */
    uint32_t n_pieces;             /* that are tasks; 1: a task sees all its context */
    size_t parts;                  /* floats before its results in device.parts, n_pieces of each head */
    atomic_uint *left;             /* of each head: pieces that are not done */
    int first_store, first_task;
};

struct attention_job {
    struct device *d;
    uint32_t layer;
    const struct attention *how;
    uint32_t first_q; /* row of the first query */
    uint32_t tokens;  /* a task, at most */
    bool stores;      /* tasks store their segment */
    const struct attention_segment *segments;
    uint32_t n_segments;
    float *out;
    const struct head_rows *q, *k, *v;
};

static const float *heads_at(const struct head_rows *rows, uint32_t row, uint32_t head)
{
    return rows->first + row * rows->stride + head * rows->head_stride;
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

static size_t part_floats(const struct hparams *h, size_t rows)
{
    return round_up(rows * (h->d_v + 2), CACHE_LINE / sizeof(float));
}

static struct part part_at(float *p, const struct hparams *h, size_t rows)
{
    return (struct part){ p, p + rows * h->d_v, p + rows * (h->d_v + 1) };
}

/* What a task lays out in its thread's scratch, behind the kernel's own. */
struct task_buffers {
    float *q, *key; /* (rows, d_k), (d_k) */
    int *first, *last;
    struct part part, sum; /* of a piece, and of all before it */
};

static size_t lay_out(struct task_buffers *b, uint8_t *at, const struct hparams *h)
{
    const size_t rows = rows_a_task(h), part = part_floats(h, rows) * sizeof(float);
    const size_t bytes[] = { rows * h->d_k * sizeof(float), h->d_k * sizeof(float), rows * sizeof(int),
                             rows * sizeof(int), part, part };
    size_t offset[7] = { KERNEL_SCRATCH_BYTES };
    for (int i = 0; i < 6; i++)
        offset[i + 1] = offset[i] + round_up(bytes[i], CACHE_LINE);
    if (b)
        *b = (struct task_buffers){ (float *)(at + offset[0]), (float *)(at + offset[1]), (int *)(at + offset[2]),
                                    (int *)(at + offset[3]), part_at((float *)(at + offset[4]), h, rows),
                                    part_at((float *)(at + offset[5]), h, rows) };
    return offset[6];
}

size_t cpu_attention_scratch(const struct hparams *h)
{
    return lay_out(NULL, NULL, h);
}

static uint32_t most_pieces(const struct hparams *h)
{
    return h->n_head_kv < MAX_PIECES ? MAX_PIECES / h->n_head_kv : 1;
}

bool cpu_attention_open(struct device *d, const struct kv *kv, uint32_t n_batch)
{
    const struct hparams *h = &d->net->h;
    const uint32_t pieces = kv->max_pages / kv->pool->shape.slab_pages + 1, most = most_pieces(h);
    d->n_parts = (size_t)h->n_head_kv * (pieces < most ? pieces : most) * part_floats(h, rows_a_task(h));
    return (d->parts = cpu_take(d, d->n_parts, sizeof *d->parts)) &&
           (d->pieces_left = cpu_take(d, (size_t)FEW_SEGMENTS * h->n_head_kv, sizeof *d->pieces_left)) &&
           (d->segments = cpu_take(d, n_batch, sizeof *d->segments));
}

void cpu_attention_close(struct device *d)
{
    mem_free(d->a, d->parts);
    mem_free(d->a, d->pieces_left);
    mem_free(d->a, d->segments);
}

/* ---- Storing ---- */

/* A query or key; weights are what it is multiplied with thereafter, or NULL. */
static void rotate(const struct attention_job *job, float *x, const float *weights, uint32_t row)
{
    const struct kernels *k = job->d->k;
    if (job->how->rope >= 0) {
        const struct rotation *r = &job->d->rotations[job->how->rope];
        const size_t at = (size_t)row * (r->rope->n_rot / 2);
        (r->rope->kind == ROPE_PAIRS ? k->rope_pairs : k->rope_halves)(x + r->rope->first, r->cosine + at, r->sine + at,
                                                                       r->rope->n_rot);
    }
    if (weights)
        k->mul(x, x, weights, job->d->net->h.d_k);
}

/* Keys, rotated, and values of a head for the segment's tokens that fall into the pages [first, end). */
static void store_pages(const struct attention_job *job, const struct segment *s, const struct task_buffers *b,
                        uint32_t head, uint32_t first, uint32_t end)
{
    const struct device *d = job->d;
    const struct kv_shape *shape = &s->kv->pool->shape;
    uint8_t *const *const pages = kv_pages_of(s->kv, job->layer)->data;
    const size_t d_k = shape->d_k, d_v = shape->d_v, at = kv_offset(s->kv->pool, job->layer, head);
    const uint32_t from = s->first > first * ATTEND_KEYS ? s->first : first * ATTEND_KEYS;
    for (uint32_t position = from; position < s->first + s->n && position / ATTEND_KEYS < end; position++) {
        const uint32_t row = s->row + position - s->first;
        uint8_t *const block = pages[position / ATTEND_KEYS] + at;
        const int slot = (int)(position % ATTEND_KEYS);
        memcpy(b->key, heads_at(job->k, row, head), d_k * sizeof(float));
        rotate(job, b->key, job->how->k_weights, row);
        d->k->store_key(block, shape->k_type, slot, b->key, d_k);
        if (!shape->shared)
            d->k->store_value(block + shape->key_bytes, shape->v_type, slot, heads_at(job->v, row, head), d_v);
    }
}

/* The last segment whose first task, of storing or of attending, is not after this one; those without tasks have none. */
static const struct attention_segment *segment_of(const struct attention_job *job, int task, bool stores)
{
    uint32_t low = 0, high = job->n_segments;
    while (high - low > 1) {
        const uint32_t middle = (low + high) / 2;
        const struct attention_segment *a = &job->segments[middle];
        if ((stores ? a->first_store : a->first_task) <= task)
            low = middle;
        else
            high = middle;
    }
    return &job->segments[low];
}

static void store_task(void *arg, int task, int thread)
{
    const struct attention_job *job = arg;
    const struct attention_segment *a = segment_of(job, task, true);
    const uint32_t n_heads = job->d->net->h.n_head_kv, own = (uint32_t)(task - a->first_store);
    const uint32_t page = a->s->first / ATTEND_KEYS + own / n_heads;
    struct task_buffers b;
    lay_out(&b, cpu_scratch(job->d, thread), &job->d->net->h);
    store_pages(job, a->s, &b, own % n_heads, page, page + 1);
}

/* ---- Attending ---- */

/* Tokens [first, first + n) of a segment, one KV head, and the pages [page, end). */
struct attention_task {
    const struct attention_segment *a;
    uint32_t head, first, n, page, end;
    const uint8_t *next; /* what the thread's next task reads first, seen from this head; NULL: unknown */
};

/* What a query of a segment is multiplied with. */
static float query_scale(const struct attention_job *job, const struct segment *s, uint32_t token)
{
    const struct attention *how = job->how;
    const float scale = how->scale * log2_e;
    if (!how->temperature_length)
        return scale;
    const uint32_t position = s->first + token - segment_passage(s, token).begin;
    return scale * (1 + how->temperature * logf((float)(1 + position / how->temperature_length)));
}

/* Rows [token][head of the group]: queries rotated and scaled. */
static void load_queries(const struct attention_job *job, const struct attention_task *t, const struct task_buffers *b)
{
    const struct device *d = job->d;
    const struct hparams *h = &d->net->h;
    const uint32_t group = group_of(h);
    for (uint32_t i = 0; i < t->n * group; i++) {
        const uint32_t row = t->a->s->row + t->first + i / group;
        float *const q = b->q + (size_t)i * h->d_k;
        d->k->scale(q, heads_at(job->q, row - job->first_q, t->head) + i % group * h->d_k,
                    query_scale(job, t->a->s, t->first + i / group), h->d_k);
        rotate(job, q, job->how->q_weights, row);
    }
}

/* The positions that a token of a segment sees: from *first on, before *last. */
static void seen(const struct attention_job *job, const struct segment *s, uint32_t token, uint32_t *first,
                 uint32_t *last)
{
    const struct passage text = segment_passage(s, token);
    const uint32_t own = s->first + token, window = job->how->window;
    *first = window && own - text.begin >= window ? own - window + 1 : text.begin;
    *last = job->how->causal ? own + 1 : window && text.end - own > window ? own + window : text.end;
}

/* Which of the n_keys keys from a page on each row sees. */
static void set_ranges(const struct attention_job *job, const struct attention_task *t, const struct task_buffers *b,
                       uint32_t page, uint32_t n_keys)
{
    const uint32_t group = group_of(&job->d->net->h), begin = page * ATTEND_KEYS;
    for (uint32_t i = 0; i < t->n * group; i++) {
        uint32_t first, last;
        seen(job, t->a->s, t->first + i / group, &first, &last);
        first = first > begin ? first - begin : 0;
        last = last > begin ? last - begin : 0;
        b->first[i] = (int)(first < n_keys ? first : n_keys);
        b->last[i] = (int)(last < n_keys ? last : n_keys);
    }
}

/* The running soft-max of the pages [page, end) alone. */
static void attend(const struct attention_job *job, const struct attention_task *t, const struct task_buffers *b,
                   const struct part *part, uint32_t page, uint32_t end, void *scratch)
{
    const struct device *d = job->d;
    const struct hparams *h = &d->net->h;
    const struct segment *s = t->a->s;
    const struct kv_shape *shape = &s->kv->pool->shape;
    const uint32_t begin = page * ATTEND_KEYS, length = s->first + s->n, n_q = t->n * group_of(h);
    for (uint32_t i = 0; i < n_q; i++) {
        part->max[i] = -INFINITY;
        part->sum[i] = 0;
    }
    memset(part->out, 0, (size_t)n_q * h->d_v * sizeof(float));
    if (page >= end || begin >= length)
        return;
    const uint32_t n_keys = end * ATTEND_KEYS < length ? end * ATTEND_KEYS - begin : length - begin;
    set_ranges(job, t, b, page, n_keys);
    const size_t at = kv_offset(s->kv->pool, job->layer, t->head);
    d->k->attend[d->precision](&(struct attend){
        .n_q = (int)n_q,
        .d_k = (int)h->d_k,
        .d_v = (int)h->d_v,
        .k_type = shape->k_type,
        .v_type = shape->v_type,
        .q = b->q,
        .q_stride = h->d_k,
        .pages = kv_pages_of(s->kv, job->layer)->data + page,
        .next = end == t->end ? t->next : NULL,
        .k_at = at,
        .v_at = at + shape->key_bytes,
        .shared = shape->shared,
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

/* What a later piece gives joins the sum of those before it: each is weighed by 2^(its maximum - the largest). */
static void join(const struct hparams *h, const struct part *sum, const struct part *part, uint32_t rows)
{
    for (uint32_t i = 0; i < rows; i++) {
        const float max = part->max[i] > sum->max[i] ? part->max[i] : sum->max[i];
        if (part->max[i] == -INFINITY)
            continue;
        const float old = exp2f(sum->max[i] - max), new = exp2f(part->max[i] - max);
        float *const out = sum->out + (size_t)i * h->d_v;
        const float *const more = part->out + (size_t)i * h->d_v;
        for (uint32_t j = 0; j < h->d_v; j++)
            out[j] = out[j] * old + more[j] * new;
        sum->sum[i] = sum->sum[i] * old + part->sum[i] * new;
        sum->max[i] = max;
    }
}

/* Where a sink joins the soft-max it has a score, but no value. */
static void finish_rows(const struct attention_job *job, const struct attention_task *t, const struct part *part)
{
    const struct hparams *h = &job->d->net->h;
    const uint32_t group = group_of(h);
    const float *const sinks = job->how->sinks ? job->how->sinks + (size_t)t->head * group : NULL;
    for (uint32_t i = 0; i < t->n * group; i++) {
        const size_t row = t->a->s->row + t->first - job->first_q + i / group;
        float *const out = job->out + (row * h->n_head + (size_t)t->head * group + i % group) * h->d_v;
        const float sum = part->sum[i] + (sinks ? exp2f(sinks[i % group] * log2_e - part->max[i]) : 0);
        job->d->k->scale(out, part->out + (size_t)i * h->d_v, 1 / sum, h->d_v);
    }
}

/* ---- Tasks ---- */

/* The page behind the piece that holds this one. */
static uint32_t piece_end(const struct attention_job *job, const struct attention_segment *a, uint32_t page)
{
    const uint32_t origin = job->d->deterministic ? 0 : a->first_page, left = a->end_page - page;
    const uint32_t rest = a->piece_pages - (page - origin) % a->piece_pages;
    return page + (rest < left ? rest : left);
}

/* All pieces of the task's pages. */
static const struct part *attend_pieces(const struct attention_job *job, const struct attention_task *t,
                                        const struct task_buffers *b, void *scratch)
{
    const struct hparams *h = &job->d->net->h;
    uint32_t page = t->page, end = piece_end(job, t->a, page);
    attend(job, t, b, &b->sum, page, end < t->end ? end : t->end, scratch);
    while (end < t->end) {
        page = end;
        end = piece_end(job, t->a, page);
        attend(job, t, b, &b->part, page, end < t->end ? end : t->end, scratch);
        join(h, &b->sum, &b->part, t->n * group_of(h));
    }
    return &b->sum;
}

/* The block that follows a head's pages up to `end`: of its next page, or of the next head's first one. */
static const uint8_t *next_block(const struct attention_job *job, const struct attention_segment *a, uint32_t head,
                                 uint32_t end)
{
    const struct kv_pool *pool = a->s->kv->pool;
    uint8_t *const *const pages = kv_pages_of(a->s->kv, job->layer)->data;
    if (end < a->end_page)
        return pages[end];
    if (head + 1 == pool->shape.n_head_kv)
        return NULL;
    return pages[a->first_page] + kv_offset(pool, job->layer, head + 1) - kv_offset(pool, job->layer, head);
}

/* A piece of few tokens' context. A thread's tasks follow each other in memory. */
static void piece_task(const struct attention_job *job, const struct attention_segment *a, uint32_t task,
                       struct task_buffers *b, void *scratch)
{
    const struct hparams *h = &job->d->net->h;
    struct attention_task t = {
        .a = a, .head = task / a->n_pieces, .first = a->skipped, .n = a->s->n - a->skipped, .page = a->first_page
    };
    for (uint32_t i = task % a->n_pieces; i; i--)
        t.page = piece_end(job, a, t.page);
    t.end = piece_end(job, a, t.page);
    t.next = next_block(job, a, t.head, t.end);
    const uint32_t rows = t.n * group_of(h);
    const size_t floats = part_floats(h, rows);
    float *const parts = job->d->parts + a->parts + (size_t)t.head * a->n_pieces * floats;
    const struct part own = part_at(parts + task % a->n_pieces * floats, h, rows), sum = part_at(parts, h, rows);
    if (job->stores)
        store_pages(job, a->s, b, t.head, t.page, t.end);
    load_queries(job, &t, b);
    attend(job, &t, b, &own, t.page, t.end, scratch);
    if (atomic_fetch_sub(&a->left[t.head], 1) > 1)
        return;
    for (uint32_t piece = 1; piece < a->n_pieces; piece++) {
        const struct part part = part_at(parts + piece * floats, h, rows);
        join(h, &sum, &part, rows);
    }
    finish_rows(job, &t, &sum);
}

/* A block of tokens and their whole context; later tokens, which see more, come first. */
static void block_task(const struct attention_job *job, const struct attention_segment *a, uint32_t task,
                       struct task_buffers *b, void *scratch)
{
    const uint32_t n_heads = job->d->net->h.n_head_kv;
    const uint32_t at = a->skipped + (a->n_blocks - 1 - task / n_heads) * job->tokens, left = a->s->n - at;
    struct attention_task t = {
        .a = a, .head = task % n_heads, .first = at, .n = left < job->tokens ? left : job->tokens
    };
    uint32_t first, end;
    seen(job, a->s, t.first, &first, &end);
    t.page = first / ATTEND_KEYS;
    seen(job, a->s, t.first + t.n - 1, &first, &end);
    t.end = (end - 1) / ATTEND_KEYS + 1;
    t.next = next_block(job, a, t.head, a->end_page);
    if (job->stores)
        store_pages(job, a->s, b, t.head, 0, a->end_page);
    load_queries(job, &t, b);
    finish_rows(job, &t, attend_pieces(job, &t, b, scratch));
}

static void attend_task(void *arg, int task, int thread)
{
    const struct attention_job *job = arg;
    const struct attention_segment *a = segment_of(job, task, false);
    uint8_t *const scratch = cpu_scratch(job->d, thread);
    struct task_buffers b;
    lay_out(&b, scratch, &job->d->net->h);
    (a->n_pieces > 1 ? piece_task : block_task)(job, a, (uint32_t)(task - a->first_task), &b, scratch);
}

/* ---- Cutting ---- */

/* What a segment's first token sees, and what is stored, to the end. */
static void set_pages(const struct attention_job *job, struct attention_segment *a)
{
    uint32_t first, last;
    seen(job, a->s, 0, &first, &last);
    const uint32_t stored = a->s->first / ATTEND_KEYS, page = first / ATTEND_KEYS;
    a->first_page = page < stored ? page : stored;
    a->end_page = (a->s->first + a->s->n - 1) / ATTEND_KEYS + 1;
}

/* Pages of a piece: of the context that there is, or, for the same cuts always, of the longest that there can be. */
static uint32_t piece_pages(const struct attention_job *job, const struct attention_segment *a)
{
    const uint32_t most = most_pieces(&job->d->net->h), least = a->s->kv->pool->shape.slab_pages;
    const uint32_t n_pages = job->d->deterministic ? a->s->kv->max_pages : a->end_page - a->first_page;
    const uint32_t pages = n_pages / most + (n_pages % most != 0);
    return pages > least ? pages : least;
}

/* One piece is no cut. Several begin at the same places as long as they do not grow with the context, where no window
 * moves the first. */
bool cpu_cuts_alike(const struct device *d, const struct kv *kv, uint32_t first, uint32_t n)
{
    const struct kv_shape *shape = &kv->pool->shape;
    const uint32_t n_pages = (first + n - 1) / ATTEND_KEYS + 1;
    return n_pages <= (shape->window ? 1 : most_pieces(&d->net->h)) * shape->slab_pages;
}

/* Whether a segment's pieces are tasks: *parts floats of the device's are taken. */
static bool has_piece_tasks(const struct attention_job *job, struct attention_segment *a, size_t *parts)
{
    const struct hparams *h = &job->d->net->h;
    const uint32_t n = a->s->n - a->skipped;
    if (a->s->n > job->tokens || !n || job->n_segments > FEW_SEGMENTS)
        return false;
    uint32_t n_pieces = 0;
    for (uint32_t page = a->first_page; page < a->end_page; page = piece_end(job, a, page))
        n_pieces++;
    const size_t need = h->n_head_kv * n_pieces * part_floats(h, (size_t)n * group_of(h));
    if (n_pieces == 1 || need > job->d->n_parts - *parts)
        return false;
    a->n_pieces = n_pieces;
    a->parts = *parts;
    *parts += need;
    return true;
}

/* Cut a segment; its tasks follow those of the segments before it. */
static void cut(const struct attention_job *job, struct attention_segment *a, size_t *parts, int *n_stores,
                int *n_tasks)
{
    const struct device *d = job->d;
    const uint32_t heads = d->net->h.n_head_kv;
    set_pages(job, a);
    a->n_pieces = 1;
    a->n_blocks = (uint32_t)tasks_of(a->s->n - a->skipped, job->tokens);
    a->piece_pages = piece_pages(job, a);
    a->first_store = *n_stores;
    a->first_task = *n_tasks;
    *n_stores += (int)((a->end_page - a->s->first / ATTEND_KEYS) * heads);
    if (has_piece_tasks(job, a, parts)) {
        a->left = d->pieces_left + (size_t)(a - job->segments) * heads;
        for (uint32_t head = 0; head < heads; head++)
            atomic_store_explicit(&a->left[head], a->n_pieces, memory_order_relaxed);
        *n_tasks += (int)(a->n_pieces * heads);
        return;
    }
    if (!d->deterministic && !d->alone)
        a->piece_pages = a->end_page; /* all at once */
    *n_tasks += (int)(a->n_blocks * heads);
}

void cpu_attention(struct device *d, const struct span *s, uint32_t layer, const struct attention *how, uint32_t n_q,
                   float *out, const struct head_rows *q, const struct head_rows *k, const struct head_rows *v)
{
    const struct hparams *h = &d->net->h;
    struct attention_job job = {
        .d = d, .layer = layer, .how = how, .first_q = s->n - n_q, .tokens = tokens_a_task(h), .stores = !s->split,
        .segments = d->segments, .n_segments = s->n_segments, .out = out, .q = q, .k = k, .v = v,
    };
    uint64_t seen_rows = 0;
    size_t parts = 0;
    int n_stores = 0, n_tasks = 0;
    for (uint32_t i = 0; i < s->n_segments; i++) {
        const struct segment *segment = &s->segments[i];
        const uint32_t before = job.first_q > segment->row ? job.first_q - segment->row : 0;
        d->segments[i] = (struct attention_segment){
            .s = segment, .skipped = before < segment->n ? before : segment->n
        };
        cut(&job, &d->segments[i], &parts, &n_stores, &n_tasks);
        job.stores = job.stores && segment->n <= job.tokens && before < segment->n;
        seen_rows += (uint64_t)(segment->n - d->segments[i].skipped) * (segment->first + segment->n);
    }
    const uint64_t store_ns = cpu_work_ns(0, 32 * (uint64_t)s->n * h->n_head_kv * (h->d_k + h->d_v));
    const uint64_t attend_ns = cpu_work_ns(0, seen_rows * h->n_head * (h->d_k + h->d_v));
    if (!job.stores)
        cpu_run(d, store_ns, n_stores, store_task, &job);
    cpu_run(d, attend_ns + (job.stores ? store_ns : 0), n_tasks, attend_task, &job);
}
