/* test_contexts.c - two contexts side by side in one process: each has its own logger, allocator and threads, and
 * neither sees anything of the other's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "src/base/memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { ROUNDS = 3, ROOM = 4096 };

/* A user of the library who knows of no other. */
struct user {
    int n_threads;
    const char *name;
    infer_allocator allocator;
    atomic_size_t live, calls, named, foreign;
    char text[ROOM];
    infer_error err;
    infer_status status;
};

/* Memory is marked with its owner, before what is handed out. */
static void *user_alloc(void *user, size_t size)
{
    struct user *u = user;
    char *p = mem_default.alloc(mem_default.user, size + CACHE_LINE);
    if (!p)
        return NULL;
    memcpy(p, &user, sizeof user);
    atomic_fetch_add(&u->live, 1);
    atomic_fetch_add(&u->calls, 1);
    return p + CACHE_LINE;
}

static void user_free(void *user, void *memory)
{
    struct user *u = user;
    char *p = (char *)memory - CACHE_LINE;
    atomic_fetch_add(&u->foreign, memcmp(p, &user, sizeof user) != 0);
    atomic_fetch_sub(&u->live, 1);
    mem_default.free(mem_default.user, p);
}

/* The name of a file that only this user opens is in each line about it. */
static void user_log(void *user, infer_log_level level, const char *line)
{
    struct user *u = user;
    (void)level;
    atomic_fetch_add(&u->named, strstr(line, u->name) != NULL);
    atomic_fetch_add(&u->foreign, strstr(line, "user ") != NULL && !strstr(line, u->name));
}

static bool keep(void *user, const char *text, size_t length)
{
    struct user *u = user;
    strncat(u->text, text, length < ROOM - strlen(u->text) - 1 ? length : 0);
    return true;
}

/* A tool that no grammar can hold to makes a log line with the tool's schema. */
static void complain(const struct user *u, infer_model *model)
{
    char tools[512];
    infer_chat_setup setup = infer_chat_setup_defaults();
    infer_error err;
    snprintf(tools, sizeof tools,
             "[{\"name\": \"f\", \"parameters\": {\"$ref\": \"%s\"}}, {\"name\": \"g\"}]", u->name);
    setup.tools = tools;
    setup.tool_choice = INFER_TOOL_REQUIRED;
    infer_chat *chat = infer_chat_open(model, &setup, &err);
    infer_chat_close(&chat);
}

static infer_status write_text(struct user *u)
{
    infer_context_options o = infer_context_defaults();
    o.n_threads = u->n_threads;
    o.allocator = u->allocator;
    o.log = user_log;
    o.log_user = u;
    infer_sampler_options greedy = infer_sampler_defaults();
    infer_generate_options g = infer_generate_defaults();
    greedy.temperature = 0;
    g.n_predict = 30;
    g.on_text = keep;
    g.user = u;
    infer_context *context = infer_context_open(&o, &u->err);
    infer_model *model = infer_model_open_default(context, NULL, &u->err);
    infer_session *session = infer_session_open(model, NULL, &u->err);
    infer_sampler *sampler = infer_sampler_open(context, &greedy, &u->err);
    u->text[0] = 0;
    const infer_status status = infer_generate(session, sampler, "Once upon a time", 16, &g, NULL, &u->err);
    complain(u, model);
    infer_sampler_close(&sampler);
    infer_session_close(&session);
    infer_model_close(&model);
    infer_context_close(&context);
    return status;
}

static void *work(void *user)
{
    struct user *u = user;
    for (size_t i = 0; i < ROUNDS && u->status == INFER_OK; i++)
        u->status = write_text(u);
    return NULL;
}

static void two_contexts_share_nothing(void **state)
{
    (void)state;
    static struct user users[] = { { .n_threads = 1, .name = "user one" }, { .n_threads = 3, .name = "user two" } };
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++) {
        users[i].allocator = (infer_allocator){ &users[i], user_alloc, user_free };
        assert_int_equal(pthread_create(&threads[i], NULL, work, &users[i]), 0);
    }
    for (size_t i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        if (users[i].status != INFER_OK)
            fail_msg("%s", users[i].err.message);
        assert_int_equal(users[i].live, 0);
        assert_int_equal(users[i].foreign, 0);
        assert_true(users[i].calls > 0);
        assert_int_equal(users[i].named, ROUNDS);
        assert_true(strlen(users[i].text) > 40);
    }
    assert_string_equal(users[0].text, users[1].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(two_contexts_share_nothing) };
    return cmocka_run_group_tests_name("contexts", tests, NULL, NULL);
}
