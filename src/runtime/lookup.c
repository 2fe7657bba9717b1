/* lookup.c - chains of places with the same hash. A place is the number of the token that follows it, so 0 is none. */
#include "src/runtime/lookup.h"

enum { KEY = 2 /* tokens */, MOST_TRIES = 16 };

bool lookup_open(struct lookup *l, const infer_allocator *a, uint32_t n_ctx)
{
    *l = (struct lookup){ .a = a, .n_places = KEY };
    while (l->n_places < n_ctx && l->n_places < LOOKUP_PLACES)
        l->n_places *= 2;
    l->last = mem_new(a, l->n_places, sizeof *l->last);
    l->before = mem_new(a, l->n_places, sizeof *l->before);
    if (l->last && l->before)
        return true;
    lookup_close(l);
    return false;
}

void lookup_close(struct lookup *l)
{
    if (!l->a)
        return;
    mem_free(l->a, l->last);
    mem_free(l->a, l->before);
    *l = (struct lookup){ 0 };
}

/* Of the tokens before a place: multiplicative, over the upper bits. */
static uint32_t *chain_of(const struct lookup *l, const int32_t *tokens, uint32_t place)
{
    const uint64_t key = (uint64_t)(uint32_t)tokens[place - 2] << 32 | (uint32_t)tokens[place - 1];
    return &l->last[(key * 0x9e3779b97f4a7c15) >> 40 & (l->n_places - 1)];
}

/* Places before n_tokens become known. A text that became shorter is another one. */
static void follow(struct lookup *l, const int32_t *tokens, uint32_t n_tokens)
{
    if (n_tokens < l->n) {
        memset(l->last, 0, l->n_places * sizeof *l->last);
        l->n = 0;
    }
    if (n_tokens > l->n_places && l->n < n_tokens - l->n_places)
        l->n = n_tokens - l->n_places;
    for (l->n = l->n < KEY ? KEY : l->n; l->n < n_tokens; l->n++) {
        uint32_t *const last = chain_of(l, tokens, l->n);
        l->before[l->n & (l->n_places - 1)] = *last;
        *last = l->n;
    }
}

/* Tokens that are the same before both places. */
static uint32_t alike(const int32_t *tokens, uint32_t place, uint32_t end)
{
    const uint32_t most = place < LOOKUP_LONGEST ? place : LOOKUP_LONGEST;
    uint32_t n = 0;
    while (n < most && tokens[place - 1 - n] == tokens[end - 1 - n])
        n++;
    return n;
}

uint32_t lookup_guess(struct lookup *l, const int32_t *tokens, uint32_t n_tokens, int32_t *guesses, uint32_t n)
{
    uint32_t best = 0, longest = KEY - 1;
    if (n_tokens <= KEY)
        return 0;
    follow(l, tokens, n_tokens);
    uint32_t place = *chain_of(l, tokens, n_tokens);
    for (int i = 0; i < MOST_TRIES && place && n_tokens - place < l->n_places && longest < LOOKUP_LONGEST; i++) {
        const uint32_t length = alike(tokens, place, n_tokens), before = l->before[place & (l->n_places - 1)];
        best = length > longest ? place : best;
        longest = length > longest ? length : longest;
        place = before < place ? before : 0;
    }
    for (uint32_t i = 0; i < n && best; i++) /* past the text's end it goes on with what was guessed */
        guesses[i] = best + i < n_tokens ? tokens[best + i] : guesses[best + i - n_tokens];
    return best ? longest : 0;
}
