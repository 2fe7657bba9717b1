/* cache.c - models by their paths.
 *
 * Hits take no lock and write to nothing that another thread writes to. What they read is an open-addressing table of
 * names; what they write is a stripe of the entry, one of 32 cache lines, which the thread's address chooses.
 *
 * Who may free what, and when. A hit looks at tables, names and entries without holding any of them. So none of these
 * is freed before the cache: a table that has become too small is kept beside its successor (together they are at most
 * twice as large), a name never changes once it is in a table, and an entry stays when its model goes. There is one for
 * each model that was ever loaded, about 2 KB; what cannot be loaded gets none, and an entry has few names. So only
 * models are freed, and a model is safe to use for whom has counted himself in and then still seen its pointer:
 *
 *     hit:    taken += 1;  model = entry.model;  if there is none: given += 1, and take the lock
 *     evict:  entry.model = NULL;  sum up given, then taken;  if they differ, put the pointer back
 *
 * Both write, then read what the other one writes, in sequentially consistent order: one of the two sees the other.
 * Once the pointer is gone nobody counts himself in who keeps it. The sums are read stripe by stripe while others go
 * on, but all of `given` before any of `taken`, and whoever gives has taken before; so the sum of those that hold it is
 * never read too small. A session owns its model besides, which its count of owners tells.
 *
 * Strict order of last use without a shared counter: stamps are the processor's time stamp, which all cores count
 * alike; within a thread they always grow. */
#include "src/base/context.h"
#include "src/base/error.h"
#include "src/model/model.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#if !defined(__x86_64__) && !defined(__aarch64__)
#include <time.h>
#endif

enum {
    STRIPES = 32,
    MAX_NAMES = 8, /* of an entry: further spellings of its path are looked up in the file system each time */
    FIRST_SLOTS = 64
};

struct stripe {
    _Alignas(CACHE_LINE) atomic_ullong taken; /* only grow: what is held is the difference of the sums */
    atomic_ullong given;
    atomic_ullong stamp; /* of the last hit */
};

struct cache_entry {
    _Atomic(struct infer_model *) model; /* NULL: it is not there */
    struct infer_cache *cache;
    const struct name *name; /* its canonical path */
    struct cache_entry *next; /* of all entries */
    bool pinned;              /* this and n_names under the lock */
    int n_names;
    struct stripe stripes[STRIPES];
};

/* A path, canonical or as somebody wrote it. */
struct name {
    uint64_t hash;
    struct cache_entry *entry;
    unsigned options; /* those that make another model of it */
    size_t length;
    char path[];
};

struct names {
    struct names *older;
    size_t n_slots; /* a power of two, at most half used */
    _Atomic(struct name *) slots[];
};

/* What somebody asks for. */
struct request {
    const char *path, *given; /* canonical, and as it was written: links may have the better names */
    unsigned options;
    const infer_model_options *o;
};

/* A load on its way. The thread that does it and those that wait own it together. */
struct load {
    struct load *next;
    const char *path;
    unsigned options;
    int n_owners;
    bool done;
    infer_error err; /* INFER_OK: the model is there */
};

struct infer_cache {
    infer_context *context;
    const infer_allocator *a;
    uint64_t max_bytes;
    atomic_bool closed;
    _Atomic(struct names *) names;
    atomic_ullong n_other; /* of those counted in `taken`: no hits */
    struct {
        _Alignas(CACHE_LINE) atomic_ullong last; /* stamp given out */
    } clocks[STRIPES];
    _Alignas(CACHE_LINE) pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t loaded;
    size_t n_names;
    struct cache_entry *entries;
    struct load *loads;
    uint64_t n_misses, n_loads, n_failures, n_evictions;
};

/* ---- Looking up ---- */

static inline uint64_t ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t t;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(t));
    return t;
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
#endif
}

/* Threads' addresses are a stack apart; multiplied by the golden ratio such numbers spread evenly. */
static inline unsigned own_stripe(void)
{
    return (unsigned)(((uint64_t)(uintptr_t)pthread_self() >> 6) * 0x9e3779b97f4a7c15 >> 59);
}

static inline uint64_t read_word(const char *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof w);
    return w;
}

