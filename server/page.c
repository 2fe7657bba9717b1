/* page.c - the web page and its files. */
#include "server/page.h"

bool page_answer(struct answer *a, enum MHD_Result *result)
{
    (void)a, (void)result;
    return false;
}
