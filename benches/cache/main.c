/* main.c - the suite cache: what it costs to have a model, a session and the tokens in it, from nothing and again. */
#include "benches/shim.h"
#include "infer.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODEL "tools/default-model/model.gguf"

static infer_context *context;

static void must(bool good, const infer_error *err)
{
    if (good)
        return;
    fprintf(stderr, "cache: %s\n", err->message);
    exit(1);
}

/* Let the system forget the file, so that the next to read it waits for the disk. */
static bool forget(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const bool good = fd >= 0 && fdatasync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0;
    if (fd >= 0)
        close(fd);
    return good;
}

struct opening {
    bool cold, first_token;
};

/* Open and close a model; with first_token also a session and one token, which reads all weights. */
static void run_open(struct bench *b, const void *arg)
{
    const struct opening *o = arg;
    const int32_t id = 1;
    infer_error err = { 0 };
    bool good = true;
    while (bench_next(b)) {
        if (o->cold) {
            bench_pause(b);
            good = good && forget(MODEL);
            bench_resume(b);
        }
        infer_model *model = infer_model_open(context, MODEL, NULL, &err);
        infer_session *session = model && o->first_token ? infer_session_open(model, NULL, &err) : NULL;
        good = good && model && (!session || infer_session_eval(session, &id, 1, &err) == INFER_OK);
        infer_session_close(&session);
        infer_model_close(&model);
    }
    if (!good)
        bench_skip(b, "the model cannot be opened, or not be forgotten by the system");
}

/* A session's cache and work buffers for n_ctx tokens. */
static void run_session(struct bench *b, const void *arg)
{
    infer_error err = { 0 };
    infer_session_options options = infer_session_defaults();
    infer_model *model = infer_model_open(context, MODEL, NULL, &err);
    must(model, &err);
    options.n_ctx = *(const int32_t *)arg;
    bool good = true;
    while (bench_next(b)) {
        infer_session *session = infer_session_open(model, &options, &err);
        good = good && session;
        infer_session_close(&session);
    }
    if (!good)
        bench_skip(b, "the session cannot be opened");
    infer_model_close(&model);
}

/* A prompt of PROMPT tokens of which `kept` are in the cache already: only the rest is computed. */
enum { PROMPT = 256 };
static void run_prompt(struct bench *b, const void *arg)
{
    const size_t kept = *(const size_t *)arg;
    infer_error err = { 0 };
    int32_t ids[PROMPT];
    infer_model *model = infer_model_open(context, MODEL, NULL, &err);
    infer_session *session = model ? infer_session_open(model, NULL, &err) : NULL;
    must(session, &err);
    for (int i = 0; i < PROMPT; i++)
        ids[i] = 3 + i;
    bool good = infer_session_eval(session, ids, PROMPT, &err) == INFER_OK;
    while (bench_next(b)) {
        good = good && infer_session_rewind(session, kept, NULL) == INFER_OK;
        good = good && infer_session_eval(session, ids + kept, PROMPT - kept, &err) == INFER_OK;
    }
    if (!good)
        bench_skip(b, "evaluation fails");
    bench_items(b, PROMPT);
    infer_session_close(&session);
    infer_model_close(&model);
}

/* ---- infer_cache ---- */

#define TINY "tests/data/tiny/llama/model.gguf"
enum { PATHS = 4 };
static char paths[PATHS][4096]; /* absolute, of two files with two names each */

static infer_cache *open_cache(uint64_t max_bytes)
{
    infer_error err = { 0 };
    infer_cache_options o = infer_cache_defaults();
    o.max_bytes = max_bytes;
    infer_cache *cache = infer_cache_open(context, &o, &err);
    must(cache, &err);
    return cache;
}

static void use(infer_cache *cache, const char *path)
{
    infer_error err;
    infer_model *model = infer_cache_get(cache, path, NULL, &err);
    if (!model)
        must(false, &err);
    infer_cache_release(cache, &model);
}

/* What the kernel takes for a small file: open, its size, map, close, one page touched, unmap. */
static void run_kernel(struct bench *b, const void *arg)
{
    (void)arg;
    bool good = true;
    while (bench_next(b)) {
        struct stat st;
        const int fd = open(TINY, O_RDONLY | O_CLOEXEC);
        good = good && fd >= 0 && fstat(fd, &st) == 0;
        volatile char *p = good ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
        good = good && p != MAP_FAILED;
        close(fd);
        for (off_t i = 0; good && i < st.st_size; i += 65536)
            (void)p[i];
        if (good)
            munmap((void *)(uintptr_t)p, (size_t)st.st_size);
    }
    if (!good)
        bench_skip(b, "the file cannot be mapped");
}

/* Get and release what is there. */
static void run_hit(struct bench *b, const void *arg)
{
    (void)arg;
    infer_cache *cache = open_cache(0);
    use(cache, paths[0]);
    while (bench_next(b))
        use(cache, paths[0]);
    infer_cache_close(&cache);
}

