/* fuzz_answer.c - any bytes as a model's answer, in any format: how they are cut into pieces must not matter. */
#include "tests/common/counting.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool promise)
{
    if (!promise)
        __builtin_trap();
}

struct parts {
    uint64_t hash, n;
    int last;
};

static void on_part(void *user, infer_chat_part part, const char *text, size_t length)
{
    struct parts *p = user;
    if (p->last != (int)part || part >= INFER_CHAT_CALL)
        p->hash = (p->hash ^ (part + 1)) * 0x100000001b3u;
    for (size_t i = 0; i < length; i++)
        p->hash = (p->hash ^ (uint8_t)text[i]) * 0x100000001b3u;
    p->n += length;
    p->last = (int)part;
}

static struct parts parse(infer_context *c, const char *format, const char *text, size_t size, size_t piece)
{
    struct parts parts = { 1, 0, -1 };
    infer_error err = { 0 };
    infer_chat_parser_options o = infer_chat_parser_defaults();
    o.format = format;
    o.on_part = on_part;
    o.user = &parts;
    infer_chat_parser *p = infer_chat_parser_open(c, &o, &err);
    require(p != NULL);
    for (size_t at = 0, n; at < size; at += n) {
        n = size - at < piece ? size - at : piece;
        require(!infer_chat_parser_feed(p, text + at, n, &err));
    }
    require(!infer_chat_parser_end(p, &err));
    infer_chat_parser_close(&p);
    return parts;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    infer_context_options o = infer_context_defaults();
    struct counting counting;
    size_t n_formats = 0;
    counting_init(&counting, SIZE_MAX);
    o.n_threads = 1;
    o.allocator = counting.allocator;
    infer_context *c = size ? infer_context_open(&o, NULL) : NULL;
    if (!c)
        return 0;
    while (infer_chat_format_name(n_formats))
        n_formats++;
    const char *format = infer_chat_format_name(data[0] % n_formats), *text = (const char *)data + 1;
    const struct parts whole = parse(c, format, text, size - 1, size), bytes = parse(c, format, text, size - 1, 1),
                       pieces = parse(c, format, text, size - 1, 1 + data[0] / n_formats);
    require(whole.hash == bytes.hash && whole.n == bytes.n && pieces.hash == bytes.hash);
    infer_context_close(&c);
    require(!counting.live);
    return 0;
}
