/* infer-run.c - write text with a language model: the public API behind the options that llama.cpp's users know.
 *
 * Text goes to stdout as it comes, everything else to stderr. The shorter examples beside this one show the API by
 * itself; this one adds what a program for every day needs: progress, Ctrl-C, figures, a prompt from wherever it is. */
#include "tools/common/adapters.h"
#include "tools/common/chat.h"
#include "tools/common/grammar_options.h"
#include "tools/common/likely.h"
#include "tools/common/options.h"
#include "tools/common/program.h"
#include "tools/common/sampling.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXIT_INTERRUPTED = 130 };

static struct {
    const char *model, *prompt, *file, *session, *store, *draft, *logprobs;
    int64_t store_bytes;
    infer_chat_setup chat;
    const char *system;
    bool talk, interactive, echo, escape, special, ignore_end, verbose, quiet, lookup;
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
} o;

static const struct opt rows[] = {
    { OPT_GROUP, NULL, NULL, "What to run", NULL, 0, 0 },
    { OPT_TEXT, "-m, --model", "PATH", "GGUF file (of split files any one) or Hugging Face directory; default "
      "$INFER_MODEL, else the small story model inside the program", &o.model, 0, 0 },
    { OPT_TEXT, "-p, --prompt", "TEXT", "text to go on from; names of special tokens in it count as these",
      &o.prompt, 0, 0 },
    { OPT_TEXT, "-f, --file", "FILE", "take the prompt from a file, - is stdin; a newline at its end is left out",
      &o.file, 0, 0 },
    { OPT_FLAG, "-i, --interactive", NULL, "go on from each line typed, all in one text; Ctrl-C ends an answer, "
      "Ctrl-D all", &o.interactive, 0, 0 },
    { OPT_TEXT, "--session", "FILE", "go on from the text that was saved here, if there is any, and save it here at "
      "the end; of a conversation, what is here need not be computed again", &o.session, 0, 0 },
    { OPT_FLAG, "-e, --escape", NULL, "\\n, \\t, \\xHH ... in -p, --stop and typed lines stand for newline, tab ... "
      "(default, but in conversations only in --stop)", &o.escape, 0, 0 },
    { OPT_OFF, "--no-escape", NULL, "they stand for themselves", &o.escape, 0, 0 },

    { OPT_GROUP, NULL, NULL, "Conversation", NULL, 0, 0 },
    { OPT_FLAG, "--chat, -cnv, --conversation", NULL, "what is typed, or the prompt, is said to the model as its chat "
      "template has it, and so are its answers", &o.talk, 0, 0 },
    { OPT_TEXT, "-sys, --system-prompt", "TEXT", "message to begin the conversation with", &o.system, 0, 0 },
    { OPT_TEXT, "--chat-template", "NAME|FILE", "a common template by its name (chatml, llama3, mistral ...) or a file of "
      "Jinja; default: the model's, else chatml", &o.chat.template_name, 0, 0 },
    { OPT_INT, "--reasoning-budget", "N", "most tokens of reasoning before an answer; -1 = any number (default)",
      &o.chat.reasoning_budget, -1, INT32_MAX },
    { OPT_TEXT, "--chat-template-kwargs", "JSON", "object of further variables for the template, such as "
      "'{\"enable_thinking\": false}'", &o.chat.variables, 0, 0 },

    { OPT_GROUP, NULL, NULL, "How much", NULL, 0, 0 },
    { OPT_INT, "-n, --n-predict, --predict", "N", "tokens to write; -1 = until the model ends",
      &o.n_predict, -1, INT32_MAX },
    { OPT_INT, "-c, --ctx-size", "N", "most tokens of prompt and text together; default 0: as many as the model was "
      "trained on, up to 4096", &o.n_ctx, 0, INT32_MAX },
    { OPT_LIST, "-r, --stop, --reverse-prompt", "TEXT", "end before this text; may be given several times",
      &o.stops, 0, 0 },
    { OPT_FLAG, "--ignore-eos", NULL, "never choose a token that ends the text", &o.ignore_end, 0, 0 },

    { OPT_GROUP, NULL, NULL, "How tokens are chosen, in this order", NULL, 0, 0 },
    GRAMMAR_ROWS(o.grammar),
    SAMPLING_ROWS(o.sampling),
    { OPT_INT64, "-s, --seed", "N", "same seed, same text; -1 = another text each time",
      &o.seed, -1, (double)INT64_MAX },

    { OPT_GROUP, NULL, NULL, "Or searched for", NULL, 0, 0 },
    { OPT_INT, "--beams", "N", "write the likeliest text that a beam search of N beams finds, at its end; of what chooses "
      "tokens only penalties, DRY, biases, bans and grammars count", &o.n_beams, 1, INFER_MAX_BEAMS },
    { OPT_FLOAT, "--length-penalty", "X", "texts are compared by the sum of their log-probabilities, divided by length to "
      "the power of X", &o.length_penalty, -100, 100 },

    { OPT_GROUP, NULL, NULL, "How it is computed", NULL, 0, 0 },
    { OPT_INT, "-t, --threads", "N", "threads; default 0: one per physical core", &o.n_threads, 0, 256 },
    { OPT_INT, "-b, --batch-size", "N", "tokens of the prompt computed at once", &o.n_batch, 1, 4096 },
    { OPT_CHOICE, "--precision", "fast|exact", "activations as 8-bit blocks where the weights are quantised, or as "
      "floats", &o.precision, 0, 0 },
    KV_ROWS(o.kv),
    { OPT_TEXT, "--prefix-store", "DIR", "find here what was computed of the same beginning of a text, and keep it",
      &o.store, 0, 0 },
    { OPT_INT64, "--prefix-store-size", "BYTES", "of its files, of which those not used for longest go; 0 = no bound",
      &o.store_bytes, 0, (double)INT64_MAX },
    { OPT_FLAG, "--lookup", NULL, "guess tokens from what the text repeats; the text is the same, in less time",
      &o.lookup, 0, 0 },
    { OPT_TEXT, "--draft, -md, --model-draft", "PATH", "guess tokens by a smaller model with the same vocabulary; the "
      "text is the same, in less time", &o.draft, 0, 0 },
    { OPT_INT, "--draft-max, --draft-n", "N", "most tokens guessed at once, by either; default 0: 8",
      &o.speculation.n_max, 0, INFER_MAX_GUESSES },
    { OPT_FLAG, "--draft-as-batch", NULL, "round guessed tokens as batches are, which is faster where many come true, "
      "but may change the text", &o.speculation.as_batch, 0, 0 },

    { OPT_GROUP, NULL, NULL, "Adapters", NULL, 0, 0 },
    ADAPTER_ROWS(o.adapters),

    PROGRAM_MACHINE_OPTIONS,

    { OPT_GROUP, NULL, NULL, "What is shown", NULL, 0, 0 },
    { OPT_OFF, "--no-display-prompt, --no-prompt-echo", NULL, "write only what follows the prompt", &o.echo, 0, 0 },
    { OPT_FLAG, "-sp, --special", NULL, "write control tokens by name", &o.special, 0, 0 },
    { OPT_TEXT, "--logprobs", "FILE", "write how likely each token of prompt and text was, a line of JSON for each; all "
      "of the prompt is computed then", &o.logprobs, 0, 0 },
    { OPT_INT, "--top-logprobs", "N", "and the N most likely tokens at its place", &o.n_top, 0, INFER_MAX_TOP },
    { OPT_FLAG, "-v, --verbose", NULL, "more about model, memory and machine on stderr", &o.verbose, 0, 0 },
    { OPT_FLAG, "-q, --quiet", NULL, "no figures on stderr", &o.quiet, 0, 0 },
    OPT_STANDARD,
};

