/* infer-perplexity - how well a model foretells text: perplexity, divergence from another model, questions of several
 * answers, each token's probability. */
#include "infer.h"

#include "tools/common/failure.h"
#include "tools/common/options.h"
#include "tools/common/program.h"
#include "tools/perplexity/perplexity.h"

#include <stdlib.h>
#include <unistd.h>

enum { EXACT, FAST };
enum { OUT_TEXT, OUT_JSON };

static struct {
    const char *model, *file, *base;
    int32_t n_ctx, chunks, tasks, threads;
    int precision, output;
    bool divergence, hellaswag, choices, logprobs, quiet;
    struct kv_options kv;
} o = { .n_ctx = 512, .chunks = -1, .tasks = -1, .precision = FAST };

static const struct opt rows[] = {
    { OPT_GROUP, .help = "Input" },
    { OPT_TEXT, "-m, --model", "PATH", "GGUF file or Hugging Face directory", &o.model, 0, 0 },
    { OPT_TEXT, "-f, --file", "FILE", "the text, or the tasks; - = stdin", &o.file, 0, 0 },
    { OPT_INT, "-c, --ctx-size", "N", "tokens of a chunk, of which the second half counts; the most of a task",
      &o.n_ctx, 4, 1 << 24 },
    { OPT_INT, "--chunks", "N", "most chunks; -1 = all", &o.chunks, -1, INT32_MAX },
    { OPT_GROUP, .help = "What is measured (perplexity, unless one of these is given)" },
    { OPT_TEXT, "--kl-divergence-base", "FILE",
      "save the probabilities of every token, or with --kl-divergence the file "
      "where they are saved; it is llama.cpp's too",
      &o.base, 0, 0 },
    { OPT_FLAG, "--kl-divergence", NULL,
      "how the model differs from the one whose probabilities were saved, on the same "
      "text",
      &o.divergence, 0, 0 },
    { OPT_FLAG, "--hellaswag", NULL, "tasks of six lines: question, number of the right answer, four answers",
      &o.hellaswag, 0, 0 },
    { OPT_FLAG, "--multiple-choice", NULL, "tasks of a line: {\"question\": T, \"choices\": [T, ...], \"answer\": N}",
      &o.choices, 0, 0 },
    { OPT_INT, "--tasks", "N", "most tasks, from the first on; -1 = all", &o.tasks, -1, INT32_MAX },
    { OPT_FLAG, "--logprobs", NULL, "a line of JSON for each token: id, text, ln of its probability", &o.logprobs, 0,
      0 },
    { OPT_GROUP, .help = "Output" },
    { OPT_CHOICE, "-o, --output", "text|json", "form of the result", &o.output, 0, 0 },
    { OPT_FLAG, "--quiet", NULL, "no progress on a terminal", &o.quiet, 0, 0 },
    { OPT_GROUP, .help = "Computing" },
    { OPT_INT, "-t, --threads", "N", "threads; 0 = one per physical core", &o.threads, 0, 256 },
    { OPT_CHOICE, "--precision", "exact|fast", "activations as f32, or as 8-bit blocks where weights are quantised",
      &o.precision, 0, 0 },
    KV_ROWS(o.kv),
    PROGRAM_MACHINE_OPTIONS,
    OPT_STANDARD,
};

static const struct command command = {
    .name = "infer-perplexity",
    .about = "how well a model foretells text",
    .usage = "[-m MODEL] -f FILE [options]\n"
             "       infer-perplexity [-m MODEL] --kl-divergence --kl-divergence-base FILE",
    .examples = "  infer-perplexity -m f16.gguf -f wiki.txt --kl-divergence-base f16.probs\n"
                "  infer-perplexity -m q4_k_m.gguf --kl-divergence --kl-divergence-base f16.probs\n"
                "  infer-perplexity -m model/ -f hellaswag.txt --hellaswag --tasks 400\n"
                "  echo 'Once upon a time' | infer-perplexity -f - --logprobs\n",
    .notes = PROGRAM_ENVIRONMENT "\nExit codes: 0 done, 1 failed, 2 wrong usage.\n",
    .rows = rows,
    .n_rows = sizeof rows / sizeof *rows,
};

static infer_status measure(const struct scorer *s, const struct text_options *text, infer_error *err)
{
    if (o.divergence)
        return divergence_from(s, o.base, o.chunks, err);
    if (o.hellaswag || o.choices)
        return choose_answers(s, text, o.choices ? TASKS_JSON : TASKS_HELLASWAG, o.tasks, err);
    return o.logprobs ? token_probabilities(s, text, err) : perplexity_of_text(s, text, err);
}

static infer_status run(infer_model *model, const struct text_options *text, infer_error *err)
{
    infer_model_info info = { .size = sizeof info };
    infer_model_get_info(model, &info);
    infer_session_options options = infer_session_defaults();
    options.n_ctx = o.n_ctx;
    options.precision = o.precision == EXACT ? INFER_EXACT : INFER_FAST;
    program_kv_types(&options, &o.kv);
    struct scorer s = { .n_vocab = (size_t)info.n_vocab,
                        .n_ctx = (size_t)o.n_ctx,
                        .json = o.output == OUT_JSON,
                        .progress = !o.quiet && isatty(STDERR_FILENO) };
    s.tokenizer = infer_model_tokenizer(model);
    if (!s.tokenizer)
        return failure(err, INFER_E_ARGUMENT, "the model has no tokenizer");
    if (info.encoder)
        return failure(err, INFER_E_ARGUMENT, "an encoder (%s) foretells no tokens", info.architecture);
    s.session = infer_session_open(model, &options, err);
    if (!s.session)
        return err->code;
    s.logits = calloc(LOGIT_ROWS, s.n_vocab * sizeof *s.logits);
    const infer_status status = s.logits
                                    ? measure(&s, text, err)
                                    : failure(err, INFER_E_NOMEM, "no memory for the logits of %d tokens", LOGIT_ROWS);
    free(s.logits);
    infer_session_close(&s.session);
    return status;
}

int main(int argc, char **argv)
{
    const enum options_result parsed = options_parse(&command, argc, argv);
    if (parsed != OPTIONS_RUN)
        return parsed == OPTIONS_DONE ? 0 : EXIT_USAGE;
    if (o.divergence + o.hellaswag + o.choices + o.logprobs > 1)
        return options_complain(&command,
                                "--kl-divergence, --hellaswag, --multiple-choice and --logprobs exclude each other");
    if (o.divergence && !o.base)
        return options_complain(&command, "--kl-divergence needs --kl-divergence-base FILE");
    if (!o.divergence && !o.file)
        return options_complain(&command, "-f is missing");

    infer_error err = { 0 };
    infer_context *context = NULL;
    infer_model *model = NULL;
    char *read = NULL;
    struct text_options text = { .name = o.file, .n_chunks = o.chunks, .save = o.base };
    infer_status status = INFER_OK;
    if (!o.divergence && !(text.text = read = read_file(o.file, &text.length, &err)))
        status = err.code;
    if (status == INFER_OK && !(context = program_context(o.threads, 0, &err)))
        status = err.code;
    if (status == INFER_OK && !(model = program_model(context, o.model, &err)))
        status = err.code;
    if (status == INFER_OK)
        status = run(model, &text, &err);
    infer_model_close(&model);
    infer_context_close(&context);
    free(read);
    return status == INFER_OK ? 0 : report_failure(command.name, &err);
}
