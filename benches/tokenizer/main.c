/* main.c - the suite tokenizer: text to ids and back, one thread. Cases are named what/vocabulary/text. "default" is the
 * vocabulary of the model in the library; the others are those of $INFER_SHARED/tokenizers, as far as they are there.
 * The texts are this project's: "english" its documents, "code" its source; one character over and over; and "short", 16
 * bytes, what a call costs. */
#include "benches/common/common.h"
#include "benches/shim.h"
#include "infer.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

static void must(bool good, const char *why)
{
    if (good)
        return;
    fprintf(stderr, "tokenizer: %s\n", why);
    exit(1);
}

/* ---- Texts ---- */

struct text {
    const char *name;
    char *p;
    size_t n;
};

static void add_file(struct text *t, const char *path)
{
    FILE *f = fopen(path, "rb");
    long size = f && !fseek(f, 0, SEEK_END) ? ftell(f) : -1;
    must(size >= 0, path);
    rewind(f);
    t->p = realloc(t->p, t->n + (size_t)size);
    must(t->p && fread(t->p + t->n, 1, (size_t)size, f) == (size_t)size, path);
    t->n += (size_t)size;
    fclose(f);
}

static void add_files(struct text *t, const char *pattern)
{
    glob_t found;
    must(!glob(pattern, 0, NULL, &found), pattern);
    for (size_t i = 0; i < found.gl_pathc; i++)
        add_file(t, found.gl_pathv[i]);
    globfree(&found);
}

static void fill(struct text *t, const char *character)
{
    enum { BYTES = 1000000 };
    const size_t size = strlen(character);
    t->p = bench_memory(BYTES);
    for (t->n = 0; t->n + size <= BYTES; t->n += size)
        memcpy(t->p + t->n, character, size);
}

/* ---- Cases ---- */

struct subject {
    const infer_tokenizer *tokenizer;
    const struct text *text;
};

/* Room for the ids of a text, and how many fit. */
static int32_t *ids_for(const struct text *t, size_t *room)
{
    *room = 2 * t->n + 16;
    return bench_memory(*room * sizeof(int32_t));
}

static void run_encode(struct bench *b, const void *arg)
{
    const struct subject *s = arg;
    size_t n, room;
    int32_t *ids = ids_for(s->text, &room);
    infer_status status = INFER_OK;
    bench_one_thread(b);
    while (bench_next(b))
        status |= infer_tokenizer_encode(s->tokenizer, s->text->p, s->text->n, 0, ids, room, &n, NULL);
    if (status)
        bench_skip(b, "the text cannot be encoded");
    bench_bytes(b, (double)s->text->n, 0);
    free(ids);
}

static void run_decode(struct bench *b, const void *arg)
{
    const struct subject *s = arg;
    size_t n, length, room;
    int32_t *ids = ids_for(s->text, &room);
    char *out = bench_memory(2 * s->text->n);
    infer_status status = infer_tokenizer_encode(s->tokenizer, s->text->p, s->text->n, 0, ids, room, &n, NULL);
    bench_one_thread(b);
    while (bench_next(b))
        status |= infer_tokenizer_decode(s->tokenizer, ids, n, 0, out, 2 * s->text->n, &length, NULL);
    if (status)
        bench_skip(b, "the text cannot be encoded or decoded");
    bench_bytes(b, (double)s->text->n, 0);
    free(out);
    free(ids);
}

static void add_cases(const infer_tokenizer *tokenizer, const char *name, const struct text *texts, size_t n)
{
    char full[96];
    for (size_t i = 0; i < n; i++) {
        const struct subject s = { tokenizer, &texts[i] };
        snprintf(full, sizeof full, "encode/%s/%s", name, texts[i].name);
        bench_add(full, run_encode, &s, sizeof s);
        snprintf(full, sizeof full, "decode/%s/%s", name, texts[i].name);
        bench_add(full, run_decode, &s, sizeof s);
    }
}

enum { MOST_VOCABULARIES = 16 };
static size_t open_shared(infer_context *context, infer_tokenizer *opened[MOST_VOCABULARIES], const struct text *texts,
                          size_t n_texts)
{
    static const char *const names[] = { "llama-bpe", "qwen2", "gpt-2", "deepseek-llm", "llama-spm", "bert-bge",
                                         "ugm-small" };
    const char *const shared = getenv("INFER_SHARED");
    char path[512];
    size_t n = 0;
    for (size_t i = 0; shared && i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/tokenizers/ggml-vocab-%s.gguf", shared, names[i]);
        infer_tokenizer *const t = infer_tokenizer_open(context, path, NULL);
        if (!t)
            continue;
        opened[n++] = t;
        add_cases(t, names[i], texts, n_texts);
    }
    return n;
}

int main(int argc, char **argv)
{
    struct text texts[] = { { .name = "english" }, { .name = "code" }, { .name = "letter" }, { .name = "spaces" },
                            { .name = "emoji" }, { .name = "short" } };
    const size_t n_texts = sizeof texts / sizeof *texts;
    add_files(&texts[0], "docs/*.md");
    add_files(&texts[1], "src/*/*.c");
    fill(&texts[2], "a");
    fill(&texts[3], " ");
    fill(&texts[4], "\xf0\x9f\x98\x80");
    fill(&texts[5], "Once upon a time");
    texts[5].n = 16;
    infer_error err = { 0 };
    infer_context *context = infer_context_open(NULL, &err);
    infer_model *model = context ? infer_model_open_default(context, NULL, &err) : NULL;
    infer_tokenizer *opened[MOST_VOCABULARIES];
    must(model, err.message);
    add_cases(infer_model_tokenizer(model), "default", texts, n_texts);
    const size_t n = open_shared(context, opened, texts, n_texts);
    const int code = bench_main(argc, argv, NULL, 0);
    for (size_t i = 0; i < n; i++)
        infer_tokenizer_close(&opened[i]);
    for (size_t i = 0; i < n_texts; i++)
        free(texts[i].p);
    infer_model_close(&model);
    infer_context_close(&context);
    return code;
}
