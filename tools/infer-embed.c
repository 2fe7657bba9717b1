/* infer-embed - vectors of texts, and how well texts answer a query. */
#include "infer.h"

#include "tools/common/failure.h"
#include "tools/common/npy.h"
#include "tools/common/options.h"
#include "tools/common/program.h"
#include "tools/common/vectors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { GROUP = 1024 }; /* texts whose vectors are held at once */
enum { FAST, EXACT };
enum { JSON, PLAIN };

static const char *operands[4096];
static struct {
    const char *model, *file, *out, *rerank, *colbert;
    int pooling, precision, format; /* pooling: infer_pooling */
    int32_t threads, dimensions, most_tokens;
    bool normalize, truncate;
} o = { .normalize = true };

static const struct opt rows[] = {
    { OPT_GROUP, .help = "Input" },
    { OPT_TEXT, "-m, --model", "PATH", "GGUF file or Hugging Face directory", &o.model, 0, 0 },
    { OPT_TEXT, "-f, --file", "FILE",
      "read texts from a file, one a line; - is stdin. Without texts on the command line "
      "that is what is read",
      &o.file, 0, 0 },
    { OPT_INT, "--max-tokens", "N", "most tokens of a text; 0 = what the model was made for", &o.most_tokens, 0,
      INT32_MAX },
    { OPT_FLAG, "--truncate", NULL, "cut longer texts at their end; else they are an error", &o.truncate, 0, 0 },
    { OPT_GROUP, .help = "Vectors" },
    { OPT_CHOICE, "--pooling", "model|none|mean|cls|last",
      "how the vectors of a text's tokens become one: as the model "
      "says, not at all, their mean, the first, the last",
      &o.pooling, 0, 0 },
    { OPT_INT, "-d, --dimensions", "N", "keep the first N numbers of a vector; 0 = all", &o.dimensions, 0, INT32_MAX },
    { OPT_FLAG, "--normalize", NULL, "give vectors the length 1; this is the default", &o.normalize, 0, 0 },
    { OPT_OFF, "--no-normalize", NULL, "leave vectors as pooling gives them", &o.normalize, 0, 0 },
    { OPT_GROUP, .help = "Scores, best first" },
    { OPT_TEXT, "--rerank", "QUERY", "how well each text answers the query, by a model made for that (cross-encoder)",
      &o.rerank, 0, 0 },
    { OPT_TEXT, "--colbert", "QUERY", "the same by comparing the vectors of all tokens (ColBERT)", &o.colbert, 0, 0 },
    { OPT_GROUP, .help = "Output" },
    { OPT_CHOICE, "--format", "json|plain", "a JSON object a line, or numbers with spaces between them", &o.format, 0,
      0 },
    { OPT_TEXT, "--out", "FILE",
      "write the vectors as f32 NPY (texts, numbers) instead; with --pooling none the tokens "
      "of all texts",
      &o.out, 0, 0 },
    { OPT_GROUP, .help = "Computing" },
    { OPT_INT, "-t, --threads", "N", "threads; 0 = one per physical core", &o.threads, 0, 256 },
    { OPT_CHOICE, "--precision", "fast|exact", "activations as 8-bit blocks where weights are quantised, or as f32",
      &o.precision, 0, 0 },
    PROGRAM_MACHINE_OPTIONS,
    OPT_STANDARD,
};

static const struct command command = {
    .name = "infer-embed",
    .about = "vectors of texts, and how well texts answer a query",
    .usage = "[options] [TEXT ...]",
    .examples = "  infer-embed -m all-MiniLM-L6-v2/ \"A man is eating.\" \"Someone has lunch.\"\n"
                "  infer-embed -m model.gguf -f texts.txt --out vectors.npy\n"
                "  infer-embed -m model.gguf -d 256 --format plain < texts.txt\n"
                "  infer-embed -m reranker/ --rerank \"capital of France\" \"Paris is.\" \"Rome is not.\"\n"
                "  infer-embed -m model.gguf --colbert \"how do I reset it\" -f pages.txt --format plain\n"
                "  INFER_MODEL=model/ infer-embed hello | jq '.embedding | length'\n",
    .notes = "Lines of --format json: {\"index\":0,\"embedding\":[...]}; with --pooling none\n"
             "{\"index\":0,\"embeddings\":[[...],...]}; of scores {\"index\":0,\"score\":1.5}.\n"
             "Models that want a prefix (\"query: \", \"passage: \") want it in the text.\n\n" PROGRAM_ENVIRONMENT
             "\nExit codes: 0 done, 1 failed, 2 wrong usage.\n",
    .rows = rows,
    .n_rows = sizeof rows / sizeof *rows,
    .operands = operands,
    .max_operands = sizeof operands / sizeof *operands - 1,
};

