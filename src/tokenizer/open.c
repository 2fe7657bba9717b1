/* open.c - a tokenizer without a model: the vocabulary of a GGUF file, of a directory, or a tokenizer.json. */
#include "src/base/context.h"
#include "src/tokenizer/parts.h"

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

static infer_tokenizer *open_json(const infer_allocator *a, const char *path, infer_error *err)
{
    struct mapping map;
    if (map_open(&map, path, err))
        return NULL;
    infer_tokenizer *t = tokenizer_open_json(a, (struct text){ (const char *)map.data, map.size }, path, err);
    map_close(&map); /* all of it has been copied */
    return t;
}

static infer_tokenizer *open_vocabulary(const infer_allocator *a, const char *path, infer_error *err)
{
    struct weights *w = weights_open_vocabulary(a, path, err);
    infer_tokenizer *t = w ? tokenizer_open(a, w, err) : NULL;
    if (t)
        t->weights = w;
    else
        weights_close(&w);
    return t;
}

infer_tokenizer *infer_tokenizer_open(infer_context *context, const char *path, infer_error *err)
{
    if (!context || !path)
        return fail_null(err, INFER_E_ARGUMENT, "a context and a path are needed to open a tokenizer");
    const infer_allocator *a = context_allocator(context);
    const bool json = ends_with(path, ".json") && path_kind(path) == 'f';
    infer_tokenizer *t = json ? open_json(a, path, err) : open_vocabulary(a, path, err);
    if (t)
        t->context = context_retain(context);
    return t;
}
