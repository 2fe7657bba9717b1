/* test_load.c - weights mapped, read in, locked: the same bits, and which thread reads what. */
#include "src/model/model.h"
#include "tests/common/counting.h"
#include "tests/common/sanitized.h"
#include "tests/reference/reference.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define GGUF "tools/default-model/model.gguf"
#define FOLDER "tests/data/default-model"

static char log_text[4096];

static void keep_log(void *user, infer_log_level level, const char *line)
{
    const size_t n = strlen(log_text);
    (void)user;
    snprintf(log_text + n, sizeof log_text - n, "%d %s\n", (int)level, line);
}

static infer_context *context_with(infer_numa numa, bool huge_pages, int n_threads)
{
    infer_context_options o = infer_context_defaults();
    o.numa = numa;
    o.huge_pages = huge_pages;
    o.n_threads = n_threads;
    o.log = keep_log;
    infer_error err;
    infer_context *c = infer_context_open(&o, &err);
    if (!c)
        fail_msg("%s", err.message);
    log_text[0] = 0;
    return c;
}

static infer_model *open_read_in(infer_context *c, const char *path)
{
    infer_model_options o = infer_model_defaults();
    o.no_mmap = true;
    infer_error err;
    infer_model *m = infer_model_open(c, path, &o, &err);
    if (!m)
        fail_msg("%s", err.message);
    return m;
}

static float *logits_of(infer_model *m, size_t *n)
{
    static int32_t ids[] = { 1, 20, 300, 7, 5, 9, 2, 11 };
    const struct ids tokens = { ids, sizeof ids / sizeof *ids };
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(m, &info);
    *n = tokens.n * (size_t)info.n_vocab;
    return all_logits(m, INFER_FAST, &tokens, 8);
}

static void assert_same_as_mapped(const char *path, infer_numa numa, bool huge_pages, int n_threads)
{
    infer_context *c = context_with(numa, huge_pages, n_threads);
    infer_model *mapped = infer_model_open(c, path, NULL, NULL), *read = open_read_in(c, path);
    assert_non_null(mapped);
    size_t n, m;
    float *want = logits_of(mapped, &n), *got = logits_of(read, &m);
    assert_int_equal(n, m);
    assert_memory_equal(want, got, n * sizeof *want);
    assert_non_null(strstr(log_text, "read into memory"));
    free(want);
    free(got);
    infer_model_close(&mapped);
    infer_model_close(&read);
    infer_context_close(&c);
}

static void weights_that_are_read_in_give_the_same_bits(void **state)
{
    (void)state;
    for (int numa = INFER_NUMA_NONE; numa <= INFER_NUMA_ISOLATE; numa++)
        assert_same_as_mapped(GGUF, (infer_numa)numa, false, 2);
    assert_same_as_mapped(FOLDER, INFER_NUMA_DISTRIBUTE, true, 3);
    assert_same_as_mapped(FOLDER, INFER_NUMA_NONE, true, 1);
}

static void options_out_of_range_are_refused(void **state)
{
    (void)state;
    infer_error err;
    infer_context_options o = infer_context_defaults();
    o.numa = (infer_numa)3;
    assert_null(infer_context_open(&o, &err));
    assert_string_equal(err.message, "context options: numa is 3, expected one of infer_numa");
    o.numa = INFER_NUMA_NONE;
    o.affinity = "everywhere";
    assert_null(infer_context_open(&o, &err));
    assert_string_equal(err.message, "affinity is \"everywhere\", expected none, compact or a list such as 0,2,4-7");
    infer_context *c = context_with(INFER_NUMA_NONE, false, 1);
    infer_model_options m = { 0 };
    assert_null(infer_model_open(c, GGUF, &m, &err));
    assert_string_equal(err.message, "model options: size is 0; start from infer_model_defaults()");
    infer_context_close(&c);
}

