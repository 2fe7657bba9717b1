/* real.h - floating-point numbers as text that does not depend on the host's locale. */
#ifndef BASE_REAL_H
#define BASE_REAL_H

#include <stddef.h>

enum { REAL_TEXT = 32 };

/** The number as "%.9g" writes it in the C locale, terminated. Returns its length. */
size_t real_text(char out[REAL_TEXT], double x);

#endif
