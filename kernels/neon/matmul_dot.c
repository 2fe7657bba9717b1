/* matmul_dot.c - row dots in NEON: matmul_dot.h has them. */
#include "kernels/neon/matmul.h"
#include "kernels/neon/matmul_products.h"

#include "kernels/neon/matmul_dot.h"

#define DOT(name, NAME) \
    void neon_dot_##name(const struct matmul_tile *t) \
    { \
        dot(t, type_##name); \
    }
QUANTISED_TYPES(DOT)
