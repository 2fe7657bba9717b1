/* weights.h - filling struct weights: what the readers of src/formats share. Private to this folder, to src/originals, to
 * src/convert and to tests.
 *
 * A parser takes bytes and a struct weights, adds what it finds, and names no file in its errors: the caller, who knows
 * the name, puts it in front with fail_prefix(). Whatever was added before an error is freed by weights_close(). */
#ifndef FORMATS_WEIGHTS_H
#define FORMATS_WEIGHTS_H

#include "src/base/error.h"
#include "src/formats/formats.h"

enum { MAX_KEY = 65535, MAX_NAME = 4096 };

/** Empty weights, or NULL. The path is copied. */
struct weights *weights_new(const infer_allocator *a, const char *path, enum weights_format format, infer_error *err);
/** Map a file that stays mapped as long as the weights. The error names the file. */
infer_status weights_map(struct weights *w, const char *path, struct mapping *m, infer_error *err);
/** Add an entry; the key is checked and copied. Two entries of one key are an error. */
infer_status weights_add_meta(struct weights *w, const struct meta *m, infer_error *err);
/** Add a tensor; the name is checked and copied. Two tensors of one name are an error. */
infer_status weights_add_tensor(struct weights *w, const struct tensor *t, infer_error *err);

/** From type, n_dims and ne[0..n_dims) to bytes; the unused ne become 1. An axis may be 0, and then bytes are. */
infer_status tensor_measure(struct tensor *t, infer_error *err);
/** Numbers of the tensors [first, n_tensors) in the order of their data, empty ones before what starts at the same
 *  place; NULL if memory is out. mem_free() it. */
uint32_t *tensors_by_address(const struct weights *w, size_t first);

/** Text fit for a message: control characters and what is not UTF-8 as \xNN, cut at 64 bytes. Use as quote(t).s. */
struct quoted {
    char s[64 * 4 + 4];
};
struct quoted quote(struct text t);
/** True if the text is UTF-8 without control characters. */
bool text_is_clean(struct text t);
/** True if the text ends so. */
bool text_ends(struct text t, const char *end);

/** Read a number or bool, little-endian, into m->value as m->type says. */
void meta_read_number(struct meta *m, const uint8_t *p);
/** Bytes of a number or bool, 0 for strings and arrays. */
size_t meta_type_bytes(enum meta_type type);

/** One GGUF file: metadata and tensors are added to w. */
infer_status gguf_parse(struct weights *w, const uint8_t *data, size_t size, infer_error *err);
/** A GGUF file with all its parts, mapped. */
struct weights *gguf_open(const infer_allocator *a, const char *path, infer_error *err);

/** One SafeTensors file: its tensors are added to w, its __metadata__ as "__metadata__.KEY". */
infer_status safetensors_parse(struct weights *w, const uint8_t *data, size_t size, infer_error *err);
/** A JSON object: its entries become metadata, their keys with the prefix in front. Of equal keys the first stays. */
infer_status config_parse(struct weights *w, struct text json, const char *prefix, infer_error *err);
/** A modules.json: the path of each module becomes the entry "modules.TYPE", TYPE being the last part of its type. Of
 *  equal types the next ones become "modules.TYPE.1" and so on, up to 7. */
infer_status modules_parse(struct weights *w, struct text json, infer_error *err);
/** A model directory, or a .safetensors file in one. */
struct weights *hf_open(const infer_allocator *a, const char *path, bool vocabulary_only, infer_error *err);
/** A directory of an adapter, or a .safetensors file in one. */
struct weights *hf_open_adapter(const infer_allocator *a, const char *path, infer_error *err);

#endif
