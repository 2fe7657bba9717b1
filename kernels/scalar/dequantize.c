/* dequantize.c - the table entries that turn weights into floats. */
#include "kernels/scalar/dequantize.h"
#include "kernels/scalar/scalar.h"

void kernels_init_scalar_dequantize(struct kernels *k)
{
    k->dequantize[DTYPE_F32] = dequantize_f32;
    k->dequantize[DTYPE_F16] = dequantize_f16;
    k->dequantize[DTYPE_BF16] = dequantize_bf16;
#define ENTRY(name, NAME) k->dequantize[DTYPE_##NAME] = dequantize_##name;
    QUANTISED_TYPES(ENTRY)
#undef ENTRY
}