static const struct command command = {
    .name = "infer-run",
    .about = "write text with a language model",
    .usage = "[options]",
    .examples = "  infer-run                                 a story by the model inside the program\n"
                "  infer-run -m model.gguf -p \"Once upon a time\" -n 100\n"
                "  infer-run -m model.gguf -p \"2 + 2 =\" --temp 0          the most likely text\n"
                "  cat letter.txt | infer-run -m model.gguf  go on from a text\n"
                "  infer-run -m model.gguf -i -p \"Q: \" -r \"\\nQ:\"        line by line\n"
                "  infer-run -m model.gguf --chat            a conversation\n"
                "  infer-run --session story.session -n 50   a story, and more of it each time\n"
                "  infer-run -m model.gguf -p \"The cat as JSON: \" -j '{\"type\":\"object\"}'\n",
    .notes = PROGRAM_ENVIRONMENT
             "\nExit codes: 0 done, 1 failure, 2 wrong options, 130 interrupted by Ctrl-C.\n",
    .rows = rows,
    .n_rows = sizeof rows / sizeof *rows,
};

struct run {
    infer_context *context;
    infer_model *model, *draft_model; /* the latter or NULL */
    infer_store *store;               /* or NULL */
    infer_session *session, *draft;
    infer_sampler *sampler;
    struct chat *chat; /* NULL: text goes on as it is */
    infer_generate_options options;
    struct likely lines; /* file NULL: none are asked for */
    infer_error unwritten; /* why not all of them are there */
    char *stops[sizeof o.stops.item / sizeof *o.stops.item];
    double load_seconds, began; /* the model or an answer */
    infer_generate_result sum; /* of all answers; the reason is the last one's */
    size_t n_passes;           /* forward passes of generation */
};

