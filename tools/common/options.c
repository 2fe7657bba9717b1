/* options.c - a program's command line as a table.
 *
 * The arguments are walked twice: first only checked, so that --help shows the defaults and a mistake leaves nothing
 * half set; then stored. */
#include "tools/common/options.h"

#include "infer.h"
#include "tools/common/completion.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HELP_COLUMN = 28, HELP_WIDTH = 80 };

/* The name of an option as it was typed. */
struct text_span {
    const char *p;
    int n;
};

static bool takes_value(const struct opt *o)
{
    return o->argument != NULL;
}

int options_complain(const struct command *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: %s%s", c->name, c->place ? c->place : "", c->place ? ": " : "");
    vfprintf(stderr, format, args);
    fprintf(stderr, " (%s --help lists the options)\n", c->name);
    va_end(args);
    return EXIT_USAGE;
}

/* ---- Names ---- */

/* The next name of "-n, --n-predict": its length, 0 at the end; *at moves behind it. */
static size_t next_name(const char **at, const char **name)
{
    *name = *at + strspn(*at, ", ");
    const size_t n = strcspn(*name, ",");
    *at = *name + n;
    return n;
}

static bool has_name(const struct opt *o, const char *name, size_t length)
{
    const char *at = o->names ? o->names : "", *own;
    for (size_t n; (n = next_name(&at, &own));)
        if (n == length && !memcmp(own, name, n))
            return true;
    return false;
}

static const struct opt *find(const struct command *c, const char *name, size_t length)
{
    for (size_t i = 0; i < c->n_rows; i++)
        if (has_name(&c->rows[i], name, length))
            return &c->rows[i];
    return NULL;
}

/* Levenshtein distance: letters to insert, delete or exchange. Only short names are compared. */
static size_t distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
    size_t row[33];
    if (n_a > 32 || n_b > 32)
        return SIZE_MAX;
    for (size_t j = 0; j <= n_b; j++)
        row[j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            const size_t exchange = diagonal + (a[i - 1] != b[j - 1]);
            const size_t other = 1 + (row[j] < row[j - 1] ? row[j] : row[j - 1]);
            diagonal = row[j];
            row[j] = exchange < other ? exchange : other;
        }
    }
    return row[n_b];
}

static void complain_unknown(const struct command *c, const char *arg, size_t length)
{
    const char *best = NULL;
    size_t best_n = 0, least = length > 5 ? 3 : 2; /* further off is no slip of the finger */
    for (size_t i = 0; i < c->n_rows; i++) {
        const char *at = c->rows[i].names ? c->rows[i].names : "", *name;
        for (size_t n; (n = next_name(&at, &name));) {
            const size_t d = n > 2 && length > 2 ? distance(arg, length, name, n) : SIZE_MAX;
            if (d < least) {
                least = d;
                best = name;
                best_n = n;
            }
        }
    }
    if (best)
        options_complain(c, "unknown option %.*s; did you mean %.*s?", (int)length, arg, (int)best_n, best);
    else
        options_complain(c, "unknown option %.*s", (int)length, arg);
}

/* ---- Values ---- */

static bool out_of_range(const struct opt *o, double x)
{
    return (o->min || o->max) && !(x >= o->min && x <= o->max);
}

static bool set_integer(const struct opt *o, const char *text, bool store)
{
    char *end;
    errno = 0;
    const long long x = strtoll(text, &end, 10);
    if (end == text || *end || errno || out_of_range(o, (double)x))
        return false;
    if (o->type == OPT_INT && (x < INT32_MIN || x > INT32_MAX))
        return false;
    if (store && o->type == OPT_INT)
        *(int32_t *)o->value = (int32_t)x;
    else if (store)
        *(int64_t *)o->value = x;
    return true;
}

static bool set_float(const struct opt *o, const char *text, bool store)
{
    char *end;
    const float x = strtof(text, &end);
    if (end == text || *end || !(x - x == 0) || out_of_range(o, x))
        return false;
    if (store)
        *(float *)o->value = x;
    return true;
}

static bool set_choice(const struct opt *o, const char *text, bool store)
{
    const size_t length = strlen(text);
    const char *word = o->argument;
    for (int i = 0;; i++) {
        const size_t n = strcspn(word, "|");
        if (n == length && !memcmp(word, text, n)) {
            if (store)
                *(int *)o->value = i;
            return true;
        }
        if (!word[n])
            return false;
        word += n + 1;
    }
}

static bool set_list(const struct opt *o, const char *text, bool store)
{
    struct opt_list *list = o->value;
    if (list->n == sizeof list->item / sizeof *list->item)
        return false;
    if (store)
        list->item[list->n++] = text;
    return true;
}

static bool set(const struct opt *o, const char *text, bool store)
{
    switch (o->type) {
    case OPT_FLAG:
    case OPT_OFF:
        if (store)
            *(bool *)o->value = o->type == OPT_FLAG;
        return true;
    case OPT_TEXT:
        if (store)
            *(const char **)o->value = text;
        return true;
    case OPT_INT:
    case OPT_INT64: return set_integer(o, text, store);
    case OPT_FLOAT: return set_float(o, text, store);
    case OPT_CHOICE: return set_choice(o, text, store);
    case OPT_LIST: return set_list(o, text, store);
    default: return true;
    }
}

