/* line.c - libedit's editor and history. The history is a file of the user's own, the same for all models. */
#include "tools/run/line.h"

#include "tools/run/run.h"

#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

enum { MOST_REMEMBERED = 1000, CTRL_C = 3, CTRL_D = 4 };

struct line {
    EditLine *editor; /* NULL: lines are read as they are */
    History *history;
    char file[PATH_MAX]; /* of the history; "": none */
    const char *const *words;
    const char *prompt;
    bool typed, cleared; /* the latter: by Ctrl-C */
    char *plain, *text; /* a line read without the editor; what line_read() returns */
    size_t plain_room, length, room;
};

/* ---- History ---- */

/* Make the folders above a file. */
static bool make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        const bool made = mkdir(path, 0700) == 0 || errno == EEXIST;
        *slash = '/';
        if (!made)
            return false;
    }
    return true;
}

static void open_history(struct line *l)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    HistEvent event;
    int n = -1;
    if (state && *state == '/')
        n = snprintf(l->file, sizeof l->file, "%s/libinfer/history", state);
    else if (home && *home == '/')
        n = snprintf(l->file, sizeof l->file, "%s/.local/state/libinfer/history", home);
    if (n < 0 || n >= (int)sizeof l->file || !make_folders(l->file))
        l->file[0] = 0;
    history(l->history, &event, H_SETSIZE, MOST_REMEMBERED);
    history(l->history, &event, H_SETUNIQUE, 1);
    if (l->file[0])
        history(l->history, &event, H_LOAD, l->file);
}

/* Beside the file, then in its place: whoever reads it at the same time finds it whole. */
static void save_history(struct line *l)
{
    char file[PATH_MAX + 8];
    HistEvent event;
    snprintf(file, sizeof file, "%s.XXXXXX", l->file);
    const int fd = l->file[0] ? mkstemp(file) : -1; /* 0600 */
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!f)
        return;
    const bool written = history(l->history, &event, H_SAVE_FP, f) >= 0;
    if (fclose(f) != 0 || !written || rename(file, l->file) != 0)
        remove(file);
}

static void remember(struct line *l)
{
    HistEvent event;
    if (l->editor && l->length) {
        history(l->history, &event, H_ENTER, l->text);
        save_history(l);
    }
}

/* ---- The editor ---- */

static struct line *line_of(EditLine *editor)
{
    void *l = NULL;
    el_get(editor, EL_CLIENTDATA, &l);
    return l;
}

static char *prompt_of(EditLine *editor)
{
    return (char *)line_of(editor)->prompt;
}

/* Signals while a line is edited: any thread may get them, so the number goes through a pipe to the one that waits. */
static int signal_pipe[2] = { -1, -1 };

static void on_signal(int signal_number)
{
    const int before = errno;
    const char byte = (char)signal_number;
    const ssize_t written = write(signal_pipe[1], &byte, 1);
    (void)written; /* where the pipe is full, enough has been told */
    errno = before;
}

/* A byte that was typed, or the number of a signal. 0 at the end. */
static ssize_t read_byte(char *byte, bool *is_signal)
{
    struct pollfd in[] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = signal_pipe[0], .events = POLLIN } };
    while (poll(in, 2, -1) < 0)
        if (errno != EINTR)
            return -1;
    *is_signal = in[1].revents & POLLIN;
    return read(*is_signal ? signal_pipe[0] : STDIN_FILENO, byte, 1);
}

/* A character for the editor, which takes Ctrl-C as a key. After a stop, or at another width, the line is drawn
 * anew. */
static int read_character(EditLine *editor, wchar_t *out)
{
    mbstate_t state = { 0 };
    char byte = 0;
    for (bool is_signal;;) {
        const ssize_t n = read_byte(&byte, &is_signal);
        if (n <= 0)
            return (int)n;
        if (is_signal && byte == SIGINT) {
            tcflush(STDIN_FILENO, TCIFLUSH); /* what was typed before and not read is of the line that goes */
            *out = CTRL_C;
            return 1;
        }
        if (is_signal) {
            fputs("\r\033[J", stderr);
            el_set(editor, EL_PREP_TERM, 1);
            el_resize(editor);
            el_set(editor, EL_REFRESH);
            continue;
        }
        if (!byte) /* what the terminal makes of a Ctrl-D that came while no line was edited */
            byte = CTRL_D;
        const size_t used = mbrtowc(out, &byte, 1, &state);
        if (used == (size_t)-1) {
            state = (mbstate_t){ 0 };
            *out = 0xfffd;
        }
        if (used != (size_t)-2)
            return 1;
    }
}