static inline uint64_t fold(uint64_t x, uint64_t y)
{
    __extension__ typedef unsigned __int128 product;
    const product p = (product)x * y;
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

/* 16 bytes a step; the last ones overlap those before them. */
static uint64_t hash_of(const char *path, size_t n, unsigned options)
{
    uint64_t h = n ^ (uint64_t)options << 32 ^ 0x9e3779b97f4a7c15;
    if (n < 16) {
        char padded[16] = { 0 };
        memcpy(padded, path, n);
        return fold(read_word(padded) ^ h, read_word(padded + 8) ^ 0xd1b54a32d192ed03);
    }
    for (size_t i = 0; i + 16 < n; i += 16)
        h = fold(read_word(path + i) ^ h, read_word(path + i + 8) ^ 0xd1b54a32d192ed03);
    return fold(read_word(path + n - 16) ^ h, read_word(path + n - 8) ^ 0xd1b54a32d192ed03);
}

static struct name *find(const struct infer_cache *c, const char *path, size_t n, unsigned options, uint64_t hash)
{
    const struct names *t = atomic_load_explicit(&c->names, memory_order_acquire);
    for (size_t i = hash & (t->n_slots - 1);; i = (i + 1) & (t->n_slots - 1)) {
        struct name *name = atomic_load_explicit(&t->slots[i], memory_order_acquire);
        if (!name || (name->hash == hash && name->length == n && name->options == options &&
                      !memcmp(name->path, path, n)))
            return name;
    }
}

static void touch(struct cache_entry *e, unsigned stripe)
{
    atomic_ullong *const last = &e->cache->clocks[stripe].last;
    const uint64_t now = ticks(), before = atomic_load_explicit(last, memory_order_relaxed);
    const uint64_t stamp = now > before ? now : before + 1;
    atomic_store_explicit(last, stamp, memory_order_relaxed);
    atomic_store_explicit(&e->stripes[stripe].stamp, stamp, memory_order_relaxed);
}

static struct infer_model *hold(struct cache_entry *e)
{
    const unsigned stripe = own_stripe();
    atomic_fetch_add(&e->stripes[stripe].taken, 1);
    struct infer_model *m = atomic_load(&e->model);
    if (m)
        touch(e, stripe);
    else {
        atomic_fetch_add(&e->stripes[stripe].given, 1);
        atomic_fetch_add(&e->cache->n_other, 1);
    }
    return m;
}

static struct infer_model *try_hit(struct infer_cache *c, const char *path, unsigned options)
{
    const size_t n = strlen(path);
    const struct name *name = find(c, path, n, options, hash_of(path, n, options));
    return name ? hold(name->entry) : NULL;
}

/* ---- Names and entries: under the lock ---- */

static struct names *make_names(struct infer_cache *c, size_t n_slots)
{
    struct names *t = mem_new(c->a, 1, sizeof *t + n_slots * sizeof *t->slots);
    if (t)
        t->n_slots = n_slots;
    return t;
}

static void enter(struct names *t, struct name *name)
{
    size_t i = name->hash & (t->n_slots - 1);
    while (atomic_load_explicit(&t->slots[i], memory_order_relaxed))
        i = (i + 1) & (t->n_slots - 1);
    atomic_store_explicit(&t->slots[i], name, memory_order_release);
}

static bool reserve_name(struct infer_cache *c)
{
    struct names *old = atomic_load(&c->names);
    if (old && 2 * (c->n_names + 1) <= old->n_slots)
        return true;
    struct names *t = make_names(c, old ? 2 * old->n_slots : FIRST_SLOTS);
    if (!t)
        return false;
    t->older = old;
    for (size_t i = 0; old && i < old->n_slots; i++) {
        struct name *name = atomic_load(&old->slots[i]);
        if (name)
            enter(t, name);
    }
    atomic_store_explicit(&c->names, t, memory_order_release);
    return true;
}

/* Let a path lead to an entry; NULL if memory is out. */
static const struct name *add_name(struct infer_cache *c, struct cache_entry *e, const char *path, unsigned options)
{
    const size_t n = strlen(path);
    struct name *name = reserve_name(c) ? mem_new(c->a, 1, sizeof *name + n + 1) : NULL;
    if (!name)
        return NULL;
    *name = (struct name){ .hash = hash_of(path, n, options), .entry = e, .options = options, .length = n };
    memcpy(name->path, path, n + 1);
    enter(atomic_load(&c->names), name);
    c->n_names++;
    e->n_names++;
    return name;
}

static struct cache_entry *find_entry(struct infer_cache *c, const char *path, unsigned options)
{
    const size_t n = strlen(path);
    const struct name *name = find(c, path, n, options, hash_of(path, n, options));
    return name ? name->entry : NULL;
}

static struct cache_entry *entry_for(struct infer_cache *c, const char *path, unsigned options)
{
    struct cache_entry *e = find_entry(c, path, options);
    if (e || !(e = mem_new(c->a, 1, sizeof *e)))
        return e;
    e->cache = c;
    if (!(e->name = add_name(c, e, path, options))) {
        mem_free(c->a, e);
        return NULL;
    }
    e->next = c->entries;
    c->entries = e;
    return e;
}

/* The path as it was written leads there too, if it says where from. */
static void remember(struct infer_cache *c, struct cache_entry *e, const char *given, unsigned options)
{
    if (*given == '/' && e->n_names < MAX_NAMES && !find_entry(c, given, options))
        add_name(c, e, given, options);
}

/* ---- Making room: under the lock ---- */

/* How often it is held; never too few. */
static uint64_t holders(struct cache_entry *e)
{
    uint64_t n = 0;
    for (int i = 0; i < STRIPES; i++)
        n -= atomic_load(&e->stripes[i].given);
    for (int i = 0; i < STRIPES; i++)
        n += atomic_load(&e->stripes[i].taken);
    return n;
}

static bool in_use(struct cache_entry *e, const struct infer_model *m)
{
    return e->pinned || holders(e) || atomic_load(&m->n_owners) > 1;
}

static uint64_t last_use(struct cache_entry *e)
{
    uint64_t last = 0;
    for (int i = 0; i < STRIPES; i++) {
        const uint64_t stamp = atomic_load_explicit(&e->stripes[i].stamp, memory_order_relaxed);
        last = stamp > last ? stamp : last;
    }
    return last;
}

static bool evict(struct infer_cache *c, struct cache_entry *e)
{
    struct infer_model *m = atomic_load(&e->model);
    atomic_store(&e->model, NULL);
    if (in_use(e, m)) { /* now nobody can begin to use it */
        atomic_store(&e->model, m);
        return false;
    }
    c->n_evictions++;
    infer_model_close(&m);
    return true;
}

struct sums {
    uint64_t bytes, bytes_in_use, models, held;
    struct cache_entry *oldest; /* of those that are not in use */
};

static struct sums sum_up(struct infer_cache *c)
{
    struct sums s = { 0 };
    uint64_t first = UINT64_MAX;
    for (struct cache_entry *e = c->entries; e; e = e->next) {
        struct infer_model *m = atomic_load(&e->model);
        if (!m)
            continue;
        const uint64_t bytes = model_bytes(m), used = last_use(e);
        const bool held = in_use(e, m);
        s.models++;
        s.held += held;
        s.bytes += bytes;
        s.bytes_in_use += held ? bytes : 0;
        if (!held && used < first) {
            first = used;
            s.oldest = e;
        }
    }
    return s;
}

/* Evict, the least recently used first, until what is there leaves room for `more` bytes of `most`; false if it cannot.
 * */
static bool make_room(struct infer_cache *c, uint64_t more, uint64_t most)
{
    for (;;) {
        const struct sums s = sum_up(c);
        if (more <= most && s.bytes <= most - more)
            return true;
        if (!s.oldest || more > most || s.bytes_in_use > most - more)
            return false;
        evict(c, s.oldest);
    }
}

/* ---- Loading ---- */

static struct load *find_load(struct infer_cache *c, const char *path, unsigned options)
{
    struct load *l = c->loads;
    while (l && (l->options != options || strcmp(l->path, path) != 0))
        l = l->next;
    return l;
}

static void release_load(struct infer_cache *c, struct load *l)
{
    if (!--l->n_owners)
        mem_free(c->a, l);
}

/* Under the lock: put a model that was opened where hits find it, held once. */
static struct infer_model *publish(struct infer_cache *c, struct infer_model *m, const struct request *r,
                                   infer_error *err)
{
    const uint64_t bytes = model_bytes(m), most = c->max_bytes ? c->max_bytes : UINT64_MAX;
    if (!make_room(c, bytes, most)) {
        fail(err, INFER_E_FULL, "%s: the model takes %llu bytes, and there is no room for them beside the models in "
             "use: max_bytes of the cache is %llu", r->given, (unsigned long long)bytes, (unsigned long long)most);
        return NULL;
    }
    struct cache_entry *e = entry_for(c, r->path, r->options);
    if (!e) {
        fail_memory(err, "the cache");
        return NULL;
    }
    m->cached = e;
    atomic_store(&e->model, m);
    atomic_fetch_add(&c->n_other, 1);
    return hold(e);
}

/* Under the lock, which is given up meanwhile: the only load of this path. */
static struct infer_model *load(struct infer_cache *c, struct load *l, const struct request *r, infer_error *err)
{
    l->next = c->loads;
    l->n_owners = 1;
    c->loads = l;
    pthread_mutex_unlock(&c->lock);
    struct infer_model *opened = infer_model_open(c->context, r->given, r->o, &l->err), *m = NULL, *unused;
    pthread_mutex_lock(&c->lock);
    c->n_loads += opened != NULL;
    m = opened ? publish(c, opened, r, &l->err) : NULL;
    unused = m ? NULL : opened;
    c->n_failures += !m;
    if (!m && err)
        *err = l->err;
    if (m)
        l->err.code = INFER_OK;
    struct load **link = &c->loads;
    while (*link != l)
        link = &(*link)->next;
    *link = l->next;
    l->done = true;
    pthread_cond_broadcast(&c->loaded);
    release_load(c, l);
    infer_model_close(&unused);
    return m;
}

/* Under the lock: wait for the load of somebody else. False if it failed. */
static bool wait_for(struct infer_cache *c, struct load *l, infer_error *err)
{
    l->n_owners++;
    while (!l->done)
        pthread_cond_wait(&c->loaded, &c->lock);
    const bool good = l->err.code == INFER_OK;
    if (!good && err)
        *err = l->err;
    release_load(c, l);
    return good;
}

/* Under the lock. */
static struct infer_model *get_locked(struct infer_cache *c, const struct request *r, infer_error *err)
{
    bool waited = false;
    for (;;) {
        struct cache_entry *e = find_entry(c, r->path, r->options);
        struct infer_model *m = e ? hold(e) : NULL;
        if (m) {
            atomic_fetch_add(&c->n_other, waited);
            return m;
        }
        c->n_misses += !waited;
        waited = true;
        struct load *other = find_load(c, r->path, r->options);
        if (other && !wait_for(c, other, err))
            return NULL;
        if (other)
            continue;
        struct load *own = mem_new(c->a, 1, sizeof *own);
        if (!own)
            return fail_memory(err, "the cache"), NULL;
        own->path = r->path;
        own->options = r->options;
        return load(c, own, r, err);
    }
}

/* What all paths to a model have in common: of split files, the first one's. */
static bool canonical(const char *given, char path[PATH_MAX])
{
    struct split_name name;
    char first[PATH_MAX];
    if (split_name_parse(given, ".gguf", &name) && name.stem.n < PATH_MAX - 32) {
        snprintf(first, sizeof first, "%.*s-00001-of-%05u.gguf", (int)name.stem.n, name.stem.p, name.count);
        if (realpath(first, path))
            return true;
    }
    return realpath(given, path);
}

static struct infer_model *get(struct infer_cache *c, const char *given, unsigned options, const infer_model_options *o,
                               infer_error *err)
{
    char path[PATH_MAX];
    if (!canonical(given, path)) {
        const int why = errno;
        pthread_mutex_lock(&c->lock);
        c->n_misses++;
        c->n_failures++;
        pthread_mutex_unlock(&c->lock);
        return fail_null(err, INFER_E_IO, "%s: cannot be opened: %s", given, strerror(why));
    }
    pthread_mutex_lock(&c->lock);
    struct infer_model *m = get_locked(c, &(struct request){ path, given, options, o }, err);
    if (m)
        remember(c, m->cached, given, options);
    pthread_mutex_unlock(&c->lock);
    return m;
}

/* ---- The public functions ---- */

infer_cache *infer_cache_open(infer_context *context, const infer_cache_options *options, infer_error *err)
{
    infer_cache_options o = infer_cache_defaults();
    if (!context)
        return fail_null(err, INFER_E_ARGUMENT, "infer_cache_open needs a context, found NULL");
    if (options && options->size < sizeof options->size)
        return fail_null(err, INFER_E_ARGUMENT, "cache options: size is %zu; start from infer_cache_defaults()",
                         options->size);
    if (options)
        memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    const infer_allocator *a = context_allocator(context);
    infer_cache *c = mem_new(a, 1, sizeof *c);
    if (!c)
        return fail_memory(err, "the cache"), NULL;
    c->a = a;
    c->max_bytes = o.max_bytes;
    if (!reserve_name(c)) {
        mem_free(a, c);
        return fail_memory(err, "the cache"), NULL;
    }
    c->context = context_retain(context);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->loaded, NULL);
    return c;
}

