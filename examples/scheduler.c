/* scheduler.c - a small server without a network: each line of the input is a prompt, all are written at once, and each
 * text is printed when it is whole.
 *
 *     printf 'Once upon a time\nThe dog\n' | scheduler [MODEL]     without MODEL: the model inside the library */
#include <infer.h>
#include <stdio.h>

enum { MOST = 64, LENGTH = 40, MOST_TEXT = 4096 };

static infer_request *submit(infer_scheduler *scheduler, const char *prompt, infer_error *err)
{
    infer_generate_options generate = infer_generate_defaults();
    infer_request_options options = infer_request_defaults();
    generate.n_predict = LENGTH;
    options.generate = &generate;
    return infer_scheduler_submit(scheduler, prompt, strlen(prompt), &options, err);
}

/* Pieces come one by one; who would rather show them at once can. */
static bool print(infer_request *request, const char *prompt, infer_error *err)
{
    char text[MOST_TEXT];
    size_t n = 0;
    infer_request_piece piece = { .size = sizeof piece };
    infer_generate_result result = { .size = sizeof result };
    while (infer_request_next(request, -1, &piece, err) == INFER_OK && piece.text)
        for (size_t i = 0; i < piece.length && n + 1 < sizeof text; i++)
            text[n++] = piece.text[i] == '\n' ? ' ' : piece.text[i];
    if (infer_request_get_result(request, 0, &result, err) != INFER_OK)
        return false;
    text[n] = 0;
    printf("%s|%s\n    %zu tokens; waited %.1f ms, first token after %.1f ms, then one each %.2f ms\n", prompt, text,
           result.n_generated, 1e3 * result.queue_seconds, 1e3 * result.first_token_seconds, 1e3 * result.token_p50);
    return true;
}

int main(int argc, char **argv)
{
    static char prompts[MOST][256];
    infer_request *requests[MOST];
    size_t n = 0;
    infer_error err = { INFER_OK, "" };
    infer_scheduler_options options = infer_scheduler_defaults();
    options.max_itl_ms = 50; /* a long prompt may not hold up the others for longer */
    infer_context *context = infer_context_open(NULL, &err);
    infer_model *model = argc > 1 ? infer_model_open(context, argv[1], NULL, &err)
                                  : infer_model_open_default(context, NULL, &err);
    infer_scheduler *scheduler = model ? infer_scheduler_open(model, &options, &err) : NULL;
    bool good = scheduler;
    for (; good && n < MOST && fgets(prompts[n], sizeof prompts[n], stdin); n += good) {
        prompts[n][strcspn(prompts[n], "\n")] = 0;
        requests[n] = submit(scheduler, prompts[n], &err);
        good = requests[n];
    }
    for (size_t i = 0; i < n; i++) {
        good = good && print(requests[i], prompts[i], &err);
        infer_request_close(&requests[i]);
    }
    if (!good)
        fprintf(stderr, "%s: %s\n", infer_status_name(err.code), err.message);
    infer_scheduler_close(&scheduler);
    infer_model_close(&model);
    infer_context_close(&context);
    return !good;
}