/* ---- Texts ---- */

struct texts {
    infer_input *in;
    size_t n, room;
    char *file; /* the text of all lines */
};

static bool add_text(struct texts *t, const char *text, size_t length)
{
    if (t->n == t->room) {
        const size_t room = t->room ? 2 * t->room : 64;
        infer_input *more = realloc(t->in, room * sizeof *more);
        if (!more)
            return false;
        t->in = more;
        t->room = room;
    }
    t->in[t->n++] = (infer_input){ .text = text, .length = length };
    return true;
}

static bool add_lines(struct texts *t, const char *text, size_t length)
{
    bool good = true;
    for (const char *end = text + length, *next; text < end && good; text = next) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t n = (size_t)((newline ? newline : end) - text);
        next = newline ? newline + 1 : end;
        n -= n && text[n - 1] == '\r';
        good = add_text(t, text, n);
    }
    return good;
}

static infer_status read_texts(struct texts *t, infer_error *err)
{
    bool good = true;
    for (size_t i = 0; operands[i] && good; i++)
        good = add_text(t, operands[i], strlen(operands[i]));
    if (o.file || !t->n) {
        size_t length;
        t->file = read_file(o.file ? o.file : "-", &length, err);
        if (!t->file)
            return err->code;
        good = good && add_lines(t, t->file, length);
    }
    if (!good)
        return failure(err, INFER_E_NOMEM, "no memory for %zu texts", t->n);
    return t->n ? INFER_OK : failure(err, INFER_E_ARGUMENT, "there are no texts");
}

/* ---- Vectors ---- */

static infer_status print_vectors(infer_embedder *e, const struct texts *t, bool tokens, infer_error *err)
{
    infer_status status = INFER_OK;
    for (size_t at = 0; at < t->n && status == INFER_OK; at += GROUP) {
        const size_t n = t->n - at < GROUP ? t->n - at : GROUP;
        struct vectors v;
        status = vectors_compute(&v, e, t->in + at, n, tokens, err);
        for (size_t i = 0; i < n && status == INFER_OK; i++)
            vectors_print(&v, i, at + i, tokens, o.format == PLAIN);
        vectors_free(&v);
    }
    return status;
}

/* All at once: the header says how many there are. */
static infer_status write_vectors(infer_embedder *e, const struct texts *t, bool tokens, infer_error *err)
{
    struct vectors v;
    infer_status status = vectors_compute(&v, e, t->in, t->n, tokens, err);
    FILE *f = status == INFER_OK ? fopen(o.out, "wb") : NULL;
    bool good = f && npy_begin(f, v.first[t->n], v.dims) && npy_values(f, v.v, v.first[t->n] * v.dims);
    good = f && fclose(f) == 0 && good;
    if (status == INFER_OK && !good)
        status = failure(err, INFER_E_IO, "%s: cannot be written: %s", o.out, strerror(errno));
    if (f && !good)
        remove(o.out);
    vectors_free(&v);
    return status;
}

/* ---- Scores ---- */

struct score {
    float score;
    size_t index;
};

static int best_first(const void *a, const void *b)
{
    const struct score *x = a, *y = b;
    return x->score != y->score ? (x->score < y->score ? 1 : -1) : (x->index > y->index) - (x->index < y->index);
}

