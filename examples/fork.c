/* fork.c - several answers to one prompt: it is computed once, and each answer goes on in a fork of the session.
 *
 *     fork [MODEL [PROMPT]]     without MODEL: the model inside the library */
#include <infer.h>
#include <stdio.h>

enum { N_ANSWERS = 3, LENGTH = 40 };

static bool print_text(void *user, const char *text, size_t length)
{
    (void)user;
    fwrite(text, 1, length, stdout);
    return true;
}

/* Go on from where the session stands; the fork leaves that one as it is. */
static infer_status write_answer(infer_context *context, const infer_session *from, uint64_t seed, infer_error *err)
{
    infer_sampler_options sampling = infer_sampler_defaults();
    infer_generate_options options = infer_generate_defaults();
    infer_generate_result result = { .size = sizeof result };
    sampling.seed = seed;
    options.n_predict = LENGTH;
    options.on_text = print_text;
    infer_session *session = infer_session_fork(from, err); /* costs next to nothing: what was computed is shared */
    infer_sampler *sampler = session ? infer_sampler_open(context, &sampling, err) : NULL;
    infer_status status = sampler ? infer_generate(session, sampler, NULL, 0, &options, &result, err) : err->code;
    printf("\n(%zu tokens of prompt computed)\n", result.n_prompt);
    infer_sampler_close(&sampler);
    infer_session_close(&session);
    return status;
}

int main(int argc, char **argv)
{
    const char *prompt = argc > 2 ? argv[2] : "Once upon a time";
    infer_error err = { INFER_OK, "" };
    infer_context *context = infer_context_open(NULL, &err);
    infer_model *model = argc > 1 ? infer_model_open(context, argv[1], NULL, &err)
                                  : infer_model_open_default(context, NULL, &err);
    infer_session *session = model ? infer_session_open(model, NULL, &err) : NULL;
    infer_sampler *sampler = session ? infer_sampler_open(context, NULL, &err) : NULL;

    infer_generate_options options = infer_generate_defaults();
    infer_generate_result result = { .size = sizeof result };
    options.n_predict = 0; /* the prompt alone */
    infer_status status = err.code;
    if (sampler)
        status = infer_generate(session, sampler, prompt, strlen(prompt), &options, &result, &err);
    for (uint64_t i = 1; i <= N_ANSWERS && status == INFER_OK; i++) {
        printf("%s%d: %s", i > 1 ? "\n" : "", (int)i, prompt);
        status = write_answer(context, session, i, &err);
    }
    if (status != INFER_OK)
        fprintf(stderr, "%s: %s\n", infer_status_name(status), err.message);
    infer_sampler_close(&sampler);
    infer_session_close(&session);
    infer_model_close(&model);
    infer_context_close(&context);
    return status != INFER_OK;
}
