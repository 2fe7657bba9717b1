/* converse.c - lines and what follows them: of a conversation answers, of a text its going on. */
#include "tools/run/commands.h"
#include "tools/run/line.h"

#include <stdlib.h>

static void greet(const struct run *r)
{
    infer_model_info m = { .size = sizeof m };
    infer_model_get_info(r->model, &m);
    if (!settings.quiet)
        fprintf(stderr, "%s; /help lists commands, Ctrl-D ends\n", m.name);
}

/* Say a line, or do what it says. A failure ends what is piped; whoever types can do something about it. */
static int take(struct run *r, const char *line, size_t length, bool typed, bool *over)
{
    const bool slash = r->chat && typed && length && line[0] == '/', twice = slash && line[1] == '/';
    int code = EXIT_SUCCESS;
    if (slash && !twice) {
        *over = !command_run(r, line);
    } else {
        char *text = unescape_typed(line + twice, &length);
        code = text ? answer(r, text, length) : EXIT_FAILURE;
        free(text);
        show_line_end();
    }
    if (interrupted) {
        infer_session_uncancel(r->session); /* what came too late for an answer is not for the next one */
        interrupt_catch();
        code = EXIT_SUCCESS;
    }
    if (r->sum.reason == INFER_STOP_FULL && r->chat && typed && !slash)
        fputs("(the context is full: -c N makes it larger, /clear begins anew)\n", stderr);
    return r->chat && typed ? EXIT_SUCCESS : code;
}

int converse(struct run *r)
{
    struct line *lines = line_open(r->chat ? command_words() : NULL);
    if (!lines)
        return show_failure(&(infer_error){ INFER_E_NOMEM, "no memory to read lines" }, NULL);
    const bool typed = line_is_typed(lines);
    int code = EXIT_SUCCESS;
    bool over = false;
    if (r->chat && typed)
        greet(r);
    while (!over && code == EXIT_SUCCESS && (r->sum.reason != INFER_STOP_FULL || (r->chat && typed))) {
        size_t length;
        const char *line = line_read(lines, &length);
        if (!line)
            break;
        if (length || !r->chat)
            code = take(r, line, length, typed, &over);
    }
    line_close(&lines);
    return interrupted ? EXIT_INTERRUPTED : code;
}
