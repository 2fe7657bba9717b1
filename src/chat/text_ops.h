/* text_ops.h - what filters and methods of text have in common. Each is a builtin_fn. */
#ifndef CHAT_TEXT_OPS_H
#define CHAT_TEXT_OPS_H

#include "src/chat/template.h"

struct value text_upper(struct render *r, struct value self, const struct args *a);
struct value text_lower(struct render *r, struct value self, const struct args *a);
struct value text_capitalize(struct render *r, struct value self, const struct args *a);
struct value text_swapcase(struct render *r, struct value self, const struct args *a);
struct value text_title(struct render *r, struct value self, const struct args *a);
struct value text_title_words(struct render *r, struct value self, const struct args *a);
struct value text_strip(struct render *r, struct value self, const struct args *a);
struct value text_lstrip(struct render *r, struct value self, const struct args *a);
struct value text_rstrip(struct render *r, struct value self, const struct args *a);
struct value text_replace(struct render *r, struct value self, const struct args *a);
struct value text_center(struct render *r, struct value self, const struct args *a);
struct value text_ljust(struct render *r, struct value self, const struct args *a);
struct value text_rjust(struct render *r, struct value self, const struct args *a);

/** The text of what was written since mark; Markup if self is. */
struct value put_finish(struct render *r, size_t mark, struct value self);

#endif
