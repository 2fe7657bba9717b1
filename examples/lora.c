/* lora.c - one model and two sessions, one of them with a LoRA adapter (or a control vector). Both are computed in the same
 * steps, and half-way they change places.
 *
 *     lora MODEL ADAPTER [PROMPT]     ADAPTER: a GGUF file, or a directory of PEFT's */
#include <infer.h>
#include <stdio.h>

enum { HALF = 24, MAX_PROMPT = 256 };

struct text {
    infer_session *session;
    int32_t ids[MAX_PROMPT]; /* to be computed next */
    size_t n;
};

static void print_tokens(const infer_tokenizer *tokenizer, const struct text *t, size_t from)
{
    char text[4096];
    size_t length = 0;
    infer_tokenizer_decode(tokenizer, infer_session_tokens(t->session) + from, infer_session_length(t->session) - from,
                           0, text, sizeof text, &length, NULL);
    printf("%.*s\n", (int)(length < sizeof text ? length : sizeof text), text);
}

/* Both go on: a step computes a token of each, or the prompts. */
static infer_status go_on(struct text t[2], infer_sampler *sampler, const infer_tokenizer *tokenizer, infer_error *err)
{
    infer_status status = INFER_OK;
    for (int i = 0; i < HALF && status == INFER_OK; i++) {
        infer_batch_item items[2];
        for (int j = 0; j < 2; j++)
            items[j] = (infer_batch_item){ t[j].session, t[j].ids, t[j].n, INFER_OK };
        status = infer_batch_eval(items, 2, err);
        for (int j = 0; j < 2 && status == INFER_OK; j++) {
            t[j].ids[0] = infer_sampler_sample(sampler, infer_session_logits(t[j].session),
                                               infer_tokenizer_size(tokenizer));
            t[j].n = 1;
        }
    }
    return status;
}

static infer_status write_texts(const infer_tokenizer *tokenizer, infer_adapter *adapter, infer_sampler *sampler,
                                struct text t[2], infer_error *err)
{
    static const char *const names[2][2] = { { "without: ", "with: " }, { "now with: ", "now without: " } };
    infer_status status = INFER_OK;
    for (int half = 0; half < 2 && status == INFER_OK; half++) {
        size_t from[2];
        for (int j = 0; j < 2 && status == INFER_OK; j++) { /* nothing is loaded; what is there is computed anew */
            from[j] = infer_session_length(t[j].session);
            status = infer_session_set_adapters(t[j].session, &adapter, NULL, j != half, err);
        }
        if (status == INFER_OK)
            status = go_on(t, sampler, tokenizer, err);
        for (int j = 0; j < 2 && status == INFER_OK; j++) {
            fputs(names[half][j], stdout);
            print_tokens(tokenizer, &t[j], from[j]);
        }
    }
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: lora MODEL ADAPTER [PROMPT]\n");
        return 2;
    }
    const char *adapter_path = argc > 2 ? argv[2] : "", *prompt = argc > 3 ? argv[3] : "Once upon a time";
    infer_error err = { INFER_OK, "" };
    infer_sampler_options greedy = infer_sampler_defaults();
    greedy.temperature = 0;
    infer_context *context = infer_context_open(NULL, &err);
    infer_model *model = context ? infer_model_open(context, argv[1], NULL, &err) : NULL;
    infer_adapter *adapter = model ? infer_adapter_open(model, adapter_path, NULL, &err) : NULL;
    infer_sampler *sampler = adapter ? infer_sampler_open(context, &greedy, &err) : NULL;
    struct text t[2] = { { .n = 0 }, { .n = 0 } };
    if (sampler && (t[0].session = infer_session_open(model, NULL, &err)) &&
        (t[1].session = infer_session_fork(t[0].session, &err))) {
        const infer_tokenizer *tokenizer = infer_model_tokenizer(model);
        infer_tokenizer_encode(tokenizer, prompt, strlen(prompt), INFER_ADD_SPECIAL, t[0].ids, MAX_PROMPT, &t[0].n, &err);
        t[0].n = t[0].n < MAX_PROMPT ? t[0].n : MAX_PROMPT;
        memcpy(t[1].ids, t[0].ids, sizeof t[0].ids);
        t[1].n = t[0].n;
        if (err.code == INFER_OK)
            write_texts(tokenizer, adapter, sampler, t, &err);
    }
    if (err.code != INFER_OK)
        fprintf(stderr, "%s: %s\n", infer_status_name(err.code), err.message);
    infer_session_close(&t[0].session);
    infer_session_close(&t[1].session);
    infer_sampler_close(&sampler);
    infer_adapter_close(&adapter);
    infer_model_close(&model);
    infer_context_close(&context);
    return err.code != INFER_OK;
}
