/* tokenizer.h - text to token ids and back. Part of infer.h, which says what holds for all. */
#ifndef INFER_TOKENIZER_H
#define INFER_TOKENIZER_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct infer_tokenizer infer_tokenizer;

enum {
    INFER_ADD_SPECIAL = 1,      /**< encode: add what the model expects at the start and end (BOS, EOS, CLS ...) */
    INFER_PARSE_SPECIAL = 2,    /**< encode: the names of control tokens in the text become these tokens */
    INFER_REMOVE_SPECIAL = 4,   /**< decode: leave out the tokens that INFER_ADD_SPECIAL puts at the start and end */
    INFER_UNPARSE_SPECIAL = 8   /**< decode: write control tokens by name instead of leaving them out */
};

/** Open the vocabulary of a GGUF file (which may hold no tensors), of a Hugging Face directory, or a tokenizer.json.
 *  The tokenizer is constant once open and may be used by any number of threads. */
INFER_API infer_tokenizer *infer_tokenizer_open(infer_context *context, const char *path, infer_error *err);
INFER_API void infer_tokenizer_close(infer_tokenizer **tokenizer);

/** Text to ids.
 *  @param flags   INFER_ADD_SPECIAL | INFER_PARSE_SPECIAL, or 0.
 *  @param ids     Room for max ids; at most max are written. May be NULL if max is 0.
 *  @param n       Receives how many ids the text has, also when that is more than max (call again with more room).
 *  @note A text of n bytes has at most n + 8 tokens, except where normalisation lengthens it. Bytes that are not UTF-8
 *        become byte tokens where the vocabulary has them, else U+FFFD.
 *  @return INFER_E_ARGUMENT for a tokenizer that is NULL too, as infer_model_tokenizer() may be. */
INFER_API infer_status infer_tokenizer_encode(const infer_tokenizer *tokenizer, const char *text, size_t length,
                                              unsigned flags, int32_t *ids, size_t max, size_t *n, infer_error *err);
/** Ids to text, whole. As encode: at most max bytes are written to text (no terminator), *length receives the size
 *  needed. An id outside the vocabulary is INFER_E_ARGUMENT. */
INFER_API infer_status infer_tokenizer_decode(const infer_tokenizer *tokenizer, const int32_t *ids, size_t n,
                                              unsigned flags, char *text, size_t max, size_t *length, infer_error *err);

/** Ids to text one by one, each piece whole UTF-8 characters. Zero the struct before the first call. */
typedef struct infer_stream {
    unsigned flags;    /**< INFER_UNPARSE_SPECIAL or 0 */
    uint8_t n_held;    /**< bytes of an unfinished character in held[] */
    uint8_t held[7];   /**< n_held bytes */
    uint32_t n_tokens; /**< tokens seen; the first one decides on a leading space */
    uint32_t state;    /**< the tokenizer's own */
} infer_stream;
/** The pieces, and what infer_tokenizer_stream_end adds, are the text that infer_tokenizer_decode makes of all ids; but
 *  of byte tokens in a row that are no UTF-8 together, a tokenizer.json's decode shows none, a stream its whole
 *  characters. Text that token `id` completes: at most max bytes to text, *length of them; 0 while a character is
 *  unfinished. A piece is at most infer_tokenizer_max_piece() bytes long; less room is INFER_E_ARGUMENT. */
INFER_API infer_status infer_tokenizer_stream(const infer_tokenizer *tokenizer, infer_stream *stream, int32_t id,
                                              char *text, size_t max, size_t *length, infer_error *err);
/** What is left at the end of a stream: an unfinished character comes out as U+FFFD. At most 16 bytes. */
INFER_API size_t infer_tokenizer_stream_end(infer_stream *stream, char *text, size_t max);
INFER_API size_t infer_tokenizer_max_piece(const infer_tokenizer *tokenizer);

INFER_API int32_t infer_tokenizer_size(const infer_tokenizer *tokenizer);
/** A token as it stands in the vocabulary (length bytes, not terminated, valid as long as the tokenizer), or NULL. */
INFER_API const char *infer_tokenizer_token(const infer_tokenizer *tokenizer, int32_t id, size_t *length);
/** Id of a token by its name in the vocabulary, or -1. */
INFER_API int32_t infer_tokenizer_find(const infer_tokenizer *tokenizer, const char *name, size_t length);
/** True for the tokens that end a text: end of sequence, end of turn, end of message ... */
INFER_API bool infer_tokenizer_is_end(const infer_tokenizer *tokenizer, int32_t id);
INFER_API bool infer_tokenizer_is_control(const infer_tokenizer *tokenizer, int32_t id);
INFER_API int32_t infer_tokenizer_bos(const infer_tokenizer *tokenizer); /**< -1 if there is none */
INFER_API int32_t infer_tokenizer_eos(const infer_tokenizer *tokenizer); /**< -1 if there is none */
/** The model's chat template (Jinja source, terminated), or NULL. */
INFER_API const char *infer_tokenizer_chat_template(const infer_tokenizer *tokenizer);

#ifdef __cplusplus
}
#endif
#endif
