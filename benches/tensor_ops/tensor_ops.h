/* tensor_ops.h - the suite of kernels, on one thread: cases are named op/type/shape/instruction set. */
#ifndef BENCHES_TENSOR_OPS_H
#define BENCHES_TENSOR_OPS_H

#include "benches/common/common.h"

/** Shapes of matrix products: rows of k weights, columns of activations. */
struct shape {
    const char *name;
    size_t rows, k;
    int n_cols;
    bool from_memory; /* the weights are larger than the caches: what counts is reading them */
    bool large;       /* too much for plain C */
};

void add_matmul(void);
void add_convert(void); /* dequantise, prepare activations, quantise */
void add_vector(void);
void add_attention(void);
/** The same product of floats by OpenBLAS, for the row of this name. Only where HAVE_OPENBLAS is defined. */
void add_openblas(const char *row, const struct shape *shape);

#endif
