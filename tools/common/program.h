/* program.h - what the command-line programs share: where models come from, reading files, clock and memory. Here,
 * not in the library, the environment is read and things are printed. */
#ifndef TOOLS_COMMON_PROGRAM_H
#define TOOLS_COMMON_PROGRAM_H

#include "infer.h"
#include "tools/common/options.h"

#include <stdio.h>

/** Help lines about the variables that the functions below read, for `notes` of a command. */
#define PROGRAM_ENVIRONMENT \
    "Environment:\n" \
    "  INFER_MODEL               the model to use where -m is not given\n" \
    "  INFER_CPU                 best instruction set to use: scalar, avx2, avx512 or amx;\n" \
    "                            on ARM scalar, neon, dotprod or i8mm\n"

/** What the rows below set, and the two functions after them read. */
struct program_machine {
    const char *affinity;
    int numa; /* infer_numa */
    bool no_mmap, lock, huge_pages;
    const char *quantize, *importance;
    bool requantize;
    infer_progress_fn *on_read; /* of --no-mmap; not an option */
    void *user;
    infer_log_fn *log; /* where program_context() sends lines; NULL: to stderr. Not an option */
};
extern struct program_machine program_machine;

/** Option rows about cores and memory, for programs that compute with models. */
#define PROGRAM_MACHINE_OPTIONS \
    { OPT_GROUP, NULL, NULL, "Cores and memory", NULL, 0, 0 }, \
    { OPT_TEXT, "--affinity", "none|compact|LIST", "keep threads on cores: as the system likes, each on a core of " \
      "its own, or on the CPUs of a list such as 0,2,4-7; default none", &program_machine.affinity, 0, 0 }, \
    { OPT_CHOICE, "--numa", "none|distribute|isolate", "where memory has several nodes: spread threads and, with " \
      "--no-mmap, weights over them, or stay on one", &program_machine.numa, 0, 0 }, \
    { OPT_FLAG, "--no-mmap", NULL, "read the model into memory instead of mapping it", &program_machine.no_mmap, \
      0, 0 }, \
    { OPT_FLAG, "--mlock", NULL, "keep the model in physical memory", &program_machine.lock, 0, 0 }, \
    { OPT_FLAG, "--huge-pages", NULL, "ask for huge pages, for caches and work buffers and, with --no-mmap, the " \
      "model", &program_machine.huge_pages, 0, 0 }, \
    { OPT_GROUP, NULL, NULL, "Quantising", NULL, 0, 0 }, \
    { OPT_TEXT, "--quantize", "TYPE", "quantise the model as it is opened, to a type of infer-quantize such as " \
      "q4_k_m or q8_0", &program_machine.quantize, 0, 0 }, \
    { OPT_TEXT, "--imatrix", "FILE", "importance matrix for --quantize", &program_machine.importance, 0, 0 }, \
    { OPT_FLAG, "--requantize", NULL, "--quantize also what is quantised already", &program_machine.requantize, 0, 0 }

/** A context of n_threads (0 = all cores) with the instruction set of $INFER_CPU; what the library logs up to `level`
 *  (0 = nothing) goes to stderr. */
infer_context *program_context(int n_threads, infer_log_level level, infer_error *err);
/** What the rows above say about models. */
infer_model_options program_model_options(void);
/** The model at path, else at $INFER_MODEL, else the embedded one. */
infer_model *program_model(infer_context *context, const char *path, infer_error *err);
/** Whether the above would open the embedded one. */
bool program_model_is_embedded(const char *path);

/** A whole file, "-" being stdin, terminated; the caller frees it. NULL on failure. */
char *read_file(const char *path, size_t *length, infer_error *err);
/** The same of what is given as a text or as the name of a file; a text is one that begins with `first`, after
 *  blanks. */
char *read_given(const char *given, char first, size_t *length, infer_error *err);
char *read_stream(FILE *stream, const char *name, size_t *length, infer_error *err);

/** A copy with \n, \t, \r, \", \', \\ and \xHH made into what they stand for; the caller frees it. NULL: memory is
 *  out. */
char *unescape(const char *text, size_t *length);

/** How a session stores keys and values, as options: rows of a command's table, and what they say put into the
 *  session's options. */
struct kv_options {
    int both, keys, values; /* infer_kv_type */
};
#define KV_TYPES "default|f32|f16|bf16|q8_0|q4_0"
#define KV_ROWS(kv) \
    { OPT_CHOICE, "--kv-type", KV_TYPES, "type of the keys and values in the cache; the default is f16, and f32 at " \
      "--precision exact", &(kv).both, 0, 0 }, \
    { OPT_CHOICE, "-ctk, --kv-type-k, --cache-type-k", KV_TYPES, "type of the keys alone; default: as --kv-type", \
      &(kv).keys, 0, 0 }, \
    { OPT_CHOICE, "-ctv, --kv-type-v, --cache-type-v", KV_TYPES, "type of the values alone; default: as --kv-type", \
      &(kv).values, 0, 0 }
void program_kv_types(infer_session_options *session, const struct kv_options *kv);
/** The word for a type in KV_TYPES. */
const char *kv_type_name(infer_kv_type type);

double seconds_now(void);
/** Most memory that was resident at a time, bytes. */
size_t peak_bytes(void);
/** Memory that lies in huge pages now, bytes. */
size_t huge_bytes(void);
/** "12.3 MB" in one of a few static buffers; decimal units. */
const char *human_bytes(double bytes);

#endif
