/* run.h - what the parts of infer-run share. */
#ifndef TOOLS_RUN_RUN_H
#define TOOLS_RUN_RUN_H

#include "infer.h"
#include "tools/common/adapters.h"
#include "tools/common/chat.h"
#include "tools/common/grammar_options.h"
#include "tools/common/likely.h"
#include "tools/common/modelfile.h"
#include "tools/common/options.h"
#include "tools/common/program.h"
#include "tools/common/sampling.h"
#include "tools/pull/settings.h"

#include <signal.h>

enum { EXIT_INTERRUPTED = 130 };

/* ---- What was asked for: settings.c ---- */

struct settings {
    const char *model, *modelfile, *prompt, *file, *session, *store, *draft, *logprobs;
    struct pull_settings hub; /* its repo, where it is not NULL, instead of model */
    int64_t store_bytes;
    infer_chat_setup chat;
    const char *system, *tools, *tool_choice;
    struct modelfile *read; /* that other settings point into; or NULL */
    bool go_template, plain_template; /* what its TEMPLATE is */
    bool embedding, talk, no_talk, interactive, echo, escape, special, ignore_end, verbose, quiet, lookup;
    int32_t n_predict, n_ctx, n_batch, n_threads, n_top;
    int64_t seed;
    int precision;
    int32_t n_beams; /* 0: no search */
    float length_penalty;
    struct kv_options kv;
    infer_speculation speculation;
    struct adapter_options adapters;
    struct opt_list stops;
    struct sampling_options sampling;
    struct grammar_options grammar;
};
extern struct settings settings;
extern const struct command run_command;

/** Take what stands on the command line, and in a Modelfile that it names. Mistakes have been told. */
enum options_result settings_read(int argc, char **argv);
void settings_close(void);

/* from_modelfile.c. Settings that were not given become what the file says. False for a mistake, which has been
 * told. */
bool from_modelfile(void);
/** Its messages are said. */
infer_status say_messages(struct chat *chat, infer_error *err);
/** Whether there is a template to talk by, where the one in the file is none. */
bool template_is_read(bool model_brings_one, infer_error *err);

/* ---- The other commands: each a file ---- */

extern const struct command list_command, show_command, doctor_command;
/** The command line has been read. Returns the exit code. */
int list_run(void);
int show_run(void);
int doctor_run(void);

/* ---- What runs ---- */

struct run {
    infer_context *context;
    infer_model *model, *draft_model; /* the latter or NULL */
    infer_store *store;               /* or NULL */
    infer_session *session, *draft;
    infer_sampler *sampler;
    struct chat *chat; /* NULL: text goes on as it is */
    char *tools;       /* JSON; NULL: there are none */
    char *pulled;      /* path of what the hub's cache has; or NULL */
    infer_generate_options options;
    struct likely lines;   /* file NULL: none are asked for */
    infer_error unwritten; /* why not all of them are there */
    char *stops[sizeof((struct opt_list *)0)->item / sizeof(char *)];
    double load_seconds, began; /* the model or an answer */
    infer_generate_result sum;  /* of all answers; the reason is the last one's */
    size_t n_passes;            /* forward passes of generation */
};

/* open.c. The model first: whether it is talked with decides where the prompt comes from. */
bool run_open_model(struct run *r, infer_error *err);
bool run_open(struct run *r, infer_error *err);
void run_close(struct run *r);
/** Whether there is a text that was saved to go on from. */
bool run_is_saved(void);

/* ---- Ctrl-C: the first one asks, a second one kills: interrupt.c ---- */

extern volatile sig_atomic_t interrupted;
/** Forget what was, and catch the next one. */
void interrupt_catch(void);
/** The session that is cancelled then, or NULL. */
void interrupt_session(infer_session *session);

/* ---- What is shown: show.c ---- */

/** Of generation: text to stdout. */
bool show_text(void *user, const char *text, size_t length);
void show_line_end(void);
/** Tell a failure, and what could be done about it, or NULL. Returns EXIT_FAILURE. */
int show_failure(const infer_error *err, const char *advice);
void show_prompt(const char *text, size_t length);
bool is_colourful(FILE *f);
/** Of what takes longer than a second, where somebody is watching: user is the run. */
bool show_prompt_progress(void *user, float done);
bool show_reading_progress(void *user, float done);
void show_model(const struct run *r);
void show_figures(const struct run *r);

/* ---- Text and answers: answer.c ---- */

/** Go on from the prompt, or answer it; returns the exit code for what happened. */
int answer(struct run *r, const char *prompt, size_t length);
/** Write another answer to what was said last. */
int answer_again(struct run *r);
/** Print the vector of a text, or those of its tokens: embed.c. */
int embed(struct run *r, const char *text, size_t length);
/** Lines typed, or piped, and what follows them: converse.c. */
int converse(struct run *r);
/** A line that was typed, with its escapes made into what they stand for, where text has them. For free(). */
char *unescape_typed(const char *text, size_t *length);

#endif
