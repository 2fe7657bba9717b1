/* test_cache.c - the cache of models: what is one model, what goes first, what never goes, and many threads at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "src/model/model.h"
#include "src/sampler/random.h"
#include "tests/common/counting.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TINY "tests/data/tiny/llama/model.gguf"
enum { MODELS = 6 };

static infer_context *context;
static char dir[64], paths[MODELS][96], missing[96];

static void copy_file(const char *from, const char *to)
{
    static char bytes[1 << 20];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_true(in && out);
    const size_t n = fread(bytes, 1, sizeof bytes, in);
    assert_true(n > 0 && fwrite(bytes, 1, n, out) == n);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

static int open_all(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/test_cache.XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(missing, sizeof missing, "%s/missing.gguf", dir);
    for (int i = 0; i < MODELS; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/model-%d.gguf", dir, i);
        copy_file(TINY, paths[i]);
    }
    infer_context_options o = infer_context_defaults();
    o.n_threads = 1;
    context = infer_context_open(&o, NULL);
    return context ? 0 : -1;
}

static int close_all(void **state)
{
    (void)state;
    infer_context_close(&context);
    for (int i = 0; i < MODELS; i++)
        unlink(paths[i]);
    unlink(missing);
    return rmdir(dir);
}

static infer_cache *open_cache(uint64_t max_bytes)
{
    infer_cache_options o = infer_cache_defaults();
    o.max_bytes = max_bytes;
    infer_cache *c = infer_cache_open(context, &o, NULL);
    assert_non_null(c);
    return c;
}

static infer_model *get(infer_cache *c, const char *path)
{
    infer_error err = { 0 };
    infer_model *m = infer_cache_get(c, path, NULL, &err);
    if (!m)
        fail_msg("%s", err.message);
    return m;
}

static infer_cache_stats stats_of(infer_cache *c)
{
    infer_cache_stats s = { .size = sizeof s };
    infer_cache_get_stats(c, &s);
    return s;
}

/* Bytes of one of the models. */
static uint64_t bytes_of_one(void)
{
    infer_cache *c = open_cache(0);
    infer_model *m = get(c, paths[0]);
    const uint64_t bytes = stats_of(c).bytes;
    infer_cache_release(c, &m);
    infer_cache_close(&c);
    return bytes;
}

static void touch(infer_cache *c, const char *path)
{
    infer_model *m = get(c, path);
    infer_cache_release(c, &m);
    assert_null(m);
}

/* ---- What is one model ---- */

static void test_a_path_is_opened_once_however_it_is_written(void **state)
{
    (void)state;
    char link_path[96], dotted[200], relative[300] = "", here[256];
    snprintf(link_path, sizeof link_path, "%s/link.gguf", dir);
    snprintf(dotted, sizeof dotted, "%s/../%s/model-0.gguf", dir, strrchr(dir, '/') + 1);
    assert_int_equal(symlink(paths[0], link_path), 0);
    assert_non_null(getcwd(here, sizeof here));
    for (const char *p = here; (p = strchr(p, '/')) && p[1]; p++)
        strcat(relative, "../");
    strcat(relative, paths[0] + 1);
    infer_cache *c = open_cache(0);
    infer_model *first = get(c, paths[0]);
    const char *const others[] = { paths[0], link_path, dotted, relative, link_path };
    for (size_t i = 0; i < 5; i++) {
        infer_model *m = get(c, others[i]);
        assert_ptr_equal(m, first);
        infer_cache_release(c, &m);
    }
    infer_cache_stats s = stats_of(c);
    assert_true(s.hits == 5 && s.misses == 1 && s.loads == 1 && s.models == 1 && s.held == 1);
    infer_model_options o = infer_model_defaults();
    o.no_mmap = true;
    infer_model *other = infer_cache_get(c, paths[0], &o, NULL);
    assert_true(other && other != first);
    o.no_mmap = false;
    o.quantize = "q8_0";
    infer_model *smaller[2] = { infer_cache_get(c, paths[0], &o, NULL), infer_cache_get(c, link_path, &o, NULL) };
    assert_true(smaller[0] && smaller[0] == smaller[1] && smaller[0] != first && smaller[0] != other);
    infer_cache_release(c, &smaller[0]);
    infer_cache_release(c, &smaller[1]);
    infer_cache_release(c, &other);
    infer_cache_release(c, &first);
    s = stats_of(c);
    assert_true(s.models == 3 && s.held == 0 && s.loads == 3);
    infer_cache_close(&c);
    unlink(link_path);
}

