/* matcher.c - a text on its way through a grammar. */
#include "src/base/error.h"
#include "src/grammar/alike.h"
#include "src/grammar/masks.h"

enum {
    N_KEPT = 64,
    MANY_VISITS = 16, /* of a place, after which its mask is worth milliseconds */
    MUCH_WORK = 1 << 14,  /* nodes of a vocabulary's trie: for a mask that visits more, a similar one is looked for */
    N_TRIED = 4,          /* the last masks that took so much */
    ENOUGH_BYTES = 24,    /* few tokens are longer */
    NO_SET = UINT32_MAX
};

struct infer_matcher {
    const infer_allocator *a;
    infer_grammar *g;
    const infer_tokenizer *tokenizer; /* or NULL */
    struct stacks stacks;
    uint32_t *places;     /* (n + 1) sets: the start, then one after each call of accept */
    size_t n, room, many; /* many: how many sets are worth while to clean up */
    struct mask_maker maker;
    struct kept { /* masks of the last places, by the number of their set */
        uint32_t set, visits;
        bool filled;
        uint32_t *bits;
    } kept[N_KEPT];
    uint32_t tried[N_TRIED]; /* their sets, in turn */
    size_t n_tried;
    struct alike alike;
};

static uint32_t place(const infer_matcher *m)
{
    return m->places[m->n];
}

static infer_status fail_place(const infer_matcher *m, infer_error *err)
{
    return m->stacks.out_of_memory
               ? fail_memory(err, "a grammar's state")
               : fail(err, INFER_E_FULL,
                      "the grammar is too ambiguous: a text has more than %d readings at once, or all that were "
                      "met are more than fit",
                      MOST_CONFIGS);
}

static void forget_masks(infer_matcher *m)
{
    for (size_t i = 0; i < N_KEPT; i++)
        m->kept[i].set = NO_SET;
    for (size_t i = 0; i < N_TRIED; i++)
        m->tried[i] = NO_SET;
}

static infer_matcher *matcher_new(infer_grammar *g, const infer_tokenizer *tokenizer, infer_error *err)
{
    infer_matcher *m = mem_new(g->a, 1, sizeof *m);
    if (!m)
        return fail_memory(err, "a matcher"), NULL;
    m->a = g->a;
    m->g = infer_grammar_retain(g);
    m->tokenizer = tokenizer;
    m->many = MANY_SETS;
    alike_init(&m->alike, m->a);
    forget_masks(m);
    struct masks *masks = tokenizer ? masks_of(g, tokenizer) : NULL;
    if (stacks_init(&m->stacks, &g->m, m->a) && mem_grow(m->a, &m->places, &m->room, 1, sizeof *m->places) &&
        (!tokenizer || (masks && mask_maker_init(&m->maker, g, masks))))
        return m;
    infer_matcher_close(&m);
    return fail_memory(err, "a matcher"), NULL;
}

infer_matcher *infer_matcher_open(infer_grammar *g, const infer_tokenizer *tokenizer, infer_error *err)
{
    if (!g)
        return fail_null(err, INFER_E_ARGUMENT, "infer_matcher_open needs a grammar, found NULL");
    infer_matcher *m = matcher_new(g, tokenizer, err);
    if (!m)
        return NULL;
    m->places[0] = stacks_place(&m->stacks, g->m.start[RULE_ROOT], STACK_END);
    if (place(m) != SET_FAILED)
        return m;
    fail_place(m, err);
    infer_matcher_close(&m);
    return NULL;
}

infer_matcher *infer_matcher_fork(const infer_matcher *from, infer_error *err)
{
    infer_matcher *m = matcher_new(from->g, from->tokenizer, err);
    if (!m)
        return NULL;
    m->places[0] = place(from);
    if (stacks_copy(&m->stacks, &from->stacks, m->places, 1))
        return m;
    fail_place(m, err);
    infer_matcher_close(&m);
    return NULL;
}

void infer_matcher_close(infer_matcher **matcher)
{
    infer_matcher *m = matcher ? *matcher : NULL;
    if (!m)
        return;
    *matcher = NULL;
    infer_grammar *g = m->g;
    stacks_free(&m->stacks);
    mask_maker_free(&m->maker);
    alike_free(&m->alike);
    for (size_t i = 0; i < N_KEPT; i++)
        mem_free(m->a, m->kept[i].bits);
    mem_free(m->a, m->places);
    mem_free(m->a, m);
    infer_grammar_close(&g);
}

