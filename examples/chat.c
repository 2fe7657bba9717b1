/* chat.c - ask a chat model, then ask once more: the conversation grows by the messages that its answers are.
 *
 *     chat [MODEL [QUESTION [QUESTION]]]     without MODEL: the model inside the library */
#include <infer.h>
#include <stdio.h>
#include <stdlib.h>

/* The conversation as JSON, without the bracket that closes it. A program of more than a page makes JSON with a
 * library: a question may hold what has to be escaped. */
struct messages {
    char *json;
    size_t length;
};

static bool add(struct messages *m, const char *format, const char *text, size_t n)
{
    char *grown = realloc(m->json, m->length + strlen(format) + n + 2);
    if (!grown)
        return false;
    m->json = grown;
    m->length += (size_t)sprintf(m->json + m->length, format, m->length ? ',' : '[', (int)n, text);
    return true;
}

/* Parts of the answer, as they come: reasoning to stderr, the rest to stdout. */
static bool print_part(void *user, infer_chat_part part, const char *text, size_t length)
{
    (void)user;
    FILE *out = part == INFER_CHAT_REASONING ? stderr : stdout;
    fwrite(text, 1, length, out);
    fflush(out);
    return true;
}

/* The whole answer: it is part of what the next question is asked with. */
static void keep_message(void *user, const char *json, size_t length)
{
    add(user, "%c%.*s", json, length);
}

int main(int argc, char **argv)
{
    const char *questions[] = { argc > 2 ? argv[2] : "Tell me a story.", argc > 3 ? argv[3] : "And then?" };
    struct messages messages = { 0 };
    infer_error err = { INFER_OK, "" };
    infer_context *context = infer_context_open(NULL, &err);
    infer_model *model = argc > 1 ? infer_model_open(context, argv[1], NULL, &err)
                                  : infer_model_open_default(context, NULL, &err);
    infer_session *session = model ? infer_session_open(model, NULL, &err) : NULL;
    infer_sampler *sampler = session ? infer_sampler_open(context, NULL, &err) : NULL;

    /* The model's own template, or a common one; tools and the form of answers would stand in a setup. */
    infer_chat *chat = sampler ? infer_chat_open(model, NULL, &err) : NULL;

    infer_generate_options options = infer_generate_defaults();
    options.n_predict = 200;
    options.on_part = print_part;
    options.on_message = keep_message;
    options.user = &messages;
    for (size_t i = 0; chat && i < 2 && err.code == INFER_OK; i++) {
        if (!add(&messages, "%c{\"role\": \"user\", \"content\": \"%.*s\"}", questions[i], strlen(questions[i])))
            break;
        strcpy(messages.json + messages.length, "]"); /* overwritten by the next message */
        infer_generate_result result = { .size = sizeof result };
        infer_generate_chat(chat, session, sampler, messages.json, messages.length + 1, &options, &result, &err);
        printf("\n(%zu tokens in %.2f seconds; %zu of the prompt computed, %zu there already)\n", result.n_generated,
               result.generate_seconds, result.n_prompt, result.n_cached);
    }
    if (err.code != INFER_OK)
        fprintf(stderr, "%s: %s\n", infer_status_name(err.code), err.message);
    free(messages.json);
    infer_chat_close(&chat);
    infer_sampler_close(&sampler);
    infer_session_close(&session);
    infer_model_close(&model);
    infer_context_close(&context);
    return err.code != INFER_OK;
}
