/* recast.h - a model's tensors in other types: which type each gets, and its rows in that type. What writes files
 * (tools/common/rewrite.c) and what quantises a model as it is opened (src/model/quantize.c) do it by this, so that
 * both have the same bytes.
 *
 *     struct recast *r = recast_open(...);
 *     for each tensor i:
 *         recast_begin(r, i), recast_row() for all rows by any threads, recast_check(r), recast_end(r) */
#ifndef RECAST_H
#define RECAST_H

#include "src/convert/convert.h"
#include "src/originals/originals.h"
#include "src/quantize/importance.h"
#include "src/quantize/mix.h"
#include "src/quantize/quantize.h"

/** What rows become before they get their type. */
struct row_change {
    bool (*changes)(const void *user, size_t tensor);
    void (*change)(const void *user, size_t tensor, uint64_t row, float *x); /* by any threads */
    const void *user;
};

struct recast_options {
    const struct mix *mix;  /* types of the matrices; NULL: those that they have */
    const char *importance; /* path of an importance matrix, or NULL */
    bool requantize;        /* also what is quantised already */
    bool vocabulary;        /* of a directory: make the entries of its vocabulary too */
    bool plan_only;         /* types are only looked at: want of importance is no error */
    const struct row_change *change; /* of a GGUF file's tensors; NULL: none */
};

struct recast {
    struct recast_options o;
    const infer_allocator *a;
    const struct weights *files; /* as opened */
    struct weights *in;          /* as GGUF has it: the files themselves, or the conversion of a directory */
    enum dtype *types;           /* that the tensors of `in` get */
    uint32_t file_type;          /* what general.file_type says of them */
    const char *note;            /* what a GGUF file cannot say of this model, or NULL */
    struct importance *importance; /* or NULL */
    /* private: */
    struct originals *originals;
    struct conversion *conversion; /* or NULL */
    const struct kernels *kernels;
    struct pool *pool;
    size_t widest; /* values of a row */
    float *rows;   /* for each thread room for two of the widest rows */
    uint64_t *bad; /* for each thread: one more than the first row that it could not make; 0: none */
    size_t current; /* tensor */
    struct quantizer *quantizer; /* NULL: its rows are copied */
    const float *weighting;      /* importance of its columns, or NULL */
    size_t from_bytes, to_bytes; /* of a row */
};

/** Types are chosen and all is checked that can be before a value is read. The files, kernels and pool must outlive it;
 *  of a quantised checkpoint the list of tensors is changed, so after an error the files can only be closed. */
struct recast *recast_open(const infer_allocator *a, struct weights *files, const struct recast_options *o,
                           const struct kernels *k, struct pool *pool, infer_error *err);
void recast_close(struct recast **r);

/** Whether a tensor's bytes are not those in the file. */
bool recast_changes(const struct recast *r, size_t i);
/** What is in the file, ready to be read; and all that the rows of tensor i need. */
infer_status recast_begin(struct recast *r, size_t i, infer_error *err);
uint64_t recast_n_rows(const struct recast *r);
/** Row `row` of the tensor, r->to_bytes of them. `thread` of the pool. */
void recast_row(struct recast *r, uint64_t row, uint8_t *to, int thread);
/** Whether all rows made so far could be made. */
infer_status recast_check(const struct recast *r, infer_error *err);
/** The tensor is done: what was read of it need not stay in memory. */
void recast_end(struct recast *r);
/** All are: only `in` stays, and what it points to. */
void recast_settle(struct recast *r);

#endif