static int count_files(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void a_model_that_is_read_in_keeps_no_file_open_and_a_mapped_one_its_own(void **state)
{
    (void)state;
    infer_context *c = context_with(INFER_NUMA_NONE, false, 1);
    const int before = count_files();
    infer_model *read = open_read_in(c, FOLDER);
    assert_int_equal(count_files(), before);
    infer_model *mapped = infer_model_open(c, GGUF, NULL, NULL);
    assert_non_null(mapped);
    assert_int_equal(count_files(), before + 1);
    infer_model_close(&mapped);
    infer_model_close(&read);
    assert_int_equal(count_files(), before);
    infer_context_close(&c);
}

static void copy_file(const char *from, const char *to)
{
    char command[256];
    snprintf(command, sizeof command, "cp '%s' '%s'", from, to);
    assert_int_equal(system(command), 0);
}

static void weights_that_are_read_in_do_not_need_the_file_any_more(void **state)
{
    (void)state;
    char path[] = "/tmp/test_load.XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    copy_file(GGUF, path);
    infer_context *c = context_with(INFER_NUMA_NONE, false, 2);
    infer_model *mapped = infer_model_open(c, GGUF, NULL, NULL), *read = open_read_in(c, path);
    assert_int_equal(truncate(path, 0), 0);
    size_t n;
    float *want = logits_of(mapped, &n), *got = logits_of(read, &n);
    assert_memory_equal(want, got, n * sizeof *want);
    free(want);
    free(got);
    infer_model_close(&mapped);
    infer_model_close(&read);
    infer_context_close(&c);
    unlink(path);
}

/* Looking at pages past the end of a file would end the process. */
static void a_mapped_file_that_is_cut_off_fails_each_step_until_it_is_whole(void **state)
{
    (void)state;
    char path[] = "/tmp/test_load.XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    copy_file(GGUF, path);
    infer_error err = { 0 };
    const int32_t ids[] = { 5, 17, 80 };
    infer_context *c = context_with(INFER_NUMA_NONE, false, 2);
    infer_model *m = infer_model_open(c, path, NULL, &err);
    infer_session *s = infer_session_open(m, NULL, &err);
    assert_int_equal(infer_session_eval(s, ids, 2, &err), INFER_OK);
    for (off_t size = 0; size <= 4096; size += 4096) {
        assert_int_equal(truncate(path, size), 0);
        assert_int_equal(infer_session_eval(s, ids + 2, 1, &err), INFER_E_IO);
        assert_non_null(strstr(err.message, path));
        assert_non_null(strstr(err.message, "cut off"));
        assert_int_equal(infer_session_length(s), 2);
    }
    copy_file(GGUF, path);
    assert_int_equal(infer_session_eval(s, ids + 2, 1, &err), INFER_OK);
    infer_session_close(&s);
    infer_model_close(&m);
    infer_context_close(&c);
    unlink(path);
}

struct watch {
    int n_calls, cancel_at;
    float last;
    bool backwards;
};

static bool watch(void *user, float done)
{
    struct watch *w = user;
    w->backwards |= done < w->last;
    w->last = done;
    return ++w->n_calls != w->cancel_at;
}

static void reading_tells_its_progress_and_can_be_cancelled(void **state)
{
    (void)state;
    for (int numa = INFER_NUMA_NONE; numa <= INFER_NUMA_DISTRIBUTE; numa++)
        for (int cancel_at = 0; cancel_at < 3; cancel_at++) {
            infer_context *c = context_with((infer_numa)numa, false, 1);
            struct watch w = { .cancel_at = cancel_at };
            infer_model_options o = infer_model_defaults();
            o.no_mmap = true;
            o.on_read = watch;
            o.user = &w;
            infer_error err = { 0 };
            infer_model *m = infer_model_open(c, GGUF, &o, &err);
            assert_false(w.backwards);
            if (cancel_at) {
                assert_null(m);
                assert_int_equal(err.code, INFER_E_CANCELLED);
                assert_int_equal(w.n_calls, cancel_at);
            } else {
                assert_non_null(m);
                assert_true(w.last == 1 && w.n_calls > 3);
            }
            infer_model_close(&m);
            infer_context_close(&c);
        }
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    infer_model *m = NULL;
    for (size_t n = 0; !m; n++) {
        struct counting counting;
        counting_init(&counting, n);
        infer_context_options o = infer_context_defaults();
        o.allocator = counting.allocator;
        o.n_threads = 1;
        o.numa = INFER_NUMA_DISTRIBUTE;
        infer_error err = { 0 };
        infer_context *c = infer_context_open(&o, &err);
        infer_model_options mo = infer_model_defaults();
        mo.no_mmap = mo.inspect = true;
        m = c ? infer_model_open(c, "tests/data/tiny/llama/model.gguf", &mo, &err) : NULL;
        if (!m)
            assert_int_equal(err.code, INFER_E_NOMEM);
        infer_model *opened = m;
        infer_model_close(&opened);
        infer_context_close(&c);
        assert_int_equal(counting.live, 0);
    }
}

/* ---- Locking ---- */

static size_t locked_kilobytes(void)
{
    char line[128];
    size_t n = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f) && sscanf(line, "VmLck: %zu", &n) != 1)
        ;
    fclose(f);
    return n;
}

static infer_model *open_locked(infer_context *c, bool no_mmap)
{
    infer_model_options o = infer_model_defaults();
    o.lock = true;
    o.no_mmap = no_mmap;
    infer_model *m = infer_model_open(c, GGUF, &o, NULL);
    assert_non_null(m);
    return m;
}

static void weights_are_locked_as_far_as_the_system_allows(void **state)
{
    (void)state;
    if (SANITIZED)
        skip();
    for (int no_mmap = 0; no_mmap < 2; no_mmap++) {
        infer_context *c = context_with(INFER_NUMA_NONE, false, 1);
        const size_t before = locked_kilobytes();
        infer_model *m = open_locked(c, no_mmap);
        const size_t locked = locked_kilobytes() - before;
        if (strstr(log_text, "locked in memory\n")) {
            assert_true(locked * 1024 >= 3 << 20);
        } else {
            assert_int_equal(locked, 0);
            assert_non_null(strstr(log_text, "ulimit"));
        }
        infer_model_close(&m);
        assert_int_equal(locked_kilobytes(), before);
        infer_context_close(&c);
    }
}