/* ---- Accepting ---- */

/* Where sets have become many, only those of places are kept. If memory is out all stays as it is. */
static void clean_up(infer_matcher *m)
{
    struct stacks fresh;
    uint32_t *places = mem_new(m->a, m->room, sizeof *places);
    if (places)
        memcpy(places, m->places, (m->n + 1) * sizeof *places);
    if (stacks_init(&fresh, &m->g->m, m->a) && places && stacks_copy(&fresh, &m->stacks, places, m->n + 1)) {
        stacks_free(&m->stacks);
        mem_free(m->a, m->places);
        m->stacks = fresh;
        m->places = places;
        forget_masks(m);
    } else {
        stacks_free(&fresh);
        mem_free(m->a, places);
    }
    m->many = 2 * m->stacks.set.n + MANY_SETS;
}

/* Where a text leads: SET_DEAD, SET_FAILED or a place. */
static uint32_t read_text(struct stacks *s, uint32_t set, const char *text, size_t length)
{
    for (size_t i = 0; i < length && set != SET_DEAD && set != SET_FAILED; i++)
        set = stacks_step(s, set, (uint8_t)text[i]);
    return set;
}

static infer_status go_to(infer_matcher *m, uint32_t set, infer_error *err)
{
    if (set == SET_FAILED)
        return fail_place(m, err);
    if (!mem_grow(m->a, &m->places, &m->room, m->n + 2, sizeof *m->places))
        return fail_memory(err, "a grammar's state");
    m->places[++m->n] = set;
    if (m->stacks.set.n > m->many)
        clean_up(m);
    return INFER_OK;
}

infer_status infer_matcher_accept_text(infer_matcher *m, const char *text, size_t length, infer_error *err)
{
    const uint32_t set = read_text(&m->stacks, place(m), text, length);
    if (set == SET_DEAD && length)
        return fail(err, INFER_E_ARGUMENT, "the grammar does not allow this text here");
    return go_to(m, set, err);
}

static bool may_end(const infer_matcher *m, size_t *n_configs)
{
    const struct config *configs;
    return stacks_look(&m->stacks, place(m), &configs, n_configs);
}

/* A token that writes no text: where text is free, any, and one that is named as a trigger begins the grammar. */
static uint32_t read_control(infer_matcher *m, int32_t id)
{
    size_t length;
    const char *name = infer_tokenizer_token(m->tokenizer, id, &length);
    if (!name || !stacks_are_free(&m->stacks, m->g->lazy, place(m)))
        return SET_DEAD;
    for (size_t i = 0; i < m->g->n_triggers; i++)
        if (text_equal(m->g->triggers[i], (struct text){ name, length }))
            return stacks_place(&m->stacks, m->g->m.start[RULE_TRIGGERED], STACK_END);
    return stacks_place(&m->stacks, m->g->m.start[RULE_ROOT], STACK_END);
}

/* As read_text. A token that ends the text stays where that is allowed. */
static uint32_t read_token(infer_matcher *m, int32_t id)
{
    size_t n;
    if (!m->tokenizer)
        return SET_DEAD;
    if (infer_tokenizer_is_end(m->tokenizer, id))
        return may_end(m, &n) ? place(m) : SET_DEAD;
    const struct text piece = tokenizer_piece(m->tokenizer, id);
    return piece.n ? read_text(&m->stacks, place(m), piece.p, piece.n) : read_control(m, id);
}

infer_status infer_matcher_accept(infer_matcher *m, int32_t id, infer_error *err)
{
    const uint32_t set = read_token(m, id);
    return set == SET_DEAD ? fail(err, INFER_E_ARGUMENT, "the grammar does not allow token %d here", id)
                           : go_to(m, set, err);
}

bool infer_matcher_allows(infer_matcher *m, int32_t id)
{
    const uint32_t set = read_token(m, id);
    return set != SET_DEAD && set != SET_FAILED;
}

size_t infer_matcher_length(const infer_matcher *m)
{
    return m->n;
}

