/* fuzz_template.c - any bytes as a chat template, rendered with a conversation within small limits. */
#include "src/chat/template.h"
#include "tests/common/counting.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool promise)
{
    if (!promise)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char messages[] = "[{\"role\":\"system\",\"content\":\" Be brief. "
                                   "\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"h\\u00e9\"}]},"
                                   "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"function\":{\"name\":"
                                   "\"f\",\"arguments\":{\"a\":[1,2.5,true]}}}]}]";
    const struct limits limits = { .steps = 200000, .bytes = 8 << 20, .output = 1 << 20, .depth = 200 };
    struct counting c;
    infer_error err = { 0 };
    struct render r;
    counting_init(&c, size && data[0] == '!' ? 40 + size % 50 : SIZE_MAX); /* some run out of memory */
    infer_chat_template *t = template_compile(&c.allocator, (struct text){ (const char *)data, size }, &err);
    if (t) {
        render_open(&r, t, &limits, &err);
        render_set(&r, "messages", value_parse_json(&r, text_of(messages), "messages"));
        render_set(&r, "add_generation_prompt", value_bool(true));
        require(!r.failed || err.code);
        require(r.failed || !render_run(&r) || err.message[0]);
        require(r.n_out <= limits.output && r.arena.bytes <= limits.bytes + (4 << 20));
        render_close(&r);
    } else {
        require(err.code && err.message[0]);
    }
    template_free(&t);
    require(!c.live);
    return 0;
}