static void test_a_type_to_quantise_to_makes_another_model(void **state)
{
    (void)state;
    static const char path[] = "tests/data/tiny/llama/model.gguf";
    static const char *const types[] = { NULL, "q8_0", "q4_0" };
    infer_error err = { 0 };
    infer_context *context = infer_context_open(NULL, &err);
    infer_cache *c = infer_cache_open(context, NULL, &err);
    infer_model *models[3];
    infer_model_options o = infer_model_defaults();
    for (int i = 0; i < 3; i++) {
        o.quantize = types[i];
        models[i] = infer_cache_get(c, path, &o, &err);
        assert_non_null(models[i]);
    }
    assert_true(models[0] != models[1] && models[1] != models[2] && models[0] != models[2]);
    infer_model *again = infer_cache_get(c, path, &o, &err);
    assert_ptr_equal(again, models[2]);
    infer_cache_release(c, &again);
    for (int i = 0; i < 3; i++)
        infer_cache_release(c, &models[i]);
    o.quantize = "q9";
    assert_null(infer_cache_get(c, path, &o, &err));
    assert_int_equal(err.code, INFER_E_ARGUMENT);
    o.quantize = "q8_0";
    o.importance = "imatrix.gguf";
    assert_null(infer_cache_get(c, path, &o, &err));
    assert_int_equal(err.code, INFER_E_ARGUMENT);
    infer_cache_close(&c);
    infer_context_close(&context);
}

static void put(FILE *f, uint64_t x, size_t bytes)
{
    fwrite(&x, bytes, 1, f); /* on little-endian machines, as GGUF is */
}

/* A part of a split file that holds no tensors. */
static void write_part(const char *path, uint32_t no)
{
    static const char *const keys[] = { "split.no", "split.count", "split.tensors.count" };
    const uint32_t values[] = { no, 2, 0 };
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fwrite("GGUF", 4, 1, f);
    put(f, 3, 4);
    put(f, 0, 8);
    put(f, 3, 8);
    for (int i = 0; i < 3; i++) {
        put(f, strlen(keys[i]), 8);
        fwrite(keys[i], strlen(keys[i]), 1, f);
        put(f, 4, 4); /* u32 */
        put(f, values[i], 4);
    }
    assert_int_equal(fclose(f), 0);
}

static void test_any_part_of_a_split_file_is_the_same_model(void **state)
{
    (void)state;
    char parts[2][128];
    infer_model *models[2];
    infer_error err;
    infer_model_options o = infer_model_defaults();
    o.inspect = true;
    infer_cache *c = open_cache(0);
    for (uint32_t i = 0; i < 2; i++) {
        snprintf(parts[i], sizeof parts[i], "%s/part-%05u-of-00002.gguf", dir, i + 1);
        write_part(parts[i], i);
    }
    for (int i = 1; i >= 0; i--)
        if (!(models[i] = infer_cache_get(c, parts[i], &o, &err)))
            fail_msg("%s", err.message);
    assert_ptr_equal(models[0], models[1]);
    assert_int_equal(stats_of(c).loads, 1);
    for (int i = 0; i < 2; i++) {
        infer_cache_release(c, &models[i]);
        unlink(parts[i]);
    }
    infer_cache_close(&c);
}

