/* queue.c - who has a place, and who gets how much of a step.
 *
 * Rank is a priority, and one more for each AGE times that others went first who came later. Of the same rank those go
 * first that came first; in sharing out a step, those that had least. The cache's pages are counted before a step takes
 * them: where they would be too many, prefixes go that nobody holds, then the place of the last in rank. */
#include "src/scheduler/parts.h"

#include "src/base/error.h"

enum { AGE = 8, QUANTUM = ATTEND_KEYS /* tokens of a prompt at a time: a page of the cache */ };

static int64_t rank_of(const struct answer *x)
{
    return (int64_t)x->priority + x->n_passed / AGE;
}

static bool goes_before(const struct answer *x, const struct answer *y)
{
    return rank_of(x) != rank_of(y) ? rank_of(x) > rank_of(y) : x->order < y->order;
}

static struct kv *pages_of(const struct answer *x)
{
    return &x->m.s->history->kv;
}

/* ---- Waiting ---- */

void queue_add(infer_scheduler *s, struct answer *x)
{
    struct answer **link = &s->waiting;
    while (*link && (*link)->order < x->order)
        link = &(*link)->next;
    x->next = *link;
    *link = x;
    x->listed = true;
}

static void take_from_waiting(infer_scheduler *s, struct answer *x)
{
    struct answer **link = &s->waiting;
    while (*link != x)
        link = &(*link)->next;
    *link = x->next;
}

static void take_place(infer_scheduler *s, const struct answer *x)
{
    uint32_t i = 0;
    while (s->running[i] != x)
        i++;
    s->n_running--;
    memmove(&s->running[i], &s->running[i + 1], (s->n_running - i) * sizeof *s->running);
}

void queue_remove(infer_scheduler *s, struct answer *x)
{
    if (!x->listed)
        return;
    x->listed = false;
    s->tight = false;
    if (x->m.s)
        take_place(s, x);
    else
        take_from_waiting(s, x);
}

/* ---- Memory ---- */

/* Its pages go, and are known to others as prefixes for as long as there is room for them. */
static void put_aside(infer_scheduler *s, struct answer *x)
{
    take_place(s, x);
    member_leave(&x->m);
    queue_add(s, x);
    s->info.n_put_aside++;
}

/* Of those that have places the last in rank. */
static struct answer *last_in_rank(const infer_scheduler *s)
{
    struct answer *last = s->running[0];
    for (uint32_t i = 1; i < s->n_running; i++)
        if (goes_before(last, s->running[i]))
            last = s->running[i];
    return last;
}

bool queue_make_room(infer_scheduler *s)
{
    s->tight = true;
    if (s->n_running < 2)
        return false;
    put_aside(s, last_in_rank(s));
    return true;
}

/* Whether `bytes` more fit, when prefixes have made room. */
static bool has_room(infer_scheduler *s, uint64_t bytes)
{
    const uint64_t most = s->max_kv_bytes;
    if (!most)
        return true;
    const uint64_t left = most > bytes ? most - bytes : 0;
    return kv_pool_used(s->root->history->kv.pool, left) <= left;
}

/* Whether all that have places, and x, can compute what their next token needs. */
static bool all_fit(infer_scheduler *s, const struct answer *x)
{
    uint64_t bytes = kv_growth(pages_of(x), x->m.s->n_done, (uint32_t)member_left(&x->m));
    for (uint32_t i = 0; i < s->n_running; i++) {
        const struct answer *y = s->running[i];
        bytes += kv_growth(pages_of(y), y->m.s->n_done, (uint32_t)member_left(&y->m));
    }
    return has_room(s, bytes);
}

/* ---- Places ---- */

static void give_place(infer_scheduler *s, struct answer *x)
{
    s->running[s->n_running++] = x;
    x->listed = true;
    x->held_up = false;
    if (!x->had_turn)
        generation_queued(&x->m.g);
    x->had_turn = true;
    request_has_turn(x->request);
}

static struct answer *first_in_rank(const infer_scheduler *s)
{
    struct answer *first = s->waiting;
    for (struct answer *x = first; x; x = x->next)
        if (goes_before(x, first))
            first = x;
    return first;
}

/* It gets a place unless memory is out. One that is alone fails for want of it; others wait. */
static bool admit(infer_scheduler *s, struct answer *x)
{
    infer_error err = { INFER_OK, "" };
    const infer_status status = member_enter(&x->m, s->root, &err);
    if (status == INFER_OK && (!s->n_running || all_fit(s, x))) {
        take_from_waiting(s, x);
        give_place(s, x);
        for (struct answer *y = s->waiting; y && y->order < x->order; y = y->next)
            y->n_passed++;
        return true;
    }
    member_leave(&x->m);
    s->tight = true;
    if (!s->n_running && status != INFER_OK) {
        answer_end(x, status, &err);
        return true;
    }
    return false;
}

void queue_admit(infer_scheduler *s)
{
    while (s->waiting && s->n_running < s->max_running && (!s->tight || !s->n_running))
        if (!admit(s, first_in_rank(s)))
            return;
}

void queue_follow(infer_scheduler *s, struct answer *x)
{
    infer_request *const r = x->request;
    for (int32_t i = 0; i < r->n_answers; i++) {
        struct answer *const y = &r->answers[i];
        if (y == x || y->listed || y->ended)
            continue;
        if (s->n_running < s->max_running && member_follow(&y->m, &x->m, NULL) == INFER_OK) {
            if (all_fit(s, y)) {
                give_place(s, y);
                continue;
            }
            member_leave(&y->m);
        }
        queue_add(s, y);
    }
}

