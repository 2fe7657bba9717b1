/* tokenizer.h - text to ids and back. The functions that use a tokenizer are those of infer.h. */
#ifndef TOKENIZER_H
#define TOKENIZER_H

#include "src/formats/formats.h"

/** From the metadata of a GGUF file (tokenizer.ggml.*), or of a Hugging Face directory (its tokenizer.json). Whatever
 *  it needs is copied or stays in `w`, which must outlive it. */
infer_tokenizer *tokenizer_open(const infer_allocator *a, const struct weights *w, infer_error *err);
/** From the text of a tokenizer.json alone. `name` is for messages. */
infer_tokenizer *tokenizer_open_json(const infer_allocator *a, struct text json, const char *name, infer_error *err);
/** What INFER_ADD_SPECIAL puts before a text's ids and behind them. */
struct token_frame {
    const int32_t *before, *after, *between; /* between: the texts of a pair */
    size_t n_before, n_after, n_between;
};
struct token_frame tokenizer_around(const infer_tokenizer *t);
void tokenizer_close(infer_tokenizer **t);

#endif
