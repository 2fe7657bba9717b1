/* infer-convert.c - a Hugging Face directory, or a split model, as one GGUF file. */
#include "tools/common/failure.h"
#include "tools/common/options.h"
#include "tools/common/rewrite.h"

static const char *const types[] = { NULL, "f32", "f16", "bf16", "q8_0" };

static struct {
    const char *operands[2];
    int type; /* index in `types` */
    int32_t threads;
    bool dry_run;
} o;

static const struct opt rows[] = {
    { OPT_GROUP, NULL, NULL, "Options", NULL, 0, 0 },
    { OPT_CHOICE, "--type", "auto|f32|f16|bf16|q8_0",
      "type of the matrices; auto = as they are. For smaller ones infer-quantize reads directories too", &o.type, 0,
      0 },
    { OPT_INT, "-t, --threads", "N", "threads; 0 = one per core", &o.threads, 0, 256 },
    { OPT_FLAG, "--dry-run", NULL, "only show what each tensor would become; OUT is not written", &o.dry_run, 0, 0 },
    OPT_STANDARD,
};

static const struct command command = {
    .name = "infer-convert",
    .about = "write a Hugging Face directory, or a split model, as one GGUF file",
    .usage = "[options] IN OUT.gguf",
    .examples = "  infer-convert Llama-3.2-1B/ llama.gguf\n"
                "  infer-convert Llama-3.2-1B/ llama-f16.gguf --type f16\n"
                "  infer-convert big-00001-of-00003.gguf big.gguf\n"
                "  infer-convert Llama-3.2-1B/ x --dry-run\n",
    .notes = "The file has the model's numbers, vocabulary and chat template. Vectors become f32.\n\n"
             "Exit codes: 0 done, 1 failure (OUT is removed), 2 wrong usage.\n",
    .rows = rows,
    .n_rows = sizeof rows / sizeof *rows,
    .operands = o.operands,
    .max_operands = 2,
    .min_operands = 2,
};

int main(int argc, char **argv)
{
    const enum options_result result = options_parse(&command, argc, argv);
    if (result != OPTIONS_RUN)
        return result == OPTIONS_DONE ? 0 : EXIT_USAGE;
    infer_error err = { 0 };
    const struct rewrite r = {
        .program = command.name,
        .in = o.operands[0],
        .out = o.operands[1],
        .mix = types[o.type] ? mix_find(types[o.type]) : NULL,
        .n_threads = o.threads,
        .dry_run = o.dry_run,
    };
    return rewrite_model(&r, &err) == INFER_OK ? 0 : report_failure(command.name, &err);
}
