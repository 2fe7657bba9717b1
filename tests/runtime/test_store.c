/* test_store.c - what sessions have computed is found on disk by others, with the same bits; what is no good there is as
 * if it were not there; there is never more than the budget. */
#include "src/runtime/store_page.h"
#include "tests/common/counting.h"
#include "tests/runtime/models.h"
#include "tests/common/folder.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>

enum { N_CTX = 600, PAGE = ATTEND_KEYS };

static int32_t ids[N_CTX], other[N_CTX]; /* the first 200 are the same */

/* ---- Folders ---- */

static char folder[FOLDER_ROOM];

static int set_up(void **state)
{
    (void)state;
    folder_make(folder);
    make_texts(ids, other, N_CTX);
    return 0;
}

/* Calls fn with the path of each entry; how many there are. */
static size_t each_file(void (*fn)(const char *path, size_t index))
{
    size_t n = 0;
    struct dirent **names;
    const int found = scandir(folder, &names, NULL, alphasort);
    assert_true(found >= 0);
    for (int i = 0; i < found; i++) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        if (names[i]->d_name[0] != '.') {
            if (fn)
                fn(path, n);
            n++;
        }
        free(names[i]);
    }
    free(names);
    return n;
}

static void delete(const char *path, size_t index)
{
    (void)index;
    unlink(path);
}

static int tear_down(void **state)
{
    (void)state;
    chmod(folder, 0700);
    folder_remove(folder);
    return 0;
}

static uint64_t bytes_there;

static void add_bytes(const char *path, size_t index)
{
    (void)index;
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    bytes_there += (uint64_t)st.st_size;
}

static uint64_t folder_bytes(void)
{
    bytes_there = 0;
    each_file(add_bytes);
    return bytes_there;
}

