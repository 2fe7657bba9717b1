/* model.h - a model: mapped weights, bound to their roles, with their tokenizer. */
#ifndef MODEL_H
#define MODEL_H

#include "src/engine/context.h"
#include "src/engine/kv.h"
#include "src/engine/network.h"
#include "src/originals/originals.h"
#include "src/tokenizer/tokenizer.h"

struct recast;
struct infer_model {
    infer_context *context;
    atomic_int n_owners;
    struct weights *files;       /* as they were opened */
    struct weights *weights;     /* of which the model is made: the files', or those of a recast directory */
    struct recast *recast;       /* if they are quantised as they are opened; or NULL */
    void **quantised;            /* memory of its tensors */
    size_t n_quantised;
    struct originals *originals; /* what of them is made of another form; or NULL */
    bool made;                   /* it has been; false only if opened for inspection */
    infer_tokenizer *tokenizer; /* or NULL */
    struct network net;
    struct kv_pools kv_pools; /* of its sessions */
    bool runnable; /* net is bound; false only if opened for inspection */
    struct arena arena;
    bool *used; /* of each tensor: a role is played by it */
    const char *name, *quantization;
    uint64_t n_params, bytes;
    atomic_size_t work_bytes;   /* of the devices and buffers that its sessions compute with */
    struct cache_entry *cached; /* where a cache keeps it, or NULL */
    _Atomic uint64_t identity;  /* as model_identity() tells it; 0: not asked for yet */
};

/** Fill *o from what a caller gave, which may be NULL or of an older and shorter kind. */
infer_status model_read_options(infer_model_options *o, const infer_model_options *given, infer_error *err);
/** Bytes that the model and its sessions take: the files, as far as they are mapped or read in, pages of keys and
 *  values, and what steps are computed in. */
uint64_t model_bytes(struct infer_model *m);

/** A number for the options, equal only if they make the same model of a path; 0: the defaults. INFER_E_ARGUMENT for
 *  those that have none: with an importance matrix, or an unknown type. */
infer_status model_options_key(const infer_model_options *o, unsigned *key, infer_error *err);

/** Fill m->net with the tensors of m->weights, by the names and shapes of the architecture's row. */
infer_status model_bind(struct infer_model *m, infer_error *err);

/** Make the matrices those of o->quantize: m->weights become what a file of infer-quantize would hold. */
infer_status model_quantize(struct infer_model *m, const infer_model_options *o, infer_error *err);
/** Let go of what that took. */
void model_quantize_close(struct infer_model *m);

/** A number that models share only if what a session of one has computed is good for the other: of all numbers of the
 *  architecture, of each tensor's role, layer, type and shape, and of 8 pieces of 256 bytes of it, spread evenly. Found
 *  when it is first asked for, never 0. The weights are intact. Thread safe. */
uint64_t model_identity(struct infer_model *m);
/** A tensor's part of such a number. */
struct hash;
void model_hash_weight(struct hash *h, const struct weight *w, const char *name, uint32_t layer);

/** Bring the weights to where the options want them: read in, locked. Files that were read in are closed after it. */
infer_status model_load(struct infer_model *m, const infer_model_options *o, infer_error *err);
/** INFER_E_IO if a file was cut off since it was mapped. To be asked before weights are used. */
infer_status model_intact(const struct infer_model *m, infer_error *err);

/** What is read in by one thread at a time: bytes of a file, from a multiple of it. */
enum { LOAD_CHUNK = 1 << 20 };
/** Chunks of all files of a model, those of a file together; first[i]: of file i, first[n_maps]: all. NULL if memory is
 *  out. mem_free() it. */
size_t *model_chunks(const struct infer_model *m);
/** The thread, of n_threads, that computes with most of each chunk. NULL if memory is out. mem_free() it. */
uint8_t *model_chunk_owners(const struct infer_model *m, const size_t *first, int n_threads);

#endif
