/* masks.c - walks over a vocabulary's trie. */
#include "src/grammar/masks.h"

/* ---- What a grammar keeps ---- */

static struct masks *find_masks(struct masks *m, const struct trie *trie)
{
    while (m && m->trie != trie)
        m = m->next;
    return m;
}

struct masks *masks_of(infer_grammar *g, const infer_tokenizer *tokenizer)
{
    const struct trie *trie = tokenizer_trie(tokenizer);
    if (!trie)
        return NULL;
    struct masks *first = atomic_load(&g->masks), *there = find_masks(first, trie);
    if (there)
        return there;
    struct masks *m = mem_new(g->a, 1, sizeof *m + g->m.n_states * sizeof *m->of_state);
    if (!m)
        return NULL;
    m->trie = trie;
    m->n_words = ((size_t)trie->n_vocab + 31) / 32;
    for (m->next = first; !atomic_compare_exchange_weak(&g->masks, &m->next, m);)
        if ((there = find_masks(m->next, trie))) {
            mem_free(g->a, m);
            return there;
        }
    return m;
}

void masks_close(infer_grammar *g)
{
    for (struct masks *m = atomic_load(&g->masks), *next; m; m = next) {
        next = m->next;
        for (size_t i = 0; i < g->m.n_states; i++)
            mem_free(g->a, atomic_load(&m->of_state[i]));
        mem_free(g->a, m);
    }
}

/* ---- Walking ---- */

bool mask_maker_init(struct mask_maker *w, const infer_grammar *g, struct masks *masks)
{
    *w = (struct mask_maker){ .a = g->a, .m = &g->m, .masks = masks };
    w->path = mem_new(g->a, masks->trie->deepest + 1, sizeof *w->path);
    w->own = mem_new(g->a, masks->n_words, sizeof *w->own);
    if (w->path && w->own)
        return true;
    mask_maker_free(w);
    return false;
}

void mask_maker_free(struct mask_maker *w)
{
    if (!w->a)
        return;
    mem_free(w->a, w->path);
    mem_free(w->a, w->own);
    mem_free(w->a, w->escapes);
    mem_free(w->a, w->loose);
    *w = (struct mask_maker){ .a = NULL };
}

static void mark(uint32_t *bits, int32_t id)
{
    bits[id >> 5] |= 1u << (id & 31);
}

static void unmark(uint32_t *bits, int32_t id)
{
    bits[id >> 5] &= ~(1u << (id & 31));
}

/* Note a node at which the rule may have ended, if what may follow the rule goes on there. */
static bool escape(struct mask_maker *w, uint32_t node, const struct bytes *follow)
{
    const struct trie *t = w->masks->trie;
    uint32_t child = node + 1;
    while (child < t->skip[node] && !bytes_has(follow, t->byte[child]))
        child = t->skip[child];
    if (child >= t->skip[node])
        return true;
    if (!mem_grow(w->a, &w->escapes, &w->room_escapes, w->n_escapes + 1, sizeof *w->escapes))
        return false;
    w->escapes[w->n_escapes++] = node;
    return true;
}

/* Mark the tokens at nodes node..end that can be read from a set, where node is a child of what the set stands for.
 * follow: note escapes too, unless it is NULL. */
static bool walk(struct mask_maker *w, struct stacks *s, uint32_t node, uint32_t end, uint32_t set,
                 const struct bytes *follow)
{
    const struct trie *t = w->masks->trie;
    const struct config *configs;
    size_t n;
    if (node < end)
        w->path[t->depth[node] - 1] = set;
    while (node < end) {
        if (t->reach[node] <= w->known) {
            node = t->skip[node];
            continue;
        }
        const uint32_t next = stacks_step(s, w->path[t->depth[node] - 1], t->byte[node]);
        if (next == SET_DEAD) {
            node = t->skip[node];
            continue;
        }
        if (next == SET_FAILED)
            return false;
        w->path[t->depth[node]] = next;
        for (uint32_t i = t->first[node]; i < t->first[node + 1]; i++)
            mark(w->bits, t->ids[i]);
        if (follow && t->skip[node] > node + 1 && stacks_look(s, next, &configs, &n) && !escape(w, node, follow))
            return !(s->out_of_memory = true);
        node++;
    }
    return true;
}