static void write_file(const char *path, const void *data, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* ---- What a process has ---- */

struct process {
    infer_context *context;
    infer_store *store;
    infer_model *model;
};

/* NULL: the embedded model, which has a vocabulary. */
static struct process start(const char *model, const infer_store_options *o)
{
    infer_error err;
    struct process p = { .context = open_context(NULL, 2) };
    p.store = infer_store_open(p.context, folder, o, &err);
    p.model = model ? infer_model_open(p.context, model, NULL, &err) : infer_model_open_default(p.context, NULL, &err);
    if (!p.store || !p.model)
        fail_msg("%s", err.message);
    return p;
}

static void end(struct process *p)
{
    infer_store_close(&p->store);
    infer_model_close(&p->model);
    infer_context_close(&p->context);
}

static infer_session_options options(const struct process *p)
{
    infer_session_options o = infer_session_defaults();
    o.n_ctx = N_CTX;
    o.n_batch = 100;
    o.deterministic = true;
    o.store = p->store;
    return o;
}

static infer_session *open_session(const struct process *p)
{
    const infer_session_options o = options(p);
    infer_session *s = infer_session_open(p->model, &o, NULL);
    assert_non_null(s);
    return s;
}

/* By a session of its own. */
static size_t computed_for(const struct process *p, const int32_t *tokens, size_t n)
{
    infer_session *s = open_session(p);
    const size_t computed = sync_to(s, tokens, n);
    infer_session_close(&s);
    infer_store_flush(p->store);
    return computed;
}

/* By a process of its own. */
static size_t computed_anew(const char *model, const int32_t *tokens, size_t n)
{
    struct process p = start(model, NULL);
    const size_t computed = computed_for(&p, tokens, n);
    end(&p);
    return computed;
}

static void assert_as_without(const struct process *p, const infer_session *s)
{
    infer_session_options o = options(p);
    o.store = NULL;
    infer_session *anew = infer_session_open(p->model, &o, NULL);
    assert_int_equal(infer_session_eval(anew, infer_session_tokens(s), infer_session_length(s), NULL), INFER_OK);
    assert_memory_equal(infer_session_logits(s), infer_session_logits(anew), N_VOCAB * sizeof(float));
    infer_session_close(&anew);
}

static infer_store_stats stats(const struct process *p)
{
    infer_store_stats stats = { .size = sizeof stats };
    infer_store_get_stats(p->store, &stats);
    return stats;
}

/* ---- Finding ---- */

static void check_another_process(const char *model)
{
    assert_int_equal(computed_anew(model, ids, 450), 450);
    struct process p = start(model, NULL);
    infer_session *s = open_session(&p);
    assert_int_equal(sync_to(s, ids, 450), 450 - 448);
    assert_as_without(&p, s);
    for (int i = 0; i < 3; i++) { /* what comes behind, and where it is known now */
        assert_int_equal(infer_session_eval(s, other + 100 + 40 * i, 40, NULL), INFER_OK);
        assert_as_without(&p, s);
    }
    const infer_store_stats now = stats(&p);
    assert_int_equal(now.hits, 1);
    assert_int_equal(now.tokens, 448);
    assert_int_equal(now.damaged + now.failures + now.misses, 0);
    infer_session *second = open_session(&p);
    assert_int_equal(sync_to(second, ids, 450), 450 - 448);
    assert_int_equal(stats(&p).hits, 1); /* memory had it */
    infer_session_close(&s);
    infer_session_close(&second);
    end(&p);
}

static void another_process_finds_what_was_computed(void **state)
{
    (void)state;
    check_another_process(PLAIN);
}

/* A text of windowed layers can be left anywhere, though the session that computed it let go of most of their pages. */
static void texts_may_part_anywhere_where_layers_have_a_window(void **state)
{
    (void)state;
    check_another_process(WINDOWED);
    assert_int_equal(each_file(NULL), 2 * (570 / PAGE));
    assert_int_equal(computed_anew(WINDOWED, other, 450), 450 - 192);
    assert_int_equal(computed_anew(WINDOWED, ids, 130), 130 - 128);
}

static void models_of_windowed_layers_alone_and_of_latent_vectors_too(void **state)
{
    static const char *const models[] = { "mistral", "deepseek2/model.gguf", "gpt-oss/model.gguf", "phi3/model.gguf" };
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        char path[100];
        snprintf(path, sizeof path, "tests/data/tiny/%s", models[i]);
        check_another_process(path);
    }
}

/* What a session has of its own is kept, the rest comes from disk, in pages that are whole. */
static void what_a_session_has_goes_on_from_disk(void **state)
{
    static const char *const models[] = { PLAIN, WINDOWED };
    (void)state;
    for (int m = 0; m < 2; m++) {
        computed_anew(models[m], ids, 450);
        struct process p = start(models[m], NULL);
        infer_model_set_prefix_bytes(p.model, 0);
        infer_session *s = open_session(&p);
        assert_int_equal(infer_session_eval(s, ids, 100, NULL), INFER_OK);
        assert_int_equal(sync_to(s, ids, 400), 400 - 384);
        assert_as_without(&p, s);
        assert_int_equal(sync_to(s, ids, 450), 450 - 448);
        assert_as_without(&p, s);
        assert_true(sync_to(s, other, 300) <= 300);
        assert_as_without(&p, s);
        infer_session_close(&s);
        end(&p);
    }
}

static void texts_with_a_common_beginning_share_its_files(void **state)
{
    (void)state;
    computed_anew(PLAIN, ids, 330);
    assert_int_equal(each_file(NULL), 5);
    assert_int_equal(computed_anew(PLAIN, other, 330), 330 - 192);
    assert_int_equal(each_file(NULL), 5 + 2);
    assert_int_equal(computed_anew(PLAIN, ids, 330), 10);
    assert_int_equal(computed_anew(PLAIN, other, 330), 10);
    assert_int_equal(computed_anew(PLAIN, other + 1, 330), 330);
}