static void destroy(struct infer_cache *c)
{
    infer_context *context = c->context;
    for (struct cache_entry *e = c->entries, *next; e; e = next) {
        struct infer_model *m = atomic_load(&e->model);
        next = e->next;
        if (m)
            m->cached = NULL;
        infer_model_close(&m);
        mem_free(c->a, e);
    }
    struct names *t = atomic_load(&c->names);
    for (size_t i = 0; i < t->n_slots; i++)
        mem_free(c->a, atomic_load(&t->slots[i])); /* the newest table has all */
    for (struct names *older; t; t = older) {
        older = t->older;
        mem_free(c->a, t);
    }
    pthread_cond_destroy(&c->loaded);
    pthread_mutex_destroy(&c->lock);
    mem_free(c->a, c);
    infer_context_close(&context);
}

static bool is_held(struct infer_cache *c)
{
    for (struct cache_entry *e = c->entries; e; e = e->next)
        if (holders(e))
            return true;
    return false;
}

void infer_cache_close(infer_cache **cache)
{
    infer_cache *c = cache ? *cache : NULL;
    if (!c)
        return;
    *cache = NULL;
    pthread_mutex_lock(&c->lock);
    atomic_store(&c->closed, true);
    const bool held = is_held(c);
    pthread_mutex_unlock(&c->lock);
    if (!held)
        destroy(c);
}

