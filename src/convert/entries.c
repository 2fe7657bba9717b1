/* entries.c - metadata of a file that is being made. */
#include "src/convert/convert.h"

#include "src/formats/weights.h"

infer_status convert_u32(struct weights *gguf, const char *key, uint32_t value, infer_error *err)
{
    return weights_add_meta(gguf, &(struct meta){ .key = text_of(key), .type = META_U32, .value.u = value }, err);
}

infer_status convert_f32(struct weights *gguf, const char *key, float value, infer_error *err)
{
    const struct meta m = { .key = text_of(key), .type = META_F32, .value.f = (double)value };
    return weights_add_meta(gguf, &m, err);
}

infer_status convert_bool(struct weights *gguf, const char *key, bool value, infer_error *err)
{
    return weights_add_meta(gguf, &(struct meta){ .key = text_of(key), .type = META_BOOL, .value.u = value }, err);
}

infer_status convert_text(struct weights *gguf, const char *key, struct text value, infer_error *err)
{
    struct meta m = { .key = text_of(key), .type = META_STRING };
    m.value.s = (struct text){ arena_text(&gguf->arena, value.p, value.n), value.n };
    return m.value.s.p ? weights_add_meta(gguf, &m, err) : fail_memory(err, key);
}

infer_status convert_array(struct weights *gguf, const char *key, enum meta_type element, uint64_t n,
                           const void *elements, infer_error *err)
{
    return weights_add_meta(gguf, &(struct meta){ .key = text_of(key), .type = META_ARRAY, .element = element, .n = n,
                                                  .elements = elements }, err);
}