/* ---- Ctrl-C: the first one asks, a second one kills ---- */

static volatile sig_atomic_t interrupted;
static infer_session *volatile running;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
    if (running)
        infer_session_cancel(running);
}

static void catch_interrupt(void)
{
    struct sigaction action = { .sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND };
    interrupted = 0;
    sigaction(SIGINT, &action, NULL);
}

/* ---- Output ---- */

static char last_written = '\n';

static bool write_text(void *user, const char *text, size_t length)
{
    (void)user;
    if (length)
        last_written = text[length - 1];
    return fwrite(text, 1, length, stdout) == length && fflush(stdout) == 0 && !interrupted;
}

static void write_likely(void *user, int32_t id, float logprob, const infer_logprob *top, size_t n_top)
{
    struct run *r = user;
    if (r->unwritten.code == INFER_OK)
        likely_write(&r->lines, id, (double)logprob, top, n_top, &r->unwritten);
}

static void end_line(void)
{
    if (last_written != '\n')
        write_text(NULL, "\n", 1);
}

static int complain(const infer_error *err, const char *advice)
{
    end_line();
    fprintf(stderr, "infer-run: %s%s%s\n", err->message, advice ? "; " : "", advice ? advice : "");
    return EXIT_FAILURE;
}

static bool is_colourful(FILE *f)
{
    return isatty(fileno(f)) && !getenv("NO_COLOR");
}

static void echo_prompt(const char *text, size_t length)
{
    const bool bold = is_colourful(stdout);
    fputs(bold ? "\033[1m" : "", stdout);
    write_text(NULL, text, length);
    fputs(bold ? "\033[0m" : "", stdout);
    fflush(stdout);
}

/* Of what takes longer than a second, where somebody is watching. */
static bool show_progress(const struct run *r, const char *what, float done)
{
    if (seconds_now() - r->began > 1)
        fprintf(stderr, done < 1 ? "\r\033[K%.0f %% of the %s" : "\r\033[K", 100 * (double)done, what);
    return !interrupted;
}

static bool show_prompt(void *user, float done)
{
    return show_progress(user, "prompt", done);
}

static bool show_reading(void *user, float done)
{
    return show_progress(user, "model", done);
}

static void print_model(const struct run *r)
{
    infer_model_info m = { .size = sizeof m };
    infer_model_get_info(r->model, &m);
    infer_session_info s = { .size = sizeof s };
    infer_session_get_info(r->session, &s);
    const double n = (double)infer_session_capacity(r->session);
    fprintf(stderr, "model     %s: %s, %s, mostly %s, %.4g million parameters\n", m.name, m.format, m.architecture,
            m.quantization, (double)m.n_params / 1e6);
    fprintf(stderr, "shape     %d layers, width %d, %d heads with %d of keys and values, vocabulary %d\n", m.n_layer,
            m.n_embd, m.n_head, m.n_head_kv, m.n_vocab);
    fprintf(stderr, "context   %.0f tokens (trained on %d), cache %s/%s, %s a token, %s when full\n", n, m.n_ctx_train,
            kv_type_name(s.kv_type_k), kv_type_name(s.kv_type_v), human_bytes((double)s.kv_bytes_per_token),
            human_bytes((double)s.kv_bytes_per_token * n));
    fprintf(stderr, "machine   %s, %d threads\nseed      %llu\n", infer_context_cpu(r->context),
            infer_context_threads(r->context), (unsigned long long)o.sampling.o.seed);
}

