/* matmul_dot_vbmi.c - row dots of the types with a grid and signs, by look-ups within vectors.
 *
 * A grid is a table of bytes (codebook_..._parts), and two bytes of an entry hold which level each weight of the code's
 * run is. vpermi2b finds a byte of 64 codes at once, 32 of each of two rows; then the weights come out position by
 * position: all first ones, all second ones. Their table has six bits, more than one weight's level takes; so what
 * stands above it need not be masked, and two weights share an index. The activations are laid out likewise, and
 * vpdpbusd sums what a lane's four codes have at one position; over all positions that is the lane's part of the
 * product: a vector of both rows' lanes, that meets both scales once.
 *
 * Weights are made unsigned by the type's offset, as in matmul_dot.c. */
#include "kernels/avx512/matmul_codes.h"
#include "kernels/avx512/matmul_rows.h"

#define CODES 32 /* of a row, together */
#define LANES 8  /* that they take */

struct grid_type {
    codes_fn *codes;
    const uint8_t *parts;
    int n_entries;   /* of the grid */
    int run;         /* weights of a code: 8, or 4 */
    int8_t level[8]; /* the size of each level, plus offset */
    int offset;
    bool halves; /* a lane has a scale for its first two codes and one for the others */
};

/* A unit of a column: for each position of a run the values of all codes, where halves have scales of their own first
 * those of the lanes' first halves, 0 elsewhere, then those of the second; -offset * sum(q) of each lane (and half);
 * and scales. */
struct activations {
    int32_t less[2][LANES];
    float d[LANES];
    uint8_t unused[32];
    int8_t q[][CODES];
};

INLINE int n_halves(struct grid_type type)
{
    return type.halves ? 2 : 1;
}

INLINE size_t activations_bytes(struct grid_type type)
{
    return sizeof(struct activations) + (size_t)(type.run * n_halves(type)) * CODES;
}

INLINE __m512i both_halves(const void *p)
{
    return _mm512_broadcast_i64x4(_mm256_load_si256(p));
}

/* ---- Activations ---- */

/* 32 runs of 8 values: number i of run r to byte r of q[i]. Two of these share a register. */
INLINE void transpose_runs_of_8(__m512i q[4], const uint8_t *x)
{
    const __m512i within = _mm512_set_epi64(0x3f372f271f170f07, 0x3e362e261e160e06, 0x3d352d251d150d05,
                                            0x3c342c241c140c04, 0x3b332b231b130b03, 0x3a322a221a120a02,
                                            0x3931292119110901, 0x3830282018100800);
    const __m512i low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11), high = _mm512_add_epi64(low, _mm512_set1_epi64(4));
    __m512i r[4];
    for (int i = 0; i < 4; i++) /* 64-bit number i: what 8 runs have at position i */
        r[i] = _mm512_permutexvar_epi8(within, _mm512_loadu_si512(x + 64 * i));
    const __m512i a = _mm512_permutex2var_epi64(r[0], low, r[1]), b = _mm512_permutex2var_epi64(r[2], low, r[3]);
    const __m512i c = _mm512_permutex2var_epi64(r[0], high, r[1]), d = _mm512_permutex2var_epi64(r[2], high, r[3]);
    const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    const __m512i second = _mm512_add_epi64(first, _mm512_set1_epi64(4));
    q[0] = _mm512_permutex2var_epi64(a, first, b);
    q[1] = _mm512_permutex2var_epi64(a, second, b);
    q[2] = _mm512_permutex2var_epi64(c, first, d);
    q[3] = _mm512_permutex2var_epi64(c, second, d);
}

/* The same of 32 runs of 4 values. */
INLINE void transpose_runs_of_4(__m512i q[2], const uint8_t *x)
{
    const __m512i within = _mm512_set_epi64(0x3f3b37332f2b2723, 0x1f1b17130f0b0703, 0x3e3a36322e2a2622,
                                            0x1e1a16120e0a0602, 0x3d3935312d292521, 0x1d1915110d090501,
                                            0x3c3834302c282420, 0x1c1814100c080400);
    const __m512i a = _mm512_permutexvar_epi8(within, _mm512_loadu_si512(x));
    const __m512i b = _mm512_permutexvar_epi8(within, _mm512_loadu_si512(x + 64));
    q[0] = _mm512_shuffle_i32x4(a, b, 0x44);
    q[0] = _mm512_shuffle_i32x4(q[0], q[0], 0xd8);
    q[1] = _mm512_shuffle_i32x4(a, b, 0xee);
    q[1] = _mm512_shuffle_i32x4(q[1], q[1], 0xd8);
}

