/* test_avx_vnni_dot.c - the products of matmul_dot_vnni.c by an emulated vpdpbusd. */
#if defined(__AVX2__)
#define AVX_VNNI_EMULATED
#include "kernels/avx2/matmul_dot_vnni.c"
#define AVX_VNNI_PRODUCT(name) avx2_vnni_dot_##name
#define AVX2_PRODUCT(entry) (entry).way[0].fn
#endif
#include "tests/kernels/check_avx_vnni.h"