static double per_second(size_t n, double s)
{
    return s > 0 ? (double)n / s : 0;
}

static void print_store(const struct run *r)
{
    infer_store_stats s = { .size = sizeof s };
    infer_store_flush(r->store);
    infer_store_get_stats(r->store, &s);
    fprintf(stderr, "store     %llu tokens found, %llu files written, %llu there, %s\n", (unsigned long long)s.tokens,
            (unsigned long long)s.written, (unsigned long long)s.files, human_bytes((double)s.bytes));
}

static void print_figures(const struct run *r)
{
    static const char *const reasons[] = { "as many as asked for", "the model ended it", "a stop string came up",
                                           "the context is full; -c N makes it larger", "interrupted",
                                           "the grammar ended it", "a failure" };
    const infer_generate_result *s = &r->sum;
    infer_model_info m = { .size = sizeof m };
    infer_model_get_info(r->model, &m);
    const bool dim = is_colourful(stderr);
    fprintf(stderr, "%s\nload      %.0f ms\n", dim ? "\033[2m" : "", r->load_seconds * 1e3);
    fprintf(stderr, "prompt    %zu tokens, %.1f tokens/s\n", s->n_prompt, per_second(s->n_prompt, s->prompt_seconds));
    fprintf(stderr, "text      %zu tokens, %.1f tokens/s (%s)\n", s->n_generated,
            per_second(r->n_passes, s->generate_seconds), reasons[s->reason]);
    if (r->options.speculation)
        fprintf(stderr, "guessed   %zu tokens, of which %zu came true\n", s->n_drafted, s->n_accepted);
    fprintf(stderr, "memory    %s at most; weights %s %s, session %s\n", human_bytes((double)peak_bytes()),
            program_machine.quantize ? "quantised" : program_machine.no_mmap ? "read in" : "mapped", human_bytes((double)m.bytes),
            human_bytes((double)infer_session_bytes(r->session)));
    if (r->store)
        print_store(r);
    if (o.verbose && program_machine.huge_pages)
        fprintf(stderr, "          %s in huge pages\n", human_bytes((double)huge_bytes()));
    fputs(dim ? "\033[0m" : "", stderr);
}

/* ---- Input ---- */

static char *typed(const char *text, size_t *length)
{
    if (o.escape && !o.talk)
        return unescape(text, length);
    *length = strlen(text);
    return strdup(text);
}

static bool has_session(void)
{
    return o.session && access(o.session, F_OK) == 0;
}

/* *text may become NULL for want of a prompt. */
static int find_prompt(char **text, size_t *length)
{
    infer_error err = { 0 };
    *text = NULL;
    *length = 0;
    if (o.prompt && o.file)
        return options_complain(&command, "-p and -f both give a prompt; use one of them");
    if (o.prompt) {
        *text = typed(o.prompt, length);
    } else if (o.file || (!o.interactive && !isatty(STDIN_FILENO) && errno != EBADF)) {
        *text = read_file(o.file ? o.file : "-", length, &err);
        if (!*text)
            return interrupted ? EXIT_INTERRUPTED : complain(&err, NULL);
        *length -= *length && (*text)[*length - 1] == '\n';
    }
    if (*length || o.prompt || o.interactive || has_session() || !program_model_is_embedded(o.model))
        return EXIT_SUCCESS;
    free(*text);
    *text = strdup("Once upon a time");
    *length = *text ? strlen(*text) : 0;
    return EXIT_SUCCESS;
}

/* ---- Running ---- */