static void what_is_written_after_a_sync_is_kept_too(void **state)
{
    (void)state;
    struct process p = start(PLAIN, NULL);
    infer_session *s = open_session(&p), *fork;
    sync_to(s, ids, 100);
    assert_int_equal(infer_session_eval(s, ids + 100, 200, NULL), INFER_OK);
    fork = infer_session_fork(s, NULL);
    sync_to(fork, other, 260);
    infer_session_close(&s);
    infer_session_close(&fork);
    end(&p);
    assert_int_equal(computed_anew(PLAIN, ids, 300), 300 - 256);
    assert_int_equal(computed_anew(PLAIN, other, 260), 260 - 256);
}

static void short_texts_are_not_worth_a_file(void **state)
{
    (void)state;
    infer_store_options o = infer_store_defaults();
    o.min_tokens = 200;
    struct process p = start(PLAIN, &o);
    infer_session *s = open_session(&p);
    sync_to(s, ids, 199);
    infer_store_flush(p.store);
    assert_int_equal(each_file(NULL), 0);
    sync_to(s, ids, 200);
    infer_store_flush(p.store);
    assert_int_equal(each_file(NULL), 3);
    infer_session_close(&s);
    end(&p);
}

static void other_ways_to_compute_are_others(void **state)
{
    (void)state;
    computed_anew(PLAIN, ids, 200);
    struct process p = start(PLAIN, NULL);
    infer_session_options o[7];
    for (int i = 0; i < 7; i++)
        o[i] = options(&p);
    o[1].n_ctx = N_CTX / 2; /* deterministic: bits follow from it */
    o[2].deterministic = false;
    o[3].precision = INFER_EXACT, o[3].kv_type_k = o[3].kv_type_v = INFER_KV_F16;
    o[4].kv_type_k = INFER_KV_BF16;
    o[5].kv_type_v = INFER_KV_BF16;
    o[6].n_batch = 17; /* does not count */
    for (int i = 0; i < 7; i++) {
        infer_session *s = infer_session_open(p.model, &o[i], NULL);
        assert_int_equal(sync_to(s, ids, 200), i && i < 6 ? 200 : 8);
        infer_session_close(&s);
    }
    end(&p);
    assert_int_equal(computed_anew("tests/data/tiny/qwen2/model.gguf", ids, 200), 200);
    infer_context_options scalar = infer_context_defaults();
    scalar.cpu = "scalar";
    p = (struct process){ .context = infer_context_open(&scalar, NULL) };
    p.store = infer_store_open(p.context, folder, NULL, NULL);
    p.model = infer_model_open(p.context, PLAIN, NULL, NULL);
    const bool is_scalar = getenv("INFER_CPU") && !strcmp(getenv("INFER_CPU"), "scalar");
    assert_int_equal(computed_for(&p, ids, 200), is_scalar ? 8 : 200);
    end(&p);
}

static void adapters_are_another_way_to_compute(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) { /* without and with what the first one has left */
        struct process p = start(PLAIN, NULL);
        infer_adapter *a = infer_adapter_open(p.model, "tests/data/adapters/qwen3", NULL, NULL);
        assert_non_null(a);
        infer_session *plain = open_session(&p), *adapted = open_session(&p);
        assert_int_equal(sync_to(plain, ids, 200), round ? 8 : 200);
        assert_int_equal(infer_session_set_adapters(adapted, &a, NULL, 1, NULL), INFER_OK);
        assert_int_equal(sync_to(adapted, ids, 200), round ? 8 : 200);
        assert_memory_not_equal(infer_session_logits(plain), infer_session_logits(adapted), N_VOCAB * sizeof(float));
        infer_session_close(&plain);
        infer_session_close(&adapted);
        infer_adapter_close(&a);
        end(&p);
    }
    assert_int_equal(each_file(NULL), 6);
}

