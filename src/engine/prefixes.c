/* prefixes.c - a trie of pages of tokens. */
#include "src/engine/prefixes.h"

enum { FIRST_BUCKETS = 64 };

void prefixes_init(struct prefixes *p, const infer_allocator *a, struct page_heap *heaps, uint64_t budget)
{
    *p = (struct prefixes){ .a = a, .heaps = heaps, .budget = budget };
}

/* Multiply and fold, token by token. */
static uint64_t hash_of(const struct prefix *parent, uint64_t variant, const int32_t *tokens)
{
    uint64_t h = (parent ? parent->hash : 0x9e3779b97f4a7c15) ^ variant;
    for (int i = 0; i < ATTEND_KEYS; i++) {
        h = (h ^ (uint32_t)tokens[i]) * 0xff51afd7ed558ccd;
        h ^= h >> 32;
    }
    return h;
}

static struct prefix *find(const struct prefixes *p, uint64_t hash, const struct prefix *parent, uint64_t variant,
                           const int32_t *tokens)
{
    struct prefix *x = p->n_buckets ? p->buckets[hash % p->n_buckets] : NULL;
    while (x && (x->hash != hash || x->parent != parent || x->variant != variant ||
                 memcmp(x->tokens, tokens, sizeof x->tokens) != 0))
        x = x->next;
    return x;
}

struct prefix *prefix_find(const struct prefixes *p, const struct prefix *parent, uint64_t variant,
                           const int32_t *tokens)
{
    return find(p, hash_of(parent, variant, tokens), parent, variant, tokens);
}

/* As many buckets as nodes, at least; if memory is out those that there are have to do. */
static bool grow(struct prefixes *p)
{
    if (p->n < p->n_buckets)
        return true;
    const size_t n = p->n_buckets ? 2 * p->n_buckets : FIRST_BUCKETS;
    struct prefix **const buckets = mem_new(p->a, n, sizeof *buckets);
    if (!buckets)
        return p->n_buckets;
    for (size_t i = 0; i < p->n_buckets; i++)
        for (struct prefix *x = p->buckets[i], *next; x; x = next) {
            next = x->next;
            x->next = buckets[x->hash % n];
            buckets[x->hash % n] = x;
        }
    mem_free(p->a, p->buckets);
    p->buckets = buckets;
    p->n_buckets = n;
    return true;
}

static void take_out(struct prefixes *p, struct prefix *x)
{
    *(x->newer ? &x->newer->older : &p->newest) = x->older;
    *(x->older ? &x->older->newer : &p->oldest) = x->newer;
}

static void put_first(struct prefixes *p, struct prefix *x)
{
    x->newer = NULL;
    x->older = p->newest;
    *(p->newest ? &p->newest->newer : &p->oldest) = x;
    p->newest = x;
}

struct prefix *prefix_get(struct prefixes *p, struct prefix *parent, uint64_t variant, const int32_t *tokens)
{
    const uint64_t hash = hash_of(parent, variant, tokens);
    struct prefix *x = find(p, hash, parent, variant, tokens);
    if (x || !grow(p) || !(x = mem_new(p->a, 1, sizeof *x)))
        return x;
    x->parent = parent;
    x->hash = hash;
    x->variant = variant;
    memcpy(x->tokens, tokens, sizeof x->tokens);
    x->next = p->buckets[hash % p->n_buckets];
    p->buckets[hash % p->n_buckets] = x;
    put_first(p, x);
    p->n++;
    if (parent)
        parent->n_children++;
    return x;
}

void prefix_hold(struct prefixes *p, struct prefix *node, int class, struct page *page)
{
    node->pages[class] = page_hold(page);
    p->bytes += page_bytes(&p->heaps[class]);
}

void prefix_use(struct prefixes *p, struct prefix *end)
{
    for (struct prefix *x = end; x; x = x->parent) {
        take_out(p, x);
        put_first(p, x);
    }
}

static void remove_node(struct prefixes *p, struct prefix *x)
{
    struct prefix **link = &p->buckets[x->hash % p->n_buckets];
    while (*link != x)
        link = &(*link)->next;
    *link = x->next;
    take_out(p, x);
    for (int c = 0; c < PREFIX_PAGES; c++)
        if (x->pages[c]) {
            page_release(&p->heaps[c], x->pages[c]);
            p->bytes -= page_bytes(&p->heaps[c]);
        }
    if (x->parent)
        x->parent->n_children--;
    p->n--;
    mem_free(p->a, x);
}

/* Bytes that removing a node frees: none if that takes others away, or if somebody holds its pages too. */
static uint64_t bytes_alone(const struct prefixes *p, const struct prefix *x)
{
    uint64_t bytes = 0;
    for (int c = 0; c < PREFIX_PAGES && !x->n_children; c++) {
        if (x->pages[c] && page_is_shared(x->pages[c]))
            return 0;
        bytes += x->pages[c] ? page_bytes(&p->heaps[c]) : 0;
    }
    return bytes;
}

/* Children are older than their parents, so that one pass finds all. */
void prefixes_release(struct prefixes *p, uint64_t bytes)
{
    uint64_t freed = 0;
    for (struct prefix *x = p->oldest, *newer; x && freed < bytes; x = newer) {
        const uint64_t alone = bytes_alone(p, x);
        newer = x->newer;
        if (alone)
            remove_node(p, x);
        freed += alone;
    }
}

void prefixes_trim(struct prefixes *p)
{
    while (p->oldest && (p->bytes > p->budget || p->budget == 0))
        remove_node(p, p->oldest);
}

void prefixes_free(struct prefixes *p)
{
    p->budget = 0;
    prefixes_trim(p);
    mem_free(p->a, p->buckets);
}