/* Get alone, a thousand at a time; they are released while nothing is measured. */
static void run_get(struct bench *b, const void *arg)
{
    enum { GETS = 1000 };
    (void)arg;
    infer_model *models[GETS];
    infer_cache *cache = open_cache(0);
    infer_error err = { 0 };
    use(cache, paths[0]);
    while (bench_next(b)) {
        for (int i = 0; i < GETS; i++)
            models[i] = infer_cache_get(cache, paths[0], NULL, &err);
        bench_pause(b);
        for (int i = 0; i < GETS; i++) {
            must(models[i], &err);
            infer_cache_release(cache, &models[i]);
        }
        bench_resume(b);
    }
    bench_items(b, GETS);
    infer_cache_close(&cache);
}

/* Room for one of two models: each request closes one and opens the other. */
static void run_miss(struct bench *b, const void *arg)
{
    (void)arg;
    infer_cache *cache = open_cache(200000);
    for (size_t i = 0; bench_next(b); i++)
        use(cache, paths[i % 2]);
    infer_cache_close(&cache);
}

struct hitter {
    infer_cache *cache;
    const char *path;
    atomic_int *left; /* rounds of all threads */
};
enum { ROUND = 10000 };

static void *hit(void *arg)
{
    const struct hitter *h = arg;
    while (atomic_fetch_sub(h->left, 1) > 0)
        for (int i = 0; i < ROUND; i++)
            use(h->cache, h->path);
    return NULL;
}

/* Threads at once, each get and release an item: of one model, or each of another path. */
struct hits {
    int n_threads;
    bool same;
};
static void run_threads(struct bench *b, const void *arg)
{
    const struct hits *o = arg;
    infer_cache *cache = open_cache(0);
    struct hitter hitters[PATHS];
    pthread_t threads[PATHS];
    atomic_int left;
    for (int i = 0; i < o->n_threads; i++) {
        hitters[i] = (struct hitter){ cache, paths[o->same ? 0 : i], &left };
        use(cache, hitters[i].path);
    }
    while (bench_next(b)) {
        atomic_store(&left, 100);
        for (int i = 0; i < o->n_threads; i++)
            pthread_create(&threads[i], NULL, hit, &hitters[i]);
        for (int i = 0; i < o->n_threads; i++)
            pthread_join(threads[i], NULL);
    }
    bench_items(b, 100.0 * ROUND);
    infer_cache_close(&cache);
}

/* Two files alike, each with two names, as long as the program runs. */
static char folder[] = "/tmp/bench_cache.XXXXXX";

static void make_files(void)
{
    char command[256];
    const bool made = mkdtemp(folder);
    for (int i = 0; made && i < 2; i++) {
        snprintf(command, sizeof command, "cp " TINY " %s/%d.gguf && ln -s %d.gguf %s/%d.gguf", folder, i, i,
                 folder, i + 2);
        must(system(command) == 0, &(infer_error){ INFER_E_IO, "files cannot be made in /tmp" });
    }
    for (int i = 0; i < PATHS; i++)
        snprintf(paths[i], sizeof paths[i], "%s/%d.gguf", folder, i);
}

static void remove_files(void)
{
    for (int i = 0; i < PATHS; i++)
        unlink(paths[i]);
    rmdir(folder);
}

static void add_cache(void)
{
    static const struct hits hits[] = { { 1, true }, { 2, true }, { 4, true }, { 4, false } };
    char name[64];
    make_files();
    bench_add("kernel/tiny", run_kernel, NULL, 0);
    bench_add("hit", run_hit, NULL, 0);
    bench_add("get", run_get, NULL, 0);
    bench_add("miss", run_miss, NULL, 0);
    for (size_t i = 0; i < sizeof hits / sizeof *hits; i++) {
        snprintf(name, sizeof name, "hits/threads:%d/%s", hits[i].n_threads, hits[i].same ? "same" : "others");
        bench_add(name, run_threads, &hits[i], sizeof hits[i]);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        struct opening opening;
    } openings[] = {
        { "open/warm", { false, false } },
        { "open/cold", { true, false } },
        { "first_token/warm", { false, true } },
        { "first_token/cold", { true, true } },
    };
    char name[64];
    infer_error err = { 0 };
    context = infer_context_open(NULL, &err);
    must(context, &err);
    for (size_t i = 0; i < sizeof openings / sizeof *openings; i++)
        bench_add(openings[i].name, run_open, &openings[i].opening, sizeof openings[i].opening);
    for (int32_t n_ctx = 256; n_ctx <= 4096; n_ctx *= 4) {
        snprintf(name, sizeof name, "session/%d", n_ctx);
        bench_add(name, run_session, &n_ctx, sizeof n_ctx);
    }
    static const size_t kept[] = { 0, PROMPT / 2, PROMPT - 1 };
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        snprintf(name, sizeof name, "prompt:%d/kept:%zu", PROMPT, kept[i]);
        bench_add(name, run_prompt, &kept[i], sizeof kept[i]);
    }
    add_cache();
    const int code = bench_main(argc, argv, NULL, 0);
    remove_files();
    infer_context_close(&context);
    return code;
}
