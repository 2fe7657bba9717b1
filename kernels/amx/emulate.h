/* emulate.h - the tile instructions in C, each element to the bit: for tests on machines without them, never part of
 * the library. Included after <immintrin.h>, whose names it takes over. */
#ifndef KERNELS_AMX_EMULATE_H
#define KERNELS_AMX_EMULATE_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static _Thread_local struct {
    bool configured;
    uint8_t config[64], tile[8][16][64];
} amx;

static inline size_t amx_rows(int tile)
{
    return amx.config[48 + tile];
}

static inline size_t amx_row_bytes(int tile)
{
    return amx.config[16 + 2 * tile] | (size_t)amx.config[17 + 2 * tile] << 8;
}

static inline void amx_configure(const void *config)
{
    memset(&amx, 0, sizeof amx);
    amx.configured = config;
    if (config)
        memcpy(amx.config, config, sizeof amx.config);
}

/* A load clears what lies past the configured part. */
static inline void amx_load(int tile, const void *from, size_t stride)
{
    memset(amx.tile[tile], 0, sizeof amx.tile[tile]);
    for (size_t row = 0; row < amx_rows(tile); row++)
        memcpy(amx.tile[tile][row], (const uint8_t *)from + row * stride, amx_row_bytes(tile));
}

static inline void amx_store(int tile, void *to, size_t stride)
{
    for (size_t row = 0; row < amx_rows(tile); row++)
        memcpy((uint8_t *)to + row * stride, amx.tile[tile][row], amx_row_bytes(tile));
}

/* bf16 number i of a row as a float; subnormal ones count as zero. */
static inline float amx_bf16(const uint8_t *row, size_t i)
{
    const uint32_t bits = (uint32_t)(row[2 * i] | row[2 * i + 1] << 8) << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return fpclassify(f) == FP_SUBNORMAL ? 0 : f;
}

static inline float amx_flush(float f)
{
    return fpclassify(f) == FP_SUBNORMAL ? copysignf(0, f) : f;
}

/* The products of even and of odd values are summed apart, then added to the element. */
static inline void amx_dpbf16ps(int to, int a, int b)
{
    for (size_t m = 0; m < amx_rows(to); m++)
        for (size_t n = 0; n < amx_row_bytes(to) / 4; n++) {
            float sums[2] = { 0, 0 }, y;
            for (size_t k = 0; k < amx_row_bytes(a) / 4; k++)
                for (size_t i = 0; i < 2; i++)
                    sums[i] = amx_flush(fmaf(amx_bf16(amx.tile[a][m], 2 * k + i), amx_bf16(amx.tile[b][k], 2 * n + i),
                                             sums[i]));
            memcpy(&y, amx.tile[to][m] + 4 * n, sizeof y);
            y = amx_flush(amx_flush(y) + amx_flush(sums[0] + sums[1]));
            memcpy(amx.tile[to][m] + 4 * n, &y, sizeof y);
        }
}

/* 16 floats to bf16 in the low halves of dwords, to the nearest, ties to even. Not for NaN. */
static inline __m512i amx_round_16(__m512 x)
{
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    return _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
}

static inline __m512i amx_round_32(__m512 high, __m512 low)
{
    const __m512i lows = _mm512_castsi256_si512(_mm512_cvtepi32_epi16(amx_round_16(low)));
    return _mm512_inserti64x4(lows, _mm512_cvtepi32_epi16(amx_round_16(high)), 1);
}

#undef _tile_loadd
#undef _tile_stored
#undef _tile_zero
#undef _tile_dpbf16ps
#define _tile_loadconfig amx_configure
#define _tile_release() amx_configure(NULL)
#define _tile_loadd amx_load
#define _tile_stored amx_store
#define _tile_zero(n) memset(amx.tile[n], 0, sizeof amx.tile[n])
#define _tile_dpbf16ps amx_dpbf16ps
#define _mm512_cvtne2ps_pbh amx_round_32

#endif