/* How many tokens of the prompt somebody else had. */
static size_t cached_for_request(void)
{
    struct process p = start(NULL, NULL);
    infer_scheduler_options o = infer_scheduler_defaults();
    infer_session_options session = options(&p);
    o.session = &session;
    infer_scheduler *scheduler = infer_scheduler_open(p.model, &o, NULL);
    infer_generate_options generate = infer_generate_defaults();
    infer_generate_result result = { .size = sizeof result };
    infer_request_options request_options = infer_request_defaults();
    request_options.generate = &generate;
    generate.n_predict = 3;
    infer_request *r = infer_scheduler_submit_ids(scheduler, ids, 400, &request_options, NULL);
    assert_non_null(r);
    assert_int_equal(infer_request_wait(r, -1, NULL), INFER_OK);
    assert_int_equal(infer_request_get_result(r, 0, &result, NULL), INFER_OK);
    assert_int_equal(result.n_prompt + result.n_cached, 400);
    infer_request_close(&r);
    infer_scheduler_close(&scheduler);
    end(&p);
    return result.n_cached;
}

static void schedulers_find_and_keep_prompts_too(void **state)
{
    (void)state;
    assert_int_equal(cached_for_request(), 0);
    assert_int_equal(cached_for_request(), 384);
    assert_int_equal(computed_anew(NULL, other, 300), 300 - 192);
}

/* ---- Files that are no good ---- */

static size_t damaged_index;

static void damage(const char *path, size_t index)
{
    struct stat st;
    if (index != damaged_index)
        return;
    assert_int_equal(stat(path, &st), 0);
    FILE *f = fopen(path, "r+b");
    fseek(f, (long)(st.st_size - 100), SEEK_SET);
    const int c = fgetc(f);
    fseek(f, (long)(st.st_size - 100), SEEK_SET);
    fputc(c ^ 1, f);
    fclose(f);
}

static void cut_off(const char *path, size_t index)
{
    if (index == damaged_index)
        assert_int_equal(truncate(path, 1000), 0);
}

static void empty(const char *path, size_t index)
{
    if (index == damaged_index)
        write_file(path, "", 0);
}

static void make_folder(const char *path, size_t index)
{
    if (index == damaged_index) {
        unlink(path);
        assert_int_equal(mkdir(path, 0700), 0);
    }
}

static void unmake_folder(const char *path, size_t index)
{
    (void)index;
    rmdir(path);
}

static void delete_one(const char *path, size_t index)
{
    if (index == damaged_index)
        unlink(path);
}

/* Whichever file it is: what comes before is used, the rest computed, and then all is there again. */
static void check_without(const char *model, void (*spoil)(const char *path, size_t index), bool is_damage)
{
    computed_anew(model, ids, 450);
    const size_t n = each_file(NULL);
    for (damaged_index = 0; damaged_index < n; damaged_index++) {
        each_file(delete); /* one is no good, of which some are not needed and stay so */
        computed_anew(model, ids, 450);
        each_file(spoil);
        struct process p = start(model, NULL);
        infer_session *s = open_session(&p);
        const size_t computed = sync_to(s, ids, 450);
        assert_true(computed == 450 || (450 - computed) % PAGE == 0);
        assert_as_without(&p, s);
        infer_session_close(&s);
        infer_store_flush(p.store);
        assert_true(stats(&p).damaged <= is_damage);
        assert_true(strcmp(model, WINDOWED) == 0 || stats(&p).damaged == is_damage);
        end(&p);
        each_file(unmake_folder);
        struct process q = start(model, NULL);
        assert_int_equal(computed_for(&q, ids, 450), 450 - 448);
        assert_int_equal(stats(&q).damaged, 0);
        end(&q);
    }
}

static void files_that_are_no_good_are_made_anew(void **state)
{
    (void)state;
    check_without(PLAIN, damage, true);
    check_without(PLAIN, cut_off, true);
    check_without(PLAIN, empty, true);
    check_without(PLAIN, delete_one, false);
    check_without(WINDOWED, damage, true);
}

