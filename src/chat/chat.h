/* chat.h - chat templates. The functions are those of infer.h. */
#ifndef CHAT_H
#define CHAT_H

#include <stddef.h>

/** Templates for models that bring none, in the order of their names. */
struct chat_builtin {
    const char *name, *source;
};
extern const struct chat_builtin chat_builtins[];
extern const size_t n_chat_builtins;

#endif
