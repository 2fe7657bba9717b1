/* commands.h - what can be typed in a conversation besides what is said: lines that begin with a slash. */
#ifndef TOOLS_RUN_COMMANDS_H
#define TOOLS_RUN_COMMANDS_H

#include "tools/run/run.h"

/** What Tab completes, ended by NULL. */
const char *const *command_words(void);
/** Do what a line that begins with '/' says; a mistake is told. False: the conversation is over. */
bool command_run(struct run *r, const char *line);

#endif
