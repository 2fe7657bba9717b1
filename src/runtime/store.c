/* store.c - a prefix store: who reads and who writes.
 *
 * A session reads by itself, when it aims at a text: first it asks which files there are, by their names alone, then it
 * takes those up to the last page from which it can go on.
 *
 * What it has computed it hands over as a task that holds its pages; a page that somebody else holds is never written
 * to (kv.h), so nothing is copied and nobody waits. The store's thread writes what is not there yet, and stamps all
 * files of the text, the earlier a page the later: so what was not used for longest is always the end of a text. */
#include "src/runtime/store.h"

#include "src/base/context.h"
#include "src/base/error.h"
#include "src/runtime/store_folder.h"

#include <time.h>

/* When this is waiting to be written no more is taken: its pages may be held by nobody else any more. */
#define MOST_WAITING ((uint64_t)256 << 20)

/* The text of a session. */
struct task {
    struct task *next;
    infer_model *model;
    struct kv_pool *pool;
    struct store_way way;
    int32_t *tokens; /* pages.n * ATTEND_KEYS */
    struct kv_known pages;
    uint64_t bytes; /* of them */
};

struct infer_store {
    infer_context *context;
    const infer_allocator *a;
    atomic_int n_owners;
    uint32_t min_tokens;
    uint64_t features;
    struct folder folder; /* its counts are the thread's */
    bool has_thread;
    pthread_t thread;
    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t given, done;
    struct task *tasks, **end; /* a queue */
    uint64_t waiting;          /* bytes of their pages */
    bool busy, closing;
    infer_store_stats stats;
};

/* ---- How something was computed ---- */

/* Of the machine: with the name of the set they tell which kernels are used. */
static uint64_t machine_features(void)
{
#if defined(__x86_64__)
    const struct cpu_features f = cpu_features();
    return f.avx512_vnni | f.avx512_bf16 << 1 | f.avx512_vbmi << 2 | f.avx_vnni << 3 | f.fast_bf16 << 4;
#else
    return 0;
#endif
}

static struct store_way way_of(const infer_store *store, const infer_session *s)
{
    const char *const kernels = s->model->context->kernels.name;
    return (struct store_way){ {
        model_identity(s->model), s->kv_type_k, s->kv_type_v, session_variant(s), hash_bytes(kernels, strlen(kernels)),
        store->features, infer_version(),
    } };
}

/* ---- Writing ---- */

static void free_task(struct task *t, const infer_allocator *a)
{
    kv_let_go(t->pool, &t->pages);
    for (int c = 0; c < KV_CLASSES; c++)
        mem_free(a, t->pages.of[c]);
    mem_free(a, t->tokens);
    infer_model_close(&t->model);
    mem_free(a, t);
}

/* Room for the pages of n / ATTEND_KEYS pages; false if memory is out. */
static bool make_known(struct kv_known *known, const infer_allocator *a, uint32_t n_pages)
{
    known->n = n_pages;
    for (int c = 0; c < KV_CLASSES; c++)
        known->of[c] = mem_new(a, n_pages, sizeof *known->of[c]);
    return known->of[KV_ALL] && known->of[KV_WINDOW];
}

static struct task *make_task(infer_store *store, const infer_session *s, uint32_t n_pages)
{
    struct task *const t = mem_new(store->a, 1, sizeof *t);
    if (!t)
        return NULL;
    t->tokens = mem_raw(store->a, n_pages, ATTEND_KEYS * sizeof *t->tokens);
    if (!make_known(&t->pages, store->a, n_pages) || !t->tokens) {
        mem_free(store->a, t->pages.of[KV_ALL]);
        mem_free(store->a, t->pages.of[KV_WINDOW]);
        mem_free(store->a, t->tokens);
        mem_free(store->a, t);
        return NULL;
    }
    t->model = infer_model_retain(s->model);
    t->pool = s->history->kv.pool;
    t->way = way_of(store, s);
    memcpy(t->tokens, s->history->tokens, (size_t)n_pages * ATTEND_KEYS * sizeof *t->tokens);
    t->bytes = kv_lend(&s->history->kv, &t->pages);
    return t;
}

void store_offer(infer_store *store, infer_session *s, uint32_t n)
{
    if (!store->has_thread || n / ATTEND_KEYS <= s->n_offered || n < store->min_tokens ||
        model_intact(s->model, NULL) != INFER_OK)
        return;
    struct task *const t = make_task(store, s, n / ATTEND_KEYS);
    pthread_mutex_lock(&store->lock);
    const bool taken = t && (!store->tasks || store->waiting + t->bytes <= MOST_WAITING);
    store->stats.failures += !taken;
    if (taken) {
        *store->end = t;
        store->end = &t->next;
        store->waiting += t->bytes;
        s->n_offered = n / ATTEND_KEYS;
        pthread_cond_signal(&store->given);
    }
    pthread_mutex_unlock(&store->lock);
    if (t && !taken)
        free_task(t, store->a);
}

