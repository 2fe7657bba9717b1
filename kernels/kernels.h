/* kernels.h - the arithmetic: one table of functions per instruction set.
 *
 * kernels_init() fills a table from the scalar one up: each set replaces only what it does faster. Nothing below this
 * header knows about threads, models or files. All pointers to weights may be unaligned; f32 vectors are aligned to 4
 * bytes. Sizes are counted in values unless a name says bytes. Two vectors may be the same one only where it is said.
 *
 * Numerics: an element of a result depends only on its own row and column, never on how many rows or columns are
 * computed in the same call nor on which side of a tile it lies. So any cut of the work over threads gives the same
 * bits. */
#ifndef KERNELS_H
#define KERNELS_H

#include "src/base/dtype.h"

/** Forms of activations that a matrix product reads. */
enum act {
    ACT_F32,  /* k floats */
    ACT_BF16, /* k bf16, padded with zeros to a multiple of 32 */
    ACT_Q8,   /* 8-bit blocks, k a multiple of 32, each part aligned to 64 bytes:
               *   int8_t q[k]           x is near q * d
               *   float  d[k / 32]      of each 32 values
               *   float  s[k / 16]      d * sum(q) of each 16 values: what a constant offset of the weights gets */
    ACT_Q8_PAIR, /* two rows of ACT_Q8, one right behind the other, whose sum is x to 15 bits. No kernel reads it: to
                  * those that read ACT_Q8 it is two columns, and the sum of their results is the product. */
    ACT_COUNT
};

/* How a block of 32 values with m = max|x| becomes 8-bit ones. All sets give the same bits for finite x; what follows
 * from an x that is not finite is unspecified. Where m < ACT_Q8_TINY all of q, d and s are 0. Else:
 *
 * ACT_Q8. t = x * (16384 / m) to the nearest integer, ties to even. The largest value may become n = 127, 126, .. 112
 * steps; then q = (n * t + 8192) >> 14, and r = n * t - 16384 * q is what that loses. Of all n that one is taken whose
 * (float)sum(r * r) * (1.0f / (n * n)) is least, the largest of several. At the end the scale is fitted to the q:
 * d = m / 16384 * (sum(t * q) / sum(q * q)), either sum as a float. All sums are of integers and below 2^31, as r is 0
 * where |x| = m.
 *
 * ACT_Q8_PAIR. t = x * (16256 / m) to the nearest integer, ties to even; q = (t + 64) >> 7 and d = 128 * (m / 16256) in
 * the first row, q = t - 128 * that and d = m / 16256 in the second. */
#define ACT_Q8_TINY 0x1p-100f /* below it 16384 / m might overflow */

/** Bytes of one row of k activations, a multiple of 64. */
size_t act_row_bytes(enum act act, size_t k);
/** Where the parts of a Q8 row of k values begin, in bytes. */
static inline size_t act_q8_d(size_t k) { return (k + 63) / 64 * 64; }
static inline size_t act_q8_s(size_t k) { return act_q8_d(k) + (k / 32 * 4 + 63) / 64 * 64; }

enum precision { PRECISION_FAST, PRECISION_EXACT, PRECISION_COUNT }; /* as infer_precision */

/** Working memory of a thread for one call of gemm or attend, aligned to 64. */
#define KERNEL_SCRATCH_BYTES ((size_t)1024 * 1024)

/** Tile of a matrix product y = x · wᵀ: y[c * y_stride + r] for r < n_rows, c < n_cols.
 *  w: n_rows rows of k values of the entry's dtype, w_stride bytes apart.
 *  x: n_cols rows of activations in the entry's form, x_stride bytes apart, aligned to 64. */
struct matmul_tile {
    float *y;
    size_t y_stride; /* floats */
    const void *w;
    size_t w_stride;
    const void *x;
    size_t x_stride;
    int n_rows, n_cols;
    size_t k; /* a multiple of the dtype's block */
    void *scratch;
};
typedef void matmul_fn(const struct matmul_tile *tile);

/** A way to multiply. It takes any n_cols; from `from` on it is the fastest. */
struct way {
    enum act act; /* the form that it reads */
    int from;
    matmul_fn *fn;
};
/** The ways of a type of weights: `from` is 1 in the first and rises. Past the last one fn is NULL. */
#define MATMUL_WAYS 3
struct matmul {
    struct way way[MATMUL_WAYS];
};
/** The way for n_cols columns. */
const struct way *matmul_way(const struct matmul *m, int n_cols);
/** Set a way in the place of all that are for as many columns or more. There must be one for fewer. */
void matmul_set_way(struct matmul *m, struct way way);