static void test_many_spellings_take_no_memory_without_end(void **state)
{
    (void)state;
    struct counting counting;
    counting_init(&counting, SIZE_MAX);
    infer_context_options o = infer_context_defaults();
    o.n_threads = 1;
    o.allocator = counting.allocator;
    infer_context *own = infer_context_open(&o, NULL);
    infer_cache *c = infer_cache_open(own, NULL, NULL);
    touch(c, paths[0]);
    const size_t live = counting.live;
    for (int i = 1; i < 100; i++) {
        char path[600];
        int n = snprintf(path, sizeof path, "%s", dir);
        for (int k = 0; k < i; k++)
            n += snprintf(path + n, sizeof path - (size_t)n, "/.");
        snprintf(path + n, sizeof path - (size_t)n, "/model-0.gguf");
        touch(c, path);
    }
    assert_true(counting.live <= live + 10);
    assert_int_equal(stats_of(c).loads, 1);
    infer_cache_close(&c);
    infer_context_close(&own);
}

static void test_what_cannot_be_opened_is_tried_again(void **state)
{
    (void)state;
    infer_error err = { 0 };
    infer_cache *c = open_cache(0);
    assert_null(infer_cache_get(c, missing, NULL, &err));
    assert_int_equal(err.code, INFER_E_IO);
    assert_non_null(strstr(err.message, missing));
    FILE *f = fopen(missing, "wb");
    fputs("GGUF, but no more", f);
    fclose(f);
    assert_null(infer_cache_get(c, missing, NULL, &err));
    assert_true(err.code == INFER_E_UNKNOWN || err.code == INFER_E_FORMAT);
    copy_file(TINY, missing);
    infer_model *m = get(c, missing);
    const infer_cache_stats s = stats_of(c);
    assert_true(s.failures == 2 && s.misses == 3 && s.loads == 1 && s.models == 1);
    infer_cache_release(c, &m);
    infer_cache_close(&c);
    unlink(missing);
}

/* ---- What goes first ---- */

/* Against a list in which the last one asked for stands first. */
static void test_models_go_in_the_order_of_their_last_use(void **state)
{
    (void)state;
    enum { ROOM = 3 };
    const uint64_t one = bytes_of_one();
    infer_cache *c = open_cache(ROOM * one + one / 2);
    int list[ROOM], n = 0;
    uint64_t loads = 0;
    struct random r;
    random_seed(&r, 1);
    for (int i = 0; i < 3000; i++) {
        const int model = (int)(random_next(&r) % MODELS);
        int at = 0;
        while (at < n && list[at] != model)
            at++;
        loads += at == n;
        n += at == n && n < ROOM;
        memmove(list + 1, list, (size_t)(at < n ? at : n - 1) * sizeof *list);
        list[0] = model;
        touch(c, paths[model]);
        const infer_cache_stats s = stats_of(c);
        if (s.loads != loads)
            fail_msg("request %d: %d loads, expected %d", i, (int)s.loads, (int)loads);
        assert_int_equal(s.models, n);
        assert_true(s.bytes <= s.max_bytes && s.evictions == s.loads - s.models);
        assert_true(s.hits + s.misses == (uint64_t)i + 1 && s.misses == s.loads);
    }
    infer_cache_close(&c);
}

static void test_what_is_in_use_stays(void **state)
{
    (void)state;
    const uint64_t one = bytes_of_one();
    infer_error err;
    infer_cache *c = open_cache(2 * one + one / 2);
    infer_model *held = get(c, paths[0]), *with_session = get(c, paths[1]);
    infer_session_options so = infer_session_defaults();
    so.n_ctx = 64;
    infer_session *session = infer_session_open(with_session, &so, NULL);
    infer_cache_release(c, &with_session);
    assert_null(infer_cache_get(c, paths[2], NULL, &err)); /* both are in use */
    assert_int_equal(err.code, INFER_E_FULL);
    assert_int_equal(stats_of(c).held, 2);
    assert_int_equal(stats_of(c).models, 2);
    infer_session_close(&session);
    touch(c, paths[2]); /* the second goes */
    infer_model *again = get(c, paths[0]);
    assert_ptr_equal(again, held);
    infer_cache_release(c, &again);
    infer_cache_pin(c, held, true);
    infer_cache_release(c, &held);
    for (int i = 3; i < MODELS; i++)
        touch(c, paths[i]);
    const uint64_t loads = stats_of(c).loads;
    held = get(c, paths[0]); /* pinned: it is still there */
    assert_int_equal(stats_of(c).loads, loads);
    infer_cache_pin(c, held, false);
    infer_cache_release(c, &held);
    assert_int_equal(infer_cache_trim(c, 0), 0);
    assert_int_equal(stats_of(c).models, 0);
    infer_cache_close(&c);
}

