/* completion.c - scripts for three shells. What follows an option is one of some words, a file, a directory, or
 * anything; which of these, the name of its value tells: "fast|exact", "FILE", "DIR". */
#include "tools/common/completion.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { ROOM = 256 };

enum value { VALUE_NONE, VALUE_ANY, VALUE_WORDS, VALUE_FILE, VALUE_FOLDER };

/* What an option takes; words of small letters go to `words`, with blanks between them. */
static enum value value_of(const struct opt *o, char words[ROOM])
{
    size_t n = 0;
    words[0] = 0;
    if (!o->argument)
        return VALUE_NONE;
    for (const char *word = o->argument; *word; word += strcspn(word, "|"), word += *word == '|') {
        const size_t length = strcspn(word, "|");
        if (strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789_") >= length && n + length + 2 < ROOM)
            n += (size_t)snprintf(words + n, ROOM - n, "%s%.*s", n ? " " : "", (int)length, word);
    }
    return n                                                            ? VALUE_WORDS
           : strstr(o->argument, "FILE") || strstr(o->argument, "PATH") ? VALUE_FILE
           : strstr(o->argument, "DIR")                                 ? VALUE_FOLDER
                                                                        : VALUE_ANY;
}

/* The next name of "-n, --n-predict"; false after the last. */
static bool next_name(const char **at, char name[ROOM])
{
    *at += strspn(*at, ", ");
    const size_t n = strcspn(*at, ",");
    snprintf(name, ROOM, "%.*s", (int)n, *at);
    *at += n;
    return n;
}

/* The first clause of an option's help, without what shells read as more than a letter. */
static void describe(const struct opt *o, char text[ROOM])
{
    const size_t n = strcspn(o->help, ";(");
    size_t length = 0;
    for (size_t i = 0; i < n && length < ROOM - 1; i++)
        if (!strchr("'\"`\\[]:$", o->help[i]))
            text[length++] = o->help[i];
    while (length && isspace((unsigned char)text[length - 1]))
        length--;
    text[length] = 0;
}

/* What a function is called: letters alone, of "infer-run list" "infer_run_list". */
static void function_name(const struct command *c, char name[ROOM])
{
    snprintf(name, ROOM, "%s", c->name);
    for (char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p))
            *p = '_';
}

static const char *last_word(const struct command *c)
{
    const char *blank = strrchr(c->name, ' ');
    return blank ? blank + 1 : c->name;
}

/* "list show doctor", or "" */
static void command_words(const struct command *c, char words[ROOM])
{
    size_t n = 0;
    words[0] = 0;
    for (const struct command *const *other = c->commands; other && *other && n < ROOM; other++)
        n += (size_t)snprintf(words + n, ROOM - n, "%s%s", n ? " " : "", last_word(*other));
}

static bool is_option(const struct opt *o)
{
    return o->type != OPT_GROUP;
}

/* ---- bash ---- */

/* A line of the `case` over the option that stands before the word. */
static void bash_value(const struct opt *o)
{
    char words[ROOM], name[ROOM];
    const enum value value = value_of(o, words);
    if (value == VALUE_NONE)
        return;
    const char *at = o->names;
    for (bool first = true; next_name(&at, name); first = false)
        printf("%s%s", first ? "    " : " | ", name);
    if (value == VALUE_WORDS)
        printf(") mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$word\") ;;\n", words);
    else if (value == VALUE_ANY)
        printf(") ;;\n");
    else
        printf(") compopt -o filenames; mapfile -t COMPREPLY < <(compgen %s -- \"$word\") ;;\n",
               value == VALUE_FILE ? "-f" : "-d");
}

static void bash_function(const struct command *c)
{
    char function[ROOM], words[ROOM], name[ROOM];
    function_name(c, function);
    command_words(c, words);
    printf("_%s() {\n", function);
    for (const struct command *const *other = c->commands; other && *other; other++) {
        function_name(*other, name);
        printf("    [[ $COMP_CWORD -gt 1 && ${COMP_WORDS[1]} == %s ]] && { _%s; return; }\n", last_word(*other), name);
    }
    printf("    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
           "    [[ $before == = ]] && before=${COMP_WORDS[COMP_CWORD - 2]}\n"
           "    [[ $word == = ]] && word=\n"
           "    COMPREPLY=()\n"
           "    case $before in\n");
    for (size_t i = 0; i < c->n_rows; i++)
        if (is_option(&c->rows[i]))
            bash_value(&c->rows[i]);
    printf("    *)\n        if [[ $word == -* ]]; then\n            mapfile -t COMPREPLY < <(compgen -W '");
    for (size_t i = 0; i < c->n_rows; i++)
        for (const char *at = c->rows[i].names; is_option(&c->rows[i]) && next_name(&at, name);)
            printf("%s ", name);
    printf("' -- \"$word\")\n");
    if (*words)
        printf("        elif [[ $COMP_CWORD == 1 ]]; then\n"
               "            mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$word\")\n", words);
    if (c->max_operands)
        printf("        else\n            compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n");
    printf("        fi ;;\n    esac\n}\n");
}

