/* fuzz_store.c - any bytes as a page of a prefix store. Chance would find neither header nor checksum: these are made right
 * where the input's first byte says so. What is taken is the page, bit by bit. */
#include "src/base/hash.h"
#include "src/runtime/store_page.h"
#include "tests/common/counting.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BLOCK = 96, STRIPES = 2, TOKENS = ATTEND_KEYS, HEADER = (5 + STORE_WAYS) * 8, BEFORE = HEADER + 4 * TOKENS,
       FILE_BYTES = BEFORE + STRIPES * BLOCK + 8 };

static struct {
    struct counting counting;
    struct page_heap heap;
    struct page *page;
    struct store_way way;
    int32_t tokens[TOKENS];
    struct store_page p;
    uint8_t sound[FILE_BYTES];
    size_t calls;
} f;

static void set_up(void)
{
    struct sink to;
    counting_init(&f.counting, SIZE_MAX);
    if (!pages_init(&f.heap, &f.counting.allocator, BLOCK, STRIPES, 1) || !(f.page = page_take(&f.heap, NULL, 1)))
        __builtin_trap();
    for (uint64_t i = 0; i < STORE_WAYS; i++)
        f.way.v[i] = i;
    for (int i = 0; i < TOKENS; i++)
        f.tokens[i] = i;
    memset(f.page->data, 0, BLOCK * STRIPES);
    f.p = (struct store_page){ &f.way, f.tokens, TOKENS, KV_ALL, &f.heap };
    sink_open_memory(&to, f.sound, sizeof f.sound);
    if (store_page_put(&to, &f.p, f.page, NULL) != INFER_OK || to.left)
        __builtin_trap();
    f.calls = f.counting.calls;
}

static void make_right(uint8_t *file, size_t n, uint8_t how)
{
    const size_t begin = how & 1 ? 0 : HEADER, end = how & 2 ? BEFORE : HEADER;
    if (n >= BEFORE && end > begin)
        memcpy(file + begin, f.sound + begin, end - begin);
    if ((how & 4) && n >= 8) {
        const uint64_t hash = hash_bytes(file, n - 8);
        memcpy(file + n - 8, &hash, sizeof hash);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!f.page)
        set_up();
    if (!size)
        return 0;
    const size_t n = data[0] & 8 ? FILE_BYTES : size - 1; /* as long as it should be, or not */
    infer_error err = { 0 };
    uint8_t *const file = calloc(n + 1, 1);
    if (!file)
        return 0;
    memcpy(file, data + 1, size - 1 < n ? size - 1 : n);
    make_right(file, n, data[0]);
    struct source from;
    source_open_memory(&from, file, n, "page");
    infer_status status = store_page_check(&from, &f.p, &err);
    if (status == INFER_OK)
        status = store_page_get(&from, &f.p, f.page, &err);
    if (status != INFER_OK && (status != INFER_E_FORMAT || err.code != status || !err.message[0]))
        __builtin_trap();
    for (size_t i = 0; status == INFER_OK && i < STRIPES; i++)
        if (n != FILE_BYTES || memcmp(page_block(&f.heap, f.page, i), file + BEFORE + i * BLOCK, BLOCK) != 0)
            __builtin_trap();
    if (f.counting.calls != f.calls) /* nothing in a file takes memory */
        __builtin_trap();
    char name[64] = { 0 };
    memcpy(name, data, size < sizeof name ? size : sizeof name - 1);
    (void)store_name_kind(name);
    free(file);
    return 0;
}
