/* config.h - options from a file: lines NAME = VALUE, by the long names of the command line's. */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include "tools/common/options.h"

/* Values that options point to. */
struct config {
    char **value;
    size_t n;
};

/** Store what the file says, but for what was given on the command line. The first mistake is told with its line. */
enum options_result config_read(struct config *config, const char *path, const struct command *command);
void config_free(struct config *config);

#endif
