/* fuzz_tokenizer.c - any bytes as a tokenizer.json, or as a GGUF file with a vocabulary. What opens must encode and
 * decode texts, the input's own bytes among them. */
#include "tests/common/counting.h"
#include "src/tokenizer/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 4096 };

static void require(bool promise)
{
    if (!promise)
        __builtin_trap();
}

static void run(const infer_tokenizer *t, const char *text, size_t length, unsigned flags)
{
    int32_t ids[MOST];
    char whole[4 * MOST];
    infer_error err = { 0 };
    size_t n = 0, again = 0, n_whole = 0, n_streamed = 0;
    if (infer_tokenizer_encode(t, text, length, flags, ids, MOST, &n, &err))
        return;
    require(!infer_tokenizer_encode(t, text, length, flags, NULL, 0, &again, &err) && again == n);
    if (n > MOST)
        return;
    for (size_t i = 0; i < n; i++)
        require(ids[i] >= 0 && ids[i] < infer_tokenizer_size(t));
    require(!infer_tokenizer_decode(t, ids, n, flags, whole, sizeof whole, &n_whole, &err));
    const size_t room = infer_tokenizer_max_piece(t);
    infer_stream s = { .flags = flags & INFER_UNPARSE_SPECIAL };
    char *piece = mem_new(&mem_default, room, 1);
    for (size_t i = 0; i < n && piece; i++) {
        size_t got = 0;
        require(!infer_tokenizer_stream(t, &s, ids[i], piece, room, &got, &err) && got <= room);
        n_streamed += got;
    }
    n_streamed += infer_tokenizer_stream_end(&s, whole, 16);
    (void)n_streamed; /* a tokenizer.json's decode can be longer: of a broken run of bytes it shows each */
    mem_free(&mem_default, piece);
}

static void look(const infer_tokenizer *t, const char *data, size_t size)
{
    static const char text[] =
        " the quick\xe2\x96\x81 fox's 12345\n\n  e\xcc\x81\xcc\xa3 <s></s><tool> \xff\xe2\x82 \xf0\x9f\x98\x80"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\0.,'s ?";
    const size_t own = size < 200 ? size : 200;
    const unsigned all = INFER_ADD_SPECIAL | INFER_PARSE_SPECIAL | INFER_UNPARSE_SPECIAL;
    run(t, text, sizeof text, all);
    run(t, text, sizeof text, 0);
    run(t, data + size - own, own, all);
    for (int32_t id = -1; id <= infer_tokenizer_size(t) && id < 100; id++) {
        size_t n;
        const char *name = infer_tokenizer_token(t, id, &n);
        require(name || !n);
        infer_tokenizer_find(t, name, n);
        infer_tokenizer_is_end(t, id);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct counting c;
    infer_error err = { 0 };
    struct weights *w = NULL;
    infer_tokenizer *t = NULL;
    counting_init(&c, SIZE_MAX);
    if (size >= 4 && !memcmp(data, "GGUF", 4)) {
        w = weights_open_memory(&c.allocator, data, size, "file", &err);
        t = w ? tokenizer_open(&c.allocator, w, &err) : NULL;
    } else {
        t = tokenizer_open_json(&c.allocator, (struct text){ (const char *)data, size }, "file", &err);
    }
    if (t)
        look(t, (const char *)data, size);
    else
        require(err.code && err.message[0]);
    tokenizer_close(&t);
    weights_close(&w);
    require(!c.live);
    return 0;
}
