/* store_page.c - pages to and from files. */
#include "src/runtime/store_page.h"

#include "src/base/error.h"

#include <stdio.h>

#define MAGIC 0x65676170666e696cull /* "linfpage" */
enum { VERSION = 1 };

struct header {
    uint64_t magic, version, class, n_tokens, page_bytes;
    struct store_way way;
};

static struct header header_of(const struct store_page *p)
{
    return (struct header){ MAGIC, VERSION, p->class, p->n_tokens, page_bytes(p->heap), *p->way };
}

uint64_t store_page_bytes(const struct store_page *p)
{
    return sizeof(struct header) + (uint64_t)p->n_tokens * sizeof *p->tokens + page_bytes(p->heap) + sizeof(uint64_t);
}

infer_status store_page_put(struct sink *to, const struct store_page *p, const struct page *from, infer_error *err)
{
    const struct header header = header_of(p);
    infer_status status = sink_put(to, &header, sizeof header, err);
    if (status == INFER_OK)
        status = sink_put(to, p->tokens, p->n_tokens * sizeof *p->tokens, err);
    for (size_t i = 0; status == INFER_OK && i < p->heap->n_stripes; i++)
        status = sink_put(to, page_block(p->heap, from, i), p->heap->block_bytes, err);
    const uint64_t hash = hash_value(&to->hash);
    return status == INFER_OK ? sink_put(to, &hash, sizeof hash, err) : status;
}

/* The next n bytes are these. */
static infer_status expect(struct source *from, const void *expected, size_t n, const char *what, infer_error *err)
{
    uint8_t found[4096];
    for (const uint8_t *at = expected; n;) {
        const size_t part = n < sizeof found ? n : sizeof found;
        const infer_status status = source_get(from, found, part, err);
        if (status != INFER_OK)
            return status;
        if (memcmp(found, at, part) != 0)
            return fail(err, INFER_E_FORMAT, "%s: %s is not that of the page, as its name says", from->name, what);
        at += part;
        n -= part;
    }
    return INFER_OK;
}

infer_status store_page_check(struct source *from, const struct store_page *p, infer_error *err)
{
    const struct header header = header_of(p);
    if (from->size != store_page_bytes(p))
        return fail(err, INFER_E_FORMAT, "%s: has %llu bytes, expected %llu", from->name,
                    (unsigned long long)from->size, (unsigned long long)store_page_bytes(p));
    const infer_status status = expect(from, &header, sizeof header, "the header", err);
    return status == INFER_OK ? expect(from, p->tokens, p->n_tokens * sizeof *p->tokens, "the text", err) : status;
}

infer_status store_page_get(struct source *from, const struct store_page *p, struct page *into, infer_error *err)
{
    infer_status status = INFER_OK;
    for (size_t i = 0; status == INFER_OK && i < p->heap->n_stripes; i++)
        status = source_get(from, page_block(p->heap, into, i), p->heap->block_bytes, err);
    const uint64_t hash = hash_value(&from->hash);
    return status == INFER_OK ? expect(from, &hash, sizeof hash, "the checksum", err) : status;
}

/* ---- Names ---- */

void store_name_begin(struct hash *h, const struct store_way *way)
{
    static const uint64_t format[] = { MAGIC, VERSION };
    hash_init(h);
    hash_add(h, format, sizeof format);
    hash_add(h, way, sizeof *way);
}

void store_name_next(struct hash *h, const int32_t *tokens)
{
    hash_add(h, tokens, ATTEND_KEYS * sizeof *tokens);
}

void store_name(char name[STORE_NAME], uint64_t hash, enum kv_class class)
{
    snprintf(name, STORE_NAME, "kv-%016llx-%u.page", (unsigned long long)hash, (unsigned)class % 10);
}

char store_name_kind(const char *name)
{
    static const char form[] = "kv-################-#.page", beside[] = ".??????"; /* sink_open_file() */
    for (const char *f = form; *f; f++, name++)
        if (*f == '#' ? !strchr("0123456789abcdef", *name) || !*name : *f != *name)
            return 0;
    if (!*name)
        return 'p';
    return *name == '.' && strlen(name) == sizeof beside - 1 ? 't' : 0;
}
