/* amx.c - products of tiles of 16 rows of 64 bytes, four of them at a time, as many as two and two tiles have. */
#include "benches/limits/limits.h"
#include "kernels/amx/tiles.h"

#include <string.h>

/* Two columns of tiles and two rows of them, of equal bytes, and sums from zero. */
static void load_tiles(uint8_t value)
{
    uint8_t tile[16][64];
    memset(tile, value, sizeof tile);
    tiles_begin();
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    tiles_read_memory();
    _tile_loadd(4, tile, 64);
    _tile_loadd(5, tile, 64);
    _tile_loadd(6, tile, 64);
    _tile_loadd(7, tile, 64);
}

static uint64_t store_tile(void)
{
    uint32_t sums[16][16];
    _tile_stored(0, sums, 64);
    tiles_read_memory();
    tiles_end();
    return sums[0][0];
}

static uint64_t multiply_bf16(size_t n_steps)
{
    load_tiles(0x3c); /* a little more than 2^-7 */
    for (size_t s = 0; s < n_steps; s++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    return store_tile();
}

static uint64_t multiply_int8(size_t n_steps)
{
    load_tiles(3);
    for (size_t s = 0; s < n_steps; s++) {
        _tile_dpbssd(0, 4, 6);
        _tile_dpbssd(1, 4, 7);
        _tile_dpbssd(2, 5, 6);
        _tile_dpbssd(3, 5, 7);
    }
    return store_tile();
}

void limits_init_amx(struct probe *p)
{
    p->unit[PEAK_BF16] = (struct unit){ multiply_bf16, 2.0 * 4 * 16 * 16 * 32 };
    p->unit[PEAK_INT8] = (struct unit){ multiply_int8, 2.0 * 4 * 16 * 16 * 64 };
}
