/* dequantize.c - the table entries that turn weights into floats. */
#include "kernels/scalar/dequantize.h"
#include "kernels/scalar/scalar.h"

void kernels_init_scalar_dequantize(struct kernels *k)
{
    k->dequantize[DTYPE_F32] = dequantize_f32;
    k->dequantize[DTYPE_F16] = dequantize_f16;
    k->dequantize[DTYPE_BF16] = dequantize_bf16;
    k->dequantize[DTYPE_F64] = dequantize_f64;
    k->dequantize[DTYPE_I8] = dequantize_i8;
    k->dequantize[DTYPE_I16] = dequantize_i16;
    k->dequantize[DTYPE_I32] = dequantize_i32;
    k->dequantize[DTYPE_I64] = dequantize_i64;
#define ENTRY(name, NAME) k->dequantize[DTYPE_##NAME] = dequantize_##name;
    QUANTISED_TYPES(ENTRY)
    SCALAR_TYPES(ENTRY)
#undef ENTRY
}
