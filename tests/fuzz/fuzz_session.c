/* fuzz_session.c - any bytes as a saved session of a small model. Chance would find no checksum, nor what the file must
 * have alike with the session: these are made right where the input's first byte says so. */
#include "src/base/hash.h"
#include "tests/common/counting.h"

#include <stdlib.h>

enum { N_FIELDS = 16, N_ALIKE = 10, SIZE = 2, HASH = 15 }; /* saved.c */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    struct counting counting;
    infer_model *model;
    infer_session *session;
    uint64_t alike[N_FIELDS];
    size_t live; /* blocks of memory */
} f;

static void set_up(void)
{
    counting_init(&f.counting, SIZE_MAX);
    infer_context_options o = infer_context_defaults();
    o.allocator = f.counting.allocator;
    o.n_threads = 1;
    infer_session_options so = infer_session_defaults();
    so.n_ctx = 200;
    infer_context *context = infer_context_open(&o, NULL);
    f.model = infer_model_open(context, "tests/data/tiny/gemma3/model.gguf", NULL, NULL);
    f.session = infer_session_open(f.model, &so, NULL);
    size_t size;
    uint64_t saved[1024]; /* an empty session is a header and a checksum */
    if (!f.session || infer_session_save_bytes(f.session, saved, sizeof saved, &size, NULL) || size > sizeof saved)
        __builtin_trap();
    memcpy(f.alike, saved, sizeof f.alike);
    infer_context_close(&context);
    f.live = f.counting.live;
}

static void make_right(uint8_t *data, size_t size, uint8_t how)
{
    uint64_t header[N_FIELDS], hash;
    if (size < sizeof header + sizeof hash)
        return;
    memcpy(header, data, sizeof header);
    if (how & 1)
        memcpy(header, f.alike, N_ALIKE * sizeof *header);
    if (how & 2)
        header[SIZE] = size;
    if (how & 4)
        header[HASH] = hash_bytes(header, HASH * sizeof *header);
    memcpy(data, header, sizeof header);
    hash = hash_bytes(data + sizeof header, size - sizeof header - sizeof hash);
    if (how & 8)
        memcpy(data + size - sizeof hash, &hash, sizeof hash);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!f.session)
        set_up();
    if (!size)
        return 0;
    const size_t bytes = f.counting.bytes;
    const int32_t tokens[] = { 3, 4, 5 };
    infer_error err = { 0 };
    uint8_t *const file = malloc(size); /* so that a byte behind it is noticed */
    if (!file)
        return 0;
    memcpy(file, data + 1, size - 1);
    make_right(file, size - 1, data[0]);
    const infer_status status = infer_session_load_bytes(f.session, file, size - 1, &err);
    free(file);
    if (status != INFER_OK && (err.code != status || !err.message[0]))
        __builtin_trap();
    if (f.counting.bytes - bytes > 64 * size + (8 << 20) || f.counting.live > f.live + 8) /* pools keep a slab each */
        __builtin_trap();
    /* What was taken for a session goes on. */
    if (status == INFER_OK && (infer_session_eval(f.session, tokens, 3, &err) != INFER_OK && err.code != INFER_E_FULL))
        __builtin_trap();
    if (infer_session_rewind(f.session, 0, NULL) != INFER_OK)
        __builtin_trap();
    return 0;
}