static void what_is_no_file_stays_and_is_no_error(void **state)
{
    (void)state;
    computed_anew(PLAIN, ids, 450);
    damaged_index = 2;
    each_file(make_folder);
    struct process p = start(PLAIN, NULL);
    infer_session *s = open_session(&p);
    assert_true(sync_to(s, ids, 450) > 2);
    assert_as_without(&p, s);
    infer_session_close(&s);
    end(&p);
    each_file(unmake_folder);
}

/* ---- Budget ---- */

static uint64_t file_bytes(int page)
{
    return page * PAGE * 4ull;
}

/* Of a text of n pages, as the store says. */
static uint64_t text_bytes(int n_pages)
{
    static uint64_t page;
    if (!page) {
        struct process p = start(PLAIN, NULL);
        infer_session_options o = options(&p);
        page = infer_kv_bytes(p.model, &o, PAGE, NULL) + (5 + STORE_WAYS) * 8 + 8;
        end(&p);
    }
    uint64_t bytes = 0;
    for (int i = 1; i <= n_pages; i++)
        bytes += page + file_bytes(i);
    return bytes;
}

static void texts_not_used_for_longest_go_first(void **state)
{
    (void)state;
    int32_t texts[5][200];
    for (int t = 0; t < 5; t++)
        for (int i = 0; i < 200; i++)
            texts[t][i] = (i * 7 + t) % N_VOCAB;
    infer_store_options o = infer_store_defaults();
    o.max_bytes = 3 * text_bytes(3); /* of three pages each */
    struct process p = start(PLAIN, &o);
    infer_model_set_prefix_bytes(p.model, 0);
    for (int t = 0; t < 3; t++)
        assert_int_equal(computed_for(&p, texts[t], 200), 200);
    assert_int_equal(folder_bytes(), o.max_bytes);
    assert_int_equal(stats(&p).bytes, o.max_bytes);
    assert_int_equal(stats(&p).files, 9);
    assert_int_equal(stats(&p).evictions, 0);
    assert_int_equal(computed_for(&p, texts[0], 200), 8); /* is used */
    assert_int_equal(computed_for(&p, texts[3], 200), 200);
    assert_int_equal(folder_bytes(), o.max_bytes);
    assert_int_equal(stats(&p).evictions, 3);
    assert_int_equal(computed_for(&p, texts[0], 200), 8);
    assert_int_equal(computed_for(&p, texts[2], 200), 8);
    assert_int_equal(computed_for(&p, texts[3], 200), 8);
    infer_session *s = open_session(&p);
    assert_int_equal(sync_to(s, texts[4], 130), 130); /* two pages: the end of text 0 goes */
    infer_session_close(&s);
    infer_store_flush(p.store);
    assert_true(folder_bytes() <= o.max_bytes);
    end(&p);
    o.read_only = true; /* only look */
    p = start(PLAIN, &o);
    assert_int_equal(computed_for(&p, texts[1], 200), 200);
    assert_int_equal(computed_for(&p, texts[0], 200), 200 - PAGE);
    assert_int_equal(computed_for(&p, texts[2], 200), 8);
    end(&p);
}

static void of_a_text_beyond_the_budget_the_beginning_is_kept(void **state)
{
    (void)state;
    infer_store_options o = infer_store_defaults();
    o.max_bytes = text_bytes(3) + 10;
    struct process p = start(PLAIN, &o);
    assert_int_equal(computed_for(&p, ids, 500), 500);
    assert_int_equal(folder_bytes(), text_bytes(3));
    assert_int_equal(stats(&p).evictions, 0);
    end(&p);
    assert_int_equal(computed_anew(PLAIN, ids, 500), 500 - 3 * PAGE);
}

