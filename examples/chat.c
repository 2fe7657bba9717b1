/* chat.c - ask a chat model: the conversation written by its template, the answer told apart from its reasoning.
 *
 *     chat [MODEL [QUESTION]]     without MODEL: the model inside the library */
#include <infer.h>
#include <stdio.h>
#include <stdlib.h>

/* Parts of the answer, as they come: reasoning to stderr, the rest to stdout. */
static void print_part(void *user, infer_chat_part part, const char *text, size_t length)
{
    (void)user;
    FILE *out = part == INFER_CHAT_REASONING ? stderr : stdout;
    fwrite(text, 1, length, out);
    fflush(out);
}

static bool feed(void *parser, const char *text, size_t length)
{
    return infer_chat_parser_feed(parser, text, length, NULL) == INFER_OK;
}

/* The prompt that the template makes of messages (JSON), terminated; the caller frees it. */
static char *write_prompt(infer_context *context, const infer_tokenizer *tokenizer, const char *source,
                          const char *messages, infer_error *err)
{
    infer_chat_template *chat = infer_chat_template_open(context, source, strlen(source), err);
    infer_chat_options options = infer_chat_defaults();
    size_t n = 0;
    char *text = NULL;
    options.tokenizer = tokenizer;
    if (chat && !infer_chat_render(chat, messages, strlen(messages), &options, NULL, 0, &n, err))
        text = calloc(n + 1, 1); /* the size first, then the text */
    if (text)
        infer_chat_render(chat, messages, strlen(messages), &options, text, n, &n, err);
    infer_chat_template_close(&chat);
    return text;
}

/* Names of control tokens in the prompt are these tokens; the template has written BOS already. */
static infer_status evaluate(infer_session *session, const infer_tokenizer *tokenizer, const char *prompt,
                             infer_error *err)
{
    const size_t length = strlen(prompt), most = 2 * length + 8;
    int32_t *ids = malloc(most * sizeof *ids);
    size_t n = 0;
    infer_status status = infer_tokenizer_encode(tokenizer, prompt, length, INFER_PARSE_SPECIAL, ids, most, &n, err);
    if (!status)
        status = infer_session_eval(session, ids, n, err);
    free(ids);
    return status;
}

int main(int argc, char **argv)
{
    const char *question = argc > 2 ? argv[2] : "Tell me a story.";
    char messages[4096];
    infer_error err = { INFER_OK, "" };
    infer_context *context = infer_context_open(NULL, &err);
    infer_model *model = argc > 1 ? infer_model_open(context, argv[1], NULL, &err)
                                  : infer_model_open_default(context, NULL, &err);
    infer_session *session = model ? infer_session_open(model, NULL, &err) : NULL;
    infer_sampler *sampler = session ? infer_sampler_open(context, NULL, &err) : NULL;
    const infer_tokenizer *tokenizer = sampler ? infer_model_tokenizer(model) : NULL;
    const char *source = tokenizer ? infer_tokenizer_chat_template(tokenizer) : NULL;
    source = source ? source : infer_chat_template_builtin("chatml");

    /* A program of more than a page makes JSON with a library: a question may hold what has to be escaped. */
    snprintf(messages, sizeof messages, "[{\"role\": \"user\", \"content\": \"%s\"}]", question);
    char *prompt = tokenizer ? write_prompt(context, tokenizer, source, messages, &err) : NULL;
    if (prompt && !evaluate(session, tokenizer, prompt, &err)) {
        infer_chat_parser_options how = infer_chat_parser_defaults();
        how.chat_template = source; /* tells the format of answers */
        how.prompt = prompt;        /* may have opened the reasoning */
        how.no_calls = true;
        how.on_part = print_part;
        infer_chat_parser *parser = infer_chat_parser_open(context, &how, &err);
        infer_generate_options options = infer_generate_defaults();
        options.n_predict = 200;
        options.unparse_special = true; /* marks of formats are names of control tokens */
        options.on_text = feed;
        options.user = parser;
        if (parser && !infer_generate(session, sampler, NULL, 0, &options, NULL, &err))
            infer_chat_parser_end(parser, &err);
        infer_chat_parser_close(&parser);
        printf("\n");
    }
    if (err.code != INFER_OK)
        fprintf(stderr, "%s: %s\n", infer_status_name(err.code), err.message);
    free(prompt);
    infer_sampler_close(&sampler);
    infer_session_close(&session);
    infer_model_close(&model);
    infer_context_close(&context);
    return err.code != INFER_OK;
}
