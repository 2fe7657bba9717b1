/* grammar_options.c - which of the three it is, and whether it is a text or a file's name. */
#include "tools/common/grammar_options.h"

#include "tools/common/program.h"

#include <stdlib.h>

static infer_grammar *open_one(infer_context *context, infer_notation notation, const char *given, bool is_text,
                               infer_error *err)
{
    size_t length = strlen(given);
    char *file = is_text ? NULL : read_file(given, &length, err);
    if (!is_text && !file)
        return NULL;
    infer_grammar *g = infer_grammar_open(context, notation, is_text ? given : file, length, NULL, err);
    free(file);
    return g;
}

infer_status grammar_options_apply(const struct grammar_options *o, infer_context *context, infer_sampler *sampler,
                                   const infer_tokenizer *tokenizer, infer_error *err)
{
    infer_grammar *g = NULL;
    if ((o->grammar != NULL) + (o->schema != NULL) + (o->regex != NULL) > 1) {
        err->code = INFER_E_ARGUMENT;
        snprintf(err->message, sizeof err->message, "--grammar, --json-schema and --regex exclude each other");
        return err->code;
    }
    if (o->grammar)
        g = open_one(context, INFER_GBNF, o->grammar, strstr(o->grammar, "::="), err);
    else if (o->schema)
        g = open_one(context, INFER_JSON_SCHEMA, o->schema, o->schema[strspn(o->schema, " \t\r\n")] == '{', err);
    else if (o->regex)
        g = open_one(context, INFER_REGEX, o->regex, true, err);
    else
        return INFER_OK;
    const infer_status status = g ? infer_sampler_set_grammar(sampler, g, tokenizer, err) : err->code;
    infer_grammar_close(&g);
    return status;
}
