/* rewrite.h - a model from GGUF or a Hugging Face directory to a GGUF file, its matrices in other types or as they are:
 * what infer-quantize and infer-convert do. They need what the library recasts models with beside infer.h: it writes
 * no files itself. */
#ifndef TOOLS_COMMON_REWRITE_H
#define TOOLS_COMMON_REWRITE_H

#include "infer.h"
#include "src/quantize/mix.h"
#include "tools/common/adapters.h"

struct rewrite {
    const char *program;    /* for messages */
    const char *in, *out;   /* paths */
    const struct mix *mix;  /* types of the matrices; NULL: those that they have */
    const char *importance; /* path of an importance matrix, or NULL */
    int n_threads;          /* 0 = one per core */
    bool requantize;        /* also what is quantised already */
    const struct adapter_options *adapters; /* LoRA to be merged; or NULL */
    bool dry_run;           /* only show what would become of each tensor */
};

/** Says on stdout what was written; SIGINT and SIGTERM end it. On failure nothing is left of the file. */
infer_status rewrite_model(const struct rewrite *r, infer_error *err);

#endif