static void test_a_model_larger_than_all_evicts_nothing(void **state)
{
    (void)state;
    infer_error err;
    infer_cache *c = open_cache(bytes_of_one() / 2);
    assert_null(infer_cache_get(c, paths[0], NULL, &err));
    assert_int_equal(err.code, INFER_E_FULL);
    assert_non_null(strstr(err.message, paths[0]));
    assert_int_equal(stats_of(c).failures, 1);
    infer_cache_close(&c);
}

static void test_what_sessions_take_counts(void **state)
{
    (void)state;
    infer_cache *c = open_cache(0);
    infer_model *m = get(c, paths[0]);
    const uint64_t before = stats_of(c).bytes;
    infer_session *session = infer_session_open(m, NULL, NULL);
    assert_non_null(session);
    assert_int_equal(infer_session_eval(session, (int32_t[]){ 1, 2, 3 }, 3, NULL), INFER_OK);
    infer_session_info info = { .size = sizeof info };
    infer_session_get_info(session, &info);
    const uint64_t with = stats_of(c).bytes;
    assert_true(info.kv_bytes > 0 && with > before + info.kv_bytes);
    infer_session_close(&session);
    const uint64_t after = stats_of(c).bytes; /* what it was computed in has gone; some pages wait for the next one */
    assert_true(after >= before && after < with);
    infer_cache_release(c, &m);
    infer_cache_close(&c);
}

/* ---- Closing ---- */

static void test_what_is_held_outlives_the_cache(void **state)
{
    (void)state;
    struct counting counting;
    counting_init(&counting, SIZE_MAX);
    infer_context_options o = infer_context_defaults();
    o.n_threads = 1;
    o.allocator = counting.allocator;
    infer_context *own = infer_context_open(&o, NULL);
    infer_cache *c = infer_cache_open(own, NULL, NULL), *handle = c;
    infer_context_close(&own);
    infer_model *one = get(c, paths[0]), *two = get(c, paths[1]);
    infer_cache_close(&c);
    assert_null(c);
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(one, &info);
    assert_string_equal(info.architecture, "llama");
    infer_cache_release(handle, &one);
    infer_model_get_info(two, &info);
    assert_true(counting.live > 0);
    infer_cache_release(handle, &two);
    assert_int_equal(counting.live, 0);
    infer_cache_release(NULL, NULL);
    infer_cache_close(&c);
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    struct counting counting;
    bool done = false;
    counting_init(&counting, SIZE_MAX);
    infer_context_options o = infer_context_defaults();
    o.n_threads = 1;
    o.allocator = counting.allocator;
    infer_context *own = infer_context_open(&o, NULL);
    const size_t live = counting.live;
    for (size_t n = 0; !done; n++) {
        infer_error err = { 0 };
        counting.refuse_from = counting.calls + n;
        infer_cache *c = infer_cache_open(own, NULL, &err);
        infer_model *m = c ? infer_cache_get(c, paths[0], NULL, &err) : NULL;
        done = m;
        if (!m)
            assert_int_equal(err.code, INFER_E_NOMEM);
        if (c)
            infer_cache_release(c, &m);
        infer_cache_close(&c);
        assert_int_equal(counting.live, live);
        assert_true(n < 10000);
    }
    infer_context_close(&own);
}

/* ---- Threads ---- */

enum { THREADS = 6 };
static pthread_barrier_t barrier;