/* The superuser may lock what he likes, unless he gives that up. */
static void give_up_locking(void)
{
    struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[2];
    assert_int_equal(syscall(SYS_capget, &head, data), 0);
    data[0].effective &= ~(1u << CAP_IPC_LOCK);
    assert_int_equal(syscall(SYS_capset, &head, data), 0);
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ 65536, 65536 }), 0);
}

static void a_limit_on_locking_is_a_warning_that_says_what_to_do(void **state)
{
    (void)state;
    if (SANITIZED)
        skip();
    give_up_locking();
    infer_context *c = context_with(INFER_NUMA_NONE, false, 2);
    infer_model *m = open_locked(c, false);
    assert_non_null(strstr(log_text, "2 " GGUF ": 3.5 MB cannot be locked in memory"));
    assert_non_null(strstr(log_text, "the limit is 0.1 MB"));
    assert_non_null(strstr(log_text, "ulimit -l unlimited"));
    size_t n;
    free(logits_of(m, &n)); /* and the model works */
    infer_model_close(&m);
    infer_context_close(&c);
}

/* ---- Who reads what ---- */

enum { MB = 1 << 20, LAYERS = 2 };

static struct weight weight_at(size_t offset, size_t bytes)
{
    return (struct weight){ .data = (const uint8_t *)4096 + offset, .type = DTYPE_F32, .rows = (uint32_t)(bytes / MB),
                            .k = MB / 4, .stride = MB };
}

/* Two files of 64 MB, never looked at: the embedding fills the second, layer l begins at 32 l MB of the first. */
static void each_chunk_is_read_by_the_thread_that_computes_with_it(void **state)
{
    (void)state;
    static const size_t spread = 1 << 30;
    struct mapping maps[2] = { { (const uint8_t *)4096, 64 * MB, -1 },
                               { (const uint8_t *)4096 + spread, 64 * MB, -1 } };
    struct weights w = { .maps = maps, .n_maps = 2 };
    struct infer_context c = { .a = mem_default };
    struct layer layers[LAYERS] = { 0 };
    struct infer_model m = { .context = &c, .weights = &w, .runnable = true };
    m.net.layers = layers;
    m.net.h.n_layer = LAYERS;
    m.net.w[TOKEN_EMBD] = weight_at(spread, 64 * MB);
    for (size_t l = 0; l < LAYERS; l++) {
        layers[l].w[ATTN_Q] = weight_at(l * 32 * MB, 4 * MB);
        layers[l].w[ATTN_V] = weight_at(l * 32 * MB + 4 * MB, 2 * MB); /* not in the order of the job */
        layers[l].w[ATTN_K] = weight_at(l * 32 * MB + 6 * MB, 2 * MB);
        layers[l].w[FFN_GATE] = weight_at(l * 32 * MB + 8 * MB, 8 * MB);
        layers[l].w[FFN_UP] = weight_at(l * 32 * MB + 16 * MB, 8 * MB);
        layers[l].w[FFN_DOWN] = weight_at(l * 32 * MB + 24 * MB, 8 * MB);
    }
    size_t *first = model_chunks(&m);
    assert_non_null(first);
    assert_true(first[0] == 0 && first[1] == 64 && first[2] == 128);
    uint8_t *owner = model_chunk_owners(&m, first, 4);
    assert_non_null(owner);
    static const uint8_t want[32] = { 0, 0, 1, 1, /* Q */ 3, 3, /* V */ 2, 2, /* K */ 0, 0, 0, 0, 1, 1, 1, 1, /* gate */
                                      2, 2, 2, 2, 3, 3, 3, 3, /* up */ 0, 0, 1, 1, 2, 2, 3, 3 /* down */ };
    for (size_t l = 0; l < LAYERS; l++)
        assert_memory_equal(owner + 32 * l, want, 32);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(owner[64 + i], i / 16);
    mem_free(&mem_default, owner);
    mem_free(&mem_default, first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_that_are_read_in_give_the_same_bits),
        cmocka_unit_test(options_out_of_range_are_refused),
        cmocka_unit_test(a_model_that_is_read_in_keeps_no_file_open_and_a_mapped_one_its_own),
        cmocka_unit_test(weights_that_are_read_in_do_not_need_the_file_any_more),
        cmocka_unit_test(a_mapped_file_that_is_cut_off_fails_each_step_until_it_is_whole),
        cmocka_unit_test(reading_tells_its_progress_and_can_be_cancelled),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(weights_are_locked_as_far_as_the_system_allows),
        cmocka_unit_test(a_limit_on_locking_is_a_warning_that_says_what_to_do),
        cmocka_unit_test(each_chunk_is_read_by_the_thread_that_computes_with_it),
    };
    return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}