static void describe_values(const struct opt *o, char expected[96])
{
    const char *kind = o->type == OPT_FLOAT ? "a number" : "a whole number";
    if (o->type == OPT_CHOICE)
        snprintf(expected, 96, "%s", o->argument);
    else if (!o->min && !o->max)
        snprintf(expected, 96, "%s", kind);
    else if (o->max >= INT32_MAX)
        snprintf(expected, 96, "%s from %.10g", kind, o->min);
    else
        snprintf(expected, 96, "%s from %.10g to %.10g", kind, o->min, o->max);
}

static void complain_value(const struct command *c, const struct opt *o, struct text_span name, const char *text)
{
    char expected[96];
    describe_values(o, expected);
    if (o->type == OPT_LIST)
        options_complain(c, "%.*s is given too often", name.n, name.p);
    else
        options_complain(c, "%.*s is '%s', expected %s", name.n, name.p, text, expected);
}

/* ---- Help ---- */

/* Words from column HELP_COLUMN on, broken at HELP_WIDTH. The cursor stands in `column`. */
static void print_wrapped(const char *text, size_t column)
{
    while (*text) {
        const size_t n = strcspn(text, " ");
        if (column > HELP_COLUMN && column + 1 + n > HELP_WIDTH) {
            printf("\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        }
        column += (size_t)printf("%s%.*s", column > HELP_COLUMN ? " " : "", (int)n, text);
        text += n + strspn(text + n, " ");
    }
    putchar('\n');
}

static void describe(const struct opt *o, char *text, size_t room)
{
    char value[96] = "";
    switch (strstr(o->help, "default") ? OPT_GROUP : o->type) {
    case OPT_INT: snprintf(value, sizeof value, "%d", (int)*(int32_t *)o->value); break;
    case OPT_INT64: snprintf(value, sizeof value, "%lld", (long long)*(int64_t *)o->value); break;
    case OPT_FLOAT: snprintf(value, sizeof value, "%g", *(float *)o->value); break;
    case OPT_TEXT: snprintf(value, sizeof value, "%s", *(const char **)o->value ? *(const char **)o->value : ""); break;
    case OPT_CHOICE: {
        const char *word = o->argument;
        for (int i = *(int *)o->value; i > 0; i--)
            word += strcspn(word, "|") + 1;
        snprintf(value, sizeof value, "%.*s", (int)strcspn(word, "|"), word);
        break;
    }
    default: break;
    }
    snprintf(text, room, *value ? "%s (default %s)" : "%s", o->help, value);
}

static void print_help(const struct command *c)
{
    printf("%s - %s\n\nUsage: %s %s\n", c->name, c->about, c->name, c->usage ? c->usage : "[options]");
    if (c->examples)
        printf("\nExamples:\n%s", c->examples);
    if (c->commands)
        printf("\nCommands:\n");
    for (const struct command *const *other = c->commands; other && *other; other++) {
        const size_t column = (size_t)printf("  %s %s", (*other)->name, (*other)->usage);
        printf("%*s", column + 2 > HELP_COLUMN ? 0 : (int)(HELP_COLUMN - column), "");
        if (column + 2 > HELP_COLUMN)
            printf("\n%*s", HELP_COLUMN, "");
        print_wrapped((*other)->about, HELP_COLUMN);
    }
    for (size_t i = 0; i < c->n_rows; i++) {
        const struct opt *o = &c->rows[i];
        if (o->type == OPT_GROUP) {
            printf("\n%s:\n", o->help);
            continue;
        }
        /* Names without a letter are set below the long names of the others. */
        size_t column = (size_t)printf("  %s%s%s%s", o->names[1] == '-' ? "    " : "", o->names,
                                       takes_value(o) ? " " : "", takes_value(o) ? o->argument : "");
        if (column + 2 > HELP_COLUMN) {
            putchar('\n');
            column = 0;
        }
        printf("%*s", (int)(HELP_COLUMN - column), "");
        char text[1024];
        describe(o, text, sizeof text);
        print_wrapped(text, HELP_COLUMN);
    }
    if (c->notes)
        printf("\n%s", c->notes);
}

static void print_version(const struct command *c)
{
    const unsigned v = infer_version();
    printf("%s %u.%u.%u\n", c->name, v >> 16, v >> 8 & 255, v & 255);
}

/* ---- The walk ---- */

const struct command *options_command(const struct command *c, int *argc, char ***argv)
{
    for (const struct command *const *other = c->commands; other && *other && *argc > 1; other++)
        if (!strcmp(strrchr((*other)->name, ' ') + 1, (*argv)[1])) {
            --*argc;
            ++*argv;
            return *other;
        }
    return c;
}

struct walk {
    const struct command *c;
    int argc, at;
    char *const *argv;
    bool store;
    size_t n_operands;
};

static enum options_result operand(struct walk *w)
{
    const struct command *c = w->c;
    const char *arg = w->argv[w->at++];
    if (w->n_operands == c->max_operands) {
        options_complain(c, c->max_operands ? "one argument too many: '%s'" : "'%s' is no option", arg);
        return OPTIONS_WRONG;
    }
    if (w->store)
        c->operands[w->n_operands] = arg;
    w->n_operands++;
    return OPTIONS_RUN;
}

static enum options_result option(struct walk *w)
{
    const char *arg = w->argv[w->at++], *value = NULL;
    size_t name = arg[1] == '-' ? strcspn(arg, "=") : strlen(arg);
    const struct opt *o = find(w->c, arg, name);
    if (o && arg[name])
        value = arg + name + 1;
    if (!o && arg[1] != '-' && (o = find(w->c, arg, 2))) { /* -n5 */
        if (takes_value(o)) {
            name = 2;
            value = arg + 2;
        } else {
            o = NULL;
        }
    }
    if (!o) {
        complain_unknown(w->c, arg, name);
        return OPTIONS_WRONG;
    }
    const struct text_span typed = { arg, (int)name };
    if (o->type == OPT_HELP || o->type == OPT_VERSION) {
        (o->type == OPT_HELP ? print_help : print_version)(w->c);
        return OPTIONS_DONE;
    }
    if (!takes_value(o) && value) {
        options_complain(w->c, "%.*s takes no value", typed.n, typed.p);
        return OPTIONS_WRONG;
    }
    if (takes_value(o) && !value && w->at == w->argc) {
        options_complain(w->c, "%.*s needs a value: %s", typed.n, typed.p, o->argument);
        return OPTIONS_WRONG;
    }
    if (takes_value(o) && !value)
        value = w->argv[w->at++];
    if (!set(o, value, w->store)) {
        complain_value(w->c, o, typed, value);
        return OPTIONS_WRONG;
    }
    if (w->store && w->c->given)
        w->c->given[o - w->c->rows] = true;
    return OPTIONS_RUN;
}

static enum options_result walk(const struct command *c, int argc, char *const *argv, bool store)
{
    struct walk w = { .c = c, .argc = argc, .at = 1, .argv = argv, .store = store };
    bool ended = false;
    while (w.at < argc) {
        const char *arg = argv[w.at];
        if (!ended && !strcmp(arg, "--")) {
            ended = true;
            w.at++;
            continue;
        }
        const enum options_result r = ended || arg[0] != '-' || !arg[1] ? operand(&w) : option(&w);
        if (r != OPTIONS_RUN)
            return r;
    }
    if (w.n_operands < c->min_operands) {
        options_complain(c, "an argument is missing; usage: %s %s", c->name, c->usage);
        return OPTIONS_WRONG;
    }
    return OPTIONS_RUN;
}

/* "--completion SHELL", which is for `make install` rather than for users. */
static enum options_result complete(const struct command *c, const char *shell)
{
    if (completion_print(c, shell ? shell : ""))
        return OPTIONS_DONE;
    options_complain(c, "--completion is '%s', expected bash, zsh or fish", shell ? shell : "");
    return OPTIONS_WRONG;
}

enum options_result options_parse(const struct command *c, int argc, char *const *argv)
{
    if (argc > 1 && !strcmp(argv[1], "--completion"))
        return complete(c, argv[2]);
    const enum options_result r = walk(c, argc, argv, false);
    return r == OPTIONS_RUN ? walk(c, argc, argv, true) : r;
}

/* ---- Options from elsewhere ---- */

/* Of a flag: 1 or 0, -1 for what is neither. */
static int truth(const char *text)
{
    static const char *const words[] = { "false", "true", "no", "yes", "off", "on", "0", "1" };
    for (int i = 0; i < 8; i++)
        if (!strcmp(text, words[i]))
            return i % 2;
    return -1;
}

static bool store_flag(const struct command *c, const struct opt *o, const char *name, const char *value, bool store)
{
    const int is = truth(value);
    if (is < 0)
        options_complain(c, "%s is '%s', expected true or false", name, value);
    else if (store)
        *(bool *)o->value = is == (o->type == OPT_FLAG);
    return is >= 0;
}

enum options_result options_store(const struct command *c, const char *name, const char *value)
{
    char typed[64];
    const int n = snprintf(typed, sizeof typed, "--%s", name);
    const struct opt *o = n > 2 && n < (int)sizeof typed ? find(c, typed, (size_t)n) : NULL;
    if (!o || o->type == OPT_HELP || o->type == OPT_VERSION) {
        complain_unknown(c, typed, strlen(typed));
        return OPTIONS_WRONG;
    }
    const bool store = !c->given || !c->given[o - c->rows];
    if (!takes_value(o))
        return store_flag(c, o, typed, value, store) ? OPTIONS_RUN : OPTIONS_WRONG;
    if (set(o, value, store))
        return OPTIONS_RUN;
    complain_value(c, o, (struct text_span){ typed, n }, value);
    return OPTIONS_WRONG;
}
