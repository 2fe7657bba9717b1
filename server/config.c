/* config.c - options from a file, by inih. Its lines are handed over one by one here, so that the line of a mistake is
 * known, and one that is longer than inih takes (it would cut it in two) is a mistake too. */
#include "server/config.h"

#include "tools/common/program.h"

#include <ini.h>
#include <stdlib.h>

struct reading {
    struct config *config;
    struct command command; /* its place is the line */
    const char *path, *at;
    int line;
    char place[512];
    bool wrong;
};

static void complain(struct reading *r, const char *sentence)
{
    if (!r->wrong)
        options_complain(&r->command, "%s", sentence);
    r->wrong = true;
}

/* As fgets(). */
static char *next_line(char *text, int room, void *user)
{
    struct reading *r = user;
    const size_t n = strcspn(r->at, "\n"), whole = n + (r->at[n] == '\n');
    if (r->wrong || !*r->at)
        return NULL;
    snprintf(r->place, sizeof r->place, "%s:%d", r->path, ++r->line);
    if (whole >= (size_t)room) {
        complain(r, "the line is too long");
        return NULL;
    }
    memcpy(text, r->at, whole);
    text[whole] = 0;
    r->at += whole;
    return text;
}

static bool keep(struct config *c, char *value)
{
    char **more = value ? realloc(c->value, (c->n + 1) * sizeof *more) : NULL;
    if (more) {
        c->value = more;
        c->value[c->n++] = value;
    }
    return more;
}

static int on_pair(void *user, const char *section, const char *name, const char *value)
{
    struct reading *r = user;
    char *copy = r->wrong ? NULL : strdup(value);
    if (r->wrong)
        return 0;
    if (!keep(r->config, copy)) {
        free(copy);
        complain(r, "out of memory");
    } else if (*section) {
        complain(r, "there are no sections, expected lines NAME = VALUE alone");
    } else if (!strcmp(name, "config")) {
        complain(r, "a file of options cannot name another");
    } else if (options_store(&r->command, name, copy) != OPTIONS_RUN) {
        r->wrong = true;
    }
    return !r->wrong;
}

enum options_result config_read(struct config *config, const char *path, const struct command *command)
{
    infer_error err;
    size_t length;
    char *text = read_file(path, &length, &err);
    if (!text) {
        fprintf(stderr, "%s: %s\n", command->name, err.message);
        return OPTIONS_WRONG;
    }
    struct reading r = { .config = config, .command = *command, .path = path, .at = text };
    r.command.place = r.place;
    const int line = ini_parse_stream(next_line, &r, on_pair, &r);
    if (line && !r.wrong) {
        snprintf(r.place, sizeof r.place, "%s:%d", path, line);
        complain(&r, line < 0 ? "out of memory" : "expected NAME = VALUE");
    }
    free(text);
    return r.wrong ? OPTIONS_WRONG : OPTIONS_RUN;
}

void config_free(struct config *config)
{
    for (size_t i = 0; i < config->n; i++)
        free(config->value[i]);
    free(config->value);
    *config = (struct config){ NULL, 0 };
}