/* ---- Masks of states ---- */

static size_t count_bits(const uint32_t *bits, size_t n_words)
{
    size_t n = 0;
    for (size_t i = 0; i < n_words; i++)
        n += (size_t)__builtin_popcount(bits[i]);
    return n;
}

/* What the walk has found, in as few words as it takes. */
static struct state_mask *pack(struct mask_maker *w, size_t *bytes)
{
    const size_t n_words = w->masks->n_words, n_ids = count_bits(w->own, n_words);
    const bool few = n_ids < n_words;
    *bytes = sizeof(struct state_mask) + (w->n_escapes + (few ? n_ids : n_words)) * sizeof(uint32_t);
    struct state_mask *p = mem_new(w->a, 1, *bytes);
    if (!p)
        return NULL;
    p->n_escapes = (uint32_t)w->n_escapes;
    if (w->n_escapes)
        memcpy(p->data, w->escapes, w->n_escapes * sizeof *p->data);
    for (size_t i = 0; i < w->n_escapes; i++)
        p->n_beyond += w->masks->trie->skip[w->escapes[i]] - w->escapes[i] - 1;
    uint32_t *rest = p->data + p->n_escapes;
    p->n_ids = few ? (uint32_t)n_ids : UINT32_MAX;
    if (!few)
        memcpy(rest, w->own, n_words * sizeof *rest);
    for (size_t i = 0; few && i < n_words; i++)
        for (uint32_t word = w->own[i]; word; word &= word - 1)
            *rest++ = (uint32_t)(32 * i) + (uint32_t)__builtin_ctz(word);
    return p;
}

static const struct state_mask *keep(struct mask_maker *w, uint32_t state, struct state_mask *made, size_t bytes)
{
    struct state_mask *there = NULL;
    if (atomic_fetch_add(&w->masks->bytes, bytes) <= MOST_MASK_BYTES) {
        if (atomic_compare_exchange_strong(&w->masks->of_state[state], &there, made))
            return made;
        atomic_fetch_sub(&w->masks->bytes, bytes);
        mem_free(w->a, made);
        return there;
    }
    atomic_fetch_sub(&w->masks->bytes, bytes);
    mem_free(w->a, w->loose);
    return w->loose = made;
}

static const struct state_mask *mask_of(struct mask_maker *w, struct stacks *s, uint32_t state)
{
    const struct state_mask *there = atomic_load(&w->masks->of_state[state]);
    if (there)
        return there;
    const uint32_t set = stacks_only(s, state, STACK_OPEN);
    if (set == SET_FAILED)
        return NULL;
    size_t bytes;
    w->bits = w->own;
    w->n_escapes = 0;
    memset(w->own, 0, w->masks->n_words * sizeof *w->own);
    if (!walk(w, s, 0, w->masks->trie->n, set, &w->m->follow[w->m->states[state].rule]))
        return NULL;
    struct state_mask *made = pack(w, &bytes);
    s->out_of_memory = !made;
    return made ? keep(w, state, made, bytes) : NULL;
}

/* ---- Masks of sets ---- */

static void add_mask(const struct state_mask *p, uint32_t *bits, size_t n_words)
{
    const uint32_t *rest = p->data + p->n_escapes;
    if (p->n_ids == UINT32_MAX)
        for (size_t i = 0; i < n_words; i++)
            bits[i] |= rest[i];
    else
        for (size_t i = 0; i < p->n_ids; i++)
            mark(bits, (int32_t)rest[i]);
}

