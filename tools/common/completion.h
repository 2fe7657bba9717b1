/* completion.h - what a shell needs to complete a program's command line, made of its table of options. */
#ifndef TOOLS_COMMON_COMPLETION_H
#define TOOLS_COMMON_COMPLETION_H

#include "tools/common/options.h"

/** Print the script for a shell: bash, zsh or fish. False if there is none for it. */
bool completion_print(const struct command *command, const char *shell);

#endif