INLINE void prepare_unit(void *unit, const uint8_t *x, size_t i, size_t k, struct grid_type type)
{
    struct activations *const a = unit;
    const int halves = n_halves(type);
    __m512i q[4];
    if (type.run == 8)
        transpose_runs_of_8(q, x + i);
    else
        transpose_runs_of_4(q, x + i);
    for (int half = 0; half < halves; half++) {
        const __m512i kept = _mm512_set1_epi32(!type.halves ? -1 : half ? -0x10000 : 0xffff);
        __m512i sums = _mm512_setzero_si512();
        for (int j = 0; j < type.run / 2; j++) {
            const __m512i some = _mm512_and_si512(q[j], kept);
            _mm512_storeu_si512(a->q[half * type.run + 2 * j], some);
            sums = _mm512_dpbusd_epi32(sums, _mm512_set1_epi8((char)type.offset), some);
        }
        const __m256i sum = _mm256_add_epi32(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64(sums, 1));
        _mm256_store_si256((__m256i *)a->less[half], _mm256_sub_epi32(_mm256_setzero_si256(), sum));
    }
    const float *const d = (const float *)(x + act_q8_d(k)) + i / 32;
    if (type.run == 8)
        _mm256_store_ps(a->d, _mm256_loadu_ps(d));
    else
        _mm256_store_ps(a->d, _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(d)),
                                                       _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3)));
}

/* ---- Weights ---- */

/* The bytes of a table of n entries that the codes name. */
INLINE __m512i look_up(const uint8_t *table, int n, const struct codes *c)
{
    const __mmask64 upper = _mm512_movepi8_mask(c->low);
    __m512i found[4];
    for (int i = 0; i < n / 256; i++) {
        const uint8_t *const p = table + 256 * i;
        const __m512i a = _mm512_permutex2var_epi8(_mm512_loadu_si512(p), c->low, _mm512_loadu_si512(p + 64));
        const __m512i b = _mm512_permutex2var_epi8(_mm512_loadu_si512(p + 128), c->low, _mm512_loadu_si512(p + 192));
        found[i] = _mm512_mask_mov_epi8(a, upper, b);
    }
    for (int bit = 0; 1 << bit < n / 256; bit++)
        for (int i = 0; i < n / 256; i += 2 << bit)
            found[i] = _mm512_mask_mov_epi8(found[i], c->high[bit], found[i + (1 << bit)]);
    return found[0];
}

INLINE __m512i with_sign(__m512i weights, __mmask64 minus, int offset)
{
    return _mm512_mask_sub_epi8(weights, minus, _mm512_set1_epi8((char)(2 * offset)), weights);
}

/* The weights that six bits stand for: the level of `bits` bits from bit `at` on, minus where bit `sign` is set, which
 * bit 6 never is. */
INLINE __m512i weights_of(int at, int bits, int sign, struct grid_type type)
{
    const __m512i six = _mm512_set_epi64(0x3f3e3d3c3b3a3938, 0x3736353433323130, 0x2f2e2d2c2b2a2928,
                                         0x2726252423222120, 0x1f1e1d1c1b1a1918, 0x1716151413121110,
                                         0x0f0e0d0c0b0a0908, 0x0706050403020100);
    const __m512i level = _mm512_and_si512(_mm512_srli_epi16(six, (unsigned)at),
                                           _mm512_set1_epi8((char)((1 << bits) - 1)));
    const __m512i levels = _mm512_broadcast_i32x4(_mm_loadl_epi64((const __m128i *)type.level));
    return with_sign(_mm512_shuffle_epi8(levels, level), bit_of(six, sign), type.offset);
}

/* Places of two weights: their levels, and above these their signs, are an index. */
INLINE void unpack_runs_of_8(__m512i q[8], __m512i levels[2], __m512i signs, struct grid_type type)
{
    for (int i = 0; i < 8; i += 2) {
        const __m512i level = i % 4 ? _mm512_srli_epi16(levels[i / 4], 4) : levels[i / 4];
        const __m512i sign = i < 4 ? _mm512_slli_epi16(signs, 4 - (unsigned)i)
                                   : _mm512_srli_epi16(signs, (unsigned)i - 4);
        const __m512i index = _mm512_ternarylogic_epi64(_mm512_set1_epi8(15), level, sign, 0xca); /* choose by bits */
        q[i] = _mm512_permutexvar_epi8(index, weights_of(0, 2, 4, type));
        q[i + 1] = _mm512_permutexvar_epi8(index, weights_of(2, 2, 5, type));
    }
}