static void a_smaller_budget_holds_from_the_beginning(void **state)
{
    (void)state;
    computed_anew(PLAIN, ids, 500);
    infer_store_options o = infer_store_defaults();
    o.max_bytes = text_bytes(4);
    struct process p = start(PLAIN, &o);
    infer_store_flush(p.store);
    assert_int_equal(folder_bytes(), text_bytes(4));
    assert_int_equal(computed_for(&p, ids, 500), 500 - 4 * PAGE);
    end(&p);
}

static void only_what_is_the_stores_own_is_ever_cleared_away(void **state)
{
    static const char *const kept[] = {
        "letter.txt", "kv-0123456789abcdef-0.page.txt.old", "kv-0123456789ABCDEF-0.page", "kv-0123456789abcde-0.page",
        "kv-0123456789abcdef-0.pages", "kv-0123456789abcdef-0.page.AbCdEfg", "kv-0123456789abcdef-0.page.AbCde",
        "kv-0123456789abcdef-x.page", "x-kv-0123456789abcdef-0.page.AbCdEf", "kv-0123456789abcdef-1.page.NewNew",
    };
    static const char *const gone[] = { "kv-0123456789abcdef-1.page.AbCdEf", "kv-0123456789abcdef-0.page" };
    enum { N_KEPT = sizeof kept / sizeof *kept };
    char path[400];
    (void)state;
    for (size_t i = 0; i < N_KEPT + 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, i < N_KEPT ? kept[i] : gone[i - N_KEPT]);
        write_file(path, path, 40);
        const struct timespec old[] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
        if (i != N_KEPT - 1) /* which somebody is writing right now */
            assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    }
    infer_store_options o = infer_store_defaults();
    o.max_bytes = 1;
    struct process p = start(PLAIN, &o);
    computed_for(&p, ids, 200);
    end(&p);
    assert_int_equal(each_file(NULL), N_KEPT);
    for (size_t i = 0; i < N_KEPT; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, kept[i]);
        assert_int_equal(access(path, F_OK), 0);
    }
}

/* ---- Directories ---- */

static void a_read_only_store_only_reads(void **state)
{
    (void)state;
    computed_anew(PLAIN, ids, 300);
    damaged_index = 3;
    each_file(damage);
    infer_store_options o = infer_store_defaults();
    o.read_only = true;
    o.max_bytes = 10;
    struct process p = start(PLAIN, &o);
    assert_int_equal(stats(&p).files, 4);
    assert_true(stats(&p).read_only);
    infer_session *s = open_session(&p);
    const size_t computed = sync_to(s, ids, 300);
    assert_true(computed < 300);
    assert_as_without(&p, s);
    infer_session_close(&s);
    assert_int_equal(computed_for(&p, other, 500), 500 - 192);
    assert_int_equal(each_file(NULL), 4);
    assert_int_equal(stats(&p).written, 0);
    end(&p);
}

static void a_directory_that_cannot_be_written_to_is_read_only(void **state)
{
    (void)state;
    computed_anew(PLAIN, ids, 300);
    assert_int_equal(chmod(folder, 0500), 0);
    if (access(folder, W_OK) == 0) /* root may do all */
        skip();
    struct process p = start(PLAIN, NULL);
    assert_true(stats(&p).read_only);
    assert_int_equal(computed_for(&p, ids, 300), 300 - 256);
    assert_int_equal(computed_for(&p, other, 500), 500 - 192);
    end(&p);
    assert_int_equal(chmod(folder, 0700), 0);
    assert_int_equal(each_file(NULL), 4);
}

