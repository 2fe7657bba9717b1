/* vocabulary.c - made-up tokens: three control tokens, 256 bytes, then words. */
#include "tools/synth/shapes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void write_vocabulary(struct gguf_writer *w, uint32_t n)
{
    enum { FIRST_WORD = 3 + 256, LEAST = 512 };
    if (n < LEAST)
        return;
    char(*text)[16] = calloc(n, sizeof *text);
    const char **tokens = calloc(n, sizeof *tokens);
    float *scores = calloc(n, sizeof *scores);
    int32_t *types = calloc(n, sizeof *types);
    static const char *const control[] = { "<unk>", "<s>", "</s>" };
    for (uint32_t i = 0; text && tokens && scores && types && i < n; i++) {
        tokens[i] = text[i];
        types[i] = i == 0 ? 2 : i < 3 ? 3 : i < FIRST_WORD ? 6 : 1; /* unknown, control, byte, normal */
        scores[i] = i < FIRST_WORD ? 0 : -(float)(i - FIRST_WORD);
        if (i < 3)
            strcpy(text[i], control[i]);
        else if (i < FIRST_WORD)
            snprintf(text[i], sizeof *text, "<0x%02X>", i - 3);
        else { /* syllables: the number in base 100, a consonant and a vowel a digit, after a space */
            size_t at = (size_t)snprintf(text[i], sizeof *text, "\xe2\x96\x81");
            for (uint32_t v = i - FIRST_WORD + 1; v; v /= 100)
                at += (size_t)snprintf(text[i] + at, sizeof *text - at, "%c%c", "bcdfghjklmnpqrstvwxz"[v % 100 / 5],
                                       "aeiou"[v % 5]);
        }
    }
    if (text && tokens && scores && types) {
        gguf_text(w, "tokenizer.ggml.model", "llama");
        gguf_texts(w, "tokenizer.ggml.tokens", tokens, n);
        gguf_f32s(w, "tokenizer.ggml.scores", scores, n);
        gguf_i32s(w, "tokenizer.ggml.token_type", types, n);
        gguf_u32(w, "tokenizer.ggml.bos_token_id", 1);
        gguf_u32(w, "tokenizer.ggml.eos_token_id", 2);
        gguf_bool(w, "tokenizer.ggml.add_bos_token", true);
    }
    free(text);
    free(tokens);
    free(scores);
    free(types);
}
