/* infer-quantize.c - write a model's matrices in a smaller type. */
#include "tools/common/failure.h"
#include "tools/common/options.h"
#include "tools/common/rewrite.h"

#include <stdio.h>
#include <string.h>

static struct {
    struct adapter_options adapters;
    const char *operands[3], *importance;
    int32_t threads;
    bool requantize, dry_run;
} o;

static const struct opt rows[] = {
    { OPT_GROUP, NULL, NULL, "Options", NULL, 0, 0 },
    { OPT_TEXT, "--imatrix", "FILE", "importance matrix of this model: which columns count most", &o.importance, 0, 0 },
    LORA_ROW(o.adapters),
    { OPT_INT, "-t, --threads", "N", "threads; 0 = one per core", &o.threads, 0, 256 },
    { OPT_FLAG, "--requantize", NULL, "also convert tensors that are quantised already: what that lost stays lost",
      &o.requantize, 0, 0 },
    { OPT_FLAG, "--dry-run", NULL, "only show what each tensor would become; OUT is not written", &o.dry_run, 0, 0 },
    OPT_STANDARD,
};

/* For --help: the types there are. */
static void write_notes(char *notes, size_t size)
{
    size_t used = (size_t)snprintf(notes, size, "Types:");
    for (size_t i = 0; mix_at(i); i++)
        used += (size_t)snprintf(notes + used, size - used, "%s%s", i % 8 ? ", " : "\n  ", mix_at(i)->name);
    snprintf(notes + used, size - used,
             "; keep: those that they have.\nMost of them give sensitive matrices more bits, those that llama.cpp chooses;\n"
             "vectors stay as they are. The iq1 and iq2 types, iq3_xxs, iq3_xs and q2_k_s\n"
             "need --imatrix; the others are better with it.\n\n"
             "Exit codes: 0 done, 1 failure (OUT is removed), 2 wrong usage.\n");
}

int main(int argc, char **argv)
{
    char notes[1600];
    write_notes(notes, sizeof notes);
    const struct command command = {
        .name = "infer-quantize",
        .about = "write a GGUF model with smaller weights, from GGUF or a Hugging Face directory",
        .usage = "[options] IN OUT.gguf TYPE",
        .examples = "  infer-quantize model-f16.gguf model-q4_k_m.gguf q4_k_m\n"
                    "  infer-quantize Llama-3.2-1B/ llama.gguf iq2_m --imatrix imatrix.gguf\n"
                    "  infer-quantize model-f16.gguf x q3_k_m --dry-run\n"
                    "  infer-quantize model.gguf merged.gguf keep --lora adapter/:0.5\n",
        .notes = notes,
        .rows = rows,
        .n_rows = sizeof rows / sizeof *rows,
        .operands = o.operands,
        .max_operands = 3,
        .min_operands = 3,
    };
    const enum options_result result = options_parse(&command, argc, argv);
    if (result != OPTIONS_RUN)
        return result == OPTIONS_DONE ? 0 : EXIT_USAGE;
    const bool keep = !strcmp(o.operands[2], "keep");
    const struct mix *mix = keep ? NULL : mix_find(o.operands[2]);
    if (!mix && !keep)
        return options_complain(&command, "there is no type \"%s\"; --help lists them", o.operands[2]);
    infer_error err = { 0 };
    const struct rewrite r = {
        .program = command.name, .in = o.operands[0], .out = o.operands[1], .mix = mix, .importance = o.importance,
        .n_threads = o.threads, .requantize = o.requantize, .adapters = &o.adapters, .dry_run = o.dry_run,
    };
    return rewrite_model(&r, &err) == INFER_OK ? 0 : report_failure(command.name, &err);
}
