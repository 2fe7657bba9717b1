/* files.h - the files of the web page, which are part of the program: nothing is read from disk. */
#ifndef SERVER_FILES_H
#define SERVER_FILES_H

#include "server/answer.h"

/** Answer what asks for one of the page's files; *result then is what the handler returns. False: it asks for something
 *  else. */
bool files_answer(struct answer *a, enum MHD_Result *result);

#endif
