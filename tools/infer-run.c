/* infer-run.c - write text with a language model, and talk with one: the public API behind the options that
 * llama.cpp's users know.
 *
 * Text goes to stdout as it comes, everything else to stderr. The programs in examples/ show the API by itself; this
 * one has what is needed every day: progress, Ctrl-C, figures, a prompt from wherever it is. */
#include "tools/common/failure.h"
#include "tools/run/run.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Models that bring a template are talked with, but for the one inside the program, which is for stories. What is asked
 * for where there is no prompt is typed, or piped in lines if --chat says so. */
static bool choose_form(const infer_model *model, bool has_prompt, infer_error *err)
{
    const infer_tokenizer *tokenizer = infer_model_tokenizer(model);
    const bool asked = settings.talk;
    const bool embedded = program_model_is_embedded(settings.model);
    const bool brings = tokenizer && infer_tokenizer_chat_template(tokenizer) && !embedded;
    settings.talk = !settings.no_talk && (asked || brings);
    settings.interactive |= settings.talk && !has_prompt && (asked || isatty(STDIN_FILENO));
    return template_is_read(brings, err);
}

/* *text may become NULL for want of a prompt. */
static bool find_prompt(char **text, size_t *length, infer_error *err)
{
    const bool piped = !settings.interactive && !isatty(STDIN_FILENO) && errno != EBADF;
    *text = NULL;
    *length = 0;
    if (settings.prompt) {
        *text = unescape_typed(settings.prompt, length);
    } else if (settings.file || piped) {
        *text = read_file(settings.file ? settings.file : "-", length, err);
        if (!*text)
            return false;
        *length -= *length && (*text)[*length - 1] == '\n';
    }
    if (*length || settings.prompt || settings.interactive || run_is_saved())
        return true;
    if (settings.talk)
        return failure(err, INFER_E_ARGUMENT, "nothing is said; give a prompt with -p, with -f or through a pipe"),
               false;
    if (program_model_is_embedded(settings.model)) {
        free(*text);
        *text = strdup("Once upon a time");
        *length = *text ? strlen(*text) : 0;
    }
    return true;
}

static int end_likely(struct run *r, int code)
{
    if (r->lines.file && fclose(r->lines.file) != 0 && r->unwritten.code == INFER_OK)
        failure(&r->unwritten, INFER_E_IO, "%.400s: %s", settings.logprobs, strerror(errno));
    r->lines.file = NULL;
    return r->unwritten.code == INFER_OK ? code : show_failure(&r->unwritten, NULL);
}

/* What was interrupted is worth as much as what came to its end. */
static int save_session(const struct run *r, int code)
{
    infer_error err = { 0 };
    if (!settings.session || code == EXIT_FAILURE ||
        infer_session_save(r->session, settings.session, &err) == INFER_OK)
        return code;
    return show_failure(&err, NULL);
}

static int run(struct run *r, const char *prompt, size_t length)
{
    int code = EXIT_SUCCESS;
    if (!settings.quiet && settings.verbose)
        show_model(r);
    if (length || !settings.interactive) {
        if (settings.echo && length && !settings.talk)
            show_prompt(prompt, length);
        code = answer(r, prompt, length);
        show_line_end();
    }
    if (code == EXIT_SUCCESS && settings.interactive)
        code = converse(r);
    code = end_likely(r, save_session(r, code));
    if (!settings.quiet && r->sum.n_prompt && (code == EXIT_SUCCESS || code == EXIT_INTERRUPTED))
        show_figures(r);
    return code;
}

static const char *advice(void)
{
    return settings.hub.repo  ? NULL
         : settings.modelfile ? "FROM takes a GGUF file, a Hugging Face directory or hf.co/ORG/REPO, no name of "
                                "Ollama's library"
                              : "-m takes a GGUF file or a Hugging Face directory; -hf one of the hub";
}

static int exit_code(enum options_result result)
{
    return result == OPTIONS_DONE ? EXIT_SUCCESS : result == OPTIONS_WRONG ? EXIT_USAGE : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    const struct command *command = options_command(&run_command, &argc, &argv);
    const enum options_result options =
        command == &run_command ? settings_read(argc, argv) : options_parse(command, argc, argv);
    if (options != OPTIONS_RUN)
        return exit_code(options);
    if (command != &run_command)
        return (command == &list_command ? list_run : command == &show_command ? show_run : doctor_run)();
    interrupt_catch();
    struct run r = { 0 };
    infer_error err = { INFER_E_NOMEM, "out of memory" };
    char *prompt = NULL;
    size_t length = 0;
    bool opened = run_open_model(&r, &err);
    opened = opened && choose_form(r.model, settings.prompt || settings.file, &err) &&
             find_prompt(&prompt, &length, &err) && (settings.embedding || run_open(&r, &err));
    const int code = opened        ? (settings.embedding ? embed : run)(&r, prompt, length)
                     : interrupted ? EXIT_INTERRUPTED
                                   : show_failure(&err, err.code == INFER_E_IO && !r.model ? advice() : NULL);
    run_close(&r);
    settings_close();
    free(prompt);
    return code;
}