static infer_status write_file(infer_store *store, const struct store_page *p, const struct page *page,
                               const char *name, infer_error *err)
{
    struct sink sink;
    char *const path = folder_file(&store->folder, name);
    infer_status status = path ? sink_open_file(&sink, store->a, path, err) : fail_memory(err, "a file's name");
    if (status == INFER_OK) {
        sink.fleeting = true;
        status = store_page_put(&sink, p, page, err);
        if (status == INFER_OK)
            status = sink_finish(&sink, err);
        sink_close(&sink);
    }
    mem_free(store->a, path);
    return status;
}

/* `when` a moment earlier for each page, in steps that file systems tell apart. */
static struct timespec earlier(struct timespec when, uint32_t i)
{
    const int64_t ns = (int64_t)when.tv_nsec - (int64_t)i * 1000;
    const int64_t seconds = ns < 0 ? (999999999 - ns) / 1000000000 : 0;
    return (struct timespec){ .tv_sec = when.tv_sec - (time_t)seconds, .tv_nsec = (long)(ns + seconds * 1000000000) };
}

/* What is there is stamped, the rest written, as far as it fits the budget by itself. */
static infer_status write_text(infer_store *store, const struct task *t, uint64_t *n_written, infer_error *err)
{
    struct folder *const f = &store->folder;
    struct hash names;
    struct timespec now;
    uint64_t bytes = 0;
    clock_gettime(CLOCK_REALTIME, &now);
    store_name_begin(&names, &t->way);
    for (uint32_t i = 0; i < t->pages.n; i++) {
        const struct timespec when = earlier(now, i);
        store_name_next(&names, t->tokens + (size_t)i * ATTEND_KEYS);
        for (int c = 0; c < KV_CLASSES; c++) {
            const struct store_page p = { &t->way, t->tokens, (i + 1) * ATTEND_KEYS, (enum kv_class)c,
                                          &t->pool->heaps[c] };
            char name[STORE_NAME];
            store_name(name, hash_value(&names), p.class);
            const bool there = t->pool->shape.n_layers[c] && folder_touch(f, name, &when);
            if (there || t->pages.of[c][i])
                bytes += store_page_bytes(&p);
            if (f->max_bytes && bytes > f->max_bytes)
                return INFER_OK;
            if (there || !t->pages.of[c][i])
                continue;
            const infer_status status = write_file(store, &p, t->pages.of[c][i], name, err);
            if (status != INFER_OK)
                return status;
            ++*n_written;
            (void)folder_touch(f, name, &when);
            folder_added(f, store_page_bytes(&p));
        }
    }
    return INFER_OK;
}

static void write_task(infer_store *store, struct task *t)
{
    infer_error err = { 0 };
    uint64_t n_written = 0;
    const infer_status status = write_text(store, t, &n_written, &err);
    if (status != INFER_OK)
        context_log(store->context, INFER_LOG_WARN, "prefix store: %s", err.message);
    pthread_mutex_lock(&store->lock);
    store->stats.written += n_written;
    store->stats.failures += status != INFER_OK;
    store->waiting -= t->bytes;
    pthread_mutex_unlock(&store->lock);
    free_task(t, store->a);
}

static void copy_counts(infer_store *store)
{
    pthread_mutex_lock(&store->lock);
    store->stats.evictions = store->folder.n_evicted;
    store->stats.files = store->folder.files;
    store->stats.bytes = store->folder.bytes;
    pthread_mutex_unlock(&store->lock);
}

static void *thread_main(void *arg)
{
    infer_store *const store = arg;
    folder_count(&store->folder, false);
    for (;;) {
        copy_counts(store);
        pthread_mutex_lock(&store->lock);
        store->busy = false;
        if (!store->tasks)
            pthread_cond_broadcast(&store->done);
        while (!store->tasks && !store->closing)
            pthread_cond_wait(&store->given, &store->lock);
        struct task *const t = store->tasks;
        if (t && !(store->tasks = t->next))
            store->end = &store->tasks;
        store->busy = t;
        pthread_mutex_unlock(&store->lock);
        if (!t)
            return NULL;
        write_task(store, t);
    }
}

void infer_store_flush(infer_store *store)
{
    pthread_mutex_lock(&store->lock);
    while (store->has_thread && (store->tasks || store->busy))
        pthread_cond_wait(&store->done, &store->lock);
    pthread_mutex_unlock(&store->lock);
}