/* The line stays to be seen, and ends as by Enter. */
static unsigned char clear_key(EditLine *editor, int key)
{
    (void)key;
    const LineInfoW *at = el_wline(editor);
    line_of(editor)->cleared = true;
    el_cursor(editor, (int)(at->lastchar - at->cursor)); /* to its end */
    el_insertstr(editor, "^C");
    el_push(editor, "\n");
    return CC_REFRESH;
}

/* What the words that begin with the first n bytes of text have in common behind them: its length, and where it is. */
static size_t common_end(const struct line *l, const char *text, size_t n, const char **end, size_t *n_words)
{
    size_t common = 0;
    *n_words = 0;
    for (const char *const *word = l->words; word && *word; word++) {
        if (strncmp(*word, text, n) != 0)
            continue;
        const char *rest = *word + n;
        if (!(*n_words)++) {
            *end = rest;
            common = strlen(rest);
        }
        for (size_t i = 0; i < common; i++)
            if (rest[i] != (*end)[i])
                common = i;
    }
    return common;
}

static void list_words(const struct line *l, const char *text, size_t n)
{
    fputc('\n', stderr);
    for (const char *const *word = l->words; *word; word++)
        if (!strncmp(*word, text, n))
            fprintf(stderr, "%s  ", *word);
    fputc('\n', stderr);
}

static unsigned char complete_key(EditLine *editor, int key)
{
    const struct line *l = line_of(editor);
    const LineInfo *at = el_line(editor);
    const size_t n = (size_t)(at->cursor - at->buffer);
    char more[64] = "";
    const char *end = "";
    size_t n_words;
    if (!n || at->buffer[0] != '/')
        return CC_ERROR;
    if (memchr(at->buffer, ' ', n))
        return _el_fn_complete(editor, key);
    const size_t common = common_end(l, at->buffer, n, &end, &n_words);
    snprintf(more, sizeof more, "%.*s", (int)common, end);
    if (*more)
        return el_insertstr(editor, more) == 0 ? CC_REFRESH : CC_ERROR;
    if (n_words < 2)
        return CC_ERROR;
    list_words(l, at->buffer, n);
    return CC_REDISPLAY;
}

/* Characters are those of the locale, or of UTF-8 where that has ASCII only. */
static void choose_characters(void)
{
    if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        setlocale(LC_CTYPE, "C.UTF-8");
}

