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

infer_grammar *grammar_options_open(const struct grammar_options *o, infer_context *context, infer_error *err)
{
    err->code = INFER_OK;
    if ((o->grammar != NULL) + (o->schema != NULL) + (o->regex != NULL) > 1) {
        err->code = INFER_E_ARGUMENT;
        snprintf(err->message, sizeof err->message, "--grammar, --json-schema and --regex exclude each other");
        return NULL;
    }
    if (o->grammar)
        return open_one(context, INFER_GBNF, o->grammar, strstr(o->grammar, "::="), err);
    if (o->schema)
        return open_one(context, INFER_JSON_SCHEMA, o->schema, o->schema[strspn(o->schema, " \t\r\n")] == '{', err);
    return o->regex ? open_one(context, INFER_REGEX, o->regex, true, err) : NULL;
}
