/* test_saved.c - sessions that are saved and loaded go on as if they had not been; what is no sound session of this
 * model and these options is refused, and changes nothing. */
#include "src/base/hash.h"
#include "src/runtime/session.h"
#include "tests/common/counting.h"
#include "tests/reference/reference.h"

#include <sys/stat.h>

#define QWEN "tests/data/tiny/qwen3/model.gguf"
enum { N_CTX = 400, N_HEADER = 16 * 8 };
/* Where the header has what: saved.c. */
enum { VERSION = 1, SIZE, MODEL, ADAPTERS = 9, TOKENS, DONE, OUTPUTS, FIRST, FIRST_WINDOWED, HASH };

static int32_t ids[N_CTX];

struct saved {
    uint8_t *data;
    size_t size;
};

/* NULL: the embedded model, whose heads fit all types of the cache. */
static infer_model *open_model(infer_context *c, const char *path)
{
    infer_error err;
    infer_model *m = path ? infer_model_open(c, path, NULL, &err) : infer_model_open_default(c, NULL, &err);
    if (!m)
        fail_msg("%s", err.message);
    for (int i = 0; i < N_CTX; i++)
        ids[i] = i * 7 % 96;
    return m;
}

static infer_session_options options(infer_kv_type type)
{
    infer_session_options o = infer_session_defaults();
    o.n_ctx = N_CTX;
    o.n_batch = 50;
    o.kv_type_k = o.kv_type_v = type;
    return o;
}

static infer_session *open_session(infer_model *m)
{
    const infer_session_options o = options(INFER_KV_DEFAULT);
    infer_session *s = infer_session_open(m, &o, NULL);
    assert_non_null(s);
    return s;
}

static void eval(infer_session *s, const int32_t *tokens, size_t n)
{
    infer_error err;
    if (infer_session_eval(s, tokens, n, &err) != INFER_OK)
        fail_msg("%s", err.message);
}

static struct saved save(const infer_session *s)
{
    struct saved saved = { 0 };
    assert_int_equal(infer_session_save_bytes(s, NULL, 0, &saved.size, NULL), INFER_OK);
    saved.data = malloc(saved.size);
    assert_int_equal(infer_session_save_bytes(s, saved.data, saved.size, &saved.size, NULL), INFER_OK);
    return saved;
}

static void load(infer_session *s, const struct saved *saved)
{
    infer_error err;
    if (infer_session_load_bytes(s, saved->data, saved->size, &err) != INFER_OK)
        fail_msg("%s", err.message);
}

static void assert_same(const infer_session *a, const infer_session *b, size_t n_vocab)
{
    assert_int_equal(infer_session_length(a), infer_session_length(b));
    assert_memory_equal(infer_session_tokens(a), infer_session_tokens(b), 4 * infer_session_length(a));
    const float *x = infer_session_logits(a), *y = infer_session_logits(b);
    assert_true(!x == !y);
    if (x)
        assert_memory_equal(x, y, n_vocab * sizeof *x);
}

static size_t vocabulary(const infer_model *m)
{
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(m, &info);
    return (size_t)info.n_vocab;
}

/* ---- Going on ---- */

/* Both go on alike: further, back a little, and back behind what windows keep. */
static void assert_go_on_alike(infer_session *a, infer_session *b, size_t n_vocab)
{
    static const size_t keep[] = { 1000, 1000, 6, 150 };
    assert_same(a, b, n_vocab);
    for (size_t i = 0; i < sizeof keep / sizeof *keep; i++) {
        const size_t n = infer_session_length(a), back = keep[i] == 1000 ? n : keep[i] == 6 ? n - 6 : n - 150;
        assert_int_equal(infer_session_rewind(a, back, NULL), INFER_OK);
        assert_int_equal(infer_session_rewind(b, back, NULL), INFER_OK);
        eval(a, ids + 40 + i, 1 + i % 2 * 30);
        eval(b, ids + 40 + i, 1 + i % 2 * 30);
        assert_same(a, b, n_vocab);
    }
}

