/* gguf_write.h - writing a GGUF file (version 3): metadata and tensors are announced, then the data follows in order.
 *
 *     struct gguf_writer *w = gguf_create("out.gguf");
 *     gguf_text(w, "general.architecture", "llama");
 *     gguf_tensor(w, "token_embd.weight", DTYPE_F16, 2, (uint64_t[]){ 2048, 32000 });
 *     while (...) gguf_data(w, bytes, n);     all of the tensors' data, in the order announced; padding is the writer's
 *     status = gguf_finish(w, &err);
 *
 * Errors are remembered and told by gguf_finish(), so that the calls before need no checks. */
#ifndef TOOLS_COMMON_GGUF_WRITE_H
#define TOOLS_COMMON_GGUF_WRITE_H

#include "src/formats/formats.h"

struct gguf_writer;

/** NULL if memory is out. The file is opened at once; that it cannot be is told by gguf_finish(). */
struct gguf_writer *gguf_create(const char *path);
void gguf_u32(struct gguf_writer *w, const char *key, uint32_t value);
void gguf_f32(struct gguf_writer *w, const char *key, float value);
void gguf_bool(struct gguf_writer *w, const char *key, bool value);
void gguf_text(struct gguf_writer *w, const char *key, const char *value);
void gguf_texts(struct gguf_writer *w, const char *key, const char *const *values, size_t n);
void gguf_f32s(struct gguf_writer *w, const char *key, const float *values, size_t n);
void gguf_i32s(struct gguf_writer *w, const char *key, const int32_t *values, size_t n);
/** A key of another file with its value, as it stands there. */
void gguf_meta(struct gguf_writer *w, const struct meta *m);
/** dims: first the row's width. */
void gguf_tensor(struct gguf_writer *w, const char *name, enum dtype type, int n_dims, const uint64_t *dims);
/** Bytes of all tensors announced. */
uint64_t gguf_data_bytes(const struct gguf_writer *w);
/** The next n bytes of tensor data; may end in the middle of a tensor but not go into the next one.
 *  False after any failure: writing more is of no use, gguf_finish() tells why. */
bool gguf_data(struct gguf_writer *w, const void *bytes, size_t n);
/** Close and free. On failure the unfinished file is removed. */
infer_status gguf_finish(struct gguf_writer *w, infer_error *err);
/** Instead of gguf_finish(): remove the unfinished file, and free. */
void gguf_abandon(struct gguf_writer *w);

#endif