static void a_directory_is_made_and_what_is_none_refused(void **state)
{
    (void)state;
    infer_error err;
    char path[100];
    infer_context *context = open_context(NULL, 1);
    snprintf(path, sizeof path, "%s/new", folder);
    infer_store *store = infer_store_open(context, path, NULL, &err);
    assert_non_null(store);
    infer_store_close(&store);
    infer_store_close(&store);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(rmdir(path), 0);
    infer_store_options o = infer_store_defaults();
    o.read_only = true;
    assert_null(infer_store_open(context, path, &o, &err));
    assert_int_equal(err.code, INFER_E_IO);
    write_file(path, "x", 1);
    assert_null(infer_store_open(context, path, NULL, &err));
    assert_int_equal(err.code, INFER_E_IO);
    assert_non_null(strstr(err.message, path));
    snprintf(path, sizeof path, "%s/none/new", folder);
    assert_null(infer_store_open(context, path, NULL, &err));
    assert_int_equal(err.code, INFER_E_IO);
    assert_null(infer_store_open(NULL, path, NULL, &err));
    assert_null(infer_store_open(context, NULL, NULL, &err));
    assert_int_equal(err.code, INFER_E_ARGUMENT);
    o.min_tokens = -1;
    assert_null(infer_store_open(context, folder, &o, &err));
    assert_int_equal(err.code, INFER_E_ARGUMENT);
    infer_context_close(&context);
}

/* The directory goes while it is used. */
static void what_cannot_be_written_is_no_error(void **state)
{
    (void)state;
    struct process p = start(PLAIN, NULL);
    infer_store_flush(p.store);
    assert_int_equal(rmdir(folder), 0);
    infer_session *s = open_session(&p);
    assert_int_equal(sync_to(s, ids, 300), 300);
    assert_as_without(&p, s);
    infer_store_flush(p.store);
    assert_int_equal(stats(&p).failures, 1);
    infer_session_close(&s);
    end(&p);
    assert_int_equal(mkdir(folder, 0700), 0);
}

/* ---- Several at once ---- */

struct worker {
    struct process p;
    int number;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    for (int round = 0; round < 6; round++) {
        infer_session *s = open_session(&w->p);
        sync_to(s, round % 2 ? ids : other, (size_t)(210 + 31 * (round + w->number) % 200));
        sync_to(s, (round + w->number) % 2 ? ids : other, 330);
        assert_as_without(&w->p, s);
        infer_session_close(&s);
        if (round == 3)
            infer_store_flush(w->p.store);
    }
    return NULL;
}

/* Two stores, with budgets that hardly hold a text, and two threads on each. */
static void several_at_once_use_a_directory(void **state)
{
    (void)state;
    infer_store_options o = infer_store_defaults();
    o.max_bytes = text_bytes(6);
    struct process p[2] = { start(WINDOWED, &o), start(WINDOWED, &o) };
    struct worker workers[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        workers[i] = (struct worker){ p[i % 2], i };
        infer_model_set_prefix_bytes(p[i % 2].model, 0);
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++) {
        infer_store_flush(p[i].store);
        assert_int_equal(stats(&p[i]).failures, 0);
        assert_int_equal(stats(&p[i]).damaged, 0);
    }
    end(&p[0]);
    assert_true(folder_bytes() <= 2 * o.max_bytes);
    end(&p[1]);
}

static void sessions_keep_their_store(void **state)
{
    (void)state;
    struct process p = start(PLAIN, NULL);
    infer_session *s = open_session(&p), *fork = infer_session_fork(s, NULL);
    end(&p);
    sync_to(s, ids, 200);
    infer_session_close(&s);
    sync_to(fork, ids, 300);
    infer_session_close(&fork); /* the last one: waits for the files */
    assert_int_equal(each_file(NULL), 4);
}

/* ---- Memory ---- */

/* For the store's thread too. */
struct locked {
    struct counting counting;
    pthread_mutex_t lock;
    size_t refuse_from, n_refuse;
};

static void *locked_alloc(void *user, size_t size)
{
    struct locked *l = user;
    pthread_mutex_lock(&l->lock);
    const bool refuse = l->counting.calls >= l->refuse_from && l->counting.calls < l->refuse_from + l->n_refuse;
    l->counting.refuse_from = refuse ? 0 : SIZE_MAX;
    void *p = counting_alloc(&l->counting, size);
    pthread_mutex_unlock(&l->lock);
    return p;
}

