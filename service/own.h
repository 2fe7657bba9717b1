/* own.h - routes that are this server's own, or OpenAI's about models. */
#ifndef SERVICE_OWN_H
#define SERVICE_OWN_H

#include "service/exchange.h"

void health(infer_exchange *x);
void models_list(infer_exchange *x);
void models_one(infer_exchange *x);
void tokenize(infer_exchange *x);

#endif
