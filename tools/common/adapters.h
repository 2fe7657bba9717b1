/* adapters.h - adapters as options: rows of a command's table, and what they say set for a session. */
#ifndef TOOLS_COMMON_ADAPTERS_H
#define TOOLS_COMMON_ADAPTERS_H

#include "infer.h"
#include "tools/common/options.h"

struct adapter_options {
    struct opt_list lora, control; /* PATH or PATH:SCALE */
    const char *layers;            /* of control vectors: FIRST:LAST */
};
#define LORA_ROW(options) \
    { OPT_LIST, "--lora", "PATH[:SCALE]", "LoRA adapter: a GGUF file or a directory of PEFT's; may be given several " \
      "times", &(options).lora, 0, 0 }
#define ADAPTER_ROWS(options) \
    LORA_ROW(options), \
    { OPT_LIST, "--control-vector", "PATH[:SCALE]", "vectors that are added behind layers, from a GGUF file; may be " \
      "given several times", &(options).control, 0, 0 }, \
    { OPT_TEXT, "--control-vector-layers", "FIRST:LAST", "the layers that get them, counted from 1 on; default: all", \
      &(options).layers, 0, 0 }

/** Adapters that are open, with their scales. */
struct open_adapters {
    infer_adapter *v[2 * sizeof(((struct opt_list *)0)->item) / sizeof(char *)];
    float scales[2 * sizeof(((struct opt_list *)0)->item) / sizeof(char *)];
    size_t n;
};
infer_status adapters_open(struct open_adapters *a, const struct adapter_options *o, infer_model *model,
                           infer_error *err);
void adapters_close(struct open_adapters *a);
/** Open them for the session's model and set them for the session, which then keeps them alive. */
infer_status adapters_set(const struct adapter_options *o, infer_model *model, infer_session *session,
                          infer_error *err);

#endif
