/* shapes.h - models of infer-synth. */
#ifndef TOOLS_SYNTH_SHAPES_H
#define TOOLS_SYNTH_SHAPES_H

#include "tools/common/gguf_write.h"

/** A published model: its config.json, as far as it tells the shape. */
struct shape {
    const char *name, *config;
};
/** Shape i, or NULL past the last one. */
const struct shape *shape_at(size_t i);

/** A vocabulary of n made-up tokens, in SentencePiece's form as Llama 2 has it, if n is enough for one. */
void write_vocabulary(struct gguf_writer *w, uint32_t n);

#endif