static void add_figures(struct run *r, const infer_generate_result *one)
{
    r->sum.n_prompt += one->n_prompt;
    r->sum.n_generated += one->n_generated;
    r->sum.prompt_seconds += one->prompt_seconds;
    r->sum.generate_seconds += one->generate_seconds;
    r->sum.n_drafted += one->n_drafted;
    r->sum.n_accepted += one->n_accepted;
    r->sum.reason = interrupted ? INFER_STOP_CALLBACK : one->reason;
    /* The prompt's pass gives the first token, and the last one needs none, unless it was found to end the text. Tokens
     * guessed count as a pass each. */
    r->n_passes += one->n_generated - (one->n_generated && one->reason != INFER_STOP_END);
}

/* Write the best of the texts that are found, and have the session go on after it. */
static infer_status find_text(struct run *r, const char *prompt, size_t length, infer_generate_result *one,
                              infer_error *err)
{
    infer_beam_options options = infer_beam_defaults();
    infer_beam best = { .size = sizeof best };
    options.n_beams = o.n_beams;
    options.length_penalty = o.length_penalty;
    options.generate = &r->options;
    infer_beams *found = infer_beam_search(r->session, r->sampler, prompt, length, &options, err);
    if (!found)
        return err->code;
    infer_beams_get_result(found, one);
    infer_status status = infer_beams_get(found, 0, &best, err);
    if (status == INFER_OK && !write_text(NULL, best.text, best.length))
        one->reason = INFER_STOP_CALLBACK;
    for (size_t i = 0; o.verbose && !o.quiet && i < infer_beams_count(found); i++) {
        infer_beam b = { .size = sizeof b };
        if (infer_beams_get(found, i, &b, err) == INFER_OK)
            fprintf(stderr, "\n%8.4f  %s", b.score, b.text);
    }
    if (status == INFER_OK && (o.interactive || o.session))
        status = infer_session_eval(r->session, best.tokens, best.n_tokens, err);
    infer_beams_close(&found);
    return status;
}

static int answer(struct run *r, const char *prompt, size_t length)
{
    infer_error err = { 0 };
    infer_generate_result one = { .size = sizeof one };
    r->began = seconds_now();
    const infer_status status =
        r->chat ? chat_say(r->chat, r->session, r->sampler, prompt, length, &r->options, &one, &err)
        : o.n_beams ? find_text(r, prompt, length, &one, &err)
                    : infer_generate(r->session, r->sampler, prompt, length, &r->options, &one, &err);
    const int write_error = errno;
    add_figures(r, &one);
    if (interrupted)
        return EXIT_INTERRUPTED;
    if (status != INFER_OK)
        return complain(&err, status == INFER_E_FULL ? "-c N makes it larger" :
                              length ? NULL : "give a prompt with -p, with -f or through a pipe");
    if (one.reason != INFER_STOP_CALLBACK)
        return EXIT_SUCCESS;
    fprintf(stderr, "infer-run: the text cannot be written: %s\n", strerror(write_error));
    return EXIT_FAILURE;
}

/* Lines typed and the answers to them make one text. Ctrl-C within an answer ends it, elsewhere the program. */
static int converse(struct run *r)
{
    char *line = NULL;
    size_t room = 0;
    int code = EXIT_SUCCESS;
    while (code == EXIT_SUCCESS && r->sum.reason != INFER_STOP_FULL) {
        if (isatty(STDIN_FILENO))
            fputs("> ", stderr);
        const ssize_t n = getline(&line, &room, stdin);
        if (n < 0)
            break;
        line[n - (n && line[n - 1] == '\n')] = 0;
        size_t length;
        char *text = typed(line, &length);
        if (text && !length && r->chat) {
            free(text);
            continue;
        }
        code = text ? answer(r, text, length) : EXIT_FAILURE;
        free(text);
        if (code == EXIT_INTERRUPTED) {
            catch_interrupt();
            code = EXIT_SUCCESS;
        }
        end_line();
    }
    free(line);
    return interrupted ? EXIT_INTERRUPTED : code;
}