/* ---- Prompts that begin alike ---- */

/* Whole pages that both timelines begin with, in tokens; the last token of x is its own. */
static uint32_t common_pages(const struct answer *x, const struct answer *y)
{
    const size_t most = x->m.n_ids - 1 < y->m.n_ids ? x->m.n_ids - 1 : y->m.n_ids;
    size_t n = 0;
    if (adapter_set_identity(x->m.adapters) != adapter_set_identity(y->m.adapters))
        return 0;
    while (n + QUANTUM <= most && !memcmp(x->m.ids + n, y->m.ids + n, QUANTUM * sizeof *x->m.ids))
        n += QUANTUM;
    return (uint32_t)n;
}

/* Whether another one computes what x would have to, is ahead, and not behind it in rank: it is worth waiting for. */
static bool waits_for_another(const infer_scheduler *s, const struct answer *x)
{
    const uint32_t done = x->m.s->n_done;
    for (uint32_t i = 0; i < s->n_running && done + QUANTUM < x->m.n_ids; i++) {
        const struct answer *y = s->running[i];
        if (y == x || member_left(&y->m) <= 1 || rank_of(y) < rank_of(x))
            continue;
        const uint32_t there = y->m.s->n_done;
        if (there < done || (there == done && !goes_before(y, x)))
            continue;
        if (common_pages(x, y) >= there / QUANTUM * QUANTUM + QUANTUM)
            return true;
    }
    return false;
}

/* Whether x can go on with its prompt now. */
static bool ready(infer_scheduler *s, struct answer *x)
{
    if (waits_for_another(s, x)) {
        x->held_up = true;
        return false;
    }
    if (x->held_up) {
        x->held_up = false;
        if (member_refresh(&x->m, NULL) != INFER_OK) { /* it enters once more */
            member_leave(&x->m);
            return false;
        }
    }
    return true;
}

/* ---- Sharing out a step ---- */

/* Who gets the next tokens of prompts. */
static struct answer *next_prompt(const infer_scheduler *s)
{
    struct answer *next = NULL;
    for (uint32_t i = 0; i < s->n_running; i++) {
        struct answer *const x = s->running[i];
        if (x->held_up || member_decodes(&x->m) || x->m.n_now == member_left(&x->m))
            continue;
        if (!next || rank_of(x) > rank_of(next) ||
            (rank_of(x) == rank_of(next) &&
             (x->served < next->served || (x->served == next->served && x->order < next->order))))
            next = x;
    }
    return next;
}

static uint32_t share_prompts(infer_scheduler *s, uint32_t room)
{
    uint32_t taken = 0;
    uint64_t latest = 0;
    for (struct answer *x; taken < room && (x = next_prompt(s));) {
        const size_t left = member_left(&x->m) - x->m.n_now, most = room - taken < QUANTUM ? room - taken : QUANTUM;
        const uint32_t n = (uint32_t)(left < most ? left : most);
        x->m.n_now += n;
        x->served += n;
        taken += n;
        latest = x->order > latest ? x->order : latest;
    }
    for (uint32_t i = 0; i < s->n_running; i++) {
        struct answer *const x = s->running[i];
        x->n_passed += !x->m.n_now && !x->held_up && x->order < latest;
    }
    return taken;
}

/* Those whose pages could not be taken have left. */
static void drop_placeless(infer_scheduler *s)
{
    for (uint32_t i = s->n_running; i-- > 0;) {
        struct answer *const x = s->running[i];
        if (x->m.s)
            continue;
        take_place(s, x);
        queue_add(s, x);
    }
}

static uint64_t growth_of_step(const infer_scheduler *s)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < s->n_running; i++)
        bytes += kv_growth(pages_of(s->running[i]), s->running[i]->m.s->n_done, s->running[i]->m.n_now);
    return bytes;
}

uint32_t queue_share(infer_scheduler *s, uint32_t *n_prompt, uint32_t *n_texts)
{
    const bool keeps = kv_keeps_prefixes(s->root->history->kv.pool);
    *n_texts = 0;
    for (uint32_t i = 0; i < s->n_running; i++) {
        struct member *const m = &s->running[i]->m;
        m->n_now = member_decodes(m) ? (uint32_t)member_left(m) : 0;
        *n_texts += m->n_now;
    }
    for (uint32_t i = 0; i < s->n_running && keeps; i++)
        if (!member_decodes(&s->running[i]->m))
            ready(s, s->running[i]);
    drop_placeless(s);
    const uint32_t free = s->n_batch > *n_texts ? s->n_batch - *n_texts : 0, least = PACE_LEAST;
    const uint32_t room = *n_texts ? pace_allows(&s->pace, free) : free;
    share_prompts(s, room > least ? room : least);
    while (!has_room(s, growth_of_step(s)) && queue_make_room(s))
        ;
    uint32_t n = 0;
    *n_prompt = *n_texts = 0;
    for (uint32_t i = 0; i < s->n_running; i++) {
        struct member *const m = &s->running[i]->m;
        if (!m->n_now)
            continue;
        *(member_decodes(m) ? n_texts : n_prompt) += m->n_now;
        s->group[n++] = m;
    }
    return n;
}