static infer_model *get_with(infer_cache *c, const char *path, const infer_model_options *options, infer_error *err)
{
    infer_model_options o;
    if (model_read_options(&o, options, err) != INFER_OK)
        return NULL;
    unsigned key;
    if (model_options_key(&o, &key, err) != INFER_OK)
        return NULL;
    infer_model *m = options && *path == '/' ? try_hit(c, path, key) : NULL;
    return m ? m : get(c, path, key, &o, err);
}

infer_model *infer_cache_get(infer_cache *c, const char *path, const infer_model_options *options, infer_error *err)
{
    if (!c || !path)
        return fail_null(err, INFER_E_ARGUMENT, "infer_cache_get needs a cache and a path");
    infer_model *m = !options && *path == '/' ? try_hit(c, path, 0) : NULL;
    return m ? m : get_with(c, path, options, err);
}

void infer_cache_release(infer_cache *c, infer_model **model)
{
    infer_model *m = model ? *model : NULL;
    if (!m)
        return;
    *model = NULL;
    atomic_ullong *const given = &m->cached->stripes[own_stripe()].given;
    if (!atomic_load_explicit(&c->closed, memory_order_relaxed)) {
        atomic_fetch_add(given, 1);
        return;
    }
    pthread_mutex_lock(&c->lock); /* who comes last clears up */
    atomic_fetch_add(given, 1);
    const bool held = is_held(c);
    pthread_mutex_unlock(&c->lock);
    if (!held)
        destroy(c);
}

