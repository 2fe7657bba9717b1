/* options.h - a program's command line as a table: parsing, checking and the --help text all come from its rows.
 *
 *     static struct { const char *model; int32_t n; bool quiet; } o = { .n = 64 };
 *     static const struct opt rows[] = {
 *         { OPT_GROUP, .help = "Model" },
 *         { OPT_TEXT, "-m, --model", "PATH", "GGUF file or directory", &o.model },
 *         { OPT_INT, "-n, --n-predict", "N", "tokens to generate; -1 = until the end", &o.n, -1, INT32_MAX },
 *         { OPT_FLAG, "--quiet", NULL, "text only", &o.quiet },
 *         OPT_STANDARD,
 *     };
 *     static const struct command command = { "infer-run", "write text with a language model", .rows = rows, ... };
 *     switch (options_parse(&command, argc, argv)) { ... }
 *
 * Accepted: -n 5, -n5, --n-predict 5, --n-predict=5; "--" ends the options. The value of an option is the next argument
 * whatever it looks like. Where an option stands twice, the later one counts. "--completion SHELL" alone prints what a
 * shell completes the command line by (completion.h). */
#ifndef TOOLS_COMMON_OPTIONS_H
#define TOOLS_COMMON_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum opt_type {        /* what `value` points to */
    OPT_GROUP,         /* nothing: `help` is the heading of the rows that follow */
    OPT_FLAG,          /* bool, becomes true */
    OPT_OFF,           /* bool, becomes false */
    OPT_INT,           /* int32_t in [min, max] */
    OPT_INT64,         /* int64_t in [min, max] */
    OPT_FLOAT,         /* float in [min, max] */
    OPT_TEXT,          /* const char *, points into argv */
    OPT_CHOICE,        /* int, the index of the word within `argument`, "fast|exact" */
    OPT_LIST,          /* struct opt_list: may be given several times */
    OPT_HELP,          /* nothing */
    OPT_VERSION        /* nothing */
};

struct opt {
    enum opt_type type;
    const char *names;    /* "-n, --n-predict", as --help shows them */
    const char *argument; /* name of its value, NULL for flags */
    const char *help;     /* the default is added from *value, unless this speaks of one */
    void *value;
    double min, max; /* of numbers; both 0 = no limit */
};

struct opt_list {
    const char *item[32];
    size_t n;
};

/** The rows that every program has. */
#define OPT_STANDARD { OPT_HELP, "-h, --help", NULL, "show this text", NULL, 0, 0 }, \
                     { OPT_VERSION, "--version", NULL, "show the version", NULL, 0, 0 }

struct command {
    const char *name;
    const char *about;     /* what it does, a few words */
    const char *usage;     /* what follows the name, "[options] MODEL" */
    const char *examples;  /* lines, each with its newline */
    const char *notes;     /* lines at the end of --help: environment, exit codes; may be NULL */
    const struct opt *rows;
    size_t n_rows;
    const char **operands; /* receives the arguments that are no options */
    size_t max_operands, min_operands;
    bool *given;           /* n_rows, receives which of them stood on the command line; may be NULL */
    const char *place;     /* what complaints are about, "FILE:12"; NULL: the command line */
    const struct command *const *commands; /* others that the first argument chooses, ended by NULL; may be NULL */
};

enum options_result {
    OPTIONS_RUN,  /* all stored */
    OPTIONS_DONE, /* --help or --version has been answered: exit with 0 */
    OPTIONS_WRONG, /* the mistake has been told on stderr: exit with EXIT_USAGE */
    OPTIONS_FAILED /* for programs that read more than the command line: exit with EXIT_FAILURE */
};
enum { EXIT_USAGE = 2 };

/** Of the command's others the one that the first argument is the last word of the name of ("infer-run list"), and
 *  behind that argument argc and argv; else the command itself. */
const struct command *options_command(const struct command *command, int *argc, char ***argv);
enum options_result options_parse(const struct command *command, int argc, char *const *argv);
/** Store what stands elsewhere, in a file of options say, by an option's long name without dashes; of a flag the value
 *  is true or false. What `given` says stood on the command line is only checked. Mistakes are told as those of the
 *  command line, with the command's `place`. The value is kept as OPT_TEXT and OPT_LIST keep theirs. */
enum options_result options_store(const struct command *command, const char *name, const char *value);
/** Tell a mistake that the table cannot know ("-p and -f exclude each other"), in the same form. Returns EXIT_USAGE. */
int options_complain(const struct command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