/* By the tokens' vectors of query and texts. */
static infer_status score_colbert(infer_context *c, infer_embedder *e, const infer_input *query, const struct texts *t,
                                  float *scores, infer_error *err)
{
    struct vectors q, v = { 0 };
    infer_status status = vectors_compute(&q, e, query, 1, true, err);
    if (status == INFER_OK)
        status = vectors_compute(&v, e, t->in, t->n, true, err);
    if (status == INFER_OK)
        status = infer_maxsim(c, v.dims, q.v, q.first[1], v.v, v.first, t->n, scores, err);
    vectors_free(&q);
    vectors_free(&v);
    return status;
}

static infer_status print_scores(infer_context *c, infer_embedder *e, const struct texts *t, infer_error *err)
{
    const char *text = o.rerank ? o.rerank : o.colbert;
    const infer_input query = { .text = text, .length = strlen(text) };
    float *scores = calloc(t->n, sizeof *scores);
    struct score *sorted = calloc(t->n, sizeof *sorted);
    infer_status status = INFER_E_NOMEM;
    if (!scores || !sorted)
        failure(err, INFER_E_NOMEM, "no memory for %zu scores", t->n);
    else
        status =
            o.rerank ? infer_rerank(e, &query, t->in, t->n, scores, err) : score_colbert(c, e, &query, t, scores, err);
    for (size_t i = 0; i < t->n && status == INFER_OK; i++)
        sorted[i] = (struct score){ scores[i], i };
    if (status == INFER_OK)
        qsort(sorted, t->n, sizeof *sorted, best_first);
    for (size_t i = 0; i < t->n && status == INFER_OK; i++) {
        const infer_input *in = &t->in[sorted[i].index];
        if (o.format == JSON)
            printf("{\"index\":%zu,\"score\":%.9g}\n", sorted[i].index, (double)sorted[i].score);
        else
            printf("%.9g %zu %.*s\n", (double)sorted[i].score, sorted[i].index, (int)in->length, in->text);
    }
    free(scores);
    free(sorted);
    return status;
}

/* ---- All of it ---- */

static infer_status run(infer_context *c, infer_model *m, const struct texts *t, infer_error *err)
{
    infer_embedder_options options = infer_embedder_defaults();
    options.pooling = (infer_pooling)o.pooling;
    options.dimensions = o.dimensions;
    options.normalize = o.normalize;
    options.truncate = o.truncate;
    options.n_ctx = o.most_tokens;
    options.precision = o.precision == EXACT ? INFER_EXACT : INFER_FAST;
    if (o.colbert)
        options.pooling = INFER_POOLING_NONE;
    infer_embedder *e = infer_embedder_open(m, &options, err);
    if (!e)
        return err->code;
    infer_embedder_info info = { .size = sizeof info };
    infer_embedder_get_info(e, &info);
    const bool tokens = info.pooling == INFER_POOLING_NONE;
    infer_status status = o.rerank || o.colbert ? print_scores(c, e, t, err)
                          : o.out               ? write_vectors(e, t, tokens, err)
                                                : print_vectors(e, t, tokens, err);
    if (status == INFER_OK && (fflush(stdout) != 0 || ferror(stdout)))
        status = failure(err, INFER_E_IO, "standard output cannot be written: %s", strerror(errno));
    infer_embedder_close(&e);
    return status;
}

int main(int argc, char **argv)
{
    const enum options_result parsed = options_parse(&command, argc, argv);
    if (parsed != OPTIONS_RUN)
        return parsed == OPTIONS_DONE ? 0 : EXIT_USAGE;
    if (o.rerank && o.colbert)
        return options_complain(&command, "--rerank and --colbert exclude each other");
    if ((o.rerank || o.colbert) && o.out)
        return options_complain(&command, "--out is for vectors, not for scores");

    infer_error err = { 0 };
    infer_context *context = NULL;
    infer_model *model = NULL;
    struct texts texts = { 0 };
    infer_status status = INFER_OK;
    if (!(context = program_context(o.threads, 0, &err)) || !(model = program_model(context, o.model, &err)))
        status = err.code;
    if (status == INFER_OK)
        status = read_texts(&texts, &err);
    if (status == INFER_OK)
        status = run(context, model, &texts, &err);
    infer_model_close(&model);
    infer_context_close(&context);
    free(texts.in);
    free(texts.file);
    return status == INFER_OK ? 0 : report_failure(command.name, &err);
}
