/* batch.c - several prompts at once: each step computes the next token of all texts, and reads the weights once.
 *
 *     batch [MODEL]     without MODEL: the model inside the library */
#include <infer.h>
#include <stdio.h>

enum { LENGTH = 32, MAX_TOKENS = 256 };
static const char *const prompts[] = { "Once upon a time", "The dog was sad", "In the big forest", "Mom said to Tim" };
enum { N = sizeof prompts / sizeof *prompts };

struct writer {
    infer_session *session;
    infer_sampler *sampler;
    int32_t ids[MAX_TOKENS]; /* those to evaluate next */
    size_t n;
    bool ended;
};

/* Forks of one session share its work buffers. */
static bool open_writer(struct writer *w, infer_context *context, const infer_session *first,
                        const infer_tokenizer *tokenizer, const char *prompt, infer_error *err)
{
    w->session = infer_session_fork(first, err);
    w->sampler = w->session ? infer_sampler_open(context, NULL, err) : NULL;
    return w->sampler && !infer_tokenizer_encode(tokenizer, prompt, strlen(prompt), INFER_ADD_SPECIAL, w->ids,
                                                 MAX_TOKENS, &w->n, err);
}

/* One step of all texts that go on: prompts in the first, a token each in the others. */
static infer_status step(struct writer *writers, const infer_tokenizer *tokenizer, int32_t n_vocab, infer_error *err)
{
    infer_batch_item items[N];
    size_t n = 0;
    for (size_t i = 0; i < N; i++)
        if (!writers[i].ended)
            items[n++] = (infer_batch_item){ writers[i].session, writers[i].ids, writers[i].n, INFER_OK };
    const infer_status status = n ? infer_batch_eval(items, n, err) : INFER_OK;
    for (size_t i = 0; i < N && status == INFER_OK; i++) {
        struct writer *w = &writers[i];
        if (w->ended)
            continue;
        w->ids[0] = infer_sampler_sample(w->sampler, infer_session_logits(w->session), n_vocab);
        w->n = 1;
        w->ended = w->ids[0] < 0 || infer_tokenizer_is_end(tokenizer, w->ids[0]);
        if (!w->ended)
            infer_sampler_accept(w->sampler, w->ids[0]);
    }
    return status;
}

static void print_text(const struct writer *w, const infer_tokenizer *tokenizer)
{
    char text[4096];
    size_t n = 0;
    infer_tokenizer_decode(tokenizer, infer_session_tokens(w->session), infer_session_length(w->session),
                           INFER_REMOVE_SPECIAL, text, sizeof text, &n, NULL);
    printf("%.*s\n", (int)(n < sizeof text ? n : sizeof text), text);
}

int main(int argc, char **argv)
{
    struct writer writers[N] = { { .n = 0 } };
    infer_error err = { INFER_OK, "" };
    infer_context *context = infer_context_open(NULL, &err);
    infer_model *model = argc > 1 ? infer_model_open(context, argv[1], NULL, &err)
                                  : infer_model_open_default(context, NULL, &err);
    infer_session *first = model ? infer_session_open(model, NULL, &err) : NULL;
    const infer_tokenizer *tokenizer = first ? infer_model_tokenizer(model) : NULL;
    infer_model_info info = { .size = sizeof info };
    bool good = tokenizer;
    for (size_t i = 0; i < N && good; i++)
        good = open_writer(&writers[i], context, first, tokenizer, prompts[i], &err);
    if (good)
        infer_model_get_info(model, &info);
    for (size_t i = 0; i < LENGTH && good; i++)
        good = step(writers, tokenizer, info.n_vocab, &err) == INFER_OK;
    for (size_t i = 0; i < N && good; i++)
        print_text(&writers[i], tokenizer);
    if (err.code != INFER_OK)
        fprintf(stderr, "%s: %s\n", infer_status_name(err.code), err.message);
    for (size_t i = 0; i < N; i++) {
        infer_sampler_close(&writers[i].sampler);
        infer_session_close(&writers[i].session);
    }
    infer_session_close(&first);
    infer_model_close(&model);
    infer_context_close(&context);
    return err.code != INFER_OK;
}
