/* beams.h - the texts that a beam search has found, the best first. */
#ifndef RUNTIME_BEAMS_H
#define RUNTIME_BEAMS_H

#include "src/base/table.h"

struct infer_beams {
    infer_context *context; /* kept alive */
    const infer_allocator *a;
    size_t n, most;
    struct found {
        infer_beam beam; /* its text and tokens are its own */
        char *text;
        int32_t *tokens;
    } *item; /* room for one more than `most` */
    infer_generate_result result;
};

/** Room for `most` of them; NULL if memory is out. */
infer_beams *beams_open(infer_context *context, size_t most, infer_error *err);
/** Add a text, unless there are `most` that are as good. text and tail are its parts, tokens and last its ids; last -1:
 *  none. The beam says the rest. */
infer_status beams_add(infer_beams *b, const infer_beam *beam, struct text text, struct text tail,
                       const int32_t *tokens, size_t n, int32_t last, infer_error *err);

#endif
