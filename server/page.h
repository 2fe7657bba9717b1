/* page.h - the web page and its files, which are part of the program: nothing is read from disk. */
#ifndef SERVER_PAGE_H
#define SERVER_PAGE_H

#include "server/answer.h"

/** Answer what asks for the page; *result then is what the handler returns. False: it asks for something else. */
bool page_answer(struct answer *a, enum MHD_Result *result);

#endif
