/* llama.h - routes in the form of llama.cpp's server. */
#ifndef SERVICE_LLAMA_H
#define SERVICE_LLAMA_H

#include "service/exchange.h"

void completion(infer_exchange *x);
void infill(infer_exchange *x);

#endif
