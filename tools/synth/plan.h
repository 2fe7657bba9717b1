/* plan.h - the tensors that a model of some shape has, and their types: what it is before it has weights. It needs the
 * architectures and the mixes beside infer.h, as they say which these are. */
#ifndef TOOLS_SYNTH_PLAN_H
#define TOOLS_SYNTH_PLAN_H

#include "src/arch/arch.h"
#include "src/formats/weights.h"
#include "src/quantize/mix.h"

struct plan {
    struct weights *config, *gguf; /* what a config.json says, and a GGUF file would hold */
    struct hparams h;
    enum dtype *types; /* of each tensor, once they are chosen */
};

/** Begin with no config; plan_close() is due in any case. */
infer_status plan_open(struct plan *plan, const char *name, infer_error *err);
void plan_close(struct plan *plan);
/** Take the text of a config.json, which has to stay. n_layer 0: all. */
infer_status plan_shape(struct plan *plan, struct text config, uint32_t n_layer, infer_error *err);
/** As infer-quantize chooses them; mix NULL: one type for all that it would quantise. */
infer_status plan_types(struct plan *plan, const struct mix *mix, enum dtype type, infer_error *err);

/** Memory and reading of a planned model. */
struct plan_size {
    uint64_t bytes;           /* of all weights */
    uint64_t bytes_read;      /* of those that a token needs: of experts those chosen, of the embedding a row */
    uint64_t cache_per_token; /* keys and values, as F16 */
};
struct plan_size plan_measure(const struct plan *plan);

#endif
