/* generate.c - the shortest way from a prompt to text.
 *
 *     generate [MODEL [PROMPT]]     without MODEL: the model inside the library
 *
 * Build it against an installed library with  cc generate.c $(pkg-config --cflags --libs libinfer)  */
#include <infer.h>
#include <stdio.h>

/* Text comes in pieces of whole UTF-8 characters, as soon as the model has chosen them. */
static bool print_piece(void *user, const char *text, size_t length)
{
    FILE *out = user;
    fwrite(text, 1, length, out);
    fflush(out);
    return true; /* false would end generation here */
}

int main(int argc, char **argv)
{
    const char *prompt = argc > 2 ? argv[2] : "Once upon a time";
    infer_error err = { 0 };

    /* A context has the threads; NULL stands for default options everywhere. */
    infer_context *context = infer_context_open(NULL, &err);

    /* A model is mapped, not read: a large one opens as fast as a small one. */
    infer_model *model = NULL;
    if (context)
        model = argc > 1 ? infer_model_open(context, argv[1], NULL, &err)
                         : infer_model_open_default(context, NULL, &err);

    /* A session is one text in the making, a sampler chooses the words of it. */
    infer_session *session = model ? infer_session_open(model, NULL, &err) : NULL;
    infer_sampler_options sampling = infer_sampler_defaults();
    sampling.seed = 7; /* another seed, another text */
    infer_sampler *sampler = session ? infer_sampler_open(context, &sampling, &err) : NULL;

    infer_status status = err.code;
    if (sampler) {
        infer_generate_options options = infer_generate_defaults();
        options.n_predict = 100;
        options.on_text = print_piece;
        options.user = stdout;
        infer_generate_result result = { .size = sizeof result };
        printf("%s", prompt);
        status = infer_generate(session, sampler, prompt, strlen(prompt), &options, &result, &err);
        printf("\n(%zu tokens in %.2f seconds)\n", result.n_generated, result.generate_seconds);
    }
    if (status != INFER_OK)
        fprintf(stderr, "%s: %s\n", infer_status_name(status), err.message);

    /* In any order: a handle keeps alive what it needs. Closing NULL is allowed. */
    infer_sampler_close(&sampler);
    infer_session_close(&session);
    infer_model_close(&model);
    infer_context_close(&context);
    return status == INFER_OK ? 0 : 1;
}
