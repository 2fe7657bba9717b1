/* save.c - a text that goes on where the program ended last: the session is loaded from a file, if there is one, and
 * saved to it again, so that nothing is computed twice.
 *
 *     save [MODEL [FILE]]     without MODEL: the model inside the library; FILE: session.bin */
#include <infer.h>
#include <stdio.h>

enum { LENGTH = 30 };

static bool print_text(void *user, const char *text, size_t length)
{
    (void)user;
    fwrite(text, 1, length, stdout);
    return true;
}

int main(int argc, char **argv)
{
    const char *file = argc > 2 ? argv[2] : "session.bin";
    infer_error err = { INFER_OK, "" };
    infer_context *context = infer_context_open(NULL, &err);
    infer_model *model = argc > 1 && argv[1][0] ? infer_model_open(context, argv[1], NULL, &err)
                                                : infer_model_open_default(context, NULL, &err);
    infer_session *session = model ? infer_session_open(model, NULL, &err) : NULL;
    infer_sampler *sampler = session ? infer_sampler_open(context, NULL, &err) : NULL;

    infer_status status = err.code;
    if (sampler) {
        status = infer_session_load(session, file, &err);
        if (status == INFER_E_IO) /* not there yet; a damaged or foreign file is another error, and not overwritten */
            status = INFER_OK;
    }
    if (status == INFER_OK) {
        const size_t known = infer_session_length(session);
        const char *prompt = known ? "" : "Once upon a time";
        infer_generate_options options = infer_generate_defaults();
        options.n_predict = LENGTH;
        options.on_text = print_text;
        printf("(%zu tokens from %s)\n%s", known, file, prompt);
        status = infer_generate(session, sampler, prompt, strlen(prompt), &options, NULL, &err);
    }
    if (status == INFER_OK)
        status = infer_session_save(session, file, &err);
    if (status == INFER_OK)
        printf("\n(%zu tokens to %s)\n", infer_session_length(session), file);
    else
        fprintf(stderr, "%s: %s\n", infer_status_name(status), err.message);
    infer_sampler_close(&sampler);
    infer_session_close(&session);
    infer_model_close(&model);
    infer_context_close(&context);
    return status != INFER_OK;
}