static void locked_free(void *user, void *memory)
{
    struct locked *l = user;
    pthread_mutex_lock(&l->lock);
    counting_free(&l->counting, memory);
    pthread_mutex_unlock(&l->lock);
}

/* Allocation `fail` of what is done with a store fails, or all from there on: then it is as if there were no store, or
 * no memory; never other logits. Returns how many there are. */
static size_t survive(size_t fail, bool all)
{
    struct locked l = { .refuse_from = SIZE_MAX };
    counting_init(&l.counting, SIZE_MAX);
    pthread_mutex_init(&l.lock, NULL);
    infer_context_options o = infer_context_defaults();
    o.allocator = (infer_allocator){ &l, locked_alloc, locked_free };
    o.n_threads = 1;
    struct process p = { .context = infer_context_open(&o, NULL) };
    p.model = infer_model_open(p.context, WINDOWED, NULL, NULL);
    const size_t before = l.counting.calls;
    l.n_refuse = all ? SIZE_MAX / 2 : 1;
    l.refuse_from = before + fail;
    infer_error err = { 0 };
    infer_store_options so = infer_store_defaults();
    so.max_bytes = 50000;
    p.store = infer_store_open(p.context, folder, &so, &err);
    infer_session_options options_now = options(&p);
    infer_session *s = p.store ? infer_session_open(p.model, &options_now, &err) : NULL;
    infer_status status = s ? infer_session_sync(s, ids, 300, NULL, &err) : err.code;
    if (p.store)
        infer_store_flush(p.store);
    const size_t n = l.counting.calls - before;
    l.refuse_from = SIZE_MAX;
    assert_true(status == INFER_OK || status == INFER_E_NOMEM);
    if (s) {
        sync_to(s, ids, 310);
        assert_as_without(&p, s);
    }
    infer_session_close(&s);
    end(&p);
    pthread_mutex_destroy(&l.lock);
    assert_int_equal(l.counting.live, 0);
    return n;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (int all = 0; all < 2; all++) {
        each_file(delete);
        const size_t n = survive(SIZE_MAX / 2, false), m = survive(SIZE_MAX / 2, false); /* with and without files */
        assert_true(n > 20 && m > 20);
        for (size_t i = 0; i < m + 20; i++) {
            if (i % 2)
                each_file(delete);
            survive(i, all);
        }
    }
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(another_process_finds_what_was_computed),
        IN_FOLDER(texts_may_part_anywhere_where_layers_have_a_window),
        IN_FOLDER(models_of_windowed_layers_alone_and_of_latent_vectors_too),
        IN_FOLDER(what_a_session_has_goes_on_from_disk),
        IN_FOLDER(texts_with_a_common_beginning_share_its_files),
        IN_FOLDER(what_is_written_after_a_sync_is_kept_too),
        IN_FOLDER(short_texts_are_not_worth_a_file),
        IN_FOLDER(other_ways_to_compute_are_others),
        IN_FOLDER(adapters_are_another_way_to_compute),
        IN_FOLDER(schedulers_find_and_keep_prompts_too),
        IN_FOLDER(files_that_are_no_good_are_made_anew),
        IN_FOLDER(what_is_no_file_stays_and_is_no_error),
        IN_FOLDER(texts_not_used_for_longest_go_first),
        IN_FOLDER(of_a_text_beyond_the_budget_the_beginning_is_kept),
        IN_FOLDER(a_smaller_budget_holds_from_the_beginning),
        IN_FOLDER(only_what_is_the_stores_own_is_ever_cleared_away),
        IN_FOLDER(a_read_only_store_only_reads),
        IN_FOLDER(a_directory_that_cannot_be_written_to_is_read_only),
        IN_FOLDER(a_directory_is_made_and_what_is_none_refused),
        IN_FOLDER(what_cannot_be_written_is_no_error),
        IN_FOLDER(several_at_once_use_a_directory),
        IN_FOLDER(sessions_keep_their_store),
        IN_FOLDER(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
