/* two_sessions.c - one model, two texts at the same time, each in a thread of its own.
 *
 *     two_sessions [MODEL]     without MODEL: the model inside the library
 *
 * A model never changes once it is open, so threads share it freely. What changes is in sessions and samplers: each
 * belongs to one thread at a time. The context's threads serve all sessions in turns. */
#include <infer.h>
#include <pthread.h>
#include <stdio.h>

struct writer {
    infer_context *context;
    infer_model *model;
    const char *prompt;
    uint64_t seed;
    char text[2048];
    size_t length;
    infer_status status;
    infer_error err;
};

static bool keep(void *user, const char *text, size_t length)
{
    struct writer *w = user;
    if (length > sizeof w->text - w->length)
        return false;
    memcpy(w->text + w->length, text, length);
    w->length += length;
    return true;
}

static void *write_text(void *user)
{
    struct writer *w = user;
    infer_sampler_options sampling = infer_sampler_defaults();
    sampling.seed = w->seed;
    infer_session *session = infer_session_open(w->model, NULL, &w->err);
    infer_sampler *sampler = infer_sampler_open(w->context, &sampling, &w->err);
    w->status = w->err.code;
    if (session && sampler) {
        infer_generate_options options = infer_generate_defaults();
        options.n_predict = 60;
        options.on_text = keep;
        options.user = w;
        w->status = infer_generate(session, sampler, w->prompt, strlen(w->prompt), &options, NULL, &w->err);
    }
    infer_sampler_close(&sampler);
    infer_session_close(&session);
    return NULL;
}

int main(int argc, char **argv)
{
    infer_error err = { 0 };
    infer_context *context = infer_context_open(NULL, &err);
    infer_model *model = NULL;
    if (context)
        model = argc > 1 ? infer_model_open(context, argv[1], NULL, &err)
                         : infer_model_open_default(context, NULL, &err);
    if (!model)
        fprintf(stderr, "%s: %s\n", infer_status_name(err.code), err.message);

    static struct writer writers[] = {
        { .prompt = "One day, a cat", .seed = 1 },
        { .prompt = "One day, a dog", .seed = 2 },
    };
    enum { N = sizeof writers / sizeof *writers };
    pthread_t threads[N];
    int started = 0, failed = !model;
    for (; model && started < N; started++) {
        writers[started].context = context;
        writers[started].model = model;
        if (pthread_create(&threads[started], NULL, write_text, &writers[started]) != 0)
            break;
    }
    for (int i = 0; i < started; i++) {
        const struct writer *w = &writers[i];
        pthread_join(threads[i], NULL);
        printf("%d: %s%.*s\n", i + 1, w->prompt, (int)w->length, w->text);
        if (w->status != INFER_OK)
            fprintf(stderr, "%d: %s: %s\n", i + 1, infer_status_name(w->status), w->err.message);
        failed |= w->status != INFER_OK;
    }
    infer_model_close(&model);
    infer_context_close(&context);
    return failed || started < N;
}
