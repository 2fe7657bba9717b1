/* store.h - what sessions have computed of the beginnings of texts, in files: infer/store.h says what holds. */
#ifndef RUNTIME_STORE_H
#define RUNTIME_STORE_H

#include "src/runtime/session_parts.h"

infer_store *store_retain(infer_store *store); /* NULL is allowed */
/** Take pages from the store that neither the session nor its pool has, of its first n tokens; s->n_done tells how far
 *  that went. */
void store_find(infer_store *store, infer_session *s, uint32_t n);
/** Have the full pages of its first n tokens written, which are computed, if there are more than at the last time. */
void store_offer(infer_store *store, infer_session *s, uint32_t n);

#endif
