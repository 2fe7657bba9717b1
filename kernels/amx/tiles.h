/* tiles.h - the tile registers: how a call takes and gives back their state. */
#ifndef KERNELS_AMX_TILES_H
#define KERNELS_AMX_TILES_H

#include <immintrin.h>
#include <stdint.h>

#ifdef AMX_EMULATED /* by a test */
#include "kernels/amx/emulate.h"
#endif

/** What ldtilecfg reads. */
struct tile_config {
    uint8_t palette, start_row, zero[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};
_Static_assert(sizeof(struct tile_config) == 64, "as the instruction has it");

/** All eight tiles with 16 rows of 64 bytes. */
static inline void tiles_begin(void)
{
    static const struct tile_config config = {
        .palette = 1,
        .row_bytes = { 64, 64, 64, 64, 64, 64, 64, 64 },
        .rows = { 16, 16, 16, 16, 16, 16, 16, 16 },
    };
    _tile_loadconfig(&config);
}

/** The thread's tiles are unused again: the system need not save them, and what ran before is not affected. */
static inline void tiles_end(void)
{
    _tile_release();
}

/** After stores that tiles are loaded from: not every compiler's _tile_loadd tells that it reads memory. */
static inline void tiles_read_memory(void)
{
    __asm__ volatile("" ::: "memory");
}

#endif