static bool add_config(struct mask_maker *w, struct stacks *s, struct config c, uint32_t *bits)
{
    const struct trie *t = w->masks->trie;
    const struct state_mask *p = mask_of(w, s, c.state);
    if (!p)
        return false;
    add_mask(p, bits, w->masks->n_words);
    if (!p->n_escapes || c.stack < STACK_FIRST)
        return true;
    const struct config back = stacks_top(s, c.stack);
    const uint32_t after = stacks_place(s, back.state, back.stack);
    bool good = after != SET_FAILED;
    w->bits = bits;
    for (uint32_t i = 0; i < p->n_escapes && good; i++)
        good = walk(w, s, p->data[i] + 1, t->skip[p->data[i]], after, NULL);
    return good;
}

static void mark_ends(const struct trie *t, uint32_t *bits)
{
    for (size_t i = 0; i < t->n_ends; i++)
        mark(bits, t->ends[i]);
}

bool masks_fill(struct mask_maker *w, struct stacks *s, uint32_t set, uint32_t *bits)
{
    const struct trie *t = w->masks->trie;
    const struct config *configs;
    size_t n;
    memset(bits, 0, w->masks->n_words * sizeof *bits);
    const bool ends = stacks_look(s, set, &configs, &n);
    for (size_t i = 0; i < n; i++) {
        stacks_look(s, set, &configs, &n); /* they move as sets are added */
        if (!add_config(w, s, configs[i], bits))
            return false;
    }
    if (ends)
        mark_ends(t, bits);
    return true;
}

size_t masks_work(const struct mask_maker *w, const struct stacks *s, uint32_t set)
{
    const struct config *configs;
    size_t n, work = 0;
    stacks_look(s, set, &configs, &n);
    for (size_t i = 0; i < n; i++) {
        const struct state_mask *there = atomic_load(&w->masks->of_state[configs[i].state]);
        work += !there ? w->masks->trie->n : configs[i].stack >= STACK_FIRST ? there->n_beyond : 0;
    }
    return work;
}

/* Unmark the tokens of more than `known` bytes, and those that are not in the trie. */
static void unmark_others(const struct trie *t, size_t known, uint32_t *bits)
{
    for (uint32_t node = 0; node < t->n;) {
        if (t->reach[node] <= known) {
            node = t->skip[node];
            continue;
        }
        for (uint32_t i = t->first[node]; i < t->first[node + 1] && t->depth[node] > known; i++)
            unmark(bits, t->ids[i]);
        node++;
    }
    for (size_t i = 0; i < t->n_ends; i++)
        unmark(bits, t->ends[i]);
    for (size_t i = 0; i < t->n_controls; i++)
        unmark(bits, t->controls[i]);
}

bool masks_fill_like(struct mask_maker *w, struct stacks *s, uint32_t set, const uint32_t *like, size_t known,
                     uint32_t *bits)
{
    const struct trie *t = w->masks->trie;
    const struct config *configs;
    size_t n;
    memcpy(bits, like, w->masks->n_words * sizeof *bits);
    unmark_others(t, known, bits);
    w->bits = bits;
    w->known = known;
    const bool good = walk(w, s, 0, t->n, set, NULL);
    w->known = 0;
    if (stacks_look(s, set, &configs, &n))
        mark_ends(t, bits);
    return good;
}

bool masks_are_there(const struct mask_maker *w, const struct stacks *s, uint32_t set)
{
    const struct config *configs;
    size_t n;
    bool all = true;
    stacks_look(s, set, &configs, &n);
    for (size_t i = 0; i < n && all; i++)
        all = atomic_load(&w->masks->of_state[configs[i].state]) != NULL;
    return all;
}

void masks_add_controls(const struct mask_maker *w, uint32_t *bits)
{
    for (size_t i = 0; i < w->masks->trie->n_controls; i++)
        mark(bits, w->masks->trie->controls[i]);
}
