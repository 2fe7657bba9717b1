/* modelfile.h - Modelfiles, as Ollama has them: a model, how it is run, and what it is told first.
 *
 *     FROM ./model.gguf
 *     PARAMETER temperature 0.7
 *     SYSTEM """You are brief."""
 *
 * They may be a stranger's: what is read is bounded, and nothing but the file itself is opened. */
#ifndef TOOLS_COMMON_MODELFILE_H
#define TOOLS_COMMON_MODELFILE_H

#include "infer.h"

enum modelfile_kind {
    MODELFILE_FROM,
    MODELFILE_PARAMETER, /* has a name */
    MODELFILE_TEMPLATE,
    MODELFILE_SYSTEM,
    MODELFILE_ADAPTER,
    MODELFILE_MESSAGE, /* its name is the role: system, user or assistant */
    MODELFILE_LICENSE,
    MODELFILE_OTHER /* RENDERER, PARSER, REQUIRES: the value is for Ollama alone */
};

struct modelfile_item {
    enum modelfile_kind kind;
    unsigned line;
    const char *name;  /* "" where there is none */
    const char *value; /* UTF-8, without its quotation marks */
    char *path;        /* of FROM and ADAPTER: the value, beside the Modelfile if it is relative; else NULL */
};

struct modelfile {
    char *text; /* that items point into */
    struct modelfile_item *items; /* n, in the order of the file; FROM is one of them, once */
    size_t n;
};

enum { MODELFILE_MOST_BYTES = 4 << 20, MODELFILE_MOST_ITEMS = 4096 };

/** Read a file. NULL on failure, of which the sentence names the line. */
struct modelfile *modelfile_open(const char *path, infer_error *err);
/** The same from n bytes of memory, which are not kept, as if they were the file `path`. */
struct modelfile *modelfile_parse(const char *path, const char *text, size_t n, infer_error *err);
void modelfile_close(struct modelfile **modelfile);
/** The last item of a kind, or NULL. */
const struct modelfile_item *modelfile_find(const struct modelfile *modelfile, enum modelfile_kind kind);
/** Whether a path is called as Modelfiles are: Modelfile, Modelfile.x, x.modelfile. */
bool modelfile_is_name(const char *path);

/** What language a TEMPLATE is written in. */
enum modelfile_language {
    MODELFILE_JINJA,
    MODELFILE_GO,    /* Ollama's */
    MODELFILE_PROMPT /* {{ .Prompt }}, that is: the text as it is */
};
enum modelfile_language modelfile_language(const char *source);

#endif