static int end_likely(struct run *r, int code)
{
    if (r->lines.file && fclose(r->lines.file) != 0 && r->unwritten.code == INFER_OK) {
        r->unwritten.code = INFER_E_IO;
        snprintf(r->unwritten.message, sizeof r->unwritten.message, "%s: %s", o.logprobs, strerror(errno));
    }
    r->lines.file = NULL;
    return r->unwritten.code == INFER_OK ? code : complain(&r->unwritten, NULL);
}

/* What was interrupted is worth as much as what came to its end. */
static int save_session(const struct run *r, int code)
{
    infer_error err = { 0 };
    if (!o.session || code == EXIT_FAILURE || infer_session_save(r->session, o.session, &err) == INFER_OK)
        return code;
    return complain(&err, NULL);
}

static int run(struct run *r, const char *prompt, size_t length)
{
    int code = EXIT_SUCCESS;
    if (!o.quiet && o.verbose)
        print_model(r);
    if (length || !o.interactive) {
        if (o.echo && length && !o.talk)
            echo_prompt(prompt, length);
        code = answer(r, prompt, length);
        end_line();
    }
    if (code == EXIT_SUCCESS && o.interactive)
        code = converse(r);
    code = end_likely(r, save_session(r, code));
    if (!o.quiet && r->sum.n_prompt && (code == EXIT_SUCCESS || code == EXIT_INTERRUPTED))
        print_figures(r);
    return code;
}

/* ---- Opening and closing ---- */

/* What text is held to: an answer after its reasoning, other text from its beginning. */
static bool open_text(struct run *r, infer_error *err)
{
    infer_grammar *grammar = grammar_options_open(&o.grammar, r->context, err);
    o.chat.response = grammar;
    if (!grammar && err->code != INFER_OK)
        return false;
    if (o.talk)
        r->chat = chat_open(r->model, &o.chat, o.system, is_colourful(stdout), err);
    const bool opened =
        o.talk ? r->chat != NULL
               : !infer_sampler_set_grammar(r->sampler, grammar, infer_model_tokenizer(r->model), err);
    infer_grammar_close(&grammar);
    return opened;
}

static bool open_store(struct run *r, infer_error *err)
{
    infer_store_options options = infer_store_defaults();
    options.max_bytes = (uint64_t)o.store_bytes;
    return !o.store || (r->store = infer_store_open(r->context, o.store, &options, err));
}

static infer_session_options session_options(const struct run *r)
{
    infer_session_options options = infer_session_defaults();
    options.n_ctx = o.n_ctx;
    options.n_batch = o.n_batch;
    options.precision = (infer_precision)o.precision;
    options.store = r->store;
    program_kv_types(&options, &o.kv);
    return options;
}

static bool open_session(struct run *r, infer_error *err)
{
    const infer_session_options options = session_options(r);
    return (r->session = infer_session_open(r->model, &options, err)) &&
           adapters_set(&o.adapters, r->model, r->session, err) == INFER_OK &&
           (!has_session() || infer_session_load(r->session, o.session, err) == INFER_OK);
}

/* What guesses tokens. */
static bool open_draft(struct run *r, infer_error *err)
{
    infer_session_options options = session_options(r);
    o.speculation.no_lookup = !o.lookup;
    r->options.speculation = o.lookup || o.draft ? &o.speculation : NULL;
    if (!o.draft)
        return true;
    options.n_ctx = (int32_t)infer_session_capacity(r->session);
    r->draft_model = program_model(r->context, o.draft, err);
    o.speculation.draft = r->draft = r->draft_model ? infer_session_open(r->draft_model, &options, err) : NULL;
    return r->draft;
}

static bool open_likely(struct run *r, infer_error *err)
{
    FILE *const file = fopen(o.logprobs, "w");
    if (!file) {
        err->code = INFER_E_ARGUMENT;
        snprintf(err->message, sizeof err->message, "%.400s: %s", o.logprobs, strerror(errno));
        return false;
    }
    r->options.on_token = write_likely;
    r->options.n_top = (size_t)o.n_top;
    r->options.echo = true;
    r->lines.file = file;
    const infer_tokenizer *tokenizer = infer_model_tokenizer(r->model);
    return !tokenizer || likely_open(&r->lines, file, tokenizer); /* without one no text is begun, and that is told */
}