/* ---- Reading ---- */

/* Stands for a page whose file is there. */
static const struct page unread;
#define ON_DISK ((struct page *)(uintptr_t)&unread)

struct search {
    infer_store *store;
    const infer_session *s;
    struct store_way way;
    struct kv_known known;
    uint64_t *hashes; /* of each page */
    uint64_t n_damaged;
};

/* Which files there are behind what the session has. */
static void look(struct search *q, uint32_t own)
{
    const struct kv_shape *const shape = &q->s->history->kv.pool->shape;
    struct hash names;
    char name[STORE_NAME];
    store_name_begin(&names, &q->way);
    for (uint32_t i = 0; i < q->known.n; i++) {
        store_name_next(&names, q->s->history->tokens + (size_t)i * ATTEND_KEYS);
        q->hashes[i] = hash_value(&names);
        for (int c = 0; c < KV_CLASSES && i >= own; c++) {
            store_name(name, q->hashes[i], (enum kv_class)c);
            if (shape->n_layers[c] && folder_has(&q->store->folder, name))
                q->known.of[c][i] = ON_DISK;
            else if (shape->n_layers[c] && c == KV_ALL) /* what is behind is of no use */
                q->known.n = i;
        }
    }
}

static struct page *read_page(const struct search *q, const struct store_page *p, struct source *from,
                              const struct page *after, uint32_t run, infer_error *err)
{
    struct kv_pool *const pool = q->s->history->kv.pool;
    infer_status status = store_page_check(from, p, err);
    if (status != INFER_OK)
        return NULL;
    struct page *page = kv_new_page(pool, p->class, after, run);
    if (!page)
        return fail_memory(err, "a page"), NULL;
    status = store_page_get(from, p, page, err);
    if (status == INFER_OK)
        return page;
    kv_release_page(pool, p->class, page);
    return NULL;
}

/* NULL: it is not there, no good, which a log line tells, or memory is out. */
static struct page *load_page(struct search *q, enum kv_class class, uint32_t i, const struct page *after, uint32_t run)
{
    infer_store *const store = q->store;
    const struct store_page p = { &q->way, q->s->history->tokens, (i + 1) * ATTEND_KEYS, class,
                                  &q->s->history->kv.pool->heaps[class] };
    struct source from;
    infer_error err = { 0 };
    char name[STORE_NAME];
    store_name(name, q->hashes[i], class);
    char *const path = folder_file(&store->folder, name);
    struct page *page = NULL;
    if (path && source_open_file(&from, path, &err) == INFER_OK) {
        page = read_page(q, &p, &from, after, run, &err);
        source_close(&from);
    }
    mem_free(store->a, path);
    if (err.code == INFER_E_FORMAT) {
        context_log(store->context, INFER_LOG_WARN, "prefix store: %s", err.message);
        q->n_damaged++;
        if (store->has_thread)
            folder_remove(&store->folder, name);
    }
    return page;
}

/* All that is needed to go on behind page `end`. false: one is not there, and is known not to be now. */
static bool load_until(struct search *q, uint32_t end, uint32_t have)
{
    const struct kv *const kv = &q->s->history->kv;
    const uint32_t own = have / ATTEND_KEYS;
    for (int c = 0; c < KV_CLASSES; c++) {
        const uint32_t first = kv_known_first(kv, &q->known, (enum kv_class)c, end, have);
        const struct page *after = own > kv->of[c].first && own <= kv->of[c].end ? kv->of[c].pages[own - 1] : NULL;
        for (uint32_t i = first > own ? first : own; i < end; i++) {
            struct page **const page = &q->known.of[c][i];
            if (*page == ON_DISK)
                *page = load_page(q, (enum kv_class)c, i, after, i - first);
            if (!*page)
                return false;
            after = *page;
        }
    }
    return true;
}

static uint32_t find(struct search *q, struct kv *kv, uint32_t have)
{
    uint32_t end;
    look(q, have / ATTEND_KEYS);
    do
        end = kv_known_end(kv, &q->known, have);
    while (end * ATTEND_KEYS > have && !load_until(q, end, have));
    for (int c = 0; c < KV_CLASSES; c++)
        for (uint32_t i = 0; i < q->known.n; i++)
            if (q->known.of[c][i] == ON_DISK)
                q->known.of[c][i] = NULL;
    kv_hold_known(kv, &q->known, end, have);
    kv_let_go(kv->pool, &q->known);
    return end * ATTEND_KEYS > have ? end * ATTEND_KEYS : have;
}