void infer_cache_pin(infer_cache *c, infer_model *m, bool pinned)
{
    pthread_mutex_lock(&c->lock);
    m->cached->pinned = pinned;
    pthread_mutex_unlock(&c->lock);
}

uint64_t infer_cache_trim(infer_cache *c, uint64_t max_bytes)
{
    pthread_mutex_lock(&c->lock);
    struct sums s = sum_up(c);
    while (s.bytes > max_bytes && s.oldest) {
        evict(c, s.oldest);
        s = sum_up(c);
    }
    pthread_mutex_unlock(&c->lock);
    return s.bytes;
}

void infer_cache_get_stats(infer_cache *c, infer_cache_stats *stats)
{
    pthread_mutex_lock(&c->lock);
    const struct sums s = sum_up(c);
    infer_cache_stats full = {
        .size = stats->size, .misses = c->n_misses, .loads = c->n_loads, .failures = c->n_failures,
        .evictions = c->n_evictions, .models = s.models, .held = s.held, .bytes = s.bytes, .max_bytes = c->max_bytes,
    };
    for (struct cache_entry *e = c->entries; e; e = e->next)
        for (int i = 0; i < STRIPES; i++)
            full.hits += atomic_load(&e->stripes[i].taken);
    full.hits -= atomic_load(&c->n_other);
    pthread_mutex_unlock(&c->lock);
    memcpy(stats, &full, stats->size < sizeof full ? stats->size : sizeof full);
}
