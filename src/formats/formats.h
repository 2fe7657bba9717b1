/* formats.h - model files as typed metadata and named tensors.
 *
 * A GGUF file (or its split parts) and a Hugging Face directory (config.json and SafeTensors) become the same
 * `struct weights`. The files are mapped and stay so; strings, arrays and tensor data point into the mapping where the
 * file has them in usable form. All counts, lengths, offsets, types and shapes have been checked: what a reader gets
 * from here lies inside the file, aligned tensors or not, and no two tensors overlap or share a name.
 *
 * Names: GGUF's keys stand as they are ("llama.block_count"); arrays of arrays are left out. config.json's keys stand
 * flattened with dots ("rope_scaling.factor"), and so do those of quantize_config.json below "quantization_config.";
 * those of generation_config.json follow after "generation_config.", those
 * of tokenizer_config.json after "tokenizer_config." (chat_template.jinja is "tokenizer_config.chat_template"), those
 * of a SafeTensors file's header after "__metadata__.". Of sentence-transformers' files, modules.json gives the folder of
 * each module as "modules.TYPE" ("modules.Pooling"); the keys of the pooling module's config.json follow after
 * "pooling.", those of sentence_bert_config.json after "sentence_bert_config.". Of two equal keys of JSON the first stays. Left out are null,
 * arrays that mix types (integers among reals become reals) or hold objects or arrays, and keys that are not printable
 * or longer than 255 bytes. An empty JSON array is one of META_I64.
 *
 * A tensor may have axes of length 0, and then no bytes. Of a SafeTensors shape of more than four axes the outermost
 * are multiplied into ne[3]: the data lies the same. */
#ifndef FORMATS_H
#define FORMATS_H

#include "src/base/dtype.h"
#include "src/base/map.h"
#include "src/base/numbers.h"
#include "src/base/table.h"

#include <stdatomic.h>

/** Numbers are GGUF's. Integers from JSON are META_I64, other numbers META_F64. */
enum meta_type {
    META_U8 = 0, META_I8 = 1, META_U16 = 2, META_I16 = 3, META_U32 = 4, META_I32 = 5, META_F32 = 6, META_BOOL = 7,
    META_STRING = 8, META_ARRAY = 9, META_U64 = 10, META_I64 = 11, META_F64 = 12,
    META_TYPES
};

struct meta {
    struct text key; /* terminated as well */
    enum meta_type type;
    enum meta_type element;  /* of an array: never META_ARRAY */
    uint64_t n;              /* elements of an array */
    const uint8_t *elements; /* of an array, little-endian, unaligned; strings as GGUF has them: u64 length, bytes */
    union {
        uint64_t u; /* unsigned integers, bool */
        int64_t i;  /* signed integers */
        double f;   /* F32, F64 */
        struct text s; /* META_STRING */
    } value;
    atomic_bool read; /* somebody has asked for it */
};

#define TENSOR_MAX_DIMS 4

struct tensor {
    struct text name; /* terminated as well */
    enum dtype type;
    int n_dims;                    /* 0 (a scalar) to 4 */
    uint64_t ne[TENSOR_MAX_DIMS];  /* GGUF's order: ne[0] the row's width; unused ones are 1 */
    uint64_t bytes;
    const void *data; /* inside a mapping; SafeTensors' may be unaligned */
    const char *made_of; /* what the file has in its place (src/originals): "GPTQ, 4 bits"; NULL: the tensor itself */
};

enum weights_format { WEIGHTS_GGUF, WEIGHTS_HF };

struct weights {
    const infer_allocator *a;
    enum weights_format format;
    const char *path; /* as given, for messages */
    struct arena arena;
    struct meta *metas; /* in the file's order */
    size_t n_metas;
    struct tensor *tensors; /* in the files' order */
    size_t n_tensors;
    struct table meta_index, tensor_index;
    struct mapping *maps;
    size_t n_maps;
    size_t metas_capacity, tensors_capacity, maps_capacity;
    const char *tensor_prefix;  /* while a file is read: what its tensors' names get in front, or NULL */
    struct text tokenizer_json; /* of a Hugging Face directory; p NULL if there is none */
};

/** The parts "DIR/NAME-00002-of-00005.gguf" is made of. */
struct split_name {
    struct text stem; /* "DIR/NAME" */
    uint32_t part, count;
};
/** False if the path is not of that form, or part is not in 1..count. */
bool split_name_parse(const char *path, const char *extension, struct split_name *out);

/** Open a GGUF file (one of split files: all are opened), a directory, or a .safetensors file: its directory is opened,
 *  and the tensors are those of this file unless it is one of several shards. */
struct weights *weights_open(const infer_allocator *a, const char *path, infer_error *err);
/** The same for the vocabulary only: a directory needs neither config.json nor tensors, and no tensors are opened. */
struct weights *weights_open_vocabulary(const infer_allocator *a, const char *path, infer_error *err);
/** A whole GGUF file in memory, which must stay. `name` is for messages. Split files are refused. */
struct weights *weights_open_memory(const infer_allocator *a, const void *data, size_t size, const char *name,
                                    infer_error *err);
/** An adapter: a GGUF file, or a directory of PEFT's (adapter_config.json, adapter_model.safetensors), or a SafeTensors
 *  file in one. */
struct weights *weights_open_adapter(const infer_allocator *a, const char *path, infer_error *err);
/** INFER_E_IO if a file was cut off since it was mapped. */
infer_status weights_intact(const struct weights *w, infer_error *err);
void weights_close(struct weights **w);

const struct meta *weights_meta(const struct weights *w, const char *key);       /* or NULL */
const struct tensor *weights_tensor(const struct weights *w, struct text name);  /* or NULL */

/** A copy of a matrix whose values are no blocks, with its rows as columns; false if memory is out. */
bool tensor_turn(struct tensor *turned, const struct tensor *t, struct arena *arena);

/** Typed access: META_ABSENT leaves *value alone; META_WRONG fills err with file, key, what was found and what was
 *  expected. Integers of any width convert if the value fits; floats take integers too. */
enum meta_result { META_FOUND, META_ABSENT, META_WRONG };
enum meta_result meta_get_u32(const struct weights *w, const char *key, uint32_t *value, infer_error *err);
enum meta_result meta_get_f32(const struct weights *w, const char *key, float *value, infer_error *err);
enum meta_result meta_get_bool(const struct weights *w, const char *key, bool *value, infer_error *err);
enum meta_result meta_get_text(const struct weights *w, const char *key, struct text *value, infer_error *err);

/** Element i of an array of numbers or booleans, as a double or as an integer (0 for strings). i < m->n. */
double meta_element_f64(const struct meta *m, uint64_t i);
int64_t meta_element_i64(const struct meta *m, uint64_t i);
/** The string at *at, inside an array of strings; *at moves on to the next one. */
static inline struct text meta_next_string(const uint8_t **at)
{
    const struct text s = { (const char *)*at + 8, (size_t)read_u64(*at) };
    *at += 8 + s.n;
    return s;
}
/** All strings of an array of strings: fills out[0..m->n). False if it is no such array. */
bool meta_strings(const struct meta *m, struct text *out);
const char *meta_type_name(enum meta_type type);

#endif
