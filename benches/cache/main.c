/* main.c - the suite cache: what it costs to have a model, a session and the tokens in it, from nothing and again. */
#include "benches/shim.h"
#include "infer.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
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
    const int code = bench_main(argc, argv, NULL, 0);
    infer_context_close(&context);
    return code;
}
