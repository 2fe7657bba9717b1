/* make.c - the weights of a module as blocks or as floats. Words of GPTQ hold inputs, and neighbouring words
 * neighbouring outputs: so a task makes a strip of rows at once, block by block, and uses whole cache lines. */
#include "src/originals/module.h"

#include "kernels/blocks.h"

#include <limits.h>
#include <math.h>
#include <stdatomic.h>

enum { STRIP = 16, BLOCK = 32 }; /* rows, columns */

struct level {
    float scale;
    int zero;
};

struct job {
    const struct module *m;
    struct level *levels; /* for each thread: of a strip's rows, n_groups each */
    _Atomic uint64_t bad; /* the first row with a weight that is no number */
};

static void store_q4_0(uint8_t *to, uint16_t d, const uint8_t *codes, int zero)
{
    struct block_q4_0 b;
    memcpy(b.d, &d, sizeof d);
    for (int i = 0; i < BLOCK / 2; i++)
        b.qs[i] = (uint8_t)((codes[i] - zero + 8) | (codes[i + 16] - zero + 8) << 4);
    memcpy(to, &b, sizeof b);
}

static void store_q5_0(uint8_t *to, uint16_t d, const uint8_t *codes, int zero)
{
    struct block_q5_0 b;
    uint32_t high = 0;
    memcpy(b.d, &d, sizeof d);
    for (int i = 0; i < BLOCK / 2; i++) {
        const uint32_t x = (uint32_t)(codes[i] - zero + 16), y = (uint32_t)(codes[i + 16] - zero + 16);
        b.qs[i] = (uint8_t)((x & 15) | (y & 15) << 4);
        high |= (x >> 4) << i | (y >> 4) << (i + 16);
    }
    memcpy(b.qh, &high, sizeof high);
    memcpy(to, &b, sizeof b);
}

static void store_q8_0(uint8_t *to, uint16_t d, const uint8_t *codes, int zero)
{
    struct block_q8_0 b;
    memcpy(b.d, &d, sizeof d);
    for (int i = 0; i < BLOCK; i++)
        b.qs[i] = (int8_t)(codes[i] - zero);
    memcpy(to, &b, sizeof b);
}

/* Columns [i, i + n) of a row as floats; false if one is no number. */
static bool store_floats(const struct module *m, uint8_t *to, const uint8_t *codes, const struct level *levels,
                         uint64_t i, int n)
{
    bool good = true;
    for (int j = 0; j < n; j++) {
        const struct level level = levels[group_at(m, i + (uint64_t)j)];
        const float code = m->method->is_float ? e4m3_to_f32(codes[j]) : (float)(codes[j] - level.zero);
        const float x = code * level.scale;
        good = good && isfinite(x) && !(m->method->is_float && (codes[j] & 0x7f) == 0x7f);
        if (m->type == DTYPE_F16)
            memcpy(to + 2 * j, &(uint16_t){ f16_from_f32(x) }, 2);
        else
            memcpy(to + 4 * j, &x, 4);
    }
    return good;
}

static bool store(const struct module *m, uint64_t row, uint64_t i, int n, const struct level *levels)
{
    uint8_t codes[BLOCK];
    uint64_t before;
    m->method->read_codes(m, row, i, n, codes);
    dtype_row_bytes(m->type, i, &before);
    uint8_t *to = m->data + row * m->row_bytes + before;
    const struct level level = levels[m->groups ? 0 : i / m->group]; /* of a block */
    const uint16_t d = f16_from_f32(level.scale);
    switch (m->type) {
    case DTYPE_Q4_0: store_q4_0(to, d, codes, level.zero); return true;
    case DTYPE_Q5_0: store_q5_0(to, d, codes, level.zero); return true;
    case DTYPE_Q8_0: store_q8_0(to, d, codes, level.zero); return true;
    default: return store_floats(m, to, codes, levels, i, n);
    }
}

static void note_bad(struct job *job, uint64_t row)
{
    uint64_t bad = atomic_load(&job->bad);
    while (row < bad && !atomic_compare_exchange_weak(&job->bad, &bad, row))
        ;
}

static void make_strip(void *p, int task, int thread)
{
    struct job *job = p;
    const struct module *m = job->m;
    const uint64_t first = (uint64_t)task * STRIP, n_groups = m->n_groups;
    const uint64_t n = m->rows - first < STRIP ? m->rows - first : STRIP;
    struct level *levels = job->levels + (uint64_t)thread * STRIP * n_groups;
    for (uint64_t r = 0; r < n; r++)
        for (uint64_t g = 0; g < n_groups; g++)
            levels[r * n_groups + g] = (struct level){ scale_at(m, first + r, g), zero_at(m, first + r, g) };
    for (uint64_t i = 0; i < m->cols; i += BLOCK)
        for (uint64_t r = 0; r < n; r++)
            if (!store(m, first + r, i, (int)(m->cols - i < BLOCK ? m->cols - i : BLOCK), levels + r * n_groups))
                note_bad(job, first + r);
}

infer_status module_make(struct module *m, const struct weights *w, struct pool *pool, infer_error *err)
{
    const uint64_t n_strips = m->rows / STRIP + (m->rows % STRIP != 0);
    const int n_threads = pool ? pool_threads(pool) : 1;
    struct job job = { .m = m };
    if (n_strips > INT_MAX || m->n_groups > SIZE_MAX / STRIP / (size_t)n_threads)
        return fail(err, INFER_E_UNKNOWN, "%s: tensor %s is too large", w->path, m->codes->name.p);
    job.levels = mem_raw(w->a, (size_t)m->n_groups * STRIP * (size_t)n_threads, sizeof *job.levels);
    if (!job.levels)
        return fail_memory(err, m->codes->name.p);
    atomic_init(&job.bad, UINT64_MAX);
    if (pool)
        pool_run(pool, (int)n_strips, make_strip, &job);
    for (int task = 0; !pool && task < (int)n_strips; task++)
        make_strip(&job, task, 0);
    mem_free(w->a, job.levels);
    const uint64_t bad = atomic_load(&job.bad);
    m->ready = bad == UINT64_MAX;
    return m->ready ? INFER_OK
                    : fail(err, INFER_E_FORMAT, "%s: tensor %s: row %llu has a weight that is not finite", w->path,
                           m->codes->name.p, (unsigned long long)bad);
}
