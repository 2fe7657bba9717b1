/* importance.h - importance matrices: how much each column of a matrix counts, from what a model was seen to multiply
 * it with. Two forms of file: GGUF (general.type "imatrix"), and llama.cpp's older binary lists. */
#ifndef QUANTIZE_IMPORTANCE_H
#define QUANTIZE_IMPORTANCE_H

#include "src/formats/formats.h"

struct importance;

/** Read a file whole; it is closed again. */
struct importance *importance_open(const infer_allocator *a, const char *path, infer_error *err);
/** The older form from memory. `name` is for messages. */
struct importance *importance_open_list(const infer_allocator *a, const void *data, size_t size, const char *name,
                                        infer_error *err);
void importance_close(struct importance **i);

/** Mean squares for the matrix of this name: n of them, finite and not negative; a tensor of several matrices (experts)
 *  has those of each, one after the other. NULL if the file does not have it. */
const float *importance_find(const struct importance *i, struct text name, size_t *n);
/** How many matrices there are, how many pieces of text they were made from (0: not told), and the name of that text
 *  ("": not told). */
struct importance_info {
    size_t n_entries;
    uint32_t n_chunks;
    const char *dataset;
};
struct importance_info importance_info(const struct importance *i);

#endif
