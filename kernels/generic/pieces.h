/* pieces.h - in which order a matrix product for many columns goes through its weights: pieces, each some rows (a
 * panel) by some values of k (a chunk), down the rows and then along k. One is unpacked and meets all columns; the next
 * one is fetched meanwhile. */
#ifndef KERNELS_GENERIC_PIECES_H
#define KERNELS_GENERIC_PIECES_H

#include "kernels/generic/unpack.h"
#include "kernels/kernels.h"

/** How weights are cut and stored. */
struct cut {
    int rows;            /* of a panel */
    size_t chunk;        /* values of k, a multiple of block */
    size_t block, bytes; /* weights and bytes of a block */
};

/** `rows` rows from `row` on, n values from value i of each. Rows past the tile's last one are copies of it. */
struct piece {
    int row;
    size_t i, n;
};

/** n is 0 past the last one. */
INLINE struct piece piece_of(const struct matmul_tile *t, int index, struct cut cut)
{
    const int panels = (t->n_rows + cut.rows - 1) / cut.rows;
    const size_t i = (size_t)(index / panels) * cut.chunk;
    const size_t n = i >= t->k ? 0 : t->k - i < cut.chunk ? t->k - i : cut.chunk;
    return (struct piece){ index % panels * cut.rows, i, n };
}

/** Where the piece begins in its row r. */
INLINE const uint8_t *piece_row(const struct matmul_tile *t, struct piece piece, int r, struct cut cut)
{
    const int row = piece.row + r < t->n_rows ? piece.row + r : t->n_rows - 1;
    return (const uint8_t *)t->w + (size_t)row * t->w_stride + piece.i / cut.block * cut.bytes;
}

/** Into the L2 cache. */
INLINE void prefetch_bytes(const void *p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 64)
        _mm_prefetch((const char *)p + i, _MM_HINT_T1);
}

/** Part `part` of n_parts of the piece. */
INLINE void prefetch_piece(const struct matmul_tile *t, struct piece piece, int part, int n_parts, struct cut cut)
{
    const int end = (part + 1) * cut.rows / n_parts;
    for (int r = part * cut.rows / n_parts; r < end && piece.row + r < t->n_rows; r++)
        prefetch_bytes(piece_row(t, piece, r, cut), piece.n / cut.block * cut.bytes);
}

#endif
