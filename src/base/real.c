/* real.c - floating-point numbers as text.
 *
 * The host may have chosen a locale whose decimal point is another character, or several bytes. Whatever stands in the
 * number that is none of its own characters is that. */
#include "src/base/real.h"

#include <stdio.h>
#include <string.h>

size_t real_text(char out[REAL_TEXT], double x)
{
    char local[REAL_TEXT + 16] = "";
    size_t n = 0;
    snprintf(local, sizeof local, "%.9g", x);
    for (const char *p = local; *p && n < REAL_TEXT - 1; p++) {
        if (strchr("0123456789+-einfa", *p))
            out[n++] = *p;
        else if (!n || out[n - 1] != '.')
            out[n++] = '.';
    }
    out[n] = 0;
    return n;
}
