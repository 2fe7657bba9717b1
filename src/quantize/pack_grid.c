/* pack_grid.c - codes of grids into bytes: the reverse of kernels/scalar/unpack_iq.h, for the layouts of
 * kernels/blocks.h. */
#include "src/quantize/pack.h"

#include "kernels/scales.h"

static void put_u16(uint8_t *at, unsigned value)
{
    memcpy(at, &(uint16_t){ (uint16_t)value }, 2);
}

/* Signs of four runs, seven bits each, and a scale above them. */
static void put_signs_and_scale(uint8_t *at, const uint8_t signs[4], unsigned sc)
{
    uint32_t word = (uint32_t)sc << 28;
    for (int r = 0; r < 4; r++)
        word |= (uint32_t)(signs[r] & 127) << 7 * r;
    memcpy(at, &word, sizeof word);
}

static void put_nibble_scales(uint8_t *at, const uint8_t *sc, int n)
{
    for (int j = 0; j < n; j += 2)
        at[j / 2] = (uint8_t)(sc[j] | sc[j + 1] << 4);
}

void pack_iq2_xxs(void *block, const struct fitted_grid *f)
{
    struct block_iq2_xxs *b = block;
    put_f16(b->d, f->d);
    for (int g = 0; g < 8; g++) {
        for (int r = 0; r < 4; r++)
            b->qs[8 * g + r] = (uint8_t)f->code[4 * g + r];
        put_signs_and_scale(b->qs + 8 * g + 4, f->signs + 4 * g, f->sc[g]);
    }
}

void pack_iq2_xs(void *block, const struct fitted_grid *f)
{
    struct block_iq2_xs *b = block;
    put_f16(b->d, f->d);
    for (int r = 0; r < 32; r++)
        put_u16(b->qs + 2 * r, f->code[r] | (unsigned)(f->signs[r] & 127) << 9);
    put_nibble_scales(b->scales, f->sc, 16);
}

void pack_iq2_s(void *block, const struct fitted_grid *f)
{
    struct block_iq2_s *b = block;
    put_f16(b->d, f->d);
    memset(b->qh, 0, sizeof b->qh);
    for (int r = 0; r < 32; r++) {
        b->qs[r] = (uint8_t)f->code[r];
        b->qh[r / 4] |= (uint8_t)((f->code[r] >> 8) << r % 4 * 2);
    }
    memcpy(b->signs, f->signs, sizeof b->signs);
    put_nibble_scales(b->scales, f->sc, 16);
}

void pack_iq3_xxs(void *block, const struct fitted_grid *f)
{
    struct block_iq3_xxs *b = block;
    put_f16(b->d, f->d);
    for (int h = 0; h < 64; h++)
        b->qs[h] = (uint8_t)f->code[h];
    for (int g = 0; g < 8; g++)
        put_signs_and_scale(b->scales + 4 * g, f->signs + 4 * g, f->sc[g]);
}

void pack_iq3_s(void *block, const struct fitted_grid *f)
{
    struct block_iq3_s *b = block;
    put_f16(b->d, f->d);
    memset(b->qh, 0, sizeof b->qh);
    for (int h = 0; h < 64; h++) {
        b->qs[h] = (uint8_t)f->code[h];
        b->qh[h / 8] |= (uint8_t)((f->code[h] >> 8) << h % 8);
    }
    memcpy(b->signs, f->signs, sizeof b->signs);
    put_nibble_scales(b->scales, f->sc, 8);
}

void pack_iq1_s(void *block, const struct fitted_grid *f)
{
    struct block_iq1_s *b = block;
    put_f16(b->d, f->d);
    for (int g = 0; g < 8; g++) {
        unsigned qh = (unsigned)f->sc[g] << 12 | (unsigned)f->minus[4 * g] << 15;
        for (int r = 0; r < 4; r++) {
            b->qs[4 * g + r] = (uint8_t)f->code[4 * g + r];
            qh |= (unsigned)(f->code[4 * g + r] >> 8) << 3 * r;
        }
        put_u16(b->qh + 2 * g, qh);
    }
}

void pack_iq1_m(void *block, const struct fitted_grid *f)
{
    struct block_iq1_m *b = block;
    memset(b->qh, 0, sizeof b->qh);
    for (int r = 0; r < 32; r++) {
        b->qs[r] = (uint8_t)f->code[r];
        b->qh[r / 2] |= (uint8_t)((f->code[r] >> 8 | f->minus[r] << 3) << r % 2 * 4);
    }
    for (int i = 0; i < 4; i++) {
        const uint8_t *sc = f->sc + 4 * i;
        put_u16(b->scales + 2 * i, (unsigned)(sc[0] | sc[1] << 3 | sc[2] << 6 | sc[3] << 9));
    }
    write_f16_spread(b->scales, f16_from_f32(f->d));
}
