/* convert.h - a Hugging Face directory as GGUF would have it: the same tensors under GGUF's names, the numbers of
 * config.json under GGUF's keys, the vocabulary as tokenizer.ggml.*. No matrix is copied: what is written differs
 * from what is mapped only in the order of some rows, in matrices that stand transposed, and in packed experts. */
#ifndef CONVERT_H
#define CONVERT_H

#include "src/arch/packed.h"

/** Where a tensor's rows stand in the original. Those of queries and keys stand in another order where GGUF files of a
 *  family rotate neighbours and the originals rotate halves: of each head of `head` rows the first n_rot; head 0: rows
 *  stay where they are. Rows may stand in parts, `rows` in each: those of experts and heads do; NULL: all rows stand
 *  together, at the tensor's data. Parts may stand transposed: then the values of a row are `across` bytes apart, and
 *  those of neighbouring rows side by side; 0: they do not. Rows of packed experts are put together, those of one of its
 *  roles; NULL: there are none. */
struct row_order {
    uint32_t head, n_rot;
    /* KV heads and the query heads of each, whose rows stand together in the original; 0: they do not. The tensor begins
     * with head `first` of those that follow from it: all queries, then all keys, then all values. */
    uint32_t group, n_groups, first;
    const void *const *parts;
    uint64_t rows;
    size_t across;
    const struct packed *packed;
    uint32_t part; /* role packed->first + part */
};
/** The row of the original that is row r of the file. */
static inline uint64_t row_source(struct row_order o, uint64_t r)
{
    const uint64_t i = o.head ? r % o.head : 0, turned = i < o.n_rot ? i % 2 * (o.n_rot / 2) + i / 2 : i;
    if (o.group) { /* queries, keys and values of all heads come from those of each KV head */
        const uint64_t head = r / o.head + o.first, queries = (uint64_t)o.group * o.n_groups, kv = head - queries;
        const uint64_t from = head < queries ? head / o.group * (o.group + 2) + head % o.group
                                             : kv % o.n_groups * (o.group + 2) + o.group + kv / o.n_groups;
        return from * o.head + turned;
    }
    return r - i + turned;
}
/** Row r of the file, of `bytes` bytes each, in the original, or put together in the buffer of so many bytes. */
static inline const uint8_t *row_at(const struct tensor *t, struct row_order o, uint64_t r, size_t bytes,
                                    uint8_t *buffer)
{
    if (o.packed) {
        packed_row(o.packed, o.part, r / o.rows, r % o.rows, buffer);
        return buffer;
    }
    if (!o.parts)
        return (const uint8_t *)t->data + row_source(o, r) * bytes;
    const uint8_t *const part = (const uint8_t *)o.parts[r / o.rows];
    const size_t i = (size_t)(r % o.rows), n = (size_t)t->ne[0], value = bytes / n; /* of types without blocks */
    for (size_t j = 0; o.across && j < n; j++)
        memcpy(buffer + j * value, part + j * o.across + i * value, value);
    return o.across ? buffer : part + i * bytes;
}

struct conversion {
    struct weights *gguf;     /* tensors point into the mapping of the original */
    struct row_order *orders; /* of each tensor */
    const char *note;         /* what a GGUF file cannot say of this model, or NULL */
};

/** `hf` is a directory and must outlive the conversion; without `vocabulary` that is left out. INFER_E_UNKNOWN, with a
 *  sentence, for what no GGUF file of the model's family can hold, or this version cannot convert. */
struct conversion *conversion_open(const infer_allocator *a, const struct weights *hf, bool vocabulary,
                                   infer_error *err);
void conversion_close(struct conversion **c);

/** The numbers and names of a model under GGUF's keys: what a file needs besides its tensors and vocabulary. */
struct hparams;
infer_status convert_numbers(struct weights *gguf, const struct hparams *h, infer_error *err);
/** How the model makes vectors and scores of texts; h knows how many types and classes there are. */
infer_status convert_embedding(struct weights *gguf, const struct weights *hf, const struct hparams *h,
                               infer_error *err);
/** Do GGUF files of the family hold queries and keys in another order? Then they hold them apart, too. */
bool convert_turns(const struct hparams *h);
/** What a config.json alone tells of a GGUF file: its numbers, and its tensors, as floats without data. h comes from
 *  arch_read() and gets the size of the vocabulary. */
infer_status convert_shape(struct weights *gguf, const struct weights *config, struct hparams *h, infer_error *err);
/** tokenizer.ggml.* from an open tokenizer: in the first form whose ids are the same, for n_vocab tokens, the last ones
 *  unused where the tokenizer has fewer. *note receives a sentence if something is lost. */
infer_status convert_vocabulary(struct weights *gguf, const infer_tokenizer *t, uint32_t n_vocab, const char **note,
                                infer_error *err);

/** Entries of a file that is being made; texts and arrays are copied. */
infer_status convert_u32(struct weights *gguf, const char *key, uint32_t value, infer_error *err);
infer_status convert_f32(struct weights *gguf, const char *key, float value, infer_error *err);
infer_status convert_bool(struct weights *gguf, const char *key, bool value, infer_error *err);
infer_status convert_text(struct weights *gguf, const char *key, struct text value, infer_error *err);
/** `elements`: as struct meta has them, `bytes` of them; not copied. */
infer_status convert_array(struct weights *gguf, const char *key, enum meta_type element, uint64_t n,
                           const void *elements, infer_error *err);

#endif
