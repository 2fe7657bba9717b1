/* module.h - what the files of this folder share: a quantised module, and what its method says of it. */
#ifndef ORIGINALS_MODULE_H
#define ORIGINALS_MODULE_H

#include "src/formats/weights.h"
#include "src/originals/originals.h"

struct module {
    const struct method *method;
    const struct tensor *codes, *scales, *zeros, *groups; /* as the file has them; zeros and groups may be NULL */
    const char *what;          /* "GPTQ, 4 bits, groups of 128" */
    uint64_t rows, cols;       /* of the matrix: outputs, inputs */
    uint64_t n_groups;         /* scales of a row */
    uint64_t group, tall;      /* columns and rows that share a scale */
    uint64_t scale_row, scale_group; /* steps from a row's scale to the next, from a group's */
    uint32_t bits;
    uint32_t zero_plus;        /* what is added to a stored zero point, within so many bits */
    enum dtype type;           /* that it becomes */
    struct text name;          /* "MODULE.weight" */
    size_t row_bytes;
    uint8_t *data;
    bool ready;
};

/** What config.json says. */
struct settings {
    const struct method *method;
    uint32_t bits, zero_plus;
    uint64_t group;    /* 0: a whole row */
    uint64_t block[2]; /* rows, columns; 0: not said */
};

/** How a method names and packs a module's tensors. One row for each quant_method. */
struct method {
    const char *name, *title;
    const char *codes, *scales[2], *zeros, *groups; /* endings of the tensors' names */
    const char *dropped[6];                         /* of those that say how activations would be rounded */
    struct {
        const char *key, *words[3]; /* of quantization_config: which words are understood */
        bool must;                  /* it must be there */
    } form;
    bool is_float; /* codes are numbers themselves (E4M3), else they count from a zero point */
    /** Settings beyond the name. */
    infer_status (*read)(struct settings *s, const struct weights *w, infer_error *err);
    /** Shape of the matrix, and how its tensors' shapes must be. */
    infer_status (*measure)(struct module *m, const struct settings *s, const struct weights *w, infer_error *err);
    /** Codes of columns [i, i + n) of a row. */
    void (*read_codes)(const struct module *m, uint64_t row, uint64_t i, int n, uint8_t *codes);
    uint32_t (*zero)(const struct module *m, uint64_t row, uint64_t group);
};

/** The method of a checkpoint; s->method NULL: it is not quantised. */
infer_status method_find(struct settings *s, const struct weights *w, infer_error *err);

static inline float scale_at(const struct module *m, uint64_t row, uint64_t group)
{
    const uint64_t i = row / m->tall * m->scale_row + group * m->scale_group;
    const uint8_t *p = m->scales->data;
    switch (m->scales->type) {
    case DTYPE_F16: return f16_to_f32(read_u16(p + 2 * i));
    case DTYPE_BF16: return bf16_to_f32(read_u16(p + 2 * i));
    default: return f32_from_bits(read_u32(p + 4 * i));
    }
}
static inline int zero_at(const struct module *m, uint64_t row, uint64_t group)
{
    return m->method->zero ? (int)((m->method->zero(m, row, group) + m->zero_plus) & ((1u << m->bits) - 1)) : 0;
}
/** Group of a column. */
static inline uint64_t group_at(const struct module *m, uint64_t col)
{
    return m->groups ? read_u32((const uint8_t *)m->groups->data + 4 * col) : col / m->group;
}
/** A number of four significant bits: sign, 4 bits of exponent, 3 of fraction. 0x7f and 0xff are no numbers. */
static inline float e4m3_to_f32(uint8_t x)
{
    const uint32_t e = x >> 3 & 15, m = x & 7;
    const float size = e ? f32_from_bits((e + 120) << 23 | m << 20) : (float)m / 512;
    return x & 0x80 ? -size : size;
}

/** What the weights of a module can be, found from its scales and zero points alone. */
struct range {
    int lo, hi;  /* a code less its zero point */
    bool blocks; /* 32 neighbours share a scale, which F16 holds */
    bool half;   /* F16 holds each product */
};
/** Also checks that scales are numbers and groups are there. */
infer_status module_range(struct range *r, const struct module *m, const struct weights *w, infer_error *err);
/** The smallest type that holds them all. */
enum dtype range_type(const struct range *r);

/** Fill m->data. */
infer_status module_make(struct module *m, const struct weights *w, struct pool *pool, infer_error *err);

#endif
