/* scalar.c - what plain C gets, from vectors that every machine of the kind has. */
#include "benches/limits/limits.h"

#include <string.h>

typedef uint64_t vector __attribute__((vector_size(16)));

static inline vector load_vector(const uint8_t *p)
{
    vector v;
    memcpy(&v, p, sizeof v);
    return v;
}

#include "benches/limits/reader.h"

/* Twelve chains hide the latency of a multiplication and an addition. */
#define CHAINS 12

static uint64_t multiply_f32(size_t n_steps)
{
    typedef float floats __attribute__((vector_size(16)));
    floats x[CHAINS], a = { 0.5f, 0.5f, 0.5f, 0.5f }, sum = { 0 };
    for (int i = 0; i < CHAINS; i++)
        x[i] = a * (float)i;
    for (size_t s = 0; s < n_steps; s++)
        for (int i = 0; i < CHAINS; i++)
            x[i] = x[i] * a + a;
    for (int i = 0; i < CHAINS; i++)
        sum += x[i];
    return (uint64_t)(sum[0] + sum[1] + sum[2] + sum[3]);
}

/* A row of 8-bit numbers with itself, as the scalar kernels multiply two. */
#define ROW 1024

static uint64_t multiply_int8(size_t n_steps)
{
    int8_t row[ROW];
    uint64_t sum = 0;
    for (int i = 0; i < ROW; i++)
        row[i] = (int8_t)i;
    for (size_t s = 0; s < n_steps; s++) {
        int products = 0;
        __asm__ volatile("" : : "r"(row) : "memory"); /* a row like any other */
        for (int i = 0; i < ROW; i++)
            products += row[i] * row[i];
        sum += (uint64_t)products;
    }
    return sum;
}

void limits_init_scalar(struct probe *p)
{
    p->unit[PEAK_F32] = (struct unit){ multiply_f32, 2.0 * CHAINS * 4 };
    p->unit[PEAK_INT8] = (struct unit){ multiply_int8, 2.0 * ROW };
    use_readers(p);
}
