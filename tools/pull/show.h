/* show.h - the progress of a download on stderr: a line that moves on a terminal, else a line now and then. */
#ifndef TOOLS_PULL_SHOW_H
#define TOOLS_PULL_SHOW_H

#include "tools/pull/settings.h"

#include <stdio.h>

struct pull_show {
    FILE *out;           /* NULL: nothing is shown */
    bool terminal;       /* out is one */
    bool (*go_on)(void); /* asked often, false stops; or NULL */
    /* What was shown: */
    double shown, measured, rate; /* seconds; bytes a second, of late */
    uint64_t at;                  /* all_done when it was measured */
    size_t begun, percent;        /* files whose beginning was told; of them all, in tenths */
    bool dirty, waits;            /* there is a moving line; its reason to wait was told */
};

/** For pull_options.on_progress, with a struct pull_show as its user. */
bool pull_show(void *user, const struct pull_progress *p);
/** Wipe the moving line. */
void pull_show_end(struct pull_show *s);

/** The path of the model that settings.repo names, fetched if need be, for free(). Progress goes to stderr unless
 *  `quiet`. NULL on failure. */
char *pull_named(const struct pull_settings *settings, bool quiet, bool (*go_on)(void), infer_error *err);

#endif
