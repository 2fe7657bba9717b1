/* store_page.h - a page of keys and values as a file of its own.
 *
 *   header  u64: magic, version, class of layers, number of tokens, bytes of the page, the way it was computed
 *   tokens  i32: all of the text up to the end of the page
 *   page    its blocks, stripe by stripe (pages.h)
 *   hash    u64, of all before it
 * All numbers are little-endian. Who reads knows what should stand there: nothing but the page is taken from the file.
 *
 * It is named by class and by a hash of way and tokens. Texts whose hashes are the same differ in their tokens. */
#ifndef RUNTIME_STORE_PAGE_H
#define RUNTIME_STORE_PAGE_H

#include "src/base/stream.h"
#include "src/engine/kv.h"

/** What keys and values of a text depend on besides its tokens. */
enum { STORE_WAYS = 7 };
struct store_way {
    uint64_t v[STORE_WAYS];
};

struct store_page {
    const struct store_way *way;
    const int32_t *tokens; /* n_tokens, a multiple of ATTEND_KEYS */
    uint32_t n_tokens;
    enum kv_class class;
    const struct page_heap *heap; /* of the class */
};

uint64_t store_page_bytes(const struct store_page *p);
infer_status store_page_put(struct sink *to, const struct store_page *p, const struct page *from, infer_error *err);
/** Whether the source, at its beginning, is of this page: its size, its header and its tokens. INFER_E_FORMAT if
 *  not. */
infer_status store_page_check(struct source *from, const struct store_page *p, infer_error *err);
/** What follows then. INFER_E_FORMAT: it is damaged, and the page unspecified. */
infer_status store_page_get(struct source *from, const struct store_page *p, struct page *into, infer_error *err);

/** "kv-0123456789abcdef-0.page" */
enum { STORE_NAME = 28 };
/** The hash for names of a text, for store_name_next() to go on with ATTEND_KEYS tokens each. */
void store_name_begin(struct hash *h, const struct store_way *way);
void store_name_next(struct hash *h, const int32_t *tokens);
/** Name of the file whose page ends here; hash: store_name_next()'s hash_value(). */
void store_name(char name[STORE_NAME], uint64_t hash, enum kv_class class);
/** 'p': name of a page; 't': of one that is being written, beside it; 0: neither. */
char store_name_kind(const char *name);

#endif