void store_find(infer_store *store, infer_session *s, uint32_t n)
{
    const uint32_t n_pages = n / ATTEND_KEYS, have = s->n_done;
    struct search q = { .store = store, .s = s };
    if (n_pages <= have / ATTEND_KEYS || model_intact(s->model, NULL) != INFER_OK)
        return;
    q.way = way_of(store, s);
    q.hashes = mem_raw(store->a, n_pages, sizeof *q.hashes);
    if (make_known(&q.known, store->a, n_pages) && q.hashes)
        s->n_done = find(&q, &s->history->kv, have);
    mem_free(store->a, q.known.of[KV_ALL]);
    mem_free(store->a, q.known.of[KV_WINDOW]);
    mem_free(store->a, q.hashes);
    pthread_mutex_lock(&store->lock);
    store->stats.hits += s->n_done > have;
    store->stats.misses += s->n_done == have;
    store->stats.tokens += s->n_done - have;
    store->stats.damaged += q.n_damaged;
    pthread_mutex_unlock(&store->lock);
}

/* ---- Opening and closing ---- */

static infer_status read_options(infer_store_options *o, const infer_store_options *given, infer_error *err)
{
    *o = infer_store_defaults();
    if (given && given->size < sizeof given->size)
        return fail(err, INFER_E_ARGUMENT, "store options: size is %zu; start from infer_store_defaults()",
                    given->size);
    if (given)
        memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    if (o->min_tokens < 0)
        return fail(err, INFER_E_ARGUMENT, "store options: min_tokens is %d, expected 0 or more", o->min_tokens);
    return INFER_OK;
}

static infer_status start(infer_store *store, const char *directory, const infer_store_options *o, infer_error *err)
{
    bool read_only = o->read_only;
    infer_status status = folder_open(&store->folder, store->context, directory, &read_only, err);
    if (status != INFER_OK)
        return status;
    store->folder.max_bytes = o->max_bytes;
    store->stats.read_only = read_only;
    store->stats.max_bytes = o->max_bytes;
    if (read_only) {
        folder_count(&store->folder, true);
        copy_counts(store);
        return INFER_OK;
    }
    store->busy = true;
    const int e = pthread_create(&store->thread, NULL, thread_main, store);
    store->has_thread = !e;
    return e ? fail(err, INFER_E_NOMEM, "the prefix store's thread cannot be started: %s", strerror(e)) : INFER_OK;
}

infer_store *infer_store_open(infer_context *context, const char *directory, const infer_store_options *options,
                              infer_error *err)
{
    infer_store_options o;
    if (!context || !directory)
        return fail_null(err, INFER_E_ARGUMENT, "a prefix store needs a context and a directory");
    if (read_options(&o, options, err) != INFER_OK)
        return NULL;
    infer_store *store = mem_new(&context->a, 1, sizeof *store);
    if (!store)
        return fail_memory(err, "the prefix store"), NULL;
    store->context = context_retain(context);
    store->a = &context->a;
    store->min_tokens = (uint32_t)o.min_tokens;
    store->features = machine_features();
    store->end = &store->tasks;
    store->folder.fd = -1;
    atomic_init(&store->n_owners, 1);
    pthread_mutex_init(&store->lock, NULL);
    pthread_cond_init(&store->given, NULL);
    pthread_cond_init(&store->done, NULL);
    if (start(store, directory, &o, err) != INFER_OK)
        infer_store_close(&store);
    return store;
}

infer_store *store_retain(infer_store *store)
{
    if (store)
        atomic_fetch_add(&store->n_owners, 1);
    return store;
}

void infer_store_close(infer_store **handle)
{
    infer_store *const store = *handle;
    *handle = NULL;
    if (!store || atomic_fetch_sub(&store->n_owners, 1) > 1)
        return;
    if (store->has_thread) {
        pthread_mutex_lock(&store->lock);
        store->closing = true;
        pthread_cond_signal(&store->given);
        pthread_mutex_unlock(&store->lock);
        pthread_join(store->thread, NULL);
    }
    infer_context *context = store->context;
    folder_close(&store->folder);
    pthread_cond_destroy(&store->given);
    pthread_cond_destroy(&store->done);
    pthread_mutex_destroy(&store->lock);
    mem_free(&context->a, store);
    infer_context_close(&context);
}

void infer_store_get_stats(infer_store *store, infer_store_stats *stats)
{
    pthread_mutex_lock(&store->lock);
    infer_store_stats full = store->stats;
    pthread_mutex_unlock(&store->lock);
    full.size = stats->size;
    memcpy(stats, &full, stats->size < sizeof full ? stats->size : sizeof full);
}