enum activation {
    ACTIVATION_SILU,
    ACTIVATION_GELU,
    ACTIVATION_GELU_TANH,
    ACTIVATION_RELU,
    ACTIVATION_RELU2, /* the square of ReLU (Primer, arXiv 2109.08668) */
    ACTIVATION_COUNT
};

/* Keys and values as a cache stores them: in blocks of ATTEND_KEYS positions of one head, as F32, F16, BF16, Q8_0 or
 * Q4_0. Two numbers that are summed in one product stand side by side, so that no sum goes across a vector's lanes:
 *
 *   keys      [d / 2][ATTEND_KEYS][2]       numbers 2i and 2i + 1 of a key; if d is odd, the last pair's second is 0
 *   values    [ATTEND_KEYS / 2][width][2]   number i of the positions 2j and 2j + 1; width: d rounded up to 16
 *
 * Quantised, d is a multiple of KV_PART, and a block has d / KV_PART parts one after the other, each with KV_PART
 * numbers of all positions: an f16 scale for each position, then the quants in the order above. A number is scale * q:
 * in Q8_0 q is a signed byte; in Q4_0 byte i of each 16 holds of 32 quants number i (low nibble) and number 16 + i,
 * each plus 8. */
#define ATTEND_KEYS 64
#define ATTEND_WIDTH 1024 /* of a head, at most */
#define KV_PART 32

/** Bytes of a block of keys or of values, a multiple of 64; 0 if the type is none of those above or does not fit d. */
size_t kv_key_bytes(enum dtype type, size_t d);
size_t kv_value_bytes(enum dtype type, size_t d);

/** Attention of n_q query rows (those of the query heads that share one KV head, for some tokens) to a run of blocks,
 *  by running soft-max. A key's weight is 2^score: who wants e^score gives queries and soft_cap times log2(e).
 *  Before the first call max = -INFINITY, sum = 0, out = 0; or, for a score without a value (a sink), max = score,
 *  sum = 1. After the last call the result is out / sum. A row that sees nothing is left as it is. */
struct attend {
    int n_q;
    int d_k, d_v; /* numbers of a key and of a value, at most ATTEND_WIDTH */
    enum dtype k_type, v_type;
    const float *q; /* already scaled */
    size_t q_stride; /* floats */
    uint8_t *const *pages;   /* block i: keys at pages[i] + k_at, values at pages[i] + v_at, aligned to 64 */
    const uint8_t *next;     /* what is read after the last block, as if it were a page: is fetched; may be NULL */
    size_t k_at, v_at;
    bool shared; /* a value is the first d_v <= d_k numbers of its key: v_at is not read, v_type is k_type */
    int n_keys;              /* of all blocks: ATTEND_KEYS each, fewer in the last */
    const int *first, *last; /* n_q each: row i sees the keys [first[i], last[i]), 0 <= first, last <= n_keys */
    float soft_cap;          /* scores become cap * tanh(score / cap); 0 = none */
    float *max, *sum;        /* n_q each */
    float *out;
    size_t out_stride; /* floats */
    void *scratch;
};
typedef void attend_fn(const struct attend *a);

/** What a code may be: the whole numbers from lo to hi, |lo| and |hi| < 2^22, or 16 levels from lo to hi that rise. */
struct code {
    float lo, hi;
    const int8_t *levels; /* NULL: whole numbers */
};
/** Candidates for the scale d and minimum m that let codes q say values x as d q - m, and for each the sums over all x,
 *  weighted by w, with q the nearest code and r = x + m - d q what is left. Where |d| < 2^-100, q is the code nearest
 *  to 0. */
#define FIT_LANES 16
struct fit_lanes {
    float d[FIT_LANES], m[FIT_LANES];
    float q[FIT_LANES], qq[FIT_LANES], r[FIT_LANES], rq[FIT_LANES], rr[FIT_LANES];
};

struct kernels {
    const char *name; /* of the highest set in use */

    /* Weights to floats: n values, a multiple of the dtype's block. NULL for types without kernels. */
    void (*dequantize[DTYPE_COUNT])(float *y, const void *w, size_t n);
    /* The activations [first, first + n) of a row of k into another form: x is these n, y the row, which is
     * act_row_bytes() long. first is a multiple of 32; so is n, unless they are the row's last. */
    void (*prepare[ACT_COUNT])(void *y, const float *x, size_t k, size_t first, size_t n);
    struct matmul matmul[PRECISION_COUNT][DTYPE_COUNT];

