/* packed.h - experts as the checkpoints of gpt-oss hold them: all experts' matrices in one tensor, gate and up in turn,
 * either as floats with the rows' axis last, or as MXFP4 with blocks and scales apart. No kernel reads these. Row by
 * row they become what GGUF files have: rows of floats, or of MXFP4's blocks. */
#ifndef ARCH_PACKED_H
#define ARCH_PACKED_H

#include "src/arch/arch.h"

/** A layer's matrices of one tensor: n_expert times `rows` of each of n roles, k values a row. */
struct packed {
    enum layer_role first, bias; /* of the n roles, and of their biases */
    uint32_t n;
    const struct tensor *blocks, *scales, *biases; /* scales NULL: floats */
    uint32_t n_expert, rows;
    size_t k, row_bytes; /* of a row as it becomes, */
    enum dtype type;     /* of this type */
};

/** How many such tensors a layer has: 0, unless the model is a directory of such a family. */
int packed_count(const struct weights *w, const struct hparams *h);
/** Find number i of them, and check types and shapes. */
infer_status packed_find(struct packed *p, const struct weights *w, const struct hparams *h, uint32_t layer, int i,
                         infer_error *err);
/** Row `row` of an expert in role first + part, row_bytes of it. */
void packed_row(const struct packed *p, uint32_t part, uint64_t expert, uint64_t row, uint8_t *to);
/** The biases of role bias + part: n_expert times `rows`. */
void packed_biases(const struct packed *p, uint32_t part, float *to);

#endif