infer_status infer_matcher_rewind(infer_matcher *m, size_t n_keep, infer_error *err)
{
    if (n_keep > m->n)
        return fail(err, INFER_E_ARGUMENT, "a matcher cannot rewind to %zu, it has accepted %zu", n_keep, m->n);
    m->n = n_keep;
    return INFER_OK;
}

bool infer_matcher_may_end(const infer_matcher *m)
{
    size_t n;
    return may_end(m, &n);
}

bool infer_matcher_must_end(const infer_matcher *m)
{
    size_t n;
    may_end(m, &n);
    return !n;
}

/* ---- Masks ---- */

/* Of the masks that took much work the one that tokens tell from the place's last: *bytes of them do not. NULL if there
 * is none or memory is out. */
static const uint32_t *most_alike(infer_matcher *m, size_t *bytes)
{
    const uint32_t *best = NULL;
    *bytes = 0;
    for (size_t i = 0; i < N_TRIED && *bytes < ENOUGH_BYTES; i++) {
        const uint32_t set = m->tried[i];
        const struct kept *k = &m->kept[set % N_KEPT];
        size_t n;
        if (set == NO_SET || set == place(m) || k->set != set || !k->filled)
            continue;
        if (!alike_bytes(&m->alike, &m->stacks, place(m), set, ENOUGH_BYTES, &n)) {
            m->stacks.out_of_memory = true;
            return NULL;
        }
        if (n > *bytes) {
            *bytes = n;
            best = k->bits;
        }
    }
    return best;
}

static bool fill(infer_matcher *m, struct kept *k)
{
    enum { LEAST_BYTES = 8 }; /* of fewer the walk is hardly less */
    size_t bytes = 0;
    const bool much = masks_work(&m->maker, &m->stacks, k->set) > MUCH_WORK;
    m->stacks.out_of_memory = false;
    k->filled = false;
    const uint32_t *like = much ? most_alike(m, &bytes) : NULL;
    if (m->stacks.out_of_memory)
        return false;
    if (much)
        m->tried[m->n_tried++ % N_TRIED] = k->set;
    if (bytes >= LEAST_BYTES)
        return masks_fill_like(&m->maker, &m->stacks, k->set, like, bytes, k->bits);
    return masks_fill(&m->maker, &m->stacks, k->set, k->bits);
}

const uint32_t *matcher_mask(infer_matcher *m, int32_t *n_ids)
{
    struct kept *k = &m->kept[place(m) % N_KEPT];
    if (!m->tokenizer)
        return NULL;
    const size_t n_words = m->maker.masks->n_words;
    *n_ids = m->maker.masks->trie->n_vocab;
    if (k->set == place(m) && k->filled)
        return k->bits;
    if (!k->bits && !(k->bits = mem_raw(m->a, n_words, sizeof *k->bits))) {
        m->stacks.out_of_memory = true;
        return NULL;
    }
    k->set = place(m);
    k->filled = fill(m, k);
    if (k->filled && stacks_are_free(&m->stacks, m->g->lazy, place(m)))
        masks_add_controls(&m->maker, k->bits);
    return k->filled ? k->bits : NULL;
}

const uint32_t *matcher_mask_known(infer_matcher *m, int32_t *n_ids)
{
    struct kept *k = &m->kept[place(m) % N_KEPT];
    if (k->set != place(m)) {
        k->set = place(m);
        k->visits = 0;
        k->filled = false;
    }
    k->visits++;
    const bool cheap = k->filled || (k->visits > 1 && masks_are_there(&m->maker, &m->stacks, place(m)));
    return cheap || k->visits > MANY_VISITS ? matcher_mask(m, n_ids) : NULL;
}

infer_status infer_matcher_mask(infer_matcher *m, uint32_t *bits, size_t n_words, infer_error *err)
{
    int32_t n_ids = 0;
    if (!m->tokenizer)
        return fail(err, INFER_E_ARGUMENT, "a matcher that was opened without a tokenizer has no masks");
    const size_t need = m->maker.masks->n_words;
    if (n_words < need)
        return fail(err, INFER_E_ARGUMENT, "room for a mask of %zu words, expected at least %zu", n_words, need);
    const uint32_t *mask = matcher_mask(m, &n_ids);
    if (!mask)
        return fail_place(m, err);
    memcpy(bits, mask, need * sizeof *bits);
    memset(bits + need, 0, (n_words - need) * sizeof *bits);
    return INFER_OK;
}