static void print_bash(const struct command *c)
{
    char function[ROOM];
    function_name(c, function);
    for (const struct command *const *other = c->commands; other && *other; other++)
        bash_function(*other);
    bash_function(c);
    printf("complete -F _%s %s\n", function, c->name);
}

/* ---- zsh ---- */

/* A specification for each name: '*--stop=[end before this text]:TEXT: '. */
static void zsh_option(const struct opt *o)
{
    char words[ROOM], name[ROOM], text[ROOM];
    const enum value value = value_of(o, words);
    describe(o, text);
    for (const char *at = o->names; next_name(&at, name);) {
        printf(" \\\n        '%s%s%s[%s]", o->type == OPT_LIST ? "*" : "", name,
               value != VALUE_NONE && name[1] == '-' ? "=" : "", text);
        if (value == VALUE_WORDS)
            printf(":value:(%s)", words);
        else if (value == VALUE_FILE)
            printf(":file:_files");
        else if (value == VALUE_FOLDER)
            printf(":directory:_files -/");
        else if (value == VALUE_ANY)
            printf(":value: ");
        printf("'");
    }
}

static void zsh_function(const struct command *c)
{
    char function[ROOM], words[ROOM], name[ROOM];
    function_name(c, function);
    command_words(c, words);
    printf("_%s() {\n", function);
    for (const struct command *const *other = c->commands; other && *other; other++) {
        function_name(*other, name);
        printf("    if (( CURRENT > 2 )) && [[ $words[2] == %s ]]; then\n"
               "        shift words; (( CURRENT-- )); _%s; return\n    fi\n", last_word(*other), name);
    }
    printf("    _arguments");
    for (size_t i = 0; i < c->n_rows; i++)
        if (is_option(&c->rows[i]))
            zsh_option(&c->rows[i]);
    if (*words)
        printf(" \\\n        '1:command:(%s)'", words);
    if (c->max_operands)
        printf(" \\\n        '*:file:_files'");
    printf("\n}\n");
}

static void print_zsh(const struct command *c)
{
    char function[ROOM];
    function_name(c, function);
    printf("#compdef %s\n", c->name);
    for (const struct command *const *other = c->commands; other && *other; other++)
        zsh_function(*other);
    zsh_function(c);
    printf("_%s \"$@\"\n", function);
}

/* ---- fish ---- */

/* A line: fish tells -x, -xyz and --xyz apart. */
static void fish_option(const char *program, const char *condition, const struct opt *o)
{
    char words[ROOM], name[ROOM], text[ROOM];
    const enum value value = value_of(o, words);
    describe(o, text);
    printf("complete -c %s%s", program, condition);
    for (const char *at = o->names; next_name(&at, name);)
        printf(" %s %s", name[1] == '-' ? "-l" : name[2] ? "-o" : "-s", name + 1 + (name[1] == '-'));
    if (value == VALUE_WORDS)
        printf(" -x -a '%s'", words);
    else if (value == VALUE_FILE)
        printf(" -r -F");
    else if (value == VALUE_FOLDER)
        printf(" -x -a '(__fish_complete_directories)'");
    else if (value == VALUE_ANY)
        printf(" -x");
    printf(" -d '%s'\n", text);
}

static void fish_command(const struct command *c, const char *program, const char *condition)
{
    for (size_t i = 0; i < c->n_rows; i++)
        if (is_option(&c->rows[i]))
            fish_option(program, condition, &c->rows[i]);
    printf("complete -c %s%s %s\n", program, condition, c->max_operands ? "-F" : "-f");
}

static void print_fish(const struct command *c)
{
    char words[ROOM], condition[2 * ROOM] = "";
    command_words(c, words);
    if (*words)
        snprintf(condition, sizeof condition, " -n 'not __fish_seen_subcommand_from %s'", words);
    fish_command(c, c->name, condition);
    for (const struct command *const *other = c->commands; other && *other; other++) {
        printf("complete -c %s -n __fish_is_first_arg -a %s -d '%s'\n", c->name, last_word(*other), (*other)->about);
        snprintf(condition, sizeof condition, " -n '__fish_seen_subcommand_from %s'", last_word(*other));
        fish_command(*other, c->name, condition);
    }
}

bool completion_print(const struct command *c, const char *shell)
{
    static const struct {
        const char *name;
        void (*print)(const struct command *c);
    } shells[] = { { "bash", print_bash }, { "zsh", print_zsh }, { "fish", print_fish } };
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
        if (!strcmp(shells[i].name, shell)) {
            shells[i].print(c);
            return true;
        }
    return false;
}