    void (*rms_norm)(float *y, const float *x, const float *w, size_t n, float eps); /* w may be NULL; y may be x */
    void (*layer_norm)(float *y, const float *x, const float *w, const float *b, size_t n,
                       float eps); /* w, b may be NULL; y may be x */
    void (*softmax)(float *x, size_t n); /* in place */
    void (*activate[ACTIVATION_COUNT])(float *y, const float *x, size_t n); /* y may be x */
    void (*gate[ACTIVATION_COUNT])(float *y, const float *g, const float *u, size_t n); /* act(g) * u; y may be g, u */
    void (*add)(float *y, const float *a, const float *b, size_t n);  /* y may be a or b */
    void (*mul)(float *y, const float *a, const float *b, size_t n);  /* y may be a or b */
    void (*scale)(float *y, const float *x, float s, size_t n);       /* y may be x */
    void (*add_scaled)(float *y, const float *x, float s, size_t n);  /* y += s * x */
    float (*dot)(const float *a, const float *b, size_t n);
    /* The cosines and sines of the angles position * frequency[i] (the product is rounded to a float, as models were
     * trained), times magnitude, n each. For angles up to 2^21 they are within 2e-7 of magnitude. */
    void (*angles)(float *cos, float *sin, const float *frequency, float position, float magnitude, size_t n);
    /* Rotate n_rot values of a head by the angles whose cosines and sines are given, n_rot / 2 each, in place.
     * Pairs: (x[2i], x[2i+1]). Halves: (x[i], x[i + n_rot/2]). */
    void (*rope_pairs)(float *x, const float *cos, const float *sin, size_t n_rot);
    void (*rope_halves)(float *x, const float *cos, const float *sin, size_t n_rot);
    /* Exact: products of floats. Fast: where that is faster, the factors may be rounded to bf16 first, if neither keys
     * nor values are stored with more digits than that, as F32 or F16. */
    attend_fn *attend[PRECISION_COUNT];
    /* Put a key or a value of d numbers into a block, at position `slot`. All sets store the same bits of finite x. */
    void (*store_key)(void *block, enum dtype type, int slot, const float *x, size_t d);
    void (*store_value)(void *block, enum dtype type, int slot, const float *x, size_t d);
    /* Fill the sums of f. `w` NULL: all 1. `has_m`: else all m count as 0, and q and r become 0. Every set
     * gives the same bits. */
    void (*fit)(struct fit_lanes *f, const struct code *code, const float *x, const float *w, size_t n, bool has_m);
};

/** Whether attention to keys and values of these types multiplies numbers rounded to bf16. */
bool attend_rounds(const struct kernels *k, enum precision precision, enum dtype k_type, enum dtype v_type);

/** Instruction sets of the machine that this is compiled for, each holding the ones before it. */
#if defined(__x86_64__)
enum cpu_level { CPU_SCALAR, CPU_AVX2, CPU_AVX512, CPU_AMX, CPU_LEVELS };
#elif defined(__aarch64__) /* i8mm: the matrix products of Armv8.6, those of bf16 too */
enum cpu_level { CPU_SCALAR, CPU_NEON, CPU_DOTPROD, CPU_I8MM, CPU_LEVELS };
#else
enum cpu_level { CPU_SCALAR, CPU_LEVELS };
#endif
/** What this machine has and the system lets this process use: for AMX that is asked for here. */
enum cpu_level cpu_detect(void);
/** Name of a level, and the level of a name (-1 if there is none of that name). */
const char *cpu_level_name(enum cpu_level level);
int cpu_level_find(const char *name);
/** All their names, as a sentence has them. */
extern const char cpu_level_list[];

/** The table for at most `level`. Complete: no function pointer that scalar has is NULL. */
void kernels_init(struct kernels *k, enum cpu_level level);

/** What each set adds to a table. */
void kernels_init_scalar(struct kernels *k);
#if defined(__x86_64__)
/** Features within a level that a kernel may ask for when its table is filled. */
struct cpu_features {
    bool avx512_vnni, avx512_bf16, avx512_vbmi, avx_vnni;
    /* avx512_bf16, and its dot brings more products a second than float multiply-adds. Measured: twice as many on AMD
     * Zen 4, half as many on Intel Sapphire Rapids; so it is taken to hold for AMD's processors alone. */
    bool fast_bf16;
};
struct cpu_features cpu_features(void);
void kernels_init_avx2(struct kernels *k, const struct cpu_features *f);
void kernels_init_avx512(struct kernels *k, const struct cpu_features *f);
void kernels_init_amx(struct kernels *k);
#elif defined(__aarch64__)
void kernels_init_neon(struct kernels *k);
void kernels_init_dotprod(struct kernels *k);
void kernels_init_i8mm(struct kernels *k);
#endif

#endif