static bool goes_on(infer_model *m, infer_kv_type type, size_t n, size_t n_back)
{
    const infer_session_options o = options(type);
    infer_session *s = infer_session_open(m, &o, NULL), *loaded = infer_session_open(m, &o, NULL);
    if (!s || !loaded)
        return false; /* a type that the heads do not fit */
    eval(s, ids, n);
    if (n_back)
        assert_int_equal(infer_session_rewind(s, n - n_back, NULL), INFER_OK);
    eval(loaded, ids + 3, 20); /* goes when another session is loaded */
    struct saved saved = save(s);
    load(loaded, &saved);
    assert_go_on_alike(s, loaded, vocabulary(m));
    free(saved.data);
    infer_session_close(&s);
    infer_session_close(&loaded);
    return true;
}

static void a_loaded_session_goes_on_with_the_same_bits(void **state)
{
    (void)state;
    static const char *const models[] = {
        NULL, QWEN, "tests/data/tiny/gemma3/model.gguf", "tests/data/tiny/gemma2/model.gguf",
        "tests/data/tiny/deepseek2/model.gguf", "tests/data/tiny/deepseek3/model.gguf",
        "tests/data/tiny/gpt-oss/model.gguf", "tests/data/tiny/llama/model.gguf",
    };
    infer_context *c = open_context(NULL, 2);
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        infer_model *m = open_model(c, models[i]);
        int types = 0;
        for (int type = INFER_KV_F32; type <= INFER_KV_Q4_0; type++) {
            const bool fits = goes_on(m, (infer_kv_type)type, 200, 0);
            types += fits && goes_on(m, (infer_kv_type)type, 192, 0) && goes_on(m, (infer_kv_type)type, 250, 9) &&
                     goes_on(m, (infer_kv_type)type, 290, 130);
        }
        assert_int_equal(types, models[i] ? 3 : 5);
        infer_model_close(&m);
    }
    infer_context_close(&c);
}

static void forks_and_those_they_come_from_can_be_saved(void **state)
{
    (void)state;
    infer_context *c = open_context(NULL, 2);
    infer_model *m = open_model(c, QWEN);
    infer_session *s = open_session(m), *loaded = open_session(m);
    eval(s, ids, 160);
    infer_session *fork = infer_session_fork(s, NULL);
    struct saved before = save(fork), same = save(s);
    assert_int_equal(before.size, same.size);
    assert_memory_equal(before.data, same.data, same.size);
    eval(fork, ids + 7, 5);
    struct saved after = save(fork);
    load(loaded, &after);
    infer_session *second = infer_session_fork(loaded, NULL);
    assert_go_on_alike(fork, loaded, vocabulary(m));
    load(loaded, &before); /* the fork of what is loaded now keeps what it has */
    assert_go_on_alike(s, loaded, vocabulary(m));
    assert_int_equal(infer_session_length(second), 165);
    infer_session_close(&second);
    infer_session_close(&fork);
    infer_session_close(&s);
    infer_session_close(&loaded);
    free(before.data);
    free(same.data);
    free(after.data);
    infer_model_close(&m);
    infer_context_close(&c);
}

static void a_token_that_waits_still_waits_when_it_is_loaded(void **state)
{
    (void)state;
    infer_context *c = open_context(NULL, 2);
    infer_model *m = open_model(c, QWEN);
    infer_session *s = open_session(m), *loaded = open_session(m);
    eval(s, ids, 63);
    assert_int_equal(session_append(s, 5, NULL), INFER_OK);
    assert_int_equal(session_append(s, 6, NULL), INFER_OK);
    assert_null(infer_session_logits(s));
    struct saved saved = save(s);
    load(loaded, &saved);
    eval(s, NULL, 0);
    eval(loaded, NULL, 0);
    assert_non_null(infer_session_logits(loaded));
    assert_same(s, loaded, vocabulary(m));
    free(saved.data);
    infer_session_close(&s);
    infer_session_close(&loaded);
    infer_model_close(&m);
    infer_context_close(&c);
}

