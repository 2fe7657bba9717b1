/* npy.c - NumPy's file format: magic, version, length of the header, a Python dictionary padded with blanks so that the
 * values begin at a multiple of 64 bytes, the values. */
#include "tools/common/npy.h"

#include <stdint.h>
#include <string.h>

enum { PREFIX = 10, HEADER = 128 };

bool npy_begin(FILE *f, size_t rows, size_t cols)
{
    char header[HEADER + 1];
    memset(header, ' ', HEADER);
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    header[8] = HEADER - PREFIX;
    header[9] = 0;
    const int n = snprintf(header + PREFIX, HEADER - PREFIX,
                           "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, %zu), }", rows, cols);
    header[PREFIX + n] = ' '; /* the terminator */
    header[HEADER - 1] = '\n';
    return fwrite(header, HEADER, 1, f) == 1;
}

bool npy_values(FILE *f, const float *values, size_t n)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return fwrite(values, sizeof *values, n, f) == n;
#else
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        bits = __builtin_bswap32(bits);
        if (fwrite(&bits, sizeof bits, 1, f) != 1)
            return false;
    }
    return true;
#endif
}