struct user {
    infer_cache *cache;
    int number, n_full;
    infer_model *model;
    infer_error err;
};

static void *get_one(void *arg)
{
    struct user *u = arg;
    pthread_barrier_wait(&barrier);
    u->model = infer_cache_get(u->cache, paths[0], NULL, &u->err);
    return NULL;
}

static void run_threads(struct user *users, infer_cache *c, void *(*fn)(void *))
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        users[i] = (struct user){ .cache = c, .number = i };
        assert_int_equal(pthread_create(&threads[i], NULL, fn, &users[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void test_requests_at_once_are_one_load(void **state)
{
    (void)state;
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (int round = 0; round < 30; round++) {
        struct user users[THREADS];
        infer_cache *c = open_cache(0);
        run_threads(users, c, get_one);
        const infer_cache_stats s = stats_of(c);
        assert_int_equal(s.loads, 1);
        assert_int_equal(s.hits + s.misses, THREADS);
        const infer_model *const first = users[0].model;
        for (int i = 0; i < THREADS; i++) {
            if (!users[i].model)
                fail_msg("%s", users[i].err.message);
            assert_ptr_equal(users[i].model, first);
            infer_cache_release(c, &users[i].model);
        }
        infer_cache_close(&c);
    }
    pthread_barrier_destroy(&barrier);
}

/* Holds one or two models at a time, of which the cache has room for few: so hits and evictions of a model meet. */
static void *use_many(void *arg)
{
    struct user *u = arg;
    struct random r;
    random_seed(&r, (uint64_t)u->number);
    for (int i = 0; i < 1500; i++) {
        infer_error err = { 0 };
        infer_model *m = infer_cache_get(u->cache, paths[random_next(&r) % MODELS], NULL, &err);
        infer_model_info info = { .size = sizeof info };
        if (!m) {
            u->n_full += err.code == INFER_E_FULL;
            if (err.code != INFER_E_FULL)
                return arg;
            continue;
        }
        infer_model *again = i % 3 ? NULL : infer_cache_get(u->cache, paths[random_next(&r) % MODELS], NULL, NULL);
        infer_model_get_info(m, &info); /* what is held can be read */
        if (strcmp(info.architecture, "llama") != 0)
            return arg;
        infer_cache_release(u->cache, &m);
        infer_cache_release(u->cache, &again);
    }
    return NULL;
}

static void test_threads_never_hold_what_has_gone(void **state)
{
    (void)state;
    const uint64_t one = bytes_of_one();
    struct user users[THREADS];
    infer_cache *c = open_cache(4 * one + one / 2);
    run_threads(users, c, use_many);
    const infer_cache_stats s = stats_of(c);
    assert_int_equal(s.held, 0);
    assert_true(s.models <= 4 && s.evictions > 0 && s.hits > 0 && s.bytes <= s.max_bytes);
    assert_int_equal(infer_cache_trim(c, 0), 0);
    infer_cache_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_path_is_opened_once_however_it_is_written),
        cmocka_unit_test(test_a_type_to_quantise_to_makes_another_model),
        cmocka_unit_test(test_any_part_of_a_split_file_is_the_same_model),
        cmocka_unit_test(test_many_spellings_take_no_memory_without_end),
        cmocka_unit_test(test_what_cannot_be_opened_is_tried_again),
        cmocka_unit_test(test_models_go_in_the_order_of_their_last_use),
        cmocka_unit_test(test_what_is_in_use_stays),
        cmocka_unit_test(test_a_model_larger_than_all_evicts_nothing),
        cmocka_unit_test(test_what_sessions_take_counts),
        cmocka_unit_test(test_what_is_held_outlives_the_cache),
        cmocka_unit_test(test_every_allocation_may_fail),
        cmocka_unit_test(test_requests_at_once_are_one_load),
        cmocka_unit_test(test_threads_never_hold_what_has_gone),
    };
    return cmocka_run_group_tests_name("cache", tests, open_all, close_all);
}