static void an_empty_session_is_one_too(void **state)
{
    (void)state;
    infer_context *c = open_context(NULL, 2);
    infer_model *m = open_model(c, QWEN);
    infer_session *s = open_session(m), *loaded = open_session(m);
    eval(loaded, ids, 20);
    struct saved saved = save(s);
    load(loaded, &saved);
    assert_int_equal(infer_session_length(loaded), 0);
    assert_null(infer_session_logits(loaded));
    free(saved.data);
    infer_session_close(&s);
    infer_session_close(&loaded);
    infer_model_close(&m);
    infer_context_close(&c);
}

static void nothing_of_what_was_rewound_is_saved(void **state)
{
    (void)state;
    infer_context *c = open_context(NULL, 2);
    infer_model *m = open_model(c, NULL);
    for (int type = INFER_KV_F32; type <= INFER_KV_Q4_0; type++) {
        const infer_session_options o = options((infer_kv_type)type);
        infer_session *a = infer_session_open(m, &o, NULL), *b = infer_session_open(m, &o, NULL);
        assert_true(a && b);
        eval(a, ids, 70);
        eval(a, ids + 100, 3);
        eval(b, ids, 70);
        eval(b, ids + 200, 50);
        assert_int_equal(infer_session_rewind(a, 70, NULL), INFER_OK);
        assert_int_equal(infer_session_rewind(b, 70, NULL), INFER_OK);
        struct saved of_a = save(a), of_b = save(b);
        assert_int_equal(of_a.size, of_b.size);
        assert_memory_equal(of_a.data, of_b.data, of_a.size);
        free(of_a.data);
        free(of_b.data);
        infer_session_close(&a);
        infer_session_close(&b);
    }
    infer_model_close(&m);
    infer_context_close(&c);
}

/* ---- Refusing ---- */

struct fixture {
    infer_context *context;
    infer_model *model;
    infer_session *session; /* of 20 tokens */
    struct saved saved;     /* of 70 */
};

static int set_up(void **state)
{
    static struct fixture f;
    f.context = open_context(NULL, 1);
    f.model = open_model(f.context, QWEN);
    f.session = open_session(f.model);
    eval(f.session, ids, 70);
    f.saved = save(f.session);
    assert_int_equal(infer_session_rewind(f.session, 0, NULL), INFER_OK);
    eval(f.session, ids + 50, 20);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    free(f->saved.data);
    infer_session_close(&f->session);
    infer_model_close(&f->model);
    infer_context_close(&f->context);
    return 0;
}

static infer_status try_load(infer_session *s, const void *data, size_t size, infer_error *err)
{
    *err = (infer_error){ 0 };
    const size_t before = infer_session_length(s);
    const float *logits = infer_session_logits(s);
    const infer_status status = infer_session_load_bytes(s, data, size, err);
    if (status != INFER_OK) {
        assert_int_equal(err->code, status);
        assert_int_equal(infer_session_length(s), before);
        assert_ptr_equal(infer_session_logits(s), logits);
    }
    return status;
}

static void damage_of_any_byte_is_found(void **state)
{
    struct fixture *f = *state;
    infer_error err;
    for (size_t i = 0; i < f->saved.size; i += i < N_HEADER + 300 || i > f->saved.size - 20 ? 1 : 331) {
        f->saved.data[i] ^= 0x20;
        const infer_status status = try_load(f->session, f->saved.data, f->saved.size, &err);
        assert_int_equal(status, i >= 8 && i < 16 ? INFER_E_UNKNOWN : INFER_E_FORMAT);
        assert_non_null(strstr(err.message, "saved session"));
        assert_non_null(strstr(err.message, "expected"));
        f->saved.data[i] ^= 0x20;
    }
    assert_int_equal(try_load(f->session, f->saved.data, f->saved.size, &err), INFER_OK);
}

