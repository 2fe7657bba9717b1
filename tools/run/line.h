/* line.h - texts that somebody types, line by line: with libedit on a terminal, else as they come. */
#ifndef TOOLS_RUN_LINE_H
#define TOOLS_RUN_LINE_H

#include <stdbool.h>
#include <stddef.h>

struct line;

/** @param words  what Tab completes at the beginning of a line: texts that begin with '/', ended by NULL; or NULL for
 *                 none. After those that end with a space it completes names of files.
 *  NULL: memory is out. */
struct line *line_open(const char *const *words);
void line_close(struct line **line);
/** Whether they are typed: standard input is a terminal. */
bool line_is_typed(const struct line *line);
/** The next text, terminated, valid until the next call; NULL at the end. What is typed may have several lines: those
 *  that end with \ go on, and what begins with """ goes on until """. Ctrl-C forgets the text that is being typed;
 *  where it is piped, that is the end. */
const char *line_read(struct line *line, size_t *length);

#endif
