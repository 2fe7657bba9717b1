/* adapters.h - what changes a model for some sessions: LoRA and control vectors. Part of infer.h, which says what holds
 * for all. */
#ifndef INFER_ADAPTERS_H
#define INFER_ADAPTERS_H

#include "session.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A LoRA adapter or a control vector, opened for one model. Constant once open: any number of sessions and threads
 *  share it. */
typedef struct infer_adapter infer_adapter;

/** Options of infer_adapter_open(). */
typedef struct infer_adapter_options {
    size_t size;         /**< sizeof(infer_adapter_options) */
    int32_t first_layer; /**< of a control vector: directions of the layers before are left out; 0 (default): of none.
                          *   Layers count from 0, and none has a direction of layer 0 */
    int32_t last_layer;  /**< of a control vector: those behind it are left out; 0 (default): the model's last */
} infer_adapter_options;

static inline infer_adapter_options infer_adapter_defaults(void)
{
    infer_adapter_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    return o;
}

/** Open what stands in `path`, and check it against the model:
 *  - a GGUF file of type "adapter" (LoRA, as llama.cpp's convert_lora_to_gguf writes it), its weights of any type that
 *    models may have;
 *  - a directory of PEFT's with adapter_config.json and adapter_model.safetensors, or the latter; the model may be a
 *    GGUF file or a directory;
 *  - a GGUF file of the architecture "controlvector": directions that are added to the residual stream behind layers.
 *  The file stays mapped, and the model is kept alive.
 *  @return NULL with err filled: INFER_E_IO; INFER_E_FORMAT if the file is damaged or was not made for such a model;
 *          INFER_E_UNKNOWN if it has something that this version does not do (DoRA, biases, whole modules that were
 *          trained), which the sentence names; INFER_E_ARGUMENT; INFER_E_NOMEM. */
INFER_API infer_adapter *infer_adapter_open(infer_model *model, const char *path, const infer_adapter_options *options,
                                            infer_error *err);
/** One more owner: each closes it once. Thread safe. */
INFER_API infer_adapter *infer_adapter_retain(infer_adapter *adapter);
/** Sessions that it is set for keep it alive. Thread safe. */
INFER_API void infer_adapter_close(infer_adapter **adapter);

/** What infer_adapter_get_info() tells. */
typedef struct infer_adapter_info {
    size_t size;         /**< in: sizeof(infer_adapter_info) */
    const char *format;  /**< "GGUF" or "PEFT" */
    bool control;        /**< a control vector, else LoRA */
    int32_t n_weights;   /**< that it changes: matrices of the model (those of all experts are one); of a control
                          *   vector: layers */
    int32_t rank;        /**< the highest of LoRA's; of a control vector 0 */
    uint64_t bytes;      /**< of its weights */
} infer_adapter_info;
INFER_API void infer_adapter_get_info(const infer_adapter *adapter, infer_adapter_info *info);

/** What the session computes from now on is with these adapters, and with no others: each product W x becomes W x + the
 *  sum of scale * B (A x), where the file's own scale (alpha / rank) is in there already, and the residual stream gets
 *  scale * direction. Sessions of one batch may have different ones, or none; one that has none computes what it would
 *  without the others, with the same bits if it is `deterministic`. Forks have their session's.
 *  Tokens that are there stay, but the next evaluation computes them anew, as what the cache holds of them was computed
 *  otherwise; logits are gone until then. Nothing of that happens if the session has the same adapters and scales
 *  already.
 *  infer_session_sync() finds only what sessions with the same adapters, scales and order computed, and
 *  infer_session_load() wants the same ones as those of the session that was saved.
 *  @param adapters n of them, opened for the session's model; the session keeps them alive. May be NULL if n is 0.
 *  @param scales n finite numbers, or NULL: all 1. 0 is as if the adapter was not there.
 *  @return INFER_OK; INFER_E_ARGUMENT or INFER_E_NOMEM with the session as it was. */
INFER_API infer_status infer_session_set_adapters(infer_session *session, infer_adapter *const *adapters,
                                                  const float *scales, size_t n, infer_error *err);

#ifdef __cplusplus
}
#endif
#endif