static void a_file_that_ends_too_early_or_too_late_is_refused(void **state)
{
    struct fixture *f = *state;
    infer_error err;
    for (size_t n = 0; n < f->saved.size; n += n < 300 ? 1 : 977)
        assert_int_equal(try_load(f->session, f->saved.data, n, &err), INFER_E_FORMAT);
    f->saved.data = realloc(f->saved.data, f->saved.size + 1);
    f->saved.data[f->saved.size] = 0;
    assert_int_equal(try_load(f->session, f->saved.data, f->saved.size + 1, &err), INFER_E_FORMAT);
}

/* Load with field `at` of the header another one, and sound checksums. */
static infer_status load_with(struct fixture *f, int at, uint64_t value, infer_error *err)
{
    uint64_t *const header = malloc(f->saved.size);
    memcpy(header, f->saved.data, f->saved.size);
    header[at] = value;
    header[HASH] = hash_bytes(header, HASH * sizeof *header);
    const infer_status status = try_load(f->session, header, f->saved.size, err);
    free(header);
    return status;
}

static void made_up_numbers_are_refused(void **state)
{
    struct fixture *f = *state;
    static const struct {
        int at;
        uint64_t value;
        infer_status status;
        const char *says;
    } bad[] = {
        { 0, 1, INFER_E_FORMAT, "begins with" },
        { VERSION, 3, INFER_E_UNKNOWN, "version is 3, expected 2" },
        { VERSION, 0, INFER_E_UNKNOWN, "version is 0, expected 2" },
        { SIZE, 0, INFER_E_FORMAT, "expected 0" },
        { MODEL, 77, INFER_E_ARGUMENT, "model 000000000000004d" },
        { MODEL + 1, 3, INFER_E_ARGUMENT, "kv_type_k is bf16, expected f16" },
        { MODEL + 2, 99, INFER_E_ARGUMENT, "kv_type_v is unknown, expected f16" },
        { MODEL + 3, 1, INFER_E_ARGUMENT, "INFER_EXACT" },
        { MODEL + 4, 1, INFER_E_ARGUMENT, "deterministic is 1, expected 0" },
        { MODEL + 5, 1, INFER_E_ARGUMENT, "rotation" },
        { ADAPTERS, 5, INFER_E_ARGUMENT, "adapters and scales are 0000000000000005" },
        { TOKENS, N_CTX + 1, INFER_E_FULL, "401 tokens" },
        { TOKENS, UINT64_MAX, INFER_E_FULL, "400" },
        { TOKENS, 69, INFER_E_FORMAT, "computed tokens is 70, expected 69" },
        { TOKENS, 71, INFER_E_FORMAT, "outputs" },
        { DONE, 0, INFER_E_FORMAT, "outputs" },
        { DONE, UINT64_MAX, INFER_E_FORMAT, "expected 70" },
        { OUTPUTS, 0, INFER_E_FORMAT, "bytes" },
        { OUTPUTS, UINT64_MAX / 4, INFER_E_FORMAT, "expected none or 96" },
        { FIRST, 1, INFER_E_FORMAT, "first page is 1, expected 0" },
        { FIRST_WINDOWED, UINT64_MAX, INFER_E_FORMAT, "windowed" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        infer_error err;
        assert_int_equal(load_with(f, bad[i].at, bad[i].value, &err), bad[i].status);
        if (!strstr(err.message, bad[i].says))
            fail_msg("'%s' does not say '%s'", err.message, bad[i].says);
    }
}

static void a_token_outside_the_vocabulary_is_refused(void **state)
{
    struct fixture *f = *state;
    infer_error err;
    int32_t id = 96;
    uint64_t hash;
    for (int i = 0; i < 2; i++, id = -1) {
        memcpy(f->saved.data + N_HEADER + 4 * 69, &id, sizeof id);
        hash = hash_bytes(f->saved.data + N_HEADER, f->saved.size - N_HEADER - sizeof hash);
        memcpy(f->saved.data + f->saved.size - sizeof hash, &hash, sizeof hash);
        assert_int_equal(try_load(f->session, f->saved.data, f->saved.size, &err), INFER_E_FORMAT);
        assert_non_null(strstr(err.message, "token 69 is"));
    }
}

static void sessions_of_other_options_or_models_are_refused(void **state)
{
    struct fixture *f = *state;
    infer_error err;
    infer_session_options o = options(INFER_KV_BF16);
    infer_session *s = infer_session_open(f->model, &o, NULL);
    assert_int_equal(try_load(s, f->saved.data, f->saved.size, &err), INFER_E_ARGUMENT);
    assert_non_null(strstr(err.message, "kv_type_k is f16, expected bf16"));
    infer_session_close(&s);
    o = options(INFER_KV_DEFAULT);
    o.n_ctx = 69;
    s = infer_session_open(f->model, &o, NULL);
    assert_int_equal(try_load(s, f->saved.data, f->saved.size, &err), INFER_E_FULL);
    infer_session_close(&s);
    infer_model *other = open_model(f->context, "tests/data/tiny/llama/model.gguf");
    s = open_session(other);
    assert_int_equal(try_load(s, f->saved.data, f->saved.size, &err), INFER_E_ARGUMENT);
    assert_non_null(strstr(err.message, "model"));
    assert_non_null(strstr(err.message, "tests/data/tiny/llama/model.gguf"));
    infer_session_close(&s);
    infer_model_close(&other);
    other = open_model(f->context, QWEN); /* opened once more it is the same */
    s = open_session(other);
    assert_int_equal(try_load(s, f->saved.data, f->saved.size, &err), INFER_OK);
    infer_session_close(&s);
    infer_model_close(&other);
}

static void write_file(const char *path, const void *data, size_t n)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static uint8_t *read_whole(const char *path, size_t *n)
{
    struct stat st;
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &st), 0);
    *n = (size_t)st.st_size;
    uint8_t *data = malloc(*n);
    assert_int_equal(fread(data, 1, *n, file), *n);
    fclose(file);
    return data;
}

