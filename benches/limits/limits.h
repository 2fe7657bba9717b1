/* limits.h - what this machine can do at this moment: bytes read and operations computed a second, by all threads of a
 * pool. Speeds of shared machines drift within minutes, so measure these right beside what is compared with them.
 *
 *     struct meter *meter = limits_open(pool);
 *     struct limits limits;
 *     limits_measure(meter, &limits); */
#ifndef BENCHES_LIMITS_H
#define BENCHES_LIMITS_H

#include "kernels/kernels.h"
#include "src/base/pool.h"

/** What multiplies: a set's best instruction for numbers of this kind, in a loop that does nothing else. */
enum peak { PEAK_F32, PEAK_BF16, PEAK_INT8, PEAK_COUNT };
const char *peak_name(enum peak peak);

struct limits {
    double read;                          /* bytes a second from memory, by the best of several readers */
    double peak[CPU_LEVELS][PEAK_COUNT];  /* operations a second, a multiply-add being two; 0: the level has none */
};

struct meter;
/** NULL: memory is out. Takes some 256 MB, or eight times the last cache. The pool must outlive it. */
struct meter *limits_open(struct pool *pool);
void limits_close(struct meter **meter);
/** Memory to read besides the meter's own, such as mapped weights; it must stay. Small pieces are left out. */
void limits_add_memory(struct meter *meter, const void *data, size_t bytes);
/** Takes about half a second. */
void limits_measure(struct meter *meter, struct limits *limits);

/** The peak of a level, or of the highest below that has one. */
double limits_peak(const struct limits *limits, enum cpu_level level, enum peak peak);

/* ---- Inside the folder: each file is compiled with the flags of its level ---- */

/* So that numbers passed in are constants and arrays registers. */
#define INLINE static inline __attribute__((always_inline))
/** From here on the compiler does not know a vector, so it cannot merge or move what is computed from it. */
#if defined(__aarch64__)
#define HIDE(v) __asm__("" : "+w"(v))
#else
#define HIDE(v) __asm__("" : "+x"(v))
#define HIDE_512(v) __asm__("" : "+v"(v))
#endif

/** Read n bytes, a multiple of READ_MULTIPLE, aligned to 64. Returns something of every byte. */
typedef uint64_t read_fn(const uint8_t *p, size_t n);
#define READ_MULTIPLE 4096

struct unit {
    uint64_t (*run)(size_t n_steps); /* NULL: there is none */
    double ops;                      /* of a step */
};

enum { MAX_READERS = 4 };
struct probe {
    struct unit unit[PEAK_COUNT];
    read_fn *reader[MAX_READERS]; /* NULL past the last */
};
void limits_init_scalar(struct probe *p);
#if defined(__x86_64__)
void limits_init_avx2(struct probe *p, const struct cpu_features *f);
void limits_init_avx512(struct probe *p, const struct cpu_features *f);
void limits_init_amx(struct probe *p);
#elif defined(__aarch64__)
void limits_init_neon(struct probe *p);
void limits_init_dotprod(struct probe *p);
void limits_init_i8mm(struct probe *p);
#endif

#endif