static bool open_editor(struct line *l)
{
    choose_characters();
    if (signal_pipe[0] < 0 && pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        return false;
    l->history = history_init();
    l->editor = l->history ? el_init("infer-run", stdin, stderr, stderr) : NULL;
    if (!l->editor)
        return false;
    open_history(l);
    el_set(l->editor, EL_CLIENTDATA, l);
    el_set(l->editor, EL_PROMPT, prompt_of);
    el_set(l->editor, EL_EDITOR, "emacs");
    el_set(l->editor, EL_HIST, history, l->history);
    el_set(l->editor, EL_GETCFN, read_character);
    /* In wide characters, as it would make copies of others that it never frees. */
    el_wset(l->editor, EL_ADDFN, L"clear-all", L"forget what is being typed", clear_key);
    el_wset(l->editor, EL_ADDFN, L"complete-command", L"complete a command", complete_key);
    el_set(l->editor, EL_BIND, "^C", "clear-all", NULL);
    el_set(l->editor, EL_BIND, "^I", "complete-command", NULL);
    el_set(l->editor, EL_BIND, "^R", "em-inc-search-prev", NULL);
    /* The system sends the signal of Ctrl-C first and then throws away what was typed and what was written: by then that
     * may be the next prompt. */
    el_set(l->editor, EL_SETTY, "-d", "+noflsh", NULL);
    el_source(l->editor, NULL); /* ~/.editrc */
    return true;
}

/* ---- Lines ---- */

struct line *line_open(const char *const *words)
{
    const char *terminal = getenv("TERM");
    struct line *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->words = words;
    l->typed = isatty(STDIN_FILENO);
    if (l->typed && isatty(STDERR_FILENO) && terminal && strcmp(terminal, "dumb") != 0 && !open_editor(l))
        line_close(&l);
    return l;
}

void line_close(struct line **line)
{
    struct line *l = *line;
    *line = NULL;
    if (!l)
        return;
    if (l->editor)
        el_end(l->editor);
    if (l->history)
        history_end(l->history);
    free(l->plain);
    free(l->text);
    free(l);
}

bool line_is_typed(const struct line *l)
{
    return l->typed;
}

static const char *read_edited(struct line *l, int *n)
{
    static const int signals[] = { SIGINT, SIGWINCH, SIGCONT };
    struct sigaction before[3];
    for (int i = 0; i < 3; i++)
        sigaction(signals[i], &(struct sigaction){ .sa_handler = on_signal, .sa_flags = SA_RESTART }, &before[i]);
    el_set(l->editor, EL_PREP_TERM, 1); /* before the prompt is seen, so that the system echoes nothing of the line */
    const char *text = el_gets(l->editor, n);
    for (int i = 0; i < 3; i++)
        sigaction(signals[i], &before[i], NULL);
    for (char byte; read(signal_pipe[0], &byte, 1) == 1;)
        if (byte == SIGINT) /* too late for the line: it is for the answer */
            raise(SIGINT);
    return *n > 0 ? text : NULL;
}

static const char *read_plain(struct line *l, int *n)
{
    if (l->typed)
        fputs(l->prompt, stderr);
    const ssize_t length = getline(&l->plain, &l->plain_room, stdin);
    l->cleared = length < 0 && interrupted && l->typed;
    if (l->cleared) {
        fputc('\n', stderr);
        clearerr(stdin);
    }
    *n = (int)length;
    return length < 0 || length > INT_MAX ? NULL : l->plain;
}

/* Put a line, without its end, behind the text. */
static bool append(struct line *l, const char *line, size_t n)
{
    if (l->room - l->length < n + 1) {
        const size_t room = 2 * l->room + n + 256;
        char *more = realloc(l->text, room);
        if (!more)
            return false;
        l->text = more;
        l->room = room;
    }
    memcpy(l->text + l->length, line, n);
    l->text[l->length += n] = 0;
    return true;
}

/* What a text is not whole without: the next line. Marks are taken out of it. */
static bool goes_on(struct line *l, bool *quoted, bool first)
{
    static const char mark[] = "\"\"\"";
    if (first && !strncmp(l->text, mark, 3)) {
        *quoted = true;
        memmove(l->text, l->text + 3, (l->length -= 3) + 1);
    }
    if (*quoted && l->length >= 3 && !strcmp(l->text + l->length - 3, mark)) {
        l->text[l->length -= 3] = 0;
        return false;
    }
    if (!*quoted && l->length && l->text[l->length - 1] == '\\') {
        l->text[--l->length] = 0;
        return true;
    }
    return *quoted;
}

/* One text. False at the end, and if Ctrl-C has cleared it. */
static bool read_text(struct line *l)
{
    bool quoted = false, more = true;
    l->length = 0;
    for (bool first = true; more; first = false) {
        int n = 0;
        l->prompt = first ? "> " : ". ";
        const char *line = l->editor ? read_edited(l, &n) : read_plain(l, &n);
        if (l->cleared || (!line && first))
            return false;
        n -= line && n && line[n - 1] == '\n';
        if ((!first && !append(l, "\n", 1)) || (line && !append(l, line, (size_t)n)))
            return false;
        more = line && l->typed && goes_on(l, &quoted, first);
    }
    return true;
}

const char *line_read(struct line *l, size_t *length)
{
    bool whole;
    while (!(whole = read_text(l)) && l->cleared) {
        l->cleared = false;
        interrupt_catch();
    }
    if (!whole && l->typed)
        fputc('\n', stderr);
    if (!whole)
        return NULL;
    remember(l);
    *length = l->length;
    return l->text;
}