static void a_model_of_the_same_shape_and_other_weights_is_another_one(void **state)
{
    struct fixture *f = *state;
    size_t n;
    uint8_t *file = read_whole(QWEN, &n);
    for (size_t i = n - n / 4; i < n; i++)
        file[i] ^= 1;
    char path[] = "/tmp/infer-saved-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    write_file(path, file, n);
    infer_model *other = open_model(f->context, path);
    infer_session *s = open_session(other);
    infer_error err;
    assert_int_equal(try_load(s, f->saved.data, f->saved.size, &err), INFER_E_ARGUMENT);
    assert_non_null(strstr(err.message, "is of model"));
    infer_session_close(&s);
    infer_model_close(&other);
    unlink(path);
    free(file);
}

/* ---- Files ---- */

static size_t entries_of(const char *folder)
{
    size_t n = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void a_file_is_replaced_whole_or_not_at_all(void **state)
{
    struct fixture *f = *state;
    infer_error err = { 0 };
    char folder[] = "/tmp/infer-saved-XXXXXX", path[100], deeper[200];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/session", folder);
    snprintf(deeper, sizeof deeper, "%s/none/session", folder);
    write_file(path, "old", 3);
    assert_int_equal(infer_session_load(f->session, path, &err), INFER_E_FORMAT);
    assert_int_equal(strncmp(err.message, path, strlen(path)), 0);
    assert_int_equal(infer_session_save(f->session, path, NULL), INFER_OK);
    assert_int_equal(entries_of(folder), 1);
    infer_session *s = open_session(f->model);
    assert_int_equal(infer_session_load(s, path, NULL), INFER_OK);
    assert_same(s, f->session, 96);
    struct saved saved = save(s);
    size_t n;
    uint8_t *file = read_whole(path, &n);
    assert_int_equal(n, saved.size);
    assert_memory_equal(file, saved.data, n);
    assert_int_equal(infer_session_save(s, deeper, &err), INFER_E_IO);
    assert_non_null(strstr(err.message, deeper));
    assert_int_equal(infer_session_load(s, deeper, &err), INFER_E_IO);
    assert_int_equal(infer_session_load(s, folder, &err), INFER_E_IO);
    assert_non_null(strstr(err.message, "not a regular file"));
    assert_int_equal(infer_session_save(s, folder, &err), INFER_E_IO); /* a folder is not replaced */
    unlink(path);
    assert_int_equal(entries_of(folder), 0);
    assert_int_equal(rmdir(folder), 0);
    free(file);
    free(saved.data);
    infer_session_close(&s);
}

static void nothing_is_written_where_room_is_short(void **state)
{
    struct fixture *f = *state;
    size_t size = 0;
    uint8_t few[500];
    memset(few, 7, sizeof few);
    assert_int_equal(infer_session_save_bytes(f->session, few, sizeof few, &size, NULL), INFER_OK);
    assert_true(size > sizeof few);
    for (size_t i = 0; i < sizeof few; i++)
        assert_int_equal(few[i], 7);
}

/* ---- Memory ---- */

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static const char path[] = "/tmp/infer-saved-test-memory";
    struct counting c;
    counting_init(&c, SIZE_MAX);
    infer_context_options o = infer_context_defaults();
    o.allocator = c.allocator;
    o.n_threads = 1;
    infer_context *context = infer_context_open(&o, NULL);
    infer_model *m = open_model(context, "tests/data/tiny/gemma3/model.gguf");
    infer_session *s = open_session(m), *loaded = open_session(m);
    eval(s, ids, 130);
    infer_error err = { 0 };
    int failures[2] = { 0 };
    for (int what = 0; what < 2; what++)
        for (size_t i = 0;; i++) {
            c.refuse_from = c.calls + i;
            const infer_status status =
                what ? infer_session_load(loaded, path, &err) : infer_session_save(s, path, &err);
            c.refuse_from = SIZE_MAX;
            if (status == INFER_OK)
                break;
            assert_int_equal(status, INFER_E_NOMEM);
            assert_int_equal(infer_session_length(loaded), 0);
            failures[what]++;
        }
    assert_true(failures[0] >= 2 && failures[1] >= 7);
    assert_go_on_alike(s, loaded, vocabulary(m));
    unlink(path);
    infer_session_close(&s);
    infer_session_close(&loaded);
    infer_model_close(&m);
    infer_context_close(&context);
    assert_int_equal(c.live, 0);
}

int main(void)
{
#define WITH_SESSION(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loaded_session_goes_on_with_the_same_bits),
        cmocka_unit_test(forks_and_those_they_come_from_can_be_saved),
        cmocka_unit_test(a_token_that_waits_still_waits_when_it_is_loaded),
        cmocka_unit_test(an_empty_session_is_one_too),
        cmocka_unit_test(nothing_of_what_was_rewound_is_saved),
        WITH_SESSION(damage_of_any_byte_is_found),
        WITH_SESSION(a_file_that_ends_too_early_or_too_late_is_refused),
        WITH_SESSION(made_up_numbers_are_refused),
        WITH_SESSION(a_token_outside_the_vocabulary_is_refused),
        WITH_SESSION(sessions_of_other_options_or_models_are_refused),
        WITH_SESSION(a_model_of_the_same_shape_and_other_weights_is_another_one),
        WITH_SESSION(a_file_is_replaced_whole_or_not_at_all),
        WITH_SESSION(nothing_is_written_where_room_is_short),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
