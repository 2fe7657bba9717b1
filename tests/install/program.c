/* program.c - a host program: links the installed library, evaluates a token. Its argument is a model. */
#include <infer.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    infer_error err = { INFER_OK, "" };
    infer_context *context = infer_context_open(NULL, &err);
    infer_model *model = context && argc == 2 ? infer_model_open(context, argv[1], NULL, &err) : NULL;
    infer_session *session = model ? infer_session_open(model, NULL, &err) : NULL;
    const int32_t token = 1;
    const bool done = session && infer_session_eval(session, &token, 1, &err) == INFER_OK;
    printf("%u.%u.%u %s\n", infer_version() >> 16, infer_version() >> 8 & 255, infer_version() & 255,
           done ? "computes" : err.message);
    infer_session_close(&session);
    infer_model_close(&model);
    infer_context_close(&context);
    return done ? 0 : 1;
}