/* Two levels are an index; signs come after it. */
INLINE void unpack_runs_of_4(__m512i q[4], __m512i levels[2], __m512i signs, struct grid_type type)
{
    for (int i = 0; i < 4; i++) {
        const __m512i sizes = _mm512_permutexvar_epi8(levels[i / 2], weights_of(i % 2 * 3, 3, 6, type));
        const __m512i bit = _mm512_set1_epi16((short)(0x1001 << i));
        q[i] = with_sign(sizes, _mm512_test_epi8_mask(signs, bit), type.offset);
    }
}

INLINE void add_products(struct sums *sums, const uint8_t *w, size_t w_stride, const uint8_t *unit, size_t x_stride,
                         int half, int n_cols, struct grid_type type)
{
    struct codes codes;
    type.codes(&codes, w, w + w_stride, half);
    __m512i q[8], levels[2];
    for (int i = 0; i < 2; i++)
        levels[i] = look_up(type.parts + i * type.n_entries, type.n_entries, &codes);
    if (type.run == 8)
        unpack_runs_of_8(q, levels, codes.signs, type);
    else
        unpack_runs_of_4(q, levels, codes.signs, type);
    for (int c = 0; c < n_cols; c++, unit += x_stride) {
        const struct activations *const x = (const void *)unit;
        const __m512 d = _mm512_castsi512_ps(both_halves(x->d));
        for (int h = 0; h < n_halves(type); h++) {
            __m512i even = both_halves(x->less[h]), odd = _mm512_setzero_si512();
            for (int i = 0; i < type.run; i += 2) {
                even = _mm512_dpbusd_epi32(even, q[i], both_halves(x->q[h * type.run + i]));
                odd = _mm512_dpbusd_epi32(odd, q[i + 1], both_halves(x->q[h * type.run + i + 1]));
            }
            const __m512 products = _mm512_cvtepi32_ps(_mm512_add_epi32(even, odd));
            sums[c].v[0] = _mm512_fmadd_ps(products, _mm512_mul_ps(codes.d[h], d), sums[c].v[0]);
        }
    }
}

/* Both rows' sums are in one vector. */
INLINE float total(const struct sums *sums, int row)
{
    const __m256 lower = _mm512_castps512_ps256(sums->v[0]), upper = _mm512_extractf32x8_ps(sums->v[0], 1);
    const __m256 all = row ? upper : lower;
    const __m128 half = _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
    const __m128 pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
}

#define TYPE(name, entries, ...) \
    static const struct grid_type type_##name = { codes_##name, codebook_##name##_parts, entries, __VA_ARGS__ };
#define LEVELS_IQ2 { 64 + 8, 64 + 25, 64 + 43 }
#define LEVELS_IQ3_XXS { 64 + 4, 64 + 12, 64 + 20, 64 + 28, 64 + 36, 64 + 44, 64 + 52, 64 + 62 }
#define LEVELS_IQ3_S { 16 + 1, 16 + 3, 16 + 5, 16 + 7, 16 + 9, 16 + 11, 16 + 13, 16 + 15 }
TYPE(iq2_xxs, 256, 8, LEVELS_IQ2, 64, false)
TYPE(iq2_xs, 512, 8, LEVELS_IQ2, 64, true)
TYPE(iq2_s, 1024, 8, LEVELS_IQ2, 64, true)
TYPE(iq3_xxs, 256, 4, LEVELS_IQ3_XXS, 64, false)
TYPE(iq3_s, 512, 4, LEVELS_IQ3_S, 16, false)
#undef TYPE

/* A unit is a block of weights, and of a column what that takes: two pieces where runs are of 4. */
#define DOT(name, NAME) \
    INLINE void prepare_##name(void *unit, const uint8_t *x, size_t i, size_t n, size_t k) \
    { \
        (void)n; \
        const size_t bytes = activations_bytes(type_##name); \
        for (int half = 0; half < 8 / type_##name.run; half++) \
            prepare_unit((uint8_t *)unit + (size_t)half * bytes, x, i + 128 * (size_t)half, k, type_##name); \
    } \
    INLINE void add_##name(struct sums *sums, const uint8_t *w, size_t w_stride, const uint8_t *x, size_t x_stride, \
                           size_t n, int n_cols) \
    { \
        (void)n; \
        const size_t bytes = activations_bytes(type_##name); \
        for (int half = 0; half < 8 / type_##name.run; half++) \
            add_products(sums, w, w_stride, x + (size_t)half * bytes, x_stride, half, n_cols, type_##name); \
    } \
    void avx512_vbmi_dot_##name(const struct matmul_tile *t) \
    { \
        dot(t, (struct rows){ BLOCK_##NAME, sizeof(struct block_##name), \
                              8 / (size_t)type_##name.run * activations_bytes(type_##name), prepare_##name, \
                              add_##name, total }); \
    }
SIGNED_GRID_TYPES(DOT)
