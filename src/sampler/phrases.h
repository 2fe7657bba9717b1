/* phrases.h - texts that are looked for in what tokens write, however it is cut into tokens. */
#ifndef SAMPLER_PHRASES_H
#define SAMPLER_PHRASES_H

#include "src/sampler/candidates.h"

enum { PHRASES_BYTES = 4096 }; /* most bytes of all phrases together */

struct phrases {
    const infer_allocator *a;
    const infer_tokenizer *tokenizer; /* NULL: there are no phrases */
    struct text *phrase;
    size_t n;
    char *bytes;  /* of all phrases */
    char *tail;   /* the last bytes written, fewer than the longest phrase has */
    size_t n_tail, most_tail;
    bool lent; /* all but the tail is another's */
    /* Tokens that end phrase p when its first i bytes are there (i = 0: that hold all of it): rows row_of[p] + i. */
    size_t *row_of;
    size_t *first; /* ids[first[r]] up to ids[first[r + 1]] */
    int32_t *ids;
};

/** n texts, terminated, copied; what is wrong with one of them is INFER_E_ARGUMENT. With `with_tokens` phrases_ban can
 *  be called. */
infer_status phrases_open(struct phrases *p, const infer_allocator *a, const infer_tokenizer *tokenizer,
                          const char *const *texts, size_t n, bool with_tokens, infer_error *err);
/** The same after the same text; `from` outlives it. False if memory is out. phrases_close() is due in any case. */
bool phrases_fork(struct phrases *p, const struct phrases *from);
void phrases_close(struct phrases *p);
/** Forget what was written. */
void phrases_begin(struct phrases *p);
/** A token is written; true if a phrase ends within it. */
bool phrases_take(struct phrases *p, int32_t id);
/** Rule out the tokens that would end a phrase; false if memory is out. */
bool phrases_ban(const struct phrases *p, struct candidates *c);

#endif