static bool open_all(struct run *r, infer_error *err)
{
    r->began = seconds_now();
    const bool watched = !o.quiet && isatty(STDERR_FILENO);
    program_machine.on_read = watched ? show_reading : NULL;
    program_machine.user = r;
    uint32_t random = 0; /* short enough to type again */
    if (o.seed < 0 && getentropy(&random, sizeof random) != 0)
        random = (uint32_t)(r->began * 1e9);
    r->options = infer_generate_defaults();
    o.sampling.o.seed = o.seed < 0 ? random : (uint64_t)o.seed;
    const infer_log_level level = o.verbose ? INFER_LOG_DEBUG : INFER_LOG_WARN;
    const bool opened = (r->context = program_context(o.n_threads, level, err)) &&
                        (r->model = program_model(r->context, o.model, err)) &&
                        open_store(r, err) && open_session(r, err) &&
                        (r->sampler = sampling_open(&o.sampling, r->context, infer_model_tokenizer(r->model), err)) &&
                        open_draft(r, err) && open_text(r, err);
    if (!opened)
        return false;
    r->load_seconds = seconds_now() - r->began;
    r->options.n_predict = o.n_predict;
    r->options.ignore_end = o.ignore_end;
    r->options.unparse_special = o.special;
    r->options.on_text = write_text;
    r->options.on_prompt = watched ? show_prompt : NULL;
    r->options.user = r;
    r->options.stops = (const char *const *)r->stops;
    for (size_t length; r->options.n_stops < o.stops.n; r->options.n_stops++) {
        const char *stop = o.stops.item[r->options.n_stops];
        if (!(r->stops[r->options.n_stops] = o.escape ? unescape(stop, &length) : strdup(stop)))
            return false;
    }
    running = r->session;
    return !o.logprobs || open_likely(r, err);
}

static void close_all(struct run *r)
{
    running = NULL;
    chat_close(&r->chat);
    if (r->lines.file)
        fclose(r->lines.file);
    likely_close(&r->lines);
    for (size_t i = 0; i < r->options.n_stops; i++)
        free(r->stops[i]);
    infer_sampler_close(&r->sampler);
    infer_session_close(&r->session);
    infer_store_close(&r->store);
    infer_session_close(&r->draft);
    infer_model_close(&r->draft_model);
    infer_model_close(&r->model);
    infer_context_close(&r->context);
}

int main(int argc, char **argv)
{
    o.sampling.o = infer_sampler_defaults();
    o.chat = infer_chat_setup_defaults();
    o.speculation = infer_speculation_defaults();
    o.echo = o.escape = true;
    o.n_predict = -1;
    o.seed = -1;
    o.store_bytes = (int64_t)infer_store_defaults().max_bytes;
    o.n_batch = 512;
    o.length_penalty = infer_beam_defaults().length_penalty;
    const enum options_result options = options_parse(&command, argc, argv);
    if (options != OPTIONS_RUN)
        return options == OPTIONS_DONE ? EXIT_SUCCESS : EXIT_USAGE;
    if (!o.talk && (o.system || o.chat.template_name || o.chat.variables))
        return options_complain(&command, "-sys, --chat-template and --chat-template-kwargs go with --chat");
    if (o.n_beams && (o.talk || o.logprobs))
        return options_complain(&command, "--beams goes with neither --chat nor --logprobs");
    if (o.n_top && !o.logprobs)
        return options_complain(&command, "--top-logprobs goes with --logprobs");
    o.interactive |= o.talk && !o.prompt && !o.file;
    catch_interrupt();
    char *prompt;
    size_t length;
    int code = find_prompt(&prompt, &length);
    if (code == EXIT_SUCCESS) {
        struct run r = { 0 };
        infer_error err = { INFER_E_NOMEM, "out of memory" };
        if (open_all(&r, &err))
            code = run(&r, prompt, length);
        else if (interrupted)
            code = EXIT_INTERRUPTED;
        else
            code = complain(&err, err.code == INFER_E_IO && !r.model
                                      ? "-m takes a GGUF file or a Hugging Face directory" : NULL);
        close_all(&r);
    }
    free(prompt);
    return code;
}
