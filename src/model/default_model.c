/* default_model.c - the story model that is compiled into the library (tools/default-model tells how it was made). */
#include "src/model/model.h"

#define FILE_NAME "tools/default-model/model.gguf"

__asm__(".section .rodata\n"
        ".balign 64\n"
        ".global default_model_start\n"
        ".hidden default_model_start\n"
        "default_model_start:\n"
        ".incbin \"" FILE_NAME "\"\n"
        ".global default_model_end\n"
        ".hidden default_model_end\n"
        "default_model_end:\n"
        ".previous\n");
extern const unsigned char default_model_start[] __attribute__((visibility("hidden")));
extern const unsigned char default_model_end[] __attribute__((visibility("hidden")));

infer_model *infer_model_open_default(infer_context *c, const infer_model_options *o, infer_error *err)
{
    return infer_model_open_memory(c, default_model_start, (size_t)(default_model_end - default_model_start), o, err);
}
