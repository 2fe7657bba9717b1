/* npy.h - a matrix of floats as a NumPy file, written row by row. */
#ifndef TOOLS_COMMON_NPY_H
#define TOOLS_COMMON_NPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/** The header of NPY version 1.0 for a little-endian f32 array (rows, cols) in C order; the values follow it. False
 *  if it could not be written. */
bool npy_begin(FILE *f, size_t rows, size_t cols);
bool npy_values(FILE *f, const float *values, size_t n);

#endif
