/* tokens.c - texts as tokens, and tokens as they are shown. */
#include "service/tokens.h"

#include "service/errors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Room for n more. */
static bool reserve(struct ids *ids, size_t n)
{
    if (ids->failed || n >= SIZE_MAX / 16 - ids->n)
        return !(ids->failed = true);
    if (ids->n + n <= ids->max)
        return true;
    const size_t max = ids->n + n + ids->n / 2;
    int32_t *const v = realloc(ids->v, max * sizeof *v);
    if (!v)
        return !(ids->failed = true);
    ids->v = v;
    ids->max = max;
    return true;
}

void ids_add(struct ids *ids, const int32_t *more, size_t n)
{
    if (!n || !reserve(ids, n))
        return;
    memcpy(ids->v + ids->n, more, n * sizeof *more);
    ids->n += n;
}

bool ids_add_text(struct ids *ids, const infer_tokenizer *tokenizer, const char *text, size_t length, unsigned flags,
                  infer_error *err)
{
    size_t n = length < SIZE_MAX / 16 ? length + 8 : length; /* more where normalisation lengthens the text */
    for (size_t room = 0; n > room;) {
        room = n;
        if (!reserve(ids, room)) {
            service_error(err, INFER_E_NOMEM, "no memory for the tokens of %zu bytes", length);
            return false;
        }
        if (infer_tokenizer_encode(tokenizer, text, length, flags, ids->v + ids->n, room, &n, err) != INFER_OK)
            return false;
    }
    ids->n += n;
    return true;
}

bool ids_add_prompt(struct ids *ids, const infer_tokenizer *tokenizer, const char *text, size_t length,
                    infer_error *err)
{
    const size_t before = ids->n;
    if (!ids_add_text(ids, tokenizer, text, length, INFER_ADD_SPECIAL | INFER_PARSE_SPECIAL, err))
        return false;
    if (ids->n > before)
        return true;
    /* Where no token begins a text, the end of another one does. */
    int32_t id = infer_tokenizer_bos(tokenizer);
    id = id >= 0 ? id : infer_tokenizer_eos(tokenizer);
    if (id < 0)
        return service_error(err, INFER_E_ARGUMENT, "the prompt is empty, and no token begins a text of this model"),
               false;
    ids_add(ids, &id, 1);
    return !ids->failed;
}

void ids_free(struct ids *ids)
{
    free(ids->v);
    *ids = (struct ids){ 0 };
}

/* Text of a token behind another one, so that it keeps its leading space, and behind the first byte of a character, so
 * that a token can be read that begins within one; 0: none. */
static size_t text_behind(const infer_tokenizer *tokenizer, int32_t id, uint8_t first, char *text, size_t max)
{
    infer_stream stream = { .flags = INFER_UNPARSE_SPECIAL };
    int32_t before[8];
    size_t n_before = 0, n = 0;
    infer_tokenizer_encode(tokenizer, "a", 1, 0, before, 8, &n_before, NULL);
    for (size_t i = 0; i < n_before && i < 8; i++)
        infer_tokenizer_stream(tokenizer, &stream, before[i], text, max, &n, NULL);
    stream.n_held = first != 0;
    stream.held[0] = first;
    if (infer_tokenizer_stream(tokenizer, &stream, id, text, max - sizeof stream.held, &n, NULL) != INFER_OK)
        return 0;
    memcpy(text + n, stream.held, stream.n_held);
    return n + stream.n_held;
}

size_t token_bytes(const infer_tokenizer *tokenizer, int32_t id, char *text, size_t max)
{
    /* First bytes of characters that want 3, 2 and 1 bytes more, whatever these are. */
    static const uint8_t firsts[] = { 0xf1, 0xe1, 0xc3 };
    static const char broken[] = "\xef\xbf\xbd";
    char plain[1024], behind[1024];
    const char *from = plain;
    size_t n = text_behind(tokenizer, id, 0, plain, sizeof plain);
    for (size_t i = 0; i < 3 && n >= 3 && from == plain && !memcmp(plain, broken, 3); i++) {
        const size_t more = text_behind(tokenizer, id, firsts[i], behind, sizeof behind);
        if (more && (more < 3 || memcmp(behind, broken, 3))) {
            from = behind + 1;
            n = more - 1;
        }
    }
    n = n < max ? n : max;
    memcpy(text, from, n);
    return n;
}

json_t *token_string(const char *bytes, size_t n)
{
    json_t *const whole = json_stringn(bytes, n);
    return whole ? whole : json_string("\xef\xbf\xbd");
}

double finite_logprob(double logprob)
{
    return isfinite(logprob) ? logprob : -9999.0;
}
