/* logits.c - one level below generate.c: text to tokens, tokens to logits, and what they say about the next token.
 *
 *     logits [MODEL [TEXT]]     without MODEL: the model inside the library */
#include <infer.h>
#include <math.h>
#include <stdio.h>

enum { MAX_TOKENS = 256, MAX_TEXT = 64, SHOWN = 5 };

/* Print the most likely next tokens. The probability of token i is exp(logits[i]) / sum of exp(logits[j]) over all
 * j. */
static void print_best(const infer_tokenizer *tokenizer, const float *logits, int32_t n_vocab)
{
    double sum = 0;
    for (int32_t i = 0; i < n_vocab; i++)
        sum += exp((double)logits[i]);
    int32_t last = -1; /* the one shown before: what ranks above it has been shown */
    for (int shown = 0; shown < SHOWN && shown < n_vocab; shown++) {
        int32_t best = -1;
        for (int32_t i = 0; i < n_vocab; i++) {
            const bool below = last < 0 || logits[i] < logits[last] || (logits[i] == logits[last] && i > last);
            if (below && (best < 0 || logits[i] > logits[best]))
                best = i;
        }
        if (best < 0)
            return;
        char text[MAX_TEXT];
        size_t length = 0; /* what the text needs, also where there was less room */
        infer_tokenizer_decode(tokenizer, &best, 1, INFER_UNPARSE_SPECIAL, text, sizeof text, &length, NULL);
        printf("%6.2f %%  %6d  \"%.*s\"\n", 100 * exp((double)logits[best]) / sum, best,
               (int)(length < sizeof text ? length : sizeof text), text);
        last = best;
    }
}

/* Tokens of the text, evaluated; the logits that follow the last one belong to the session. */
static infer_status look_ahead(infer_session *session, const infer_model *model, const char *text, infer_error *err)
{
    const infer_tokenizer *tokenizer = infer_model_tokenizer(model); /* the model's: not to be closed */
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(model, &info);

    int32_t ids[MAX_TOKENS];
    size_t n = 0;
    infer_status status = infer_tokenizer_encode(tokenizer, text, strlen(text), INFER_ADD_SPECIAL, ids, MAX_TOKENS, &n,
                                                 err);
    if (status != INFER_OK)
        return status;
    if (n > MAX_TOKENS)
        n = MAX_TOKENS; /* n is what the whole text needs: here its beginning will do */
    printf("%zu tokens:", n);
    for (size_t i = 0; i < n; i++)
        printf(" %d", ids[i]);
    printf("\nthe next one, most likely first:\n");

    status = infer_session_eval(session, ids, n, err);
    if (status == INFER_OK)
        print_best(tokenizer, infer_session_logits(session), info.n_vocab);
    return status;
}

int main(int argc, char **argv)
{
    infer_error err = { 0 };
    infer_context *context = infer_context_open(NULL, &err);
    infer_model *model = NULL;
    if (context)
        model = argc > 1 ? infer_model_open(context, argv[1], NULL, &err)
                         : infer_model_open_default(context, NULL, &err);
    infer_session *session = model ? infer_session_open(model, NULL, &err) : NULL;

    const char *text = argc > 2 ? argv[2] : "Once upon a time, a little";
    infer_status status = session ? look_ahead(session, model, text, &err) : err.code;
    if (status != INFER_OK)
        fprintf(stderr, "%s: %s\n", infer_status_name(status), err.message);
    infer_session_close(&session);
    infer_model_close(&model);
    infer_context_close(&context);
    return status == INFER_OK ? 0 : 1;
}
