/* model.h - weights and what is known of them. Part of infer.h, which says what holds for all. */
#ifndef INFER_MODEL_H
#define INFER_MODEL_H

#include "tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct infer_model infer_model;

/** Options of infer_model_open() and its kind. */
typedef struct infer_model_options {
    size_t size;  /**< sizeof(infer_model_options) */
    bool inspect; /**< open any sound file, also one without tensors or of an unknown architecture: metadata, tensors
                   *   and, where there is one, the tokenizer can be read; sessions are refused (default false) */
    bool no_mmap; /**< read the files into memory by all threads, instead of using them where they are mapped: they may
                   *   then change, and their pages cannot be taken away. No effect on a model in memory (default
                   *   false) */
    bool lock;    /**< keep the weights in physical memory (mlock). Where the system forbids that, a warning to the log
                   *   says what to do, and the model is opened all the same. No effect on a model in memory (default
                   *   false) */
    infer_progress_fn *on_read; /**< progress of what is read in or made, on the thread that opens the model: each
                                 *   begins anew; NULL = none (default) */
    void *user;                 /**< handed to on_read */
    const char *quantize;   /**< have the matrices quantised as the model is opened: a type or a usual mix of types,
                             *   "q8_0", "q4_k_m"; those of infer-quantize, whose file would hold the same bytes. They
                             *   lie in memory, what stays as it is where it is mapped (with no_mmap: in memory too);
                             *   `lock` keeps the latter only. It takes the memory of the result and of one tensor, and
                             *   of a directory it makes names and rows as infer-convert does. No effect with `inspect`;
                             *   NULL = leave them as they are (default). Not kept */
    const char *importance; /**< file of an importance matrix for `quantize`; NULL = none (default). Not kept */
    bool requantize;        /**< `quantize` also what is quantised already, rather than refuse the model: what that
                             *   lost stays lost (default false) */
} infer_model_options;

static inline infer_model_options infer_model_defaults(void)
{
    infer_model_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    return o;
}

/** Open a GGUF file (of split files, any one), or a Hugging Face directory. Unless the options say otherwise, the files
 *  are mapped, not read: opening costs milliseconds and no memory but the vocabulary's. Everything in them is checked
 *  here, so later calls need not.
 *  Directories may hold matrices quantised to FP8 (E4M3; a scale for all, for each row or for blocks), GPTQ (2, 4 or 8
 *  bits) or AWQ (4 bits): these become, in memory, the smallest type that holds them exactly. Other methods are
 *  INFER_E_UNKNOWN.
 *  Files that are mapped have to stay as they are as long as the model is open. One that was cut off is noticed before
 *  each step: INFER_E_IO, and the session is as it was. If that happens within a step, or before a look at tensors or
 *  metadata, the system sends the process SIGBUS, which a library cannot catch for it: where files may be written in
 *  place, read them in (no_mmap). Replacing a file by renaming another one over it is safe. */
INFER_API infer_model *infer_model_open(infer_context *context, const char *path, const infer_model_options *options,
                                        infer_error *err);
/** The same for a GGUF file already in memory, aligned to 32 bytes; data must stay unchanged while the model is
 *  open. */
INFER_API infer_model *infer_model_open_memory(infer_context *context, const void *data, size_t size,
                                               const infer_model_options *options, infer_error *err);
/** The small story model that is compiled into the library. */
INFER_API infer_model *infer_model_open_default(infer_context *context, const infer_model_options *options,
                                                infer_error *err);
/** One more owner; each calls infer_model_close. Returns model. Thread safe. */
INFER_API infer_model *infer_model_retain(infer_model *model);
INFER_API void infer_model_close(infer_model **model);

/** What infer_model_get_info() tells. */
typedef struct infer_model_info {
    size_t size;              /**< in: sizeof(infer_model_info) */
    const char *architecture; /**< "llama", "" if unknown; strings are valid as long as the model */
    const char *name;         /**< general.name, or the file's name */
    const char *format;       /**< "GGUF" or "SafeTensors" */
    const char *quantization; /**< type of most of the weights, "q4_k" */
    int32_t n_vocab;          /**< width of the logits */
    int32_t n_embd;           /**< width of the hidden state */
    int32_t n_layer;          /**< layers */
    int32_t n_head;           /**< heads of attention in a layer */
    int32_t n_head_kv;        /**< of these, heads of keys and values */
    int32_t n_ctx_train; /**< longest context that the model was trained on, tokens */
    bool encoder;        /**< outputs hidden states rather than logits */
    bool runnable;       /**< sessions can be opened; false only for models opened with `inspect` */
    uint64_t n_params;           /**< numbers in all tensors */
    uint64_t bytes;              /**< of all tensors, mapped */
    uint64_t kv_bytes_per_token; /**< of a session's cache at the default type, F16 */
} infer_model_info;
INFER_API void infer_model_get_info(const infer_model *model, infer_model_info *info);
/** Valid as long as the model; NULL if the files hold no vocabulary or one of a kind this version does not know (a log
 *  line at opening says which). */
INFER_API const infer_tokenizer *infer_model_tokenizer(const infer_model *model);

/** Tensors in the order of the file(s). Returns false past the last. Strings are valid as long as the model. */
typedef struct infer_tensor_info {
    size_t size; /**< in: sizeof(infer_tensor_info) */
    const char *name; /**< as in the file */
    const char *type; /**< "q4_k" */
    int n_dims;       /**< 1 to 4 */
    uint64_t dims[4]; /**< first the row's width, as GGUF has it */
    uint64_t bytes;   /**< of data */
    const void *data; /**< as in the file, rows without gaps */
    bool used; /**< bound by the architecture's row */
    const char *made_of; /**< what the checkpoint has in its place: "GPTQ, 4 bits, groups of 128"; NULL = the tensor
                          *   itself. Such a tensor has its place in memory, but no values yet if the model was opened
                          *   with `inspect` */
} infer_tensor_info;
INFER_API bool infer_model_tensor(const infer_model *model, size_t index, infer_tensor_info *info);
/** Metadata entries in the order of the file. *key is terminated; the value is written as JSON text to value, at most
 *  max bytes with terminator; *length receives the size needed without it (long arrays are shortened with "..." when
 *  `brief`). Returns false past the last entry. */
INFER_API bool infer_model_metadata(const infer_model *model, size_t index, bool brief, const char **key, char *value,
                                    size_t max, size_t *length);
/** Check that no block of any tensor has a scale that is not finite: reads the whole model. */
INFER_API infer_status infer_model_verify(const infer_model *model, infer_progress_fn *progress, void *user,
                                          infer_error *err);

#ifdef __cplusplus
}
#endif
#endif
