/* main.c - the suite tensor_ops. */
#include "benches/tensor_ops/tensor_ops.h"

int main(int argc, char **argv)
{
    const char *columns[CPU_LEVELS + 1];
    size_t n = bench_level_names(columns);
#ifdef HAVE_OPENBLAS
    columns[n++] = "openblas";
#endif
    add_matmul();
    add_convert();
    add_vector();
    add_attention();
    return bench_main(argc, argv, columns, n);
}
