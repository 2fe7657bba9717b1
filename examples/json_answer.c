/* json_answer.c - an answer that is JSON of a schema, whatever the model would rather write.
 *
 *     json_answer [MODEL [QUESTION]]     without MODEL: the model inside the library */
#include <infer.h>
#include <stdio.h>

static const char schema[] = "{\"type\": \"object\", \"additionalProperties\": false,"
                             " \"properties\": {\"hero\": {\"type\": \"string\", \"minLength\": 2, \"maxLength\": 24},"
                             "                \"age\": {\"type\": \"integer\", \"minimum\": 1, \"maximum\": 99},"
                             "                \"ending\": {\"enum\": [\"happy\", \"sad\"]}},"
                             " \"required\": [\"hero\", \"age\", \"ending\"]}";

/* Only what is for the reader comes here: a model that thinks first may do so freely. */
static bool print_text(void *user, const char *text, size_t length)
{
    (void)user;
    fwrite(text, 1, length, stdout);
    fflush(stdout);
    return true;
}

int main(int argc, char **argv)
{
    char messages[4096];
    infer_error err = { INFER_OK, "" };
    infer_context *context = infer_context_open(NULL, &err);
    infer_model *model = argc > 1 ? infer_model_open(context, argv[1], NULL, &err)
                                  : infer_model_open_default(context, NULL, &err);
    infer_session *session = model ? infer_session_open(model, NULL, &err) : NULL;
    infer_sampler *sampler = session ? infer_sampler_open(context, NULL, &err) : NULL;

    /* A grammar is compiled once and serves any number of conversations. So do choices, regular expressions, GBNF. */
    infer_grammar *grammar = NULL;
    if (sampler)
        grammar = infer_grammar_open(context, INFER_JSON_SCHEMA, schema, strlen(schema), NULL, &err);
    infer_chat_setup setup = infer_chat_setup_defaults();
    setup.response = grammar;
    infer_chat *chat = grammar ? infer_chat_open(model, &setup, &err) : NULL;

    infer_generate_options options = infer_generate_defaults();
    options.n_predict = 300;
    options.on_text = print_text;
    snprintf(messages, sizeof messages, "[{\"role\": \"user\", \"content\": \"%s\"}]",
             argc > 2 ? argv[2] : "Think of a story. Who is in it?");
    if (chat && !infer_generate_chat(chat, session, sampler, messages, strlen(messages), &options, NULL, &err))
        printf("\n");
    if (err.code != INFER_OK)
        fprintf(stderr, "%s: %s\n", infer_status_name(err.code), err.message);
    infer_chat_close(&chat);
    infer_grammar_close(&grammar);
    infer_sampler_close(&sampler);
    infer_session_close(&session);
    infer_model_close(&model);
    infer_context_close(&context);
    return err.code != INFER_OK;
}
