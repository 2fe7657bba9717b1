/* find.c - the row of a file's architecture. */
#include "src/arch/read.h"

#include "src/base/error.h"

#include <stdio.h>

/* How many letters must change to make b of a (Levenshtein), both cut at NAME letters. */
static uint32_t letters_apart(struct text a, struct text b)
{
    enum { NAME = 32 };
    uint32_t row[NAME + 1];
    const size_t n = a.n < NAME ? a.n : NAME, m = b.n < NAME ? b.n : NAME;
    for (size_t j = 0; j <= m; j++)
        row[j] = (uint32_t)j;
    for (size_t i = 1; i <= n; i++) {
        uint32_t corner = row[0];
        row[0] = (uint32_t)i;
        for (size_t j = 1; j <= m; j++) {
            const uint32_t changed = corner + (a.p[i - 1] != b.p[j - 1]);
            corner = row[j];
            const uint32_t added = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = changed < added ? changed : added;
        }
    }
    return row[m];
}

/* The known names most like this one, nearest first. Letters in common at the beginning count as much as all others. */
static void list_nearest(char *text, size_t room, struct text name, bool gguf)
{
    enum { MOST = 5 };
    struct text nearest[MOST];
    uint32_t distances[MOST];
    int n = 0;
    const struct arch *row;
    for (size_t i = 0; (row = arch_row(i)); i++) {
        const char *list = gguf ? row->gguf : row->hf;
        const struct text known = { list, strcspn(list, "|") };
        const struct arch *first = row;
        for (size_t j = 0; j < i && first == row; j++)
            first = text_is(known, gguf ? arch_row(j)->gguf : arch_row(j)->hf) ? arch_row(j) : row;
        if (first != row)
            continue; /* listed already */
        uint32_t common = 0;
        while (common < name.n && common < known.n && known.p[common] == name.p[common])
            common++;
        const uint32_t distance = letters_apart(name, known) + 32 - (common < 32 ? common : 32);
        int at = n < MOST ? n++ : MOST;
        for (; at > 0 && distance < distances[at - 1]; at--)
            if (at < MOST)
                nearest[at] = nearest[at - 1], distances[at] = distances[at - 1];
        if (at < MOST)
            nearest[at] = known, distances[at] = distance;
    }
    size_t used = 0;
    for (int i = 0; i < n && used < room; i++)
        used += (size_t)snprintf(text + used, room - used, "%s%.*s", i ? ", " : "", (int)nearest[i].n,
                                 nearest[i].p);
}

/* Is a name on an "A|B" list? */
static bool is_on(const char *list, const char *name)
{
    const size_t length = strlen(name);
    while (*list) {
        const size_t n = strcspn(list, "|");
        if (n == length && !memcmp(list, name, n))
            return true;
        list += n + (list[n] == '|');
    }
    return false;
}

const struct arch *arch_named(const char *name, bool gguf)
{
    const struct arch *row;
    size_t i = 0;
    while ((row = arch_row(i)) && !is_on(gguf ? row->gguf : row->hf, name))
        i++;
    return row;
}

/* Is the model of a class that the row tells from others of its model_type? */
static bool is_of_class(const struct arch *row, const struct weights *w)
{
    const struct meta *names = weights_meta(w, "architectures");
    if (!row->hf_class)
        return true;
    if (!names || names->type != META_ARRAY || names->element != META_STRING || !names->n)
        return false;
    const uint8_t *at = names->elements;
    return text_is(meta_next_string(&at), row->hf_class);
}

static const struct arch *row_of(const struct weights *w, const char *name)
{
    const struct arch *row;
    if (w->format == WEIGHTS_GGUF)
        return arch_named(name, true);
    for (size_t i = 0; (row = arch_row(i)) && !(is_on(row->hf, name) && is_of_class(row, w));)
        i++;
    return row;
}

infer_status arch_find_row(struct hparams *h, const struct weights *w, struct arena *arena, infer_error *err)
{
    const bool gguf = w->format == WEIGHTS_GGUF;
    const char *key = gguf ? "general.architecture" : "model_type";
    struct text name;
    const enum meta_result result = meta_get_text(w, key, &name, err);
    if (result == META_WRONG)
        return INFER_E_FORMAT;
    if (result == META_ABSENT)
        return fail(err, INFER_E_FORMAT, "%s: the metadata has no %s", w->path, key);
    h->name = arena_text(arena, name.p, name.n);
    if (!h->name)
        return fail_memory(err, "the architecture's name");
    bool both_ways = false;
    if (!gguf && meta_get_bool(w, "use_bidirectional_attention", &both_ways, err) == META_WRONG)
        return INFER_E_FORMAT;
    h->arch = row_of(w, h->name);
    const struct arch *row;
    for (size_t i = 0; both_ways && (row = arch_row(i)); i++)
        if ((row->must & TRAIT_ENCODER) && !strcmp(row->hf, h->name))
            h->arch = row; /* an encoder that config.json calls as its decoder */
    if (both_ways && h->arch && !(h->arch->must & TRAIT_ENCODER))
        return fail(err, INFER_E_UNKNOWN, "%s: %s models that see what is behind a token are not known", w->path,
                    h->name);
    if (h->arch)
        return INFER_OK;
    if (arch_named(h->name, gguf))
        return fail(err, INFER_E_UNKNOWN, "%s: of \"%s\" models only those of the class %s are known", w->path, h->name,
                    arch_named(h->name, gguf)->hf_class);
    char known[200] = "";
    list_nearest(known, sizeof known, name, gguf);
    return fail(err, INFER_E_UNKNOWN, "%s: architecture \"%.60s\" is not known; the nearest known ones are %s", w->path,
                h->name, known);
}
