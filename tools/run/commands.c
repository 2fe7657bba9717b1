/* commands.c - a table of them. */
#include "tools/run/commands.h"

typedef bool command_fn(struct run *r, const char *argument); /* false: the conversation is over */

static command_fn help, save, load, set_system, regenerate, show_stats, clear, leave;

static const struct {
    const char *name, *argument, *help;
    bool needs; /* its argument */
    command_fn *run;
} commands[] = {
    { "/help", "", "show this list", false, help },
    { "/save", "FILE", "write the conversation to a file, as JSON", true, save },
    { "/load", "FILE", "go on with a conversation that was saved", true, load },
    { "/system", "TEXT", "the message to begin with; without TEXT, show it", false, set_system },
    { "/regen", "", "have the last message answered once more", false, regenerate },
    { "/stats", "", "show how much was read and written, and how fast", false, show_stats },
    { "/clear", "", "forget all that was said, but not the system message", false, clear },
    { "/exit", "", "end, as Ctrl-D does", false, leave },
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

const char *const *command_words(void)
{
    static char text[N_COMMANDS][16];
    static const char *words[N_COMMANDS + 1];
    for (size_t i = 0; i < N_COMMANDS; i++) {
        snprintf(text[i], sizeof text[i], "%s%s", commands[i].name, *commands[i].argument ? " " : "");
        words[i] = text[i];
    }
    return words;
}

static bool help(struct run *r, const char *argument)
{
    (void)r, (void)argument;
    for (size_t i = 0; i < N_COMMANDS; i++)
        fprintf(stderr, "  %-8s %-5s %s\n", commands[i].name, commands[i].argument, commands[i].help);
    fputs("A line that ends with \\ goes on in the next one; what begins with \"\"\" goes on\n"
          "until \"\"\". Ctrl-C stops an answer. // says what begins with a slash.\n", stderr);
    return true;
}

static bool save(struct run *r, const char *path)
{
    infer_error err = { 0 };
    if (chat_save(r->chat, path, &err) == INFER_OK)
        fprintf(stderr, "%zu messages are in %s\n", chat_length(r->chat), path);
    else
        show_failure(&err, NULL);
    return true;
}

static bool load(struct run *r, const char *path)
{
    infer_error err = { 0 };
    if (chat_load(r->chat, path, &err) == INFER_OK)
        fprintf(stderr, "%zu messages of %s are what was said so far\n", chat_length(r->chat), path);
    else
        show_failure(&err, "the conversation is as it was");
    return true;
}

static bool set_system(struct run *r, const char *text)
{
    infer_error err = { 0 };
    const char *now = chat_system(r->chat);
    if (!*text)
        fprintf(stderr, "%s\n", now ? now : "there is no system message; /system TEXT sets one");
    else if (chat_set_system(r->chat, text, &err) != INFER_OK)
        show_failure(&err, NULL);
    return true;
}

static bool regenerate(struct run *r, const char *argument)
{
    (void)argument;
    answer_again(r);
    show_line_end();
    return true;
}

static bool show_stats(struct run *r, const char *argument)
{
    (void)argument;
    if (r->sum.n_prompt)
        show_figures(r);
    fprintf(stderr, "context   %zu of %zu tokens, %zu messages\n", infer_session_length(r->session),
            infer_session_capacity(r->session), chat_length(r->chat));
    return true;
}

static bool clear(struct run *r, const char *argument)
{
    (void)argument;
    chat_clear(r->chat);
    return true;
}

static bool leave(struct run *r, const char *argument)
{
    (void)r, (void)argument;
    return false;
}

bool command_run(struct run *r, const char *line)
{
    const size_t n = strcspn(line, " \n");
    const char *argument = line + n + strspn(line + n, " \n");
    size_t i = 0;
    while (i < N_COMMANDS && (strlen(commands[i].name) != n || strncmp(commands[i].name, line, n) != 0))
        i++;
    if (i == N_COMMANDS)
        fprintf(stderr, "there is no command %.*s; /help lists those there are\n", (int)n, line);
    else if (!*commands[i].argument && *argument)
        fprintf(stderr, "%s takes nothing behind it; found: %s\n", commands[i].name, argument);
    else if (commands[i].needs && !*argument)
        fprintf(stderr, "%s needs the name of a file: %s %s\n", commands[i].name, commands[i].name,
                commands[i].argument);
    else
        return commands[i].run(r, argument);
    return true;
}
